//! `PromptTemplate`: messages with variables, owned by people or Git.

#![expect(
    unreachable_pub,
    reason = "KubeSchema copies the public type into the body of a function"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{pattern, reference::ConfigMapKeyRef, status::PromptTemplateStatus};

/// Messages with variables, owned by people or Git.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "routeswitch.io",
    version = "v1alpha1",
    kind = "PromptTemplate",
    namespaced,
    status = "PromptTemplateStatus",
    plural = "prompttemplates",
    singular = "prompttemplate",
    shortname = "pt",
    category = "llm",
    doc = "Messages with variables, owned by people or Git.",
    printcolumn(
        name = "Source",
        type_ = "string",
        json_path = ".spec.messagesFrom.configMapKeyRef.name",
        priority = 1
    ),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].status"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        priority = 1
    ),
    printcolumn(name = "Active", type_ = "string", json_path = ".status.activeRevision"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    derive = "PartialEq",
    cel
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.messages) != has(self.messagesFrom)").message("exactly one of messages and messagesFrom must be given"))]
pub struct PromptTemplateSpec {
    /// The messages, in order. Their content is a Jinja template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub messages: Option<Vec<crate::prompt_template::Message>>,
    /// Where the messages stand instead: a YAML list of {role, content}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_from: Option<MessagesFrom>,
    /// The variables that the messages use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub variables: Vec<Variable>,
    /// Parameters of the request to the model, where neither the request nor the Route's target says anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// The shape of the answer. Sent to the provider as `json_schema`, unless the request itself says which shape it wants; an answer that breaks it is passed on and recorded as `schema_invalid` (answers of up to 1 MiB are checked).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// The `PromptRevision` of this prompt that is active whatever the messages say, for instance to go back to an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 253), regex(pattern = pattern::OBJECT_NAME))]
    pub pinned_revision: Option<String>,
    /// How many revisions are kept that nothing uses. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: Option<i32>,
    /// Namespaces whose Routes and keys may use this prompt, beside its own; `*` is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = pattern::NAMESPACE_OR_ALL)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// A Jinja template.
    #[schemars(length(max = 131_072))]
    pub content: String,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// Where messages stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessagesFrom {
    /// A key of a `ConfigMap` in the same namespace.
    pub config_map_key_ref: ConfigMapKeyRef,
}

/// Parameters of a request to a model. What is not given is the provider's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// Sampling temperature, 0 to 2, as a decimal text: `"0.7"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = pattern::DECIMAL))]
    pub temperature: Option<String>,
    /// Share of the probability that is sampled from, 0 to 1, as a decimal text: `"0.9"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = pattern::DECIMAL))]
    pub top_p: Option<String>,
    /// Longest answer, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_tokens: Option<i64>,
    /// Makes answers repeatable, as far as the provider can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -9_007_199_254_740_991_i64, max = 9_007_199_254_740_991_i64))]
    pub seed: Option<i64>,
    /// Texts at which the answer ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), inner(length(min = 1, max = 256)))]
    pub stop: Vec<String>,
}

/// The shape of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseFormat {
    /// What the shape is called.
    #[schemars(length(min = 1, max = 64), regex(pattern = pattern::SCHEMA_NAME))]
    pub name: String,
    /// A JSON Schema of an object, as JSON text.
    #[schemars(length(min = 2, max = 65_536))]
    pub schema: String,
    /// Whether the provider must keep to the schema exactly. Default: the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// A variable of a prompt. It is required unless it has a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.maxLength) || self.type == 'String'").message("maxLength is for variables of type String"))]
pub struct Variable {
    /// Name of the variable, as the messages use it.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::VARIABLE_NAME))]
    pub name: String,
    /// How values are read.
    #[serde(rename = "type")]
    pub type_: VariableType,
    /// The value when a request gives none, as text that is read by `type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16_384))]
    pub default: Option<String>,
    /// The values that are allowed, as texts that are read by `type`.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed: Vec<String>,
    /// Longest value of a String, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_length: Option<i64>,
    /// What the variable is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
}

/// How a variable's values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VariableType {
    String,
    Number,
    Integer,
    Boolean,
    Json,
}
