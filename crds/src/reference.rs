//! References from one object to another.

#![expect(
    unreachable_pub,
    reason = "KubeSchema copies the public type into the body of a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{object::ObjectName, pattern};

/// An object of a kind that the field implies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::OBJECT_NAME))]
    pub name: String,
    /// Namespace of the object; the referring object's own by default. Another namespace must be allowed by the object's `allowedNamespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::NAMESPACE))]
    pub namespace: Option<String>,
}

/// A prompt: a `PromptTemplate` whose active revision is followed, or one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.name) != has(self.revision)").message("exactly one of name and revision must be given"))]
pub struct PromptRef {
    /// Name of a `PromptTemplate`; its active revision is used, also when that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::OBJECT_NAME))]
    pub name: Option<String>,
    /// Name of a `PromptRevision`; it is used whatever becomes of its template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 253), regex(pattern = pattern::OBJECT_NAME))]
    pub revision: Option<String>,
    /// Namespace of the prompt; the Route's own by default. Another namespace must be allowed by the template's `allowedNamespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::NAMESPACE))]
    pub namespace: Option<String>,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret. It must carry the label `routeswitch.io/credential: "true"`.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::OBJECT_NAME))]
    pub name: String,
    /// Key within the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::DATA_KEY))]
    pub key: String,
}

/// One key of a `ConfigMap` in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// Name of the `ConfigMap`.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::OBJECT_NAME))]
    pub name: String,
    /// Key within the `ConfigMap`'s data.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::DATA_KEY))]
    pub key: String,
}

impl ObjectRef {
    /// The object that this reference names when it stands in an object of `namespace`.
    pub fn resolve(&self, namespace: &str) -> ObjectName {
        ObjectName::new(self.namespace.as_deref().unwrap_or(namespace), &*self.name)
    }
}

/// Whether an object in `owner`, whose `allowedNamespaces` is `allowed`, may be used from `namespace`.
pub fn is_allowed(owner: &str, allowed: &[String], namespace: &str) -> bool {
    owner == namespace || allowed.iter().any(|entry| entry == "*" || entry == namespace)
}

/// The namespaces that both lists allow; `*` is all.
pub fn both_allow(before: &[String], now: &[String]) -> Vec<String> {
    let all = |list: &[String]| list.iter().any(|entry| entry == "*");
    match (all(before), all(now)) {
        (_, true) => before.to_vec(),
        (true, false) => now.to_vec(),
        (false, false) => before.iter().filter(|&entry| now.contains(entry)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_lists_allow_stays_allowed() {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (before, now, both) in [
            ("a b", "b c", "b"),
            ("a b", "", ""),
            ("*", "a", "a"),
            ("a", "*", "a"),
            ("*", "*", "*"),
            ("", "a", ""),
            ("* a", "b", "b"),
        ] {
            assert_eq!(both_allow(&list(before), &list(now)), list(both), "{before} and {now}");
        }
    }
}
