//! Manifests as people read and write them.

use crds::{admission::admit, prompt_revision::PromptRevision};
use serde_json::Value;

use super::Error;

/// A prompt to begin with. Says what is wrong with the name, if anything.
pub(super) fn fresh(name: &str) -> Result<String, String> {
    let text = include_str!("new.yaml").replace("NAME", name);
    let document: Value = serde_yaml::from_str(&text).map_err(|error| error.to_string())?;
    match admit(&document) {
        Ok(_) => Ok(text),
        Err(refused) => Err(refused.faults.first().map(ToString::to_string).unwrap_or_default()),
    }
}

/// The manifest of a revision, for Git: without what only its keeper knows.
pub(super) fn of_revision(revision: &PromptRevision) -> Result<String, Error> {
    let mut exported = revision.clone();
    exported.metadata.creation_timestamp = None;
    Ok(serde_yaml::to_string(&exported)?)
}

/// A revision for people: what it is, then what it says.
pub(super) fn in_words(revision: &PromptRevision) -> Result<String, Error> {
    let mut spec = serde_json::to_value(&revision.spec).unwrap_or_default();
    let name = revision.metadata.name.as_deref().unwrap_or_default();
    let namespace = revision.metadata.namespace.as_deref().unwrap_or_default();
    let mut head = vec![format!("# {namespace}/{name}")];
    if let Some(fields) = spec.as_object_mut() {
        for field in ["templateName", "digest", "origin"] {
            if let Some(Value::String(text)) = fields.remove(field) {
                head.push(format!("# {field}: {text}"));
            }
        }
    }
    Ok(head.join("\n") + "\n" + &serde_yaml::to_string(&spec)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_manifest_is_a_good_one_and_bad_names_are_refused() {
        let text = fresh("greeting").unwrap();
        assert!(text.contains("name: greeting"));
        assert!(fresh("No Name").unwrap_err().contains("metadata.name"));
    }
}
