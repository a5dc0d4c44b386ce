//! What the API server would say of a manifest: kind, metadata, unknown fields, schema, CEL.
//!
//! [`admit`] takes one document and gives the typed object, or every fault with its field and what is allowed there. The verdict on
//! our kinds is that of `kubectl apply` (which validates strictly) against a real API server; the schema and the rules are the very
//! ones of the installed definitions ([`crate::definition`]), compiled once, unless [`forget_schemas`] is called.

mod core;
mod metadata;
mod schema;
mod structure;
mod words;

use std::{borrow::Cow, sync::Arc};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    compiler::Submitted,
    definition,
    object::{DEFAULT_NAMESPACE, Kind, ObjectId, ObjectName},
    prompt_revision::PromptRevision,
    prompt_template::{Message, PromptTemplate},
    provider::Provider,
    route::Route,
};

/// `apiVersion` of our kinds.
pub const API_VERSION: &str = "routeswitch.io/v1alpha1";

/// One thing that the API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Path of the field, for instance `spec.targets[0].weight`; empty when it is the object as a whole.
    pub field: String,
    pub message: String,
}

/// An object that is well formed, with a namespace.
#[derive(Clone, Debug, PartialEq)]
pub enum Admitted {
    Provider(Arc<Provider>),
    Route(Arc<Route>),
    PromptTemplate(Arc<PromptTemplate>),
    PromptRevision(Arc<PromptRevision>),
    /// Its `stringData` is in `data`.
    Secret(Arc<Secret>),
    ConfigMap(Arc<ConfigMap>),
}

/// A document that is not admitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The object that the document is about, as far as that can be told.
    pub id: Option<ObjectId>,
    /// Never empty.
    pub faults: Vec<Fault>,
    /// Its `allowedNamespaces`, if its kind has them and they can be read.
    pub allowed_namespaces: Option<Vec<String>>,
}

impl Fault {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.field.as_str() {
            "" => formatter.write_str(&self.message),
            field => write!(formatter, "{field}: {}", self.message),
        }
    }
}

impl Admitted {
    pub fn id(&self) -> ObjectId {
        let (kind, metadata) = match self {
            Admitted::Provider(object) => (Kind::Provider, &object.metadata),
            Admitted::Route(object) => (Kind::Route, &object.metadata),
            Admitted::PromptTemplate(object) => (Kind::PromptTemplate, &object.metadata),
            Admitted::PromptRevision(object) => (Kind::PromptRevision, &object.metadata),
            Admitted::Secret(object) => (Kind::Secret, &object.metadata),
            Admitted::ConfigMap(object) => (Kind::ConfigMap, &object.metadata),
        };
        let namespace = metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        let name = metadata
            .name
            .as_deref()
            .expect("an object without a name is not admitted");
        ObjectId {
            kind,
            name: ObjectName::new(namespace, name),
        }
    }
}

impl Refused {
    /// The object as the compiler takes it: bad, with what can be read of it.
    pub fn submitted<K>(self) -> Submitted<K> {
        let Refused {
            id: _,
            faults,
            allowed_namespaces,
        } = self;
        match allowed_namespaces {
            Some(allowed_namespaces) => Submitted::PartlyReadable {
                faults,
                allowed_namespaces,
            },
            None => Submitted::Malformed(faults),
        }
    }
}

/// Judges one document of a manifest.
pub fn admit(document: &Value) -> Result<Admitted, Refused> {
    let kind = kind(document).map_err(|fault| Refused {
        id: None,
        faults: vec![fault],
        allowed_namespaces: None,
    })?;
    let id = identify(kind, document);
    let checked = match kind {
        Kind::Provider => custom(kind, document).map(Arc::new).map(Admitted::Provider),
        Kind::Route => custom(kind, document).map(Arc::new).map(Admitted::Route),
        Kind::PromptTemplate => custom(kind, document).map(Arc::new).map(Admitted::PromptTemplate),
        Kind::PromptRevision => custom(kind, document).map(Arc::new).map(Admitted::PromptRevision),
        Kind::Secret => core::secret(document).map(Arc::new).map(Admitted::Secret),
        Kind::ConfigMap => core::config_map(document).map(Arc::new).map(Admitted::ConfigMap),
    };
    checked.map_err(|faults| Refused {
        id,
        faults,
        allowed_namespaces: allowed_namespaces(kind, document),
    })
}

/// Gives back the memory of the compiled schemas, a megabyte and more, until something is judged again. For programs that judge seldom.
pub fn forget_schemas() {
    schema::forget();
}

