use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::archive::Archive;
use super::contents::{is_known, small_files};
use super::restore::{Error, restore};
use super::{About, MANIFEST};

const FILES: [(&str, &str); 4] = [
    ("examples.sqlite", "examples, many of them"),
    ("analytics.duckdb", "figures"),
    ("fleet/last-known-good", "sealed"),
    ("revisions/default/triage-0123456789.json", "{}"),
];

fn about() -> About {
    About {
        version: "1.2.3".to_owned(),
        duckdb: "v1".to_owned(),
        created: "2026-11-25T18:00:00Z".to_owned(),
        pod: Some("gateway-0".to_owned()),
    }
}

fn backup() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = Archive::new(Vec::new(), 1_795_600_000);
    for (path, text) in FILES {
        let file = directory.path().join("file");
        fs::write(&file, text).unwrap();
        archive.add(path, &File::open(&file).unwrap()).unwrap();
    }
    archive.finish(about()).unwrap()
}

/// What a directory holds.
fn held(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Why a backup is refused; nothing of it is left.
fn refused(backup: &[u8]) -> Error {
    let directory = tempfile::tempdir().unwrap();
    let error = restore(directory.path(), backup).unwrap_err();
    assert_eq!(held(directory.path()), Vec::<String>::new(), "left after {error}");
    error
}

#[test]
fn what_was_backed_up_is_restored_with_the_rights_that_a_gateway_gives() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("data");
    let restored = restore(&place, &*backup()).unwrap();
    assert_eq!(restored.about, about());
    assert_eq!((restored.files, restored.bytes), (4, 22 + 7 + 6 + 2));
    for (path, text) in FILES {
        assert_eq!(fs::read_to_string(place.join(path)).unwrap(), text);
    }
    assert_eq!(held(&place).len(), 4);
    let mode = |path: &str| fs::metadata(place.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("fleet"), mode("fleet/last-known-good")), (0o700, 0o600));
}

#[test]
fn a_backup_that_is_cut_anywhere_is_refused_and_leaves_nothing() {
    let whole = backup();
    let end = whole.iter().rposition(|byte| *byte == b'}').unwrap();
    for length in (0..end).step_by(61).chain([end]) {
        let error = refused(&whole[..length]);
        assert!(matches!(error, Error::Cut(_) | Error::Read(_)), "{length}: {error}");
    }
}

#[test]
fn a_backup_with_another_byte_is_refused() {
    let whole = backup();
    for part in ["examples, many", "figures", "sealed", "\"bytes\"", "0123456789"] {
        let position = whole
            .windows(part.len())
            .position(|window| window == part.as_bytes())
            .unwrap();
        let mut changed = whole.clone();
        changed[position + part.len() - 1] ^= 1;
        refused(&changed);
    }
    let newer = String::from_utf8_lossy(&whole).replace("\"format\": 1", "\"format\": 2");
    assert!(matches!(refused(newer.as_bytes()), Error::Newer { found: 2 }));
    assert!(matches!(refused(b"no tar at all"), Error::Read(_) | Error::Cut(_)));
}

#[test]
fn only_files_of_a_gateway_are_taken_and_each_once() {
    let entry = |path: &str, kind: EntryType| {
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, std::io::empty()).unwrap();
        tar.into_inner().unwrap()
    };
    for path in [
        "../examples.sqlite",
        "/etc/passwd",
        "notes.txt",
        "revisions/../../x.json",
    ] {
        let error = refused(&entry(path, EntryType::Regular));
        assert!(matches!(&error, Error::Unknown(named) if named == path), "{error}");
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Fifo,
    ] {
        assert!(matches!(refused(&entry("examples.sqlite", kind)), Error::Unknown(_)));
    }
    let twice = entry("examples.sqlite", EntryType::Regular);
    let twice = [&twice[..512], &twice[..]].concat();
    assert!(matches!(refused(&twice), Error::Unknown(_)));
    let mut behind = backup();
    behind.truncate(behind.len() - 1024);
    behind.extend(entry("fleet-ordinals.json", EntryType::Regular));
    assert!(matches!(refused(&behind), Error::Unknown(_)));
}

#[test]
fn a_directory_with_anything_in_it_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("lost+found")).unwrap();
    fs::create_dir(directory.path().join("restore.draft")).unwrap();
    fs::write(directory.path().join("restore.draft/examples.sqlite"), "of before").unwrap();
    let examples = directory.path().join("examples.sqlite");
    fs::write(&examples, "mine").unwrap();
    let error = restore(directory.path(), &*backup()).unwrap_err();
    assert!(error.to_string().contains("\"examples.sqlite\" is there"), "{error}");
    assert_eq!(fs::read_to_string(&examples).unwrap(), "mine");
    fs::remove_file(&examples).unwrap();
    restore(directory.path(), &*backup()).unwrap();
    assert_eq!(fs::read_to_string(&examples).unwrap(), FILES[0].1);
    assert!(!directory.path().join("restore.draft").exists());
}

#[test]
fn what_belongs_to_a_backup_is_found() {
    let directory = tempfile::tempdir().unwrap();
    for path in [
        "revisions/default/a.json",
        "revisions/default/a.json.draft",
        "fleet/last-known-good",
        "fleet/last-known-good.draft",
        "fleet-ordinals.json",
        "analytics.tmp/part",
        "examples.sqlite-wal",
    ] {
        let file = directory.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
    let found = small_files(directory.path());
    assert_eq!(
        found,
        [
            "fleet-ordinals.json",
            "fleet/last-known-good",
            "revisions/default/a.json"
        ]
    );
    for path in [
        "",
        "revisions",
        "revisions/a.json",
        "revisions/.a/b.json",
        "revisions/a/.json",
        "revisions/a/b/c.json",
        MANIFEST,
    ] {
        assert!(!is_known(path), "{path}");
    }
}
