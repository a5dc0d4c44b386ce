//! Metadata of submitted objects, whether or not they could be read.

use crds::{
    compiler::Submitted,
    object::{Kind, ObjectId},
};
use kube::{Resource, core::ObjectMeta};

use super::View;

impl<'a> View<'a> {
    /// The metadata of an object, if it exists.
    pub(super) fn metadata(&self, id: &ObjectId) -> Option<&'a ObjectMeta> {
        let resources = self.resources;
        let ObjectId { kind, name } = id;
        match kind {
            Kind::Provider => self.of(id, resources.providers.get(name)?),
            Kind::PromptTemplate => self.of(id, resources.prompt_templates.get(name)?),
            Kind::PromptRevision => self.of(id, resources.prompt_revisions.get(name)?),
            Kind::Route => self.of(id, resources.routes.get(name)?),
            Kind::Secret => resources.secrets.get(name).map(|secret| &secret.metadata),
            Kind::ConfigMap => resources.config_maps.get(name).map(|map| &map.metadata),
        }
    }

    fn of<K: Resource>(&self, id: &ObjectId, submitted: &'a Submitted<K>) -> Option<&'a ObjectMeta> {
        match object(submitted) {
            Some(object) => Some(object.meta()),
            None => self.unreadable.get(id).map(|object| &object.metadata),
        }
    }
}

/// The object itself, if it could be read.
pub(super) fn object<K>(submitted: &Submitted<K>) -> Option<&K> {
    match submitted {
        Submitted::WellFormed(object) => Some(object),
        // What is written down is from files.
        Submitted::Written(_) | Submitted::Malformed(_) | Submitted::PartlyReadable { .. } => None,
    }
}