/// Reads a list of messages by the schema of a `PromptTemplate`'s `messages`; fields of faults begin with the index.
pub(crate) fn messages(value: &Value) -> Result<Vec<Message>, Vec<Fault>> {
    let value = normal(value);
    let faults = schema::messages(|schema| schema.check(&value));
    typed(value, faults)
}

/// The kind of a document that is one of those that we take.
fn kind(document: &Value) -> Result<Kind, Fault> {
    let text = |field: &str| document.get(field).and_then(Value::as_str);
    if !document.is_object() {
        return Err(Fault::new(
            "",
            format!(
                "must be an object with apiVersion, kind and metadata, not {}",
                words::type_of(document)
            ),
        ));
    }
    let (kind, api_version) = match text("kind") {
        Some("Provider") => (Kind::Provider, API_VERSION),
        Some("Route") => (Kind::Route, API_VERSION),
        Some("PromptTemplate") => (Kind::PromptTemplate, API_VERSION),
        Some("PromptRevision") => (Kind::PromptRevision, API_VERSION),
        Some("Secret") => (Kind::Secret, "v1"),
        Some("ConfigMap") => (Kind::ConfigMap, "v1"),
        other => {
            let accepted = format!(
                "must be Provider, Route, PromptTemplate or PromptRevision (apiVersion {API_VERSION}), Secret or ConfigMap (apiVersion v1)"
            );
            return Err(Fault::new(
                "kind",
                other.map_or(accepted.clone(), |other| format!("{accepted}, not `{other}`")),
            ));
        }
    };
    match text("apiVersion") {
        Some(given) if given == api_version => Ok(kind),
        given => {
            let given = given.map(|given| format!(", not `{given}`")).unwrap_or_default();
            Err(Fault::new(
                "apiVersion",
                format!("must be {api_version} for kind {kind}{given}"),
            ))
        }
    }
}

fn identify(kind: Kind, document: &Value) -> Option<ObjectId> {
    let metadata = document.get("metadata")?;
    let name = metadata.get("name")?.as_str().filter(|name| !name.is_empty())?;
    let namespace = match metadata.get("namespace") {
        None | Some(Value::Null) => DEFAULT_NAMESPACE,
        Some(namespace) => namespace
            .as_str()
            .map(|text| if text.is_empty() { DEFAULT_NAMESPACE } else { text })?,
    };
    Some(ObjectId {
        kind,
        name: ObjectName::new(namespace, name),
    })
}

/// The namespaces that a refused object still allows. One that names none allows none.
fn allowed_namespaces(kind: Kind, document: &Value) -> Option<Vec<String>> {
    let has_them = matches!(kind, Kind::Provider | Kind::Route | Kind::PromptTemplate);
    let spec = document.get("spec").filter(|_| has_them)?.as_object()?;
    match spec.get("allowedNamespaces") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => Some(
            list.as_array()?
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        ),
    }
}

fn custom<K: DeserializeOwned>(kind: Kind, document: &Value) -> Result<K, Vec<Fault>> {
    let mut object = normal(document);
    let mut faults = metadata::check(&mut object);
    // Metadata has no schema of its own in a definition.
    let metadata = object.as_object_mut().and_then(|fields| fields.remove("metadata"));
    schema::of(kind, |schema| {
        faults.extend(schema.take_status(&mut object));
        faults.extend(schema.check(&object));
    });
    if let (Some(fields), Some(metadata)) = (object.as_object_mut(), metadata) {
        fields.insert("metadata".to_owned(), metadata);
    }
    typed(object, faults)
}

/// A document as `kubectl apply` sends it: without nulls, whole numbers as integers.
fn normal(document: &Value) -> Value {
    let mut document = document.clone();
    structure::drop_nulls(&mut document);
    definition::integers(&mut document);
    document
}

/// The typed object, if there are no faults. What passes the schema fits the type; should it not, that is a fault too.
fn typed<T: DeserializeOwned>(value: Value, faults: Vec<Fault>) -> Result<T, Vec<Fault>> {
    if !faults.is_empty() {
        return Err(faults);
    }
    serde_json::from_value(value).map_err(|error| vec![Fault::new("", error.to_string())])
}

/// `parent.name`, or `parent[name]` where the name would be misread.
fn child<'a>(parent: &'a str, name: &'a str) -> Cow<'a, str> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match parent {
        "" => Cow::Borrowed(name),
        _ if plain => Cow::Owned(format!("{parent}.{name}")),
        _ => Cow::Owned(format!("{parent}[{name}]")),
    }
}

#[cfg(test)]
mod tests;
