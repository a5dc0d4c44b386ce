//! The numbers that names and kinds have in the file, and which those of a lexicon come to.

use duckdb::Connection;

use super::kinds::Kinds;
use super::lexicon::Lexicon;
use super::names::Names;

/// Not known yet.
const UNKNOWN: i32 = -1;

/// What the writer knows of the file.
pub(super) struct Numbers {
    pub(super) names: Names,
    pub(super) kinds: Kinds,
    /// Of the lexicon of this edition.
    edition: Option<u64>,
    by_name: Vec<i32>,
    by_kind: Vec<i32>,
}

impl Numbers {
    /// Those of an opened file.
    pub(super) fn stored(connection: &Connection) -> duckdb::Result<Self> {
        Ok(Self {
            names: Names::stored(connection)?,
            kinds: Kinds::stored(connection)?,
            edition: None,
            by_name: Vec::new(),
            by_kind: Vec::new(),
        })
    }

    /// From here on the numbers that are asked for are of this lexicon.
    pub(super) fn read_from(&mut self, lexicon: &Lexicon) {
        if self.edition.replace(lexicon.edition) != Some(lexicon.edition) {
            self.by_name.clear();
            self.by_kind.clear();
        }
        self.by_name.resize(lexicon.names.len(), UNKNOWN);
        self.by_kind.resize(lexicon.kinds.len(), UNKNOWN);
    }

    /// The file's number of a name. What the lexicon does not have stays as it is.
    pub(super) fn of_name(&mut self, number: i32, lexicon: &Lexicon) -> i32 {
        let place = usize::try_from(number).ok().and_then(|at| self.by_name.get_mut(at));
        let (Some(place), Some(name)) = (place, lexicon.names.fresh_name(number)) else {
            return number;
        };
        if *place == UNKNOWN {
            *place = self.names.shared_id(name);
        }
        *place
    }

    /// The file's number of a kind.
    pub(super) fn of_kind(&mut self, number: i32, lexicon: &Lexicon) -> i32 {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        match (self.by_kind.get(at), lexicon.kinds.fresh_kind(number)) {
            (Some(&UNKNOWN), Some(kind)) => {
                let kind = kind.renamed(|name| self.of_name(name, lexicon));
                let found = self.kinds.number(kind);
                if let Some(place) = self.by_kind.get_mut(at) {
                    *place = found;
                }
                found
            }
            (Some(known), _) => *known,
            (None, _) => number,
        }
    }
}
