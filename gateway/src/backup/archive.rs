//! Writing a backup: entries of a tar, their digests, and the manifest behind them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::{About, FORMAT, Listed, MANIFEST, Manifest};

/// A backup that is being written.
pub(super) struct Archive<W: Write> {
    tar: Builder<W>,
    files: BTreeMap<String, Listed>,
    unix_seconds: u64,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(to: W, unix_seconds: u64) -> Self {
        Self {
            tar: Builder::new(to),
            files: BTreeMap::new(),
            unix_seconds,
        }
    }

    /// Adds a file, which must not change meanwhile.
    pub(super) fn add(&mut self, path: &str, file: &File) -> io::Result<()> {
        let bytes = file.metadata()?.len();
        let mut reader = Digesting::new(file.take(bytes));
        let mut header = self.header(bytes);
        self.tar.append_data(&mut header, path, &mut reader)?;
        let (read, sha256) = reader.digest();
        if read != bytes {
            return Err(io::Error::other(format!("{path} became shorter while it was read")));
        }
        self.files.insert(path.to_owned(), Listed { bytes, sha256 });
        Ok(())
    }

    /// Adds the manifest, and gives back what was written to.
    pub(super) fn finish(mut self, about: About) -> io::Result<W> {
        let manifest = Manifest {
            format: FORMAT,
            about,
            files: std::mem::take(&mut self.files),
        };
        let manifest = serde_json::to_vec_pretty(&manifest)?;
        let mut header = self.header(manifest.len() as u64);
        self.tar.append_data(&mut header, MANIFEST, &*manifest)?;
        self.tar.into_inner()
    }

    fn header(&self, bytes: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(self.unix_seconds);
        header
    }
}

/// Reads, and knows the digest of what was read.
pub(super) struct Digesting<R> {
    reader: R,
    bytes: u64,
    digest: Sha256,
}

impl<R: Read> Digesting<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            bytes: 0,
            digest: Sha256::new(),
        }
    }

    /// How many bytes were read, and their digest in hexadecimal.
    pub(super) fn digest(self) -> (u64, String) {
        let sum = self.digest.finalize();
        let sum = sum.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        (self.bytes, sum)
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.digest.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
