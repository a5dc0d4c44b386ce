//! Putting a backup into an empty directory. It is unpacked beside its place and moved there once the manifest has proved it whole.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tar::{Archive, Entry};

use super::archive::Digesting;
use super::contents::is_known;
use super::{About, FORMAT, Listed, MANIFEST, Manifest};
use crate::{capture::make_directory, fleet};

/// Where it is unpacked; one that a sudden end has left is removed.
const DRAFT: &str = "restore.draft";
/// What a new volume may hold.
const OF_THE_FILE_SYSTEM: &str = "lost+found";
const MAX_MANIFEST_BYTES: u64 = 64 << 20;
const MAX_FILES: usize = 500_000;

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub about: About,
    pub files: usize,
    pub bytes: u64,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{} is not empty, {entry:?} is there: a backup is put into an empty directory; name another one, or move away what is there",
        directory.display()
    )]
    NotEmpty { directory: PathBuf, entry: String },
    #[error("failed to write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("failed to read the backup; is it one, and whole?")]
    Read(#[source] io::Error),
    #[error("the backup breaks off: {0}. Nothing was restored; take another one")]
    Cut(&'static str),
    #[error("the backup holds {0:?}, which is no file of a gateway's data. Nothing was restored")]
    Unknown(String),
    #[error("{0} is not what the backup's manifest says. Nothing was restored; take another backup")]
    Broken(String),
    #[error(
        "the backup is of format {found} and this route-switch {version} reads format {FORMAT}: use a newer one",
        version = env!("CARGO_PKG_VERSION")
    )]
    Newer { found: u32 },
}

/// Where it is unpacked. Dropped, it is removed.
struct Draft(PathBuf);

/// The files of a backup as they came.
type Files = BTreeMap<String, Listed>;

/// Restores a backup into `directory`, which is made if it is not there. After an error, it is as it was.
pub fn restore(directory: &Path, backup: impl Read) -> Result<Restored, Error> {
    make_directory(directory).map_err(writing(directory))?;
    let draft = Draft::make(directory)?;
    ensure_empty(directory)?;
    let (files, manifest) = unpack(&draft.0, backup)?;
    for path in manifest.files.keys().chain(files.keys()) {
        if manifest.files.get(path) != files.get(path) {
            return Err(Error::Broken(path.clone()));
        }
    }
    publish(&draft.0, directory).map_err(writing(directory))?;
    Ok(Restored {
        about: manifest.about,
        bytes: files.values().map(|file| file.bytes).sum(),
        files: files.len(),
    })
}

impl Draft {
    fn make(directory: &Path) -> Result<Self, Error> {
        let draft = Self(directory.join(DRAFT));
        draft.remove();
        DirBuilder::new()
            .mode(0o700)
            .create(&draft.0)
            .map_err(writing(&draft.0))?;
        Ok(draft)
    }

    fn remove(&self) {
        // Where it was not there, there is nothing to remove; where it stays, making it fails.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.remove();
    }
}

fn ensure_empty(directory: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(directory).map_err(writing(directory))? {
        let name = entry.map_err(writing(directory))?.file_name();
        if name != DRAFT && name != OF_THE_FILE_SYSTEM {
            return Err(Error::NotEmpty {
                directory: directory.to_owned(),
                entry: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

fn unpack(draft: &Path, backup: impl Read) -> Result<(Files, Manifest), Error> {
    let mut archive = Archive::new(backup);
    let mut files = Files::new();
    let mut manifest = None;
    for entry in archive.entries().map_err(Error::Read)? {
        let mut entry = entry.map_err(Error::Read)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let is_expected = manifest.is_none() && files.len() < MAX_FILES && entry.header().entry_type().is_file();
        if is_expected && path == MANIFEST {
            manifest = Some(read_manifest(&mut entry)?);
        } else if is_expected && is_known(&path) && !files.contains_key(&path) {
            let listed = unpack_one(&draft.join(&path), &mut entry)?;
            files.insert(path, listed);
        } else {
            return Err(Error::Unknown(path));
        }
    }
    Ok((files, manifest.ok_or(Error::Cut("it has no manifest"))?))
}

fn read_manifest(entry: &mut Entry<impl Read>) -> Result<Manifest, Error> {
    #[derive(serde::Deserialize)]
    struct Any {
        format: u32,
    }
    let mut bytes = Vec::new();
    entry
        .take(MAX_MANIFEST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(Error::Read)?;
    if bytes.len() as u64 != entry.size() {
        return Err(Error::Cut("its manifest is not whole"));
    }
    let malformed = |error: serde_json::Error| Error::Read(error.into());
    let Any { format } = serde_json::from_slice(&bytes).map_err(malformed)?;
    if format != FORMAT {
        return Err(Error::Newer { found: format });
    }
    serde_json::from_slice(&bytes).map_err(malformed)
}

/// Writes a file, with the rights that a gateway gives it.
fn unpack_one(path: &Path, entry: &mut Entry<impl Read>) -> Result<Listed, Error> {
    let is_private = path.ends_with(fleet::LAST_KNOWN_GOOD);
    let (of_directory, of_file) = if is_private { (0o700, 0o600) } else { (0o777, 0o666) };
    if let Some(parent) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(of_directory).create(parent);
        made.map_err(writing(parent))?;
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(of_file)
        .open(path)
        .map_err(writing(path))?;
    let size = entry.size();
    let mut reader = Digesting::new(entry);
    // Which side failed is told by what was read.
    io::copy(&mut reader, &mut file).map_err(writing(path))?;
    file.sync_all().map_err(writing(path))?;
    let (bytes, sha256) = reader.digest();
    if bytes != size {
        return Err(Error::Cut("its last file is not whole"));
    }
    Ok(Listed { bytes, sha256 })
}

/// Moves what was unpacked to its place.
fn publish(draft: &Path, directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(draft)? {
        let entry = entry?;
        fs::rename(entry.path(), directory.join(entry.file_name()))?;
    }
    File::open(directory)?.sync_all()
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Write { path, source }
}
