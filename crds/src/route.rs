//! Route: a client-facing model name and the targets behind it.

#![expect(
    unreachable_pub,
    reason = "KubeSchema copies the public type into the body of a function"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    capture::Capture,
    pattern,
    prompt_template::Parameters,
    reference::{ObjectRef, PromptRef},
};

/// A client-facing model name and the targets behind it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "routeswitch.io",
    version = "v1alpha1",
    kind = "Route",
    namespaced,
    plural = "routes",
    singular = "route",
    shortname = "rt",
    category = "llm",
    doc = "A client-facing model name and the targets behind it.",
    selectable = ".spec.model",
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model"),
    printcolumn(name = "Strategy", type_ = "string", json_path = ".spec.strategy"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    derive = "PartialEq",
    cel
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.targets.exists(t, !has(t.weight) || t.weight > 0)").message("at least one target needs a weight above 0"),
    validation = Rule::new("!has(self.aliases) || !self.aliases.exists(a, a == self.model)").message("aliases must not repeat model"),
)]
pub struct RouteSpec {
    /// What clients send as `model`.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::ROUTE_NAME))]
    pub model: String,
    /// Other names for the same Route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253), regex(pattern = pattern::ROUTE_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub aliases: Vec<String>,
    /// The prompt whose messages are put in front of every request. Default: none, requests pass as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_ref: Option<PromptRef>,
    /// Where requests go.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub targets: Vec<Target>,
    /// How the first target of a request is chosen. Default Weighted. The others follow, in order, when it fails before the first content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// How long the gateway waits; each overrides the Provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<RouteTimeouts>,
    /// What is kept of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// Namespaces whose keys may use this Route, as `namespace/model`, beside its own; `*` is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = pattern::NAMESPACE_OR_ALL)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,
}

/// A model of a Provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Name of the target within its Route.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::TARGET_NAME))]
    pub name: String,
    /// The Provider.
    pub provider_ref: ObjectRef,
    /// The model, as the provider calls it.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::MODEL_NAME))]
    pub model: String,
    /// Share of the requests under Weighted, relative to the other targets. 0: only as fallback, under every strategy. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub weight: Option<i32>,
    /// The prompt of requests to this target. Default: the Route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_ref: Option<PromptRef>,
    /// Parameters of requests to this target where the request itself says nothing. They come before those of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
}

/// How the first target of a request is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    RoundRobin,
    #[default]
    Weighted,
}

/// How long the gateway waits, as durations like `500ms`, `30s` or `1m30s`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteTimeouts {
    /// For the connection, TLS included. Default: the Provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub connect: Option<String>,
    /// For the first content of a stream, or the headers of an answer that is not streamed. Default: the Provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub first_token: Option<String>,
    /// Between two reads of an answer that has begun. Default: the Provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub idle: Option<String>,
    /// For one try on a target, from connection to last byte. Default: the Provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub total: Option<String>,
    /// How long the status line of a stream is held back while no content has come, so that another target can still answer. Default 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub commit_after: Option<String>,
}
