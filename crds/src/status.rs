//! What the operator says of an object in its `status`: conditions, and what each gateway pod made of the object.
//!
//! Whoever reads these may be older or newer than whoever wrote them, so that reasons and states are texts here: a constant that is not
//! known must not make an object unreadable.

#![expect(
    unreachable_pub,
    reason = "KubeSchema copies the public type into the body of a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The object is valid by itself.
pub const ACCEPTED: &str = "Accepted";
/// Everything that the object names exists and may be used.
pub const RESOLVED_REFS: &str = "ResolvedRefs";
/// The object was sent to the gateway pods.
pub const PROGRAMMED: &str = "Programmed";
/// Every gateway pod that counts serves the object as it is, or as it last was good.
pub const READY: &str = "Ready";
/// Something is missing that other objects may still bring. Only there while it is true.
pub const RECONCILING: &str = "Reconciling";
/// Only a person can mend what is wrong. Only there while it is true.
pub const STALLED: &str = "Stalled";

/// How many pods `behind` lists.
pub const MOST_BEHIND: usize = 10;
/// The longest message of a condition, in bytes.
pub const LONGEST_MESSAGE: usize = 4096;
/// The longest message of a pod, in bytes.
pub const LONGEST_POD_MESSAGE: usize = 512;

/// What became of a Provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// Accepted, `ResolvedRefs`, Programmed and Ready; Reconciling or Stalled while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many models are described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 128))]
    pub models: Option<i32>,
    /// What the gateway pods made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
}

/// What became of a `PromptTemplate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromptTemplateStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// Accepted, `ResolvedRefs`, Programmed and Ready; Reconciling or Stalled while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The `PromptRevision` of the template's own text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub spec_revision: Option<String>,
    /// The `PromptRevision` that is in use: the pinned one, else one promoted for this text, else the text's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub active_revision: Option<String>,
    /// What the gateway pods made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
}

/// What became of a Route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// Accepted, `ResolvedRefs`, Programmed and Ready; Reconciling or Stalled while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The targets that requests go to, in the order in which they are declared. One that is not here is not used: `ResolvedRefs` says why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub targets: Vec<TargetStatus>,
    /// What the gateway pods made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
}

/// One aspect of the state of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// The generation that the condition is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    #[schemars(length(max = 64))]
    pub last_transition_time: Time,
    /// Why, as a constant in `CamelCase` that tools can match.
    #[schemars(length(min = 1, max = 128))]
    pub reason: String,
    /// Why, for people.
    #[schemars(length(max = 4096))]
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// A target that requests go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Name of the target.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The `PromptRevision` that its requests use, with its namespace and a slash in front if that is not the Route's; none without a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub prompt_revision: Option<String>,
}

/// What the gateway pods made of an object. Pods count that are Ready and not terminating. The numbers alone follow a restart of a pod or
/// a change of their number within minutes, so that neither writes the status of every object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Propagation {
    /// Stands for the object as it is sent to the pods, with all that it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// The generation of the object that is sent: an earlier one than `observedGeneration` while the object is bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub generation: Option<i64>,
    /// How many pods count.
    #[schemars(range(min = 0, max = 100_000))]
    pub desired: i32,
    /// How many of them serve it.
    #[schemars(range(min = 0, max = 100_000))]
    pub acked: i32,
    /// How many of them refuse it.
    #[schemars(range(min = 0, max = 100_000))]
    pub refused: i32,
    /// `acked` and `desired`, as in `3/3`.
    #[schemars(length(max = 16))]
    pub summary: String,
    /// Pods that do not serve it as it is, ten at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub behind: Vec<PodBehind>,
    /// From the moment when the operator saw the change to the last answer of the pods, in milliseconds. Missing when it was not measured, as after a
    /// restart of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub propagation_millis: Option<i64>,
}

/// A pod that does not serve an object as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodBehind {
    /// Name of the pod.
    #[schemars(length(max = 253))]
    pub pod: String,
    /// Starting, Terminating, Pending (it has not answered yet), Unreachable, or Refused.
    #[schemars(length(max = 32))]
    pub state: String,
    /// In the pod's own words where it gave any.
    #[schemars(length(max = 512))]
    pub message: String,
}
