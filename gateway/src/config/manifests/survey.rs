//! Which files there are: a walk over the directory that reads names and stamps, never contents.
//!
//! Names that start with a dot are passed over (a mounted `ConfigMap` keeps its files under `..data`, editors their temporary files);
//! symbolic links are followed. A file or directory that is reached twice counts once, by the first of its names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

mod links;

/// Entries of all directories together. More is somebody's home directory, not manifests.
const MOST_ENTRIES: usize = 100_000;
/// Nested directories.
const DEEPEST: usize = 32;

/// What the walk found.
#[derive(Debug, Default)]
pub(in crate::config) struct Survey {
    /// Manifests, by the path they are shown by.
    pub(in crate::config) files: BTreeMap<PathBuf, Stamp>,
    /// What could not be looked into. What was read from beneath it before is neither there nor gone.
    pub(in crate::config) unreadable: BTreeMap<PathBuf, String>,
    /// Where the files are, without symbolic links: an event in one of them concerns us.
    pub(in crate::config) directories: BTreeSet<PathBuf>,
    /// Single paths elsewhere that concern us: symbolic links on the way, and what they lead to.
    pub(in crate::config) passages: BTreeSet<PathBuf>,
    visited: BTreeSet<(u64, u64)>,
    entries: usize,
}

/// Tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// When content, name or permissions last changed, by the file system's clock: seconds and nanoseconds since 1970. Nobody can set it.
    pub(in crate::config) changed: (i64, i64),
}

/// Whether a file of this name is read.
pub(in crate::config) fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
        && !is_hidden(path)
}

pub(in crate::config) fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

impl Survey {
    pub(in crate::config) fn of(directory: &Path) -> Self {
        let mut survey = Self::default();
        let real = links::resolve(directory, &mut survey.passages);
        survey.passages.extend(real);
        survey.walk(directory, 0);
        survey.keep_one_name_each();
        survey
    }

    /// Whether nothing changed from one walk to the other.
    pub(in crate::config) fn equals(&self, other: &Self) -> bool {
        self.files == other.files && self.unreadable == other.unreadable && self.directories == other.directories
    }

    fn walk(&mut self, directory: &Path, depth: usize) {
        if let Err(error) = self.try_walk(directory, depth) {
            self.unreadable.insert(directory.to_owned(), error.to_string());
        }
    }

    fn try_walk(&mut self, directory: &Path, depth: usize) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(io::Error::other(format!(
                "directories are nested more than {DEEPEST} deep"
            )));
        }
        let metadata = fs::metadata(directory)?;
        if !self.visited.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        self.directories.insert(fs::canonicalize(directory)?);
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Err(io::Error::other(format!(
                    "more than {MOST_ENTRIES} files; is this the right directory?"
                )));
            }
            if !is_hidden(&entry.path()) {
                paths.push((entry.path(), entry.file_type()?.is_symlink()));
            }
        }
        paths.sort();
        for (path, is_link) in paths {
            self.take(path, is_link, depth);
        }
        Ok(())
    }

    fn take(&mut self, path: PathBuf, is_link: bool, depth: usize) {
        if is_link {
            let real = links::resolve(&path, &mut self.passages);
            self.passages.extend(real);
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => self.walk(&path, depth + 1),
            Ok(metadata) if metadata.is_file() && is_manifest(&path) => {
                self.files.insert(path, Stamp::of(&metadata));
            }
            Err(error) if !is_link && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if is_manifest(&path) => {
                self.unreadable.insert(path, error.to_string());
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn keep_one_name_each(&mut self) {
        let mut seen = BTreeSet::new();
        self.files.retain(|_, stamp| seen.insert((stamp.device, stamp.inode)));
    }
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
