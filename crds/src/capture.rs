//! What is kept of requests: shared by the resources that say so.

#![expect(
    unreachable_pub,
    reason = "KubeSchema copies the public type into the body of a function"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json_path::JsonPath;

use crate::{pattern, snapshot::RedactionRule};

/// Bytes that one compiled regular expression may take.
const REGEX_BYTES: usize = 1 << 20;

/// What is kept of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.metadata) || self.metadata || !has(self.content) || !self.content").message("content is only stored with metadata")
)]
pub struct Capture {
    /// Whether figures of each request (times, tokens, cost, outcome) are stored. Without them a request is in no analytics. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<bool>,
    /// Whether requests and answers are stored as examples. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<bool>,
    /// Share of the requests whose content is stored, in percent. Which ones follows from their ids. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub sample_percent: Option<i32>,
    /// How many examples are kept; the oldest go first. They are taken no faster than this many a minute (6000, if it is less), so that they
    /// span a minute. Default 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_examples: Option<i64>,
    /// How long examples and the rows of single requests are kept, for instance 90d; sums by the hour stay. Default 90d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub max_age: Option<String>,
    /// What is replaced in requests and answers before anything is stored: paths first, then regular expressions, each in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub redact: Vec<Redaction>,
}

/// Something that is never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.regex) != has(self.jsonPath)").message("exactly one of regex and jsonPath must be given"))]
pub struct Redaction {
    /// Every match in any text of the request or the answer is replaced. Syntax of the Rust crate `regex`: like RE2, without look-around.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub regex: Option<String>,
    /// Every value at this path (RFC 9535) is replaced: in the request's body, for instance `$.messages[*].content`, and in the
    /// answer's message, which has `content` and `tool_calls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub json_path: Option<String>,
    /// What stands there instead, as it is. Default `[redacted]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub replacement: Option<String>,
}

/// Reads a regular expression of a redaction, within bounds.
pub fn regex(text: &str) -> Result<regex::Regex, String> {
    let built = regex::RegexBuilder::new(text).size_limit(REGEX_BYTES).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("takes more than {limit} bytes when compiled"),
        error => format!("is not a regular expression: {}", one_line(&error.to_string())),
    })
}

/// Reads a path of a redaction.
pub fn json_path(text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(text).map_err(|error| format!("is not a JSONPath: {}", one_line(&error.to_string())))
}

/// The rule that a redaction asks for, or the field that is wrong and what is wrong with it.
pub(crate) fn rule(redaction: &Redaction) -> Result<RedactionRule, (&'static str, String)> {
    let Redaction {
        regex: pattern,
        json_path: path,
        replacement: _,
    } = redaction;
    match (pattern, path) {
        (Some(pattern), None) => {
            regex(pattern).map_err(|message| ("regex", message))?;
            Ok(RedactionRule::Regex(pattern.clone()))
        }
        (None, Some(path)) => {
            json_path(path).map_err(|message| ("jsonPath", message))?;
            Ok(RedactionRule::JsonPath(path.clone()))
        }
        _ => Err(("", "must have exactly one of regex and jsonPath".to_owned())),
    }
}

/// Parsers draw arrows under the text that they complain about.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
