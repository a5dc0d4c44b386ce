//! What a revision of a prompt is made of, and the digest that names it.

use canon_json::CanonJsonSerialize;
use serde::{Deserialize, Serialize};

use crate::{
    compiler::sha256_hex,
    prompt_template::{Message, Parameters, ResponseFormat, Variable},
};

/// Hexadecimal digits of the digest that a revision's name carries.
pub const NAME_DIGITS: usize = 10;

/// All that decides what a model is sent. Nothing else counts for the digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptContent {
    pub messages: Vec<Message>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demonstrations: Vec<crate::prompt_revision::Demonstration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
}

impl PromptContent {
    /// SHA-256 of the RFC 8785 form of the content, as 64 lower-case hexadecimal digits. Parts that are empty are left out of it, so
    /// that it is the same whether they are written as empty or not at all.
    pub fn digest(&self) -> String {
        let parameters = self.parameters.as_ref();
        let without_empty = Self {
            parameters: parameters.filter(|some| **some != Parameters::default()).cloned(),
            ..self.clone()
        };
        let canonical = without_empty.to_canon_json_vec();
        sha256_hex(&canonical.expect("a prompt has string keys and integers only"))
    }
}

/// The name of the revision of `template` that has `digest`.
pub fn revision_name(template: &str, digest: &str) -> String {
    format!("{template}-{}", &digest[..NAME_DIGITS.min(digest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> PromptContent {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_digest_is_of_the_canonical_form_and_does_not_count_what_is_empty() {
        let bare = read(r#"{"messages":[{"role":"user","content":"\u00e4 {{ x }}"}]}"#);
        let expected = "{\"messages\":[{\"content\":\"\u{e4} {{ x }}\",\"role\":\"user\"}]}";
        assert_eq!(bare.digest(), sha256_hex(expected.as_bytes()));
        let full = read(
            r#"{"demonstrations":[],"parameters":{"stop":[]},"variables":[],"messages":[{"content":"ä {{ x }}","role":"user"}]}"#,
        );
        assert_eq!(full.digest(), bare.digest());
        assert_eq!(revision_name("t", &bare.digest()).len(), 12);
    }

    #[test]
    fn every_part_counts() {
        let part = |more: &str| read(&format!(r#"{{"messages":[{{"role":"user","content":"x"}}]{more}}}"#)).digest();
        let digests = [
            part(""),
            part(r#","variables":[{"name":"a","type":"String"}]"#),
            part(r#","demonstrations":[{"input":"a","output":"b"}]"#),
            part(r#","parameters":{"maxTokens":1}"#),
            part(r#","responseFormat":{"name":"a","schema":"{}"}"#),
        ];
        let distinct: std::collections::BTreeSet<&String> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
    }
}
