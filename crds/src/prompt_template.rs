//! `PromptTemplate`: messages with variables, owned by people or Git.

#![expect(
    unreachable_pub,
    reason = "KubeSchema copies the public type into the body of a function"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{pattern, reference::ConfigMapKeyRef};

/// Messages with variables, owned by people or Git.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "routeswitch.io",
    version = "v1alpha1",
    kind = "PromptTemplate",
    namespaced,
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

/// Where messages stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessagesFrom {
    /// A key of a `ConfigMap` in the same namespace.
    pub config_map_key_ref: ConfigMapKeyRef,
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
