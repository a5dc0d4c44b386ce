//! The committed definitions are what `crdgen` writes, and small enough for client-side `kubectl apply`.

use std::{fs, path::PathBuf, process::Command};

const LARGEST: u64 = 256 * 1024;

fn committed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds")
}

fn crdgen(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_crdgen"))
        .args(arguments)
        .output()
        .expect("crdgen starts");
    (
        output.status.success(),
        String::from_utf8(output.stderr).expect("crdgen writes text"),
    )
}

#[test]
fn the_committed_definitions_are_up_to_date_and_small() {
    let directory = committed();
    assert_eq!(crdgen(&["--check", directory.to_str().unwrap()]), (true, String::new()));
    for entry in fs::read_dir(directory).unwrap() {
        assert!(entry.unwrap().metadata().unwrap().len() < LARGEST);
    }
}

#[test]
fn a_stale_or_foreign_file_is_named_with_the_command_that_mends_it() {
    let directory = std::env::temp_dir().join(format!("crdgen-{}", std::process::id()));
    let path = directory.to_str().unwrap();
    assert!(crdgen(&[path]).0);
    fs::write(directory.join("routeswitch.io_routes.yaml"), "old").unwrap();
    fs::write(directory.join("routeswitch.io_others.yaml"), "").unwrap();
    let (good, message) = crdgen(&["--check", path]);
    fs::remove_dir_all(&directory).unwrap();
    assert!(!good);
    for part in [
        "routeswitch.io_routes.yaml, ",
        "routeswitch.io_others.yaml (belongs to no kind",
        "run: cargo run",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("providers"), "{message}");
}
