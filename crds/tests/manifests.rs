//! The corpus of manifests that a real API server judges too (`e2e/manifests`): one document a file.

use std::{fs, path::PathBuf};

use crds::admission::{Refused, admit};
use serde_json::Value;

/// Name and text of each file of one half of the corpus, in order.
fn corpus(half: &str) -> Vec<(String, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../e2e/manifests")
        .join(half);
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory).expect("the corpus is there") {
        let path = entry.expect("the folder can be read").path();
        let text = fs::read_to_string(&path).expect("each file of the corpus is text");
        files.push((path.display().to_string(), text));
    }
    files.sort();
    files
}

fn verdict(text: &str) -> Result<(), Vec<String>> {
    let document: Value = serde_yaml::from_str(text).expect("each file of the corpus is one YAML document");
    let faults = |refused: Refused| refused.faults.iter().map(ToString::to_string).collect();
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
        let expected = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# expect: "))
            .expect("a first line says it");
        match verdict(&text) {
            Err(faults) if faults.iter().any(|fault| fault.contains(expected)) => {}
            other => wrong.push(format!("{name}: expected `{expected}`, got {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
