//! The corpus of manifests that a real API server judges too (`e2e/manifests`): one document a file.

use std::{fs, path::PathBuf};

use crds::admission::admit;
use serde_json::Value;

/// Name and text of each file of one half of the corpus, in order.
fn corpus(half: &str) -> Vec<(String, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../e2e/manifests").join(half);
    let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn verdict(text: &str) -> Result<(), Vec<String>> {
    let document: Value = serde_yaml::from_str(text).unwrap();
    let faults = |refused: crds::admission::Refused| refused.faults.iter().map(ToString::to_string).collect();
    admit(&document).map(drop).map_err(faults)
}

#[test]
fn every_valid_manifest_is_admitted() {
    let corpus = corpus("valid");
    assert!(corpus.len() >= 40, "{}", corpus.len());
    for (name, text) in corpus {
        assert_eq!(verdict(&text), Ok(()), "{name}");
    }
}

#[test]
fn every_invalid_manifest_is_refused_with_the_message_that_it_expects() {
    let corpus = corpus("invalid");
    assert!(corpus.len() >= 60, "{}", corpus.len());
    let mut wrong = Vec::new();
    for (name, text) in corpus {
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).expect("a first line says it");
        match verdict(&text) {
            Err(faults) if faults.iter().any(|fault| fault.contains(expected)) => {}
            other => wrong.push(format!("{name}: expected `{expected}`, got {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
