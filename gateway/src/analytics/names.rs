//! Names by number, as the table `names` has them. A name is given its number when a row first needs it.

use std::collections::HashMap;
use std::sync::Arc;

use duckdb::Connection;

/// What the writer knows, or what the rows have that are gathered.
#[derive(Default)]
pub(super) struct Names {
    known: HashMap<Arc<str>, i32>,
    /// Numbers below `next` that no row has, the least one last: the views look names up in a list as long as the greatest number.
    free: Vec<i32>,
    next: i32,
    fresh: Vec<(i32, Arc<str>)>,
}

/// Gives numbers to one name after the other; most often one is that of before.
pub(super) struct Run<'a, 'n> {
    names: &'n mut Names,
    before: Option<(&'a str, i32)>,
}

/// What a query knows. Our own queries read rows by number and name them afterwards: planning the nine joins of the views
/// takes longer than most answers.
pub(super) struct Book(HashMap<i32, Arc<str>>);

impl Names {
    /// The names of an opened file.
    pub(super) fn stored(connection: &Connection) -> duckdb::Result<Self> {
        let Book(names) = Book::read(connection)?;
        let next = names.keys().max().map_or(0, |last| last.saturating_add(1));
        let free = (0..next).rev().filter(|id| !names.contains_key(id)).collect();
        let known = names.into_iter().map(|(id, name)| (name, id)).collect();
        Ok(Self {
            known,
            free,
            next,
            fresh: Vec::new(),
        })
    }

    pub(super) fn id(&mut self, name: &str) -> i32 {
        match self.known.get(name) {
            Some(id) => *id,
            None => self.add(name.into()),
        }
    }

    /// As [`Self::id`], for a name that is shared.
    pub(super) fn shared_id(&mut self, name: &Arc<str>) -> i32 {
        match self.known.get(name) {
            Some(id) => *id,
            None => self.add(Arc::clone(name)),
        }
    }

    /// The name of a number, of those that have got theirs since fresh ones were taken.
    pub(super) fn fresh_name(&self, id: i32) -> Option<&Arc<str>> {
        let (_, name) = self.fresh.get(usize::try_from(id).ok()?)?;
        Some(name)
    }

    fn add(&mut self, name: Arc<str>) -> i32 {
        let id = self.free.pop().unwrap_or_else(|| {
            let id = self.next;
            self.next = id.saturating_add(1);
            id
        });
        self.known.insert(Arc::clone(&name), id);
        self.fresh.push((id, name));
        id
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Names that were given a number since this was last asked; they are not stored yet.
    pub(super) fn take_fresh(&mut self) -> Vec<(i32, Arc<str>)> {
        std::mem::take(&mut self.fresh)
    }
}

impl<'a, 'n> Run<'a, 'n> {
    pub(super) fn of(names: &'n mut Names) -> Self {
        Self { names, before: None }
    }

    pub(super) fn id(&mut self, name: &'a str) -> i32 {
        match self.before {
            Some((known, id)) if known == name => id,
            _ => self.before.insert((name, self.names.id(name))).1,
        }
    }
}

impl Book {
    pub(super) fn read(connection: &Connection) -> duckdb::Result<Self> {
        let mut statement = connection.prepare("SELECT id, name FROM names")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?.into())))?;
        rows.collect::<duckdb::Result<_>>().map(Self)
    }

    pub(super) fn name(&self, id: Option<i32>) -> Option<String> {
        id.and_then(|id| self.0.get(&id)).map(ToString::to_string)
    }

    /// Numbers of the names of which something is so.
    pub(super) fn ids(&self, is_so: impl Fn(&str) -> bool) -> Vec<i32> {
        self.0
            .iter()
            .filter(|(_, name)| is_so(name))
            .map(|(id, _)| *id)
            .collect()
    }
}
