//! Provider: an LLM vendor account or endpoint, with its credentials, models and prices.

#![expect(
    unreachable_pub,
    reason = "KubeSchema copies the public type into the body of a function"
)]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{pattern, reference::SecretKeyRef, status::ProviderStatus};

/// An LLM vendor account or endpoint, with its credentials, models and prices.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "routeswitch.io",
    version = "v1alpha1",
    kind = "Provider",
    namespaced,
    status = "ProviderStatus",
    plural = "providers",
    singular = "provider",
    shortname = "prov",
    category = "llm",
    doc = "An LLM vendor account or endpoint, with its credentials, models and prices.",
    selectable = ".spec.vendor",
    printcolumn(name = "Vendor", type_ = "string", json_path = ".spec.vendor"),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.baseUrl", priority = 1),
    printcolumn(name = "Models", type_ = "integer", json_path = ".status.models"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].status"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    derive = "PartialEq",
    cel
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.vendor != 'OpenAICompatible' || has(self.baseUrl)")
        .message("baseUrl is required for vendor OpenAICompatible")
        .field_path(".baseUrl").reason(Reason::FieldValueRequired),
    validation = Rule::new("!has(self.baseUrl) || self.baseUrl.startsWith('https://') || (has(self.allowInsecure) && self.allowInsecure) || self.baseUrl.matches('^http://[^/:]+[.]svc([.]cluster[.]local)?(:[0-9]+)?(/.*)?$')")
        .message("baseUrl must be https, or a host that ends in .svc or .svc.cluster.local, or allowInsecure must be true")
        .field_path(".baseUrl"),
    validation = Rule::new("!has(self.baseUrl) || !self.baseUrl.matches('^https?://(169[.]254[.]|\\\\[[fF][eE][89abAB])')")
        .message("baseUrl must not be a link-local address (169.254.0.0/16, fe80::/10)")
        .field_path(".baseUrl"),
    validation = Rule::new("!has(self.dialect) || self.vendor in ['Simulated', 'OpenAICompatible'] || self.dialect == self.vendor")
        .message("dialect is open for vendor Simulated and OpenAICompatible only; any other vendor has its own")
        .field_path(".dialect"),
    validation = Rule::new("!has(self.baseUrl) || !self.baseUrl.matches('/v1/?$') || !(self.vendor == 'Anthropic' || (has(self.dialect) && self.dialect == 'Anthropic'))")
        .message("baseUrl must not end in /v1 in the Anthropic dialect: the gateway adds it")
        .field_path(".baseUrl"),
)]
pub struct ProviderSpec {
    /// Who runs the endpoint: decides the wire dialect, the default URL and how a credential is sent.
    pub vendor: Vendor,
    /// The wire dialect that the endpoint speaks. Default: the vendor's own, and `OpenAI` for Simulated and `OpenAICompatible`, which may
    /// choose. Clients need not know: requests and answers are translated where theirs is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    /// Where the API lives, as the vendor's own SDK calls it (`OpenAI`'s ends in /v1, `Anthropic`'s does not). Default: the vendor's public
    /// endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 2048), regex(pattern = pattern::BASE_URL))]
    pub base_url: Option<String>,
    /// How requests are authenticated. Omitted: nothing for Simulated and `OpenAICompatible`; for `OpenAI`
    /// and `Anthropic`, the environment variables `OPENAI_API_KEY` and `ANTHROPIC_API_KEY` under `route-switch serve --manifests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// What is known of the provider's models: limits and prices. A Route may name a model that is not listed; its cost is then unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub models: Vec<Model>,
    /// What the gateway keeps to, so that the provider is not asked for more than it can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// How long the gateway waits for this provider. A Route may override each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// Headers sent with each request, for instance `OpenAI-Organization`. Authorization, x-api-key and Host may not be set, nor those of the HTTP connection itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(
        validation = Rule::new("self.all(k, k.matches('^[-!#$%&*+.^_|~0-9A-Za-z]{1,64}$'))")
            .message("names of headers must be 1 to 64 letters, digits or any of - ! # $ % & * + . ^ _ | ~"),
        validation = Rule::new("self.all(k, !(k.lowerAscii() in ['authorization', 'x-api-key', 'host']))")
            .message("headers must not set Authorization, x-api-key or Host: use auth and baseUrl"),
        validation = Rule::new("self.all(k, !(k.lowerAscii() in ['connection', 'content-length', 'content-type', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade']))")
            .message("headers must not set Connection, Content-Length, Content-Type, Keep-Alive, TE, Trailer, Transfer-Encoding or Upgrade: the gateway does"),
        validation = Rule::new("self.all(k, self.exists_one(o, o.lowerAscii() == k.lowerAscii()))")
            .message("headers must not name one header twice: upper and lower case are the same"),
    )]
    pub headers: BTreeMap<String, HeaderText>,
    /// Permits plain http to a host outside the cluster, for instance a model server on a laptop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_insecure: Option<bool>,
    /// Namespaces whose Routes may use this Provider beside its own; `*` is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = pattern::NAMESPACE_OR_ALL)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,
}

