//! The file of the last known good Snapshot: there whole or not at all, and nothing is believed that its checksum does not fit.
//!
//! ```text
//! route-switch last-known-good 1 SHA-256 LENGTH LENGTH\n   of all that follows; of each part
//! Push, as JSON                                            what this pod took last
//! Push, as JSON                                            what it serves in the place of objects that it refuses; may be empty
//! ```

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use crds::fleet::MAX_SNAPSHOT_BYTES;
use sha2::{Digest, Sha256};

const MARK: &str = "route-switch last-known-good 1";
/// Longest first line, in bytes.
const MAX_HEAD_BYTES: usize = 256;
/// Both parts are at most that long each, and sealing anew does not make one much longer.
const MAX_FILE_BYTES: u64 = 3 * MAX_SNAPSHOT_BYTES as u64;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) push: Bytes,
    pub(super) kept: Bytes,
    /// When it was written.
    pub(super) unix_millis: i64,
}

/// Why there is nothing to start from.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("there is none")]
    Missing,
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    #[error("it is no such file, or one of another version of this program")]
    NotOne,
    #[error("its checksum does not fit: it is broken")]
    Broken,
}

/// Replaces the file. It is on the disk, and so is its name, when this returns.
pub(super) fn write(path: &Path, push: &[u8], kept: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let draft = path.with_extension("draft");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    let head = format!("{MARK} {} {} {}\n", checksum(push, kept), push.len(), kept.len());
    for part in [head.as_bytes(), push, kept] {
        file.write_all(part)?;
    }
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(directory)?.sync_all()
}

/// Reads and checks the file.
pub(super) fn read(path: &Path) -> Result<Stored, Error> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::Missing,
        _ => Error::Read(error),
    })?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(Error::NotOne);
    }
    let bytes = Bytes::from(fs::read(path).map_err(Error::Read)?);
    let head = bytes.iter().take(MAX_HEAD_BYTES).position(|byte| *byte == b'\n');
    let head = head.ok_or(Error::NotOne)?;
    let text = std::str::from_utf8(&bytes[..head]).map_err(|_| Error::NotOne)?;
    let mut words = text.strip_prefix(MARK).ok_or(Error::NotOne)?.split_ascii_whitespace();
    let (Some(sum), Some(push), Some(kept), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(Error::NotOne);
    };
    let length = |text: &str| text.parse::<usize>().map_err(|_| Error::NotOne);
    let (push, kept) = (length(push)?, length(kept)?);
    let body = bytes.slice(head + 1..);
    if push.checked_add(kept) != Some(body.len()) {
        return Err(Error::Broken);
    }
    let stored = Stored {
        push: body.slice(..push),
        kept: body.slice(push..),
        unix_millis: metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .unwrap_or(0),
    };
    if checksum(&stored.push, &stored.kept) == sum {
        Ok(stored)
    } else {
        Err(Error::Broken)
    }
}

fn checksum(push: &[u8], kept: &[u8]) -> String {
    let sum = Sha256::new().chain_update(push).chain_update(kept).finalize();
    sum.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_is_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet/last-known-good");
        assert!(matches!(read(&path), Err(Error::Missing)));
        for (push, kept) in [(&b"{\"a\":\n1}"[..], &b""[..]), (b"{}", b"[1]")] {
            write(&path, push, kept).unwrap();
            let stored = read(&path).unwrap();
            assert_eq!((&stored.push[..], &stored.kept[..]), (push, kept));
            assert!(stored.unix_millis > 1_600_000_000_000, "{}", stored.unix_millis);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let directory = fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(directory.permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_with_one_byte_changed_lost_or_added_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("last-known-good");
        write(&path, b"{\"order\":1}", b"{}").unwrap();
        let good = fs::read(&path).unwrap();
        for index in 0..good.len() {
            let mut broken = good.clone();
            broken[index] ^= 4;
            fs::write(&path, &broken).unwrap();
            assert!(read(&path).is_err(), "byte {index}");
        }
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(read(&path).is_err(), "{length} bytes of it");
        }
        fs::write(&path, [&good[..], b" "].concat()).unwrap();
        assert!(matches!(read(&path), Err(Error::Broken)));
    }
}
