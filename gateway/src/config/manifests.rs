//! The loader of `serve --manifests DIR`: the YAML that `kubectl apply` takes, with nothing lost to a bad file or a half-written one.
//!
//! ```text
//! DIR -> survey (names, stamps) -> gather (contents) -> yaml -> admit (API server's rules) -> held (what is in use) -> Reading
//! ```
//!
//! **Invariant**: no message, fault or debug output holds a value of a Secret.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crds::{compiler::Resources, object::ObjectId};
use sha2::{Digest as _, Sha256};

use self::{
    gather::{Digest, Gathered},
    held::Held,
    survey::Survey,
};

mod admit;
pub(in crate::config) mod gather;
mod held;
mod kept;
mod parse;
mod scalar;
pub(in crate::config) mod survey;
mod yaml;

#[cfg(test)]
pub(in crate::config) use admit::put;
#[cfg(test)]
pub(in crate::config) mod tests;

/// Reads one directory, again and again, and remembers what was good.
pub struct Loader {
    directory: PathBuf,
    held: Held,
    /// What the last reading said.
    latest: Option<Digest>,
}

/// What the directory says now.
pub struct Reading {
    pub resources: Resources,
    /// Where each object stands, or last stood.
    pub sources: BTreeMap<Arc<ObjectId>, Source>,
    /// What is wrong. None of it stops anything else from being used.
    pub faults: Vec<FileFault>,
    /// What is used, but hardly as it is meant.
    pub warnings: Vec<FileFault>,
    /// Whether nothing is missing that the next equal reading would drop.
    pub settled: bool,
    /// Of the objects, in the order of `sources`.
    digests: Vec<Digest>,
}

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub file: Arc<Path>,
    /// Counted from 1.
    pub line: u32,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    pub file: PathBuf,
    /// Counted from 1; none when it is the file as a whole.
    pub line: Option<u32>,
    pub object: Option<ObjectId>,
    /// Path of the field, for instance `spec.targets[0].weight`; empty when it is the object or file as a whole.
    pub field: String,
    pub message: String,
}

/// Why a directory cannot be served from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the directory {} does not exist; create it and put manifests (*.yaml, *.yml, *.json) into it, or name another with --manifests",
        .0.display()
    )]
    Missing(PathBuf),
    #[error("{} is not a directory; name the directory that holds the manifests with --manifests", .0.display())]
    NotADirectory(PathBuf),
    #[error("failed to read the directory {}; make it readable for this user", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
}

impl Loader {
    /// A loader of `directory`, which must be there. Nothing is read yet.
    pub fn new(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        let directory = directory.into();
        match fs::read_dir(&directory) {
            Ok(_) => Ok(Self {
                directory,
                held: Held::default(),
                latest: None,
            }),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::NotFound => Error::Missing(directory),
                io::ErrorKind::NotADirectory => Error::NotADirectory(directory),
                _ => Error::Unreadable(directory, error),
            }),
        }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Reads everything.
    pub fn read(&mut self) -> Reading {
        let gathered = self.gather(&self.survey());
        self.absorb(&gathered).0
    }

    pub(in crate::config) fn survey(&self) -> Survey {
        Survey::of(&self.directory)
    }

    /// Reads what differs from the pass before.
    pub(in crate::config) fn gather(&self, survey: &Survey) -> Gathered {
        Gathered::from(survey, |path| self.held.digest(path))
    }

    /// Whether a pass read what the one before did, all of it, and nothing waits for such a pass.
    pub(in crate::config) fn knows(&self, gathered: &Gathered) -> bool {
        self.held.knows(gathered)
    }

    /// Takes what one pass read; the result, and whether it differs from the one before.
    pub(in crate::config) fn absorb(&mut self, gathered: &Gathered) -> (Reading, bool) {
        let reading = self.held.absorb(gathered);
        let says = Some(reading.digest());
        let is_new = self.latest != says;
        self.latest = says;
        (reading, is_new)
    }
}

/// The line of a field of the object that begins at `object_line` of `file`, or of the nearest part of it that is there.
pub fn line_of(file: &Path, object_line: u32, field: &str) -> Option<u32> {
    parse::line_of(&fs::read_to_string(file).ok()?, object_line, field)
}

impl Reading {
    /// Of all that it says: the same objects at the same places, with the same remarks, have the same one.
    fn digest(&self) -> Digest {
        let Self {
            resources: _,
            sources,
            faults,
            warnings,
            settled: _,
            digests,
        } = self;
        let mut hash = Sha256::new();
        for ((id, source), digest) in sources.iter().zip(digests) {
            // Quoted, so that no two are written alike.
            hash.update(format!("{id:?} {source:?} "));
            hash.update(digest);
        }
        hash.update(format!("{faults:?} {warnings:?}"));
        hash.finalize().into()
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resources: _,
            sources,
            faults,
            warnings,
            settled,
            digests: _,
        } = self;
        let mut debug = formatter.debug_struct("Reading");
        debug
            .field("sources", sources)
            .field("faults", faults)
            .field("warnings", warnings)
            .field("settled", settled);
        debug.finish_non_exhaustive()
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        if let Some(object) = &self.object {
            write!(formatter, ": {object}")?;
        }
        if !self.field.is_empty() {
            write!(formatter, ": {}", self.field)?;
        }
        write!(formatter, ": {}", self.message)
    }
}
