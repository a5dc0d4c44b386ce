//! The contents of the files of a survey, bounded.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::survey::Survey;

/// Bytes of one file. A Kubernetes object ends at about 1.5 MiB; this leaves room for many in one file.
const LARGEST_FILE: u64 = 16 << 20;

pub(super) type Digest = [u8; 32];

/// Everything that one pass read. Not printable: it holds Secrets.
#[derive(Default)]
pub(in crate::config) struct Gathered {
    pub(super) files: BTreeMap<PathBuf, Content>,
    /// What could not be looked into, with the reason.
    pub(super) unreadable: BTreeMap<PathBuf, String>,
}

pub(super) enum Content {
    /// What was read of it before is there still. Its text is not: a watch looks at thousands of files that nobody changed.
    Known(Digest),
    Text {
        text: String,
        digest: Digest,
    },
    Unreadable {
        line: Option<u32>,
        message: String,
    },
}

impl Gathered {
    /// Reads all files of `survey`, of which `known` tells the digests as they were. One that vanished since is left out; one that cannot be
    /// read says so and costs no other.
    pub(super) fn from(survey: &Survey, known: impl Fn(&Path) -> Option<Digest>) -> Self {
        let mut files = BTreeMap::new();
        for path in survey.files.keys() {
            match Content::read(path, known(path)) {
                Ok(content) => {
                    files.insert(path.clone(), content);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    files.insert(
                        path.clone(),
                        Content::Unreadable {
                            line: None,
                            message: format!("cannot be read: {error}"),
                        },
                    );
                }
            }
        }
        Self {
            files,
            unreadable: survey.unreadable.clone(),
        }
    }

    /// Tells one pass from another.
    pub(super) fn digests(&self) -> BTreeMap<PathBuf, Option<Digest>> {
        let files = self
            .files
            .iter()
            .map(|(path, content)| (path.clone(), content.digest()));
        files
            .chain(self.unreadable.keys().map(|path| (path.clone(), None)))
            .collect()
    }
}

impl Content {
    pub(super) fn digest(&self) -> Option<Digest> {
        match self {
            Self::Known(digest) | Self::Text { digest, .. } => Some(*digest),
            Self::Unreadable { .. } => None,
        }
    }

    fn read(path: &Path, known: Option<Digest>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        if let Some(digest) = known {
            if digest_of(&mut file)? == digest {
                return Ok(Self::Known(digest));
            }
            file.rewind()?;
        }
        let length = file.metadata()?.len().min(LARGEST_FILE);
        // Of its length at once: growing would leave holes of its size.
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST_FILE {
            let message = format!("larger than {} MiB, which is the most that is read", LARGEST_FILE >> 20);
            return Ok(Self::Unreadable { line: None, message });
        }
        let digest = Sha256::digest(&bytes).into();
        Ok(match String::from_utf8(bytes) {
            Ok(text) => Self::Text { text, digest },
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + memchr::memchr_iter(b'\n', good).count();
                Self::Unreadable {
                    line: u32::try_from(line).ok(),
                    message: "not UTF-8 text".to_owned(),
                }
            }
        })
    }
}

/// Reads a file to its end without keeping it.
fn digest_of(file: &mut File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut part = [0; 8 << 10];
    let mut file = file.take(LARGEST_FILE + 1);
    loop {
        match file.read(&mut part) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(length) => hash.update(&part[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
