//! One document to an object, by the API server's rules, and without a secret in what is said about it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crds::{
    admission::Fault,
    compiler::{Resources, Submitted},
    object::{DEFAULT_NAMESPACE, Kind, ObjectId, ObjectName},
    prompt_template::PromptTemplate,
    provider::Provider,
    route::Route,
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Value, json};

const OWN_GROUP: &str = "routeswitch.io";
const ACCEPTED: &str =
    "accepted are Provider, Route and PromptTemplate of routeswitch.io/v1alpha1, and Secret, ConfigMap and List of v1";

/// A good object. Not printable: it may be a Secret.
#[derive(Clone)]
pub(super) enum Object {
    Provider(Box<Provider>),
    Route(Box<Route>),
    PromptTemplate(Box<PromptTemplate>),
    Secret(Box<Secret>),
    ConfigMap(Box<ConfigMap>),
}

/// Why a document is not a good object.
pub(super) struct Refusal {
    /// Which object it is, when that much can be told.
    pub(super) id: Option<ObjectId>,
    pub(super) faults: Vec<Fault>,
    /// Which objects it may have been meant to be, when that cannot be told.
    pub(super) doubt: Doubt,
}

/// A set of kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Doubt {
    #[default]
    None,
    Kinds(Vec<Kind>),
    All,
}

impl Doubt {
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

impl Object {
    /// Files it under its name.
    pub(super) fn put_into(self, name: ObjectName, resources: &mut Resources) {
        match self {
            Self::Provider(object) => {
                resources.providers.insert(name, Submitted::WellFormed(object));
            }
            Self::Route(object) => {
                resources.routes.insert(name, Submitted::WellFormed(object));
            }
            Self::PromptTemplate(object) => {
                resources.prompt_templates.insert(name, Submitted::WellFormed(object));
            }
            Self::Secret(object) => {
                resources.secrets.insert(name, *object);
            }
            Self::ConfigMap(object) => {
                resources.config_maps.insert(name, *object);
            }
        }
    }
}

/// Reads `document` as the API server would. Without a namespace it is in `default`.
pub(super) fn admit(mut document: Value) -> Result<(ObjectId, Object), Refusal> {
    let kind = identify(&document)?;
    if let Some(Value::Object(metadata)) = document.get_mut("metadata")
        && metadata.get("namespace").is_none_or(Value::is_null)
    {
        metadata.insert("namespace".to_owned(), json!(DEFAULT_NAMESPACE));
    }
    judge(kind, &document).map_err(|(id, faults)| {
        let faults = if kind == Kind::Secret {
            redact(&document, faults)
        } else {
            faults
        };
        let doubt = if id.is_some() {
            Doubt::None
        } else {
            Doubt::Kinds(vec![kind])
        };
        Refusal { id, faults, doubt }
    })
}

/// The kind of `document`, if it is one of ours.
fn identify(document: &Value) -> Result<Kind, Refusal> {
    let refuse = |field: &str, message: String, doubt| {
        let faults = vec![Fault {
            field: field.to_owned(),
            message,
        }];
        Err(Refusal {
            id: None,
            faults,
            doubt,
        })
    };
    if !document.is_object() {
        return refuse("", format!("not an object; {ACCEPTED}"), Doubt::All);
    }
    let (Some(version), Some(kind)) = (document["apiVersion"].as_str(), document["kind"].as_str()) else {
        let missing = if document["apiVersion"].is_string() {
            "kind"
        } else {
            "apiVersion"
        };
        return refuse(missing, format!("must be given as text; {ACCEPTED}"), Doubt::All);
    };
    match (version, kind) {
        ("routeswitch.io/v1alpha1", "Provider") => Ok(Kind::Provider),
        ("routeswitch.io/v1alpha1", "Route") => Ok(Kind::Route),
        ("routeswitch.io/v1alpha1", "PromptTemplate") => Ok(Kind::PromptTemplate),
        ("v1", "Secret") => Ok(Kind::Secret),
        ("v1", "ConfigMap") => Ok(Kind::ConfigMap),
        ("v1", "List") => refuse("items", "must be a list of objects".to_owned(), Doubt::All),
        _ => {
            // An object of somebody else is complete in itself; one of ours may be a slip of the pen.
            let is_ours = version.split('/').next() == Some(OWN_GROUP);
            let doubt = if is_ours { Doubt::All } else { Doubt::None };
            refuse(
                "kind",
                format!("{} of {} is not read here; {ACCEPTED}", short(kind), short(version)),
                doubt,
            )
        }
    }
}

fn short(text: &str) -> String {
    format!("`{}`", text.chars().take(64).collect::<String>())
}

/// Stands in for what crds will offer.
fn judge(kind: Kind, document: &Value) -> Result<(ObjectId, Object), (Option<ObjectId>, Vec<Fault>)> {
    fn read<K: serde::de::DeserializeOwned>(document: &Value) -> Result<Box<K>, Vec<Fault>> {
        K::deserialize(document).map(Box::new).map_err(|error| {
            vec![Fault {
                field: "spec".into(),
                message: error.to_string(),
            }]
        })
    }
    let Some(name) = document["metadata"]["name"].as_str() else {
        return Err((
            None,
            vec![Fault {
                field: "metadata.name".into(),
                message: "is required".into(),
            }],
        ));
    };
    let namespace = document["metadata"]["namespace"].as_str().unwrap_or(DEFAULT_NAMESPACE);
    let id = ObjectId {
        kind,
        name: ObjectName::new(namespace, name),
    };
    let object = match kind {
        Kind::Provider => read(document).map(Object::Provider),
        Kind::Route => read(document).map(Object::Route),
        Kind::PromptTemplate => read(document).map(Object::PromptTemplate),
        Kind::Secret => read(document).map(Object::Secret),
        Kind::ConfigMap => read(document).map(Object::ConfigMap),
    };
    match object {
        Ok(object) => Ok((id, object)),
        Err(faults) => Err((Some(id), faults)),
    }
}

/// Faults of a Secret, none of which repeats what the Secret holds.
fn redact(secret: &Value, faults: Vec<Fault>) -> Vec<Fault> {
    let mut held = Vec::new();
    for part in ["data", "stringData"] {
        collect(&secret[part], &mut held);
    }
    let leaks = |message: &str| {
        held.iter()
            .any(|value| !value.is_empty() && message.contains(value.as_str()))
    };
    let mend = |fault: Fault| {
        let message = if leaks(&fault.message) {
            "is not valid for a Secret".to_owned()
        } else {
            fault.message
        };
        Fault { message, ..fault }
    };
    faults.into_iter().map(mend).collect()
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
