//! The shape that a prompt asks of answers, to tell those that do not have it. They are passed on all the same.

use crds::prompt_template::ResponseFormat;
use jsonschema::Validator;
use serde_json::Value;

/// Longest answer that is checked, in bytes.
const MAX_CHECKED_BYTES: usize = 1024 * 1024;
/// Longest description of what is wrong, in characters. The answer's own words are not in it.
const SHOWN: usize = 200;

/// A compiled schema.
#[derive(Debug)]
pub struct Shape(Validator);

impl Shape {
    /// None for a schema that is none, which the compiler of manifests has ruled out.
    pub fn of(format: &ResponseFormat) -> Option<Self> {
        let schema: Value = serde_json::from_str(&format.schema).ok()?;
        jsonschema::validator_for(&schema).ok().map(Self)
    }

    /// What is wrong with an answer; nothing of one that is too long to be checked.
    pub fn problem(&self, answer: &str) -> Option<String> {
        if answer.len() > MAX_CHECKED_BYTES {
            return None;
        }
        let Ok(answer) = serde_json::from_str::<Value>(answer) else {
            return Some("the answer is not JSON".to_owned());
        };
        let error = self.0.iter_errors(&answer).next()?;
        let place = error.instance_path().to_string();
        let rule = error.schema_path().to_string();
        let problem = format!("the answer breaks its schema at `{place}`: {rule}");
        Some(problem.chars().take(SHOWN).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_and_never_quoted() {
        let schema = r#"{"type":"object","properties":{"label":{"enum":["a","b"]}},"required":["label"]}"#;
        let shape = Shape::of(&ResponseFormat {
            name: "n".to_owned(),
            schema: schema.to_owned(),
            strict: None,
        })
        .unwrap();
        assert_eq!(shape.problem(r#" {"label": "a"} "#), None);
        assert_eq!(shape.problem("Sure!").as_deref(), Some("the answer is not JSON"));
        let problem = shape.problem(r#"{"label":"secret words"}"#).unwrap();
        assert!(problem.contains("/label") && !problem.contains("secret"), "{problem}");
        assert!(shape.problem("{}").unwrap().contains("/required"));
        assert_eq!(shape.problem(&"x".repeat(MAX_CHECKED_BYTES + 1)), None);
    }
}
