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
    status::RouteStatus,
};

/// A client-facing model name and the targets behind it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "routeswitch.io",
    version = "v1alpha1",
    kind = "Route",
    namespaced,
    status = "RouteStatus",
    plural = "routes",
    singular = "route",
    shortname = "rt",
    category = "llm",
    doc = "A client-facing model name and the targets behind it.",
    selectable = ".spec.model",
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model"),
    printcolumn(name = "Strategy", type_ = "string", json_path = ".spec.strategy"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].status"
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Programmed')].status"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Acked", type_ = "string", json_path = ".status.propagation.summary"),
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
    /// How the first target of a request is chosen among those of the lowest priority. Default Weighted. The others follow, by priority, when it
    /// fails before the first content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// When a target that failed is tried once more before the next one. Only while the client was sent nothing, and never when the request
    /// itself is at fault. A key that is limited (429) or refused (401) is replaced by another key of the Provider, where there is one, at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long the gateway waits; each overrides the Provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<RouteTimeouts>,
    /// When a target that keeps failing is left alone for a while. Timeouts, failed and broken connections, refusals and answers that are none
    /// count against a target; what is the client's own fault (400, 413, 415, 422), what a key is limited or refused for (429, 401), and
    /// requests that were cancelled do not. When no target of the Route takes requests, the one that will first do so again is asked all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// Which requests stay at one target, as long as it takes requests. Nothing is remembered: each target gets its share of the sessions by a
    /// hash of session and target, the same in every gateway, and a session whose target fails goes to its second choice until that has recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
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
    /// Targets of a higher number are tried when all of the lower ones failed or are left alone. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub priority: Option<i32>,
}

/// How the first target of a request is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    RoundRobin,
    #[default]
    Weighted,
}

/// When a target that failed is tried once more before the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Extra tries at the same target. Default 1; 0: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 5))]
    pub attempts: Option<i32>,
    /// The longest wait before the first extra try, doubled for each further one up to 5s; the wait itself is drawn between nothing and that. A
    /// `Retry-After` of up to 5s is waited for instead; a longer one goes to the next target. Default 250ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub backoff: Option<String>,
    /// What is worth an extra try at the same target. Default: all but Timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub when: Option<Vec<RetryOn>>,
}

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RetryOn {
    /// No connection could be made.
    Connect,
    /// A timeout passed, or the connection broke: the provider may be at work on the request all the same.
    Timeout,
    /// The provider answered 429.
    RateLimited,
    /// The provider answered 500 or above, or reported an error in place of an answer.
    ServerError,
}

/// When a target that keeps failing is left alone for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// So many failures in a row open it. Default 5; 0: they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub consecutive_failures: Option<i32>,
    /// This share of failures within the window opens it. Default 50; 0: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub failure_percent: Option<i32>,
    /// Requests that the window must hold before the share counts. Default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub minimum_requests: Option<i32>,
    /// How far the share looks back, from 1s to 10m. Default 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub window: Option<String>,
    /// How long the target is left alone, up to 1h. Default 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub open_for: Option<String>,
    /// How many requests then probe it. When all of them succeed it takes requests as before; when one fails it is left alone again. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub half_open_probes: Option<i32>,
}

/// Which requests stay at one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// What makes requests one session. Default None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<SessionAffinity>,
}

/// What makes requests one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SessionAffinity {
    /// Nothing: the strategy chooses for each request.
    #[default]
    None,
    /// The request's `session_id`, else its header `x-session-id`, else its `user`. Without any of them the strategy chooses.
    Session,
    /// The client key. The strategy chooses for callers without one.
    Key,
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
