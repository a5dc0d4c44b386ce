//! `PromptRevision`: one immutable state of a prompt, named by its content.

#![expect(
    unreachable_pub,
    reason = "KubeSchema copies the public type into the body of a function"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    pattern,
    prompt_template::{Parameters, ResponseFormat, Variable},
};

/// The annotation that makes a revision the active one of its prompt, as long as the prompt's own text is the one that the revision
/// was made from (`provenance.baseRevision`). Its value is when, as RFC 3339 has it.
pub const PROMOTED: &str = "routeswitch.io/promoted";

/// One immutable state of a prompt, named by its content.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "routeswitch.io",
    version = "v1alpha1",
    kind = "PromptRevision",
    namespaced,
    plural = "promptrevisions",
    singular = "promptrevision",
    shortname = "prev",
    category = "llm",
    doc = "One immutable state of a prompt, named by its content.",
    selectable = ".spec.templateName",
    printcolumn(name = "Template", type_ = "string", json_path = ".spec.templateName"),
    printcolumn(name = "Origin", type_ = "string", json_path = ".spec.origin"),
    printcolumn(name = "Score", type_ = "string", json_path = ".spec.provenance.score", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    derive = "PartialEq",
    cel
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a revision cannot be changed; make another one"))]
pub struct PromptRevisionSpec {
    /// The `PromptTemplate` that this is a state of.
    #[schemars(length(min = 1, max = 242), regex(pattern = pattern::OBJECT_NAME))]
    pub template_name: String,
    /// SHA-256 of the RFC 8785 form of messages, variables, demonstrations, parameters and responseFormat. The revision's name is that of its template, a dash, and the first ten digits.
    #[schemars(length(min = 64, max = 64), regex(pattern = pattern::SHA256))]
    pub digest: String,
    /// What made it. Default Import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The messages, in order. Their content is a Jinja template.
    #[schemars(length(min = 1, max = 32))]
    pub messages: Vec<crate::prompt_template::Message>,
    /// The variables that the messages use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub variables: Vec<Variable>,
    /// Examples that the model is shown as pairs of user and assistant, after the system messages and before the first user message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub demonstrations: Vec<Demonstration>,
    /// Parameters of the request to the model, where neither the request nor the Route's target says anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// The shape of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// Where it comes from. Not part of the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// What made a revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Origin {
    /// The text of its `PromptTemplate`.
    Template,
    Optimizer,
    #[default]
    Import,
}

/// One example that a model is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Demonstration {
    /// What the user said. Not a template.
    #[schemars(length(max = 131_072))]
    pub input: String,
    /// What the assistant answered. Not a template.
    #[schemars(length(max = 131_072))]
    pub output: String,
}

/// Where a revision comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// The run that found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::OBJECT_NAME))]
    pub run: Option<String>,
    /// The revision of the prompt's own text that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 253), regex(pattern = pattern::OBJECT_NAME))]
    pub base_revision: Option<String>,
    /// Its score, 0 to 1, as a decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = pattern::DECIMAL))]
    pub score: Option<String>,
    /// The score of what it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = pattern::DECIMAL))]
    pub baseline: Option<String>,
    /// The lower end of the confidence interval of the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = pattern::DECIMAL))]
    pub low: Option<String>,
    /// The upper end of the confidence interval of the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = pattern::DECIMAL))]
    pub high: Option<String>,
    /// How many examples the score is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub examples: Option<i64>,
    /// The seed of the search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub seed: Option<i64>,
}
