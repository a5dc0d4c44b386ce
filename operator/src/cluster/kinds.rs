//! What is kept of each kind, and what of it the compiler looks at.

use std::{fmt, sync::Arc};

use crds::{
    admission::{self, Admitted},
    compiler::Submitted,
    object::Kind,
    prompt_revision::PromptRevision,
    prompt_template::PromptTemplate,
    provider::Provider,
    route::Route,
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Resource, ResourceExt as _,
    api::{DynamicObject, ObjectMeta},
};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::Value;

use super::store::Kept;

/// Where `kubectl apply` keeps a copy of what it sent.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What can be watched.
pub(super) trait Wire: Resource + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static {}

impl<K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static> Wire for K {}

/// One of our kinds.
pub(super) trait Custom: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static {
    const KIND: Kind;
    /// Whether something asks who wrote which of its fields.
    const KEEPS_MANAGED_FIELDS: bool = false;

    fn admitted(admitted: Admitted) -> Option<Arc<Self>>;
}

impl Custom for Provider {
    const KIND: Kind = Kind::Provider;

    fn admitted(admitted: Admitted) -> Option<Arc<Self>> {
        match admitted {
            Admitted::Provider(object) => Some(object),
            _ => None,
        }
    }
}

impl Custom for Route {
    const KIND: Kind = Kind::Route;

    fn admitted(admitted: Admitted) -> Option<Arc<Self>> {
        match admitted {
            Admitted::Route(object) => Some(object),
            _ => None,
        }
    }
}

impl Custom for PromptTemplate {
    const KIND: Kind = Kind::PromptTemplate;

    fn admitted(admitted: Admitted) -> Option<Arc<Self>> {
        match admitted {
            Admitted::PromptTemplate(object) => Some(object),
            _ => None,
        }
    }
}

impl Custom for PromptRevision {
    const KIND: Kind = Kind::PromptRevision;
    // Only what nobody else has a hand in is collected.
    const KEEPS_MANAGED_FIELDS: bool = true;

    fn admitted(admitted: Admitted) -> Option<Arc<Self>> {
        match admitted {
            Admitted::PromptRevision(object) => Some(object),
            _ => None,
        }
    }
}

/// One of our objects as it was found.
pub(super) struct Found<K> {
    pub(super) submitted: Submitted<K>,
    /// What could be read of it, if that is not all.
    pub(super) unreadable: Option<Arc<Unreadable>>,
}

/// An object that could not be read, as far as it could: its status tells why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unreadable {
    pub metadata: ObjectMeta,
    pub status: Option<Value>,
}

/// Not derived: that would ask it of the kind, which is shared.
impl<K> Clone for Found<K> {
    fn clone(&self) -> Self {
        Self {
            submitted: self.submitted.clone(),
            unreadable: self.unreadable.clone(),
        }
    }
}

impl<K: Custom> Kept for Found<K> {
    type Wire = DynamicObject;

    /// The API server has judged the object by the definition that was installed when it was written. It is judged again, by ours, so
    /// that an object that is older than its definition cannot do what no file can; once, since a status is none of its business.
    fn keep(object: DynamicObject, before: Option<&Self>) -> Self {
        let mut document = document::<K>(object);
        if let Some(Submitted::WellFormed(before)) = before.map(|before| &before.submitted)
            && is_same(before.meta(), &document["metadata"])
            && let Ok(object) = K::deserialize(&document)
        {
            return Self::good(Arc::new(object));
        }
        // Nobody but us writes a status: one that cannot be read is written anew, and is no reason to refuse the object.
        let status = document.as_object_mut().and_then(|fields| fields.remove("status"));
        let verdict = admission::admit(&document).map(K::admitted);
        if let Some(status) = status {
            document["status"] = status;
        }
        match verdict {
            Ok(Some(object)) => Self::good(K::deserialize(&document).map_or(object, Arc::new)),
            // A document is of the kind that it says.
            Ok(None) => Self::bad(Submitted::Malformed(Vec::new()), &document),
            Err(refused) => Self::bad(refused.submitted(), &document),
        }
    }

    fn is_same_input(&self, other: &Self) -> bool {
        are_same_input(&self.submitted, &other.submitted)
    }
}

/// Whether the compiler could not tell two states of one of our objects apart.
pub(super) fn are_same_input<K: Resource>(one: &Submitted<K>, other: &Submitted<K>) -> bool {
    match (one, other) {
        (Submitted::WellFormed(one), Submitted::WellFormed(other)) => {
            let (one, other) = (one.meta(), other.meta());
            one.uid == other.uid && one.generation == other.generation && one.annotations == other.annotations
        }
        (Submitted::Malformed(one), Submitted::Malformed(other)) => one == other,
        (
            Submitted::PartlyReadable {
                faults,
                allowed_namespaces,
            },
            Submitted::PartlyReadable {
                faults: others,
                allowed_namespaces: allowed,
            },
        ) => faults == others && allowed_namespaces == allowed,
        _ => false,
    }
}

impl<K> Found<K> {
    fn good(object: Arc<K>) -> Self {
        Self {
            submitted: Submitted::WellFormed(object),
            unreadable: None,
        }
    }

    fn bad(submitted: Submitted<K>, document: &Value) -> Self {
        Self {
            submitted,
            unreadable: Some(Arc::new(Unreadable {
                metadata: ObjectMeta::deserialize(&document["metadata"]).unwrap_or_default(),
                status: document.get("status").cloned(),
            })),
        }
    }
}

/// The object as a document, without what nobody asks for.
fn document<K: Custom>(mut object: DynamicObject) -> Value {
    trim(&mut object.metadata, K::KEEPS_MANAGED_FIELDS);
    let mut document = serde_json::to_value(object).unwrap_or_default();
    // Items of a list come without.
    document["apiVersion"] = admission::API_VERSION.into();
    document["kind"] = K::kind(&()).into();
    document
}

fn is_same(before: &ObjectMeta, metadata: &Value) -> bool {
    before.uid.as_deref() == metadata["uid"].as_str()
        && before.generation.is_some()
        && before.generation == metadata["generation"].as_i64()
}

fn trim(metadata: &mut ObjectMeta, keeps_managed_fields: bool) {
    if !keeps_managed_fields {
        metadata.managed_fields = None;
    }
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            metadata.annotations = None;
        }
    }
}

impl Kept for Arc<Secret> {
    type Wire = Secret;

    fn keep(mut object: Secret, _before: Option<&Self>) -> Self {
        trim(&mut object.metadata, false);
        object.metadata.annotations = None;
        Arc::new(object)
    }

    fn is_same_input(&self, other: &Self) -> bool {
        self.data == other.data && self.labels() == other.labels()
    }
}

impl Kept for Arc<ConfigMap> {
    type Wire = ConfigMap;

    fn keep(mut object: ConfigMap, _before: Option<&Self>) -> Self {
        trim(&mut object.metadata, false);
        object.metadata.annotations = None;
        object.binary_data = None;
        Arc::new(object)
    }

    fn is_same_input(&self, other: &Self) -> bool {
        self.data == other.data
    }
}