/// Who runs the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Vendor {
    OpenAI,
    Anthropic,
    OpenAICompatible,
    Simulated,
}

/// A wire dialect: the form of requests, answers, streams and errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Dialect {
    /// Chat completions, with the credential as `Authorization: Bearer`.
    #[default]
    OpenAI,
    /// Messages, with the credential as `x-api-key`.
    Anthropic,
}

/// How requests to a provider are authenticated: exactly one of the fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.keys) != has(self.none)").message("exactly one of keys and none must be given"),
    validation = Rule::new("!has(self.keys) || self.keys.all(k, self.keys.exists_one(o, o.secretRef.name == k.secretRef.name && o.secretRef.key == k.secretRef.key))")
        .message("keys must not name one key of a Secret twice"),
)]
pub struct Auth {
    /// The credentials, which take turns. One that the provider limits (429) is left alone for its `Retry-After`, or 30s; one that it refuses (401), for 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub keys: Option<Vec<AuthKey>>,
    /// No credential is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<NoAuth>,
}

/// A credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthKey {
    /// Where the credential stands.
    pub secret_ref: SecretKeyRef,
    /// Share of the requests, relative to the other keys. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: Option<i32>,
}

/// What the gateway keeps to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Requests under way at once, of each gateway and over all Routes. Further ones wait for up to 5s, and four times as many may wait; then
    /// the next target is tried. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_concurrent: Option<i32>,
}

/// No credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoAuth {}

/// A header's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct HeaderText(#[schemars(length(min = 1, max = 1024), regex(pattern = pattern::HEADER_VALUE))] pub String);

/// What is known of one model. A price that is missing makes the cost of a request unknown, never zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// The provider's name of the model.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::MODEL_NAME))]
    pub name: String,
    /// Context window in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub context_tokens: Option<i64>,
    /// Longest answer in tokens. A request that does not say how long its answer may be is given this where the dialect must have a
    /// limit (`Anthropic`; without it 4096).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_output_tokens: Option<i64>,
    /// Price of a million input tokens, in millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000_000_i64))]
    pub input_micro_usd_per_m_tok: Option<i64>,
    /// Price of a million output tokens, in millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000_000_i64))]
    pub output_micro_usd_per_m_tok: Option<i64>,
    /// Price of a million input tokens read from the provider's cache, in millionths of a US dollar. Default: the input price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000_000_i64))]
    pub cached_input_micro_usd_per_m_tok: Option<i64>,
    /// Price of a million input tokens written to the provider's cache, in millionths of a US dollar. Default: the input price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000_000_i64))]
    pub cache_write_micro_usd_per_m_tok: Option<i64>,
}

/// How long the gateway waits, as durations like `500ms`, `30s` or `1m30s`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// For the connection, TLS included. Default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub connect: Option<String>,
    /// For the first content of a stream, or the headers of an answer that is not streamed. Default 120s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub first_token: Option<String>,
    /// Between two reads of an answer that has begun. Default 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub idle: Option<String>,
    /// For one try on this provider, from connection to last byte. Default 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = pattern::DURATION))]
    pub total: Option<String>,
}
