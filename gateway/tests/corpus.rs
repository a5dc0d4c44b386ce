//! The fuzzer's inputs, replayed: what once broke a parser does not break it again.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{
    fs,
    path::{Path, PathBuf},
};

use targets::{TARGETS, Target};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}

#[test]
fn every_target_takes_its_inputs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for Target { name, seeds, run } in &TARGETS {
        for folder in [root.join(seeds), root.join("fuzz/corpus").join(name)] {
            let files = files(&folder);
            assert!(!files.is_empty(), "{} is empty", folder.display());
            for file in files {
                // Shown when the test fails: the last one is the one.
                eprintln!("{name}: {}", file.display());
                run(&fs::read(&file).unwrap());
            }
        }
    }
}

#[test]
fn every_input_has_its_target() {
    let found = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus"));
    let found: Vec<_> = found.iter().filter_map(|folder| folder.file_name()?.to_str()).collect();
    let mut known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    known.sort_unstable();
    assert_eq!(found, known);
}
