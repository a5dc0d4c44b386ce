//! One document to an object, by the API server's rules, and without a secret in what is said about it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crds::{
    admission::{self, Admitted, Fault, Refused},
    compiler::{Resources, Submitted},
    object::{Kind, ObjectName},
};
use serde_json::Value;

use super::kept::Kept;

const OWN_GROUP: &str = "routeswitch.io/";

/// Which kinds an object may have been meant to be that cannot be told by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Doubt {
    #[default]
    None,
    Kinds(Vec<Kind>),
    All,
}

impl Doubt {
    /// What a document leaves open that names no object. One of somebody else's kinds is complete in itself; one of ours may be a slip
    /// of the pen.
    fn about(document: &Value) -> Self {
        let (Some(version), Some(kind)) = (document["apiVersion"].as_str(), document["kind"].as_str()) else {
            return Self::All;
        };
        match kind {
            "Provider" => Self::Kinds(vec![Kind::Provider]),
            "Route" => Self::Kinds(vec![Kind::Route]),
            "PromptTemplate" => Self::Kinds(vec![Kind::PromptTemplate]),
            "PromptRevision" => Self::Kinds(vec![Kind::PromptRevision]),
            "Secret" => Self::Kinds(vec![Kind::Secret]),
            "ConfigMap" => Self::Kinds(vec![Kind::ConfigMap]),
            "List" => Self::All,
            _ if version.starts_with(OWN_GROUP) => Self::All,
            _ => Self::None,
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::All, _) | (_, Self::None) => {}
            (Self::Kinds(kinds), Self::Kinds(more)) => kinds.extend(more),
            (_, other) => *self = other,
        }
    }

    pub(super) fn includes(&self, kind: Kind) -> bool {
        match self {
            Self::None => false,
            Self::Kinds(kinds) => kinds.contains(&kind),
            Self::All => true,
        }
    }
}

/// Reads `document` as the API server would.
pub(super) fn admit(document: &Value) -> Result<Admitted, Box<(Refused, Doubt)>> {
    admission::admit(document).map_err(|mut refused| {
        if document["kind"] == "Secret" {
            redact(document, &mut refused.faults);
        }
        let doubt = if refused.id.is_some() {
            Doubt::None
        } else {
            Doubt::about(document)
        };
        Box::new((refused, doubt))
    })
}

/// A good object that is refused for what the file says around it, for instance a key that is given twice.
pub(super) fn refuse(object: &Admitted, faults: Vec<Fault>) -> Refused {
    let allowed_namespaces = match object {
        Admitted::Provider(object) => Some(object.spec.allowed_namespaces.clone()),
        Admitted::Route(object) => Some(object.spec.allowed_namespaces.clone()),
        Admitted::PromptTemplate(object) => Some(object.spec.allowed_namespaces.clone()),
        Admitted::PromptRevision(_) | Admitted::Secret(_) | Admitted::ConfigMap(_) => None,
    };
    Refused {
        id: Some(object.id()),
        faults,
        allowed_namespaces,
    }
}

/// Files a good object under its name.
pub(in crate::config) fn put(object: Admitted, name: ObjectName, resources: &mut Resources) {
    match object {
        Admitted::Provider(object) => {
            resources.providers.insert(name, Submitted::WellFormed(object));
        }
        Admitted::Route(object) => {
            resources.routes.insert(name, Submitted::WellFormed(object));
        }
        Admitted::PromptTemplate(object) => {
            resources.prompt_templates.insert(name, Submitted::WellFormed(object));
        }
        Admitted::PromptRevision(object) => {
            resources.prompt_revisions.insert(name, Submitted::WellFormed(object));
        }
        Admitted::Secret(object) => {
            resources.secrets.insert(name, object);
        }
        Admitted::ConfigMap(object) => {
            resources.config_maps.insert(name, object);
        }
    }
}

/// Files a refused object: of one of ours the compiler keeps what it made of it; a Secret or `ConfigMap` is what it was when it was good.
pub(super) fn put_refused(
    refused: Refused,
    last_good: Option<Kept>,
    (kind, name): (Kind, ObjectName),
    resources: &mut Resources,
) {
    match kind {
        Kind::Provider => {
            resources.providers.insert(name, refused.submitted());
        }
        Kind::Route => {
            resources.routes.insert(name, refused.submitted());
        }
        Kind::PromptTemplate => {
            resources.prompt_templates.insert(name, refused.submitted());
        }
        Kind::PromptRevision => {
            resources.prompt_revisions.insert(name, refused.submitted());
        }
        Kind::Secret | Kind::ConfigMap => {
            if let Some(object) = last_good {
                object.put_into(resources, kind, name);
            }
        }
    }
}

/// Takes out of `faults` whatever repeats what the Secret holds.
fn redact(secret: &Value, faults: &mut [Fault]) {
    let mut held = Vec::new();
    for part in ["data", "stringData"] {
        collect(&secret[part], &mut held);
    }
    for fault in faults {
        if held
            .iter()
            .any(|value| !value.is_empty() && fault.message.contains(value.as_str()))
        {
            "is not valid for a Secret".clone_into(&mut fault.message);
        }
    }
}

/// All texts within `value`, as they stand and as base64 has them.
fn collect(value: &Value, held: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            held.extend(
                STANDARD
                    .decode(text.trim())
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok()),
            );
            held.push(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, held)),
        Value::Object(map) => map.values().for_each(|item| collect(item, held)),
        Value::Number(_) => held.push(value.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}
