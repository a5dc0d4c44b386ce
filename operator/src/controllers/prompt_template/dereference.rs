//! What concerns a `PromptTemplate`: its own revision and the active one.

use crds::{
    object::{Kind, ObjectId, ObjectName},
    snapshot::PromptEntry,
};

use super::status;
use crate::controllers::{
    View,
    metadata::object,
    subject::{Standing, Subject},
};

/// The `PromptTemplate` `name`; nothing if not even its metadata could be read.
pub(in crate::controllers) fn dereference<'a>(view: &View<'a>, name: &ObjectName) -> Option<Subject<'a>> {
    let id = ObjectId {
        kind: Kind::PromptTemplate,
        name: name.clone(),
    };
    let template = object(view.resources.prompt_templates.get(name)?);
    let entry = view.compiled.snapshot.prompts.get(name);
    let stored = template.and_then(|template| template.status.as_ref());
    Some(Subject {
        metadata: view.metadata(&id)?,
        stored: stored.map(Into::into).unwrap_or_default(),
        standing: Standing::of(entry.map(|entry| entry.stale)),
        parts: entry.map(|entry| parts(name, entry)).unwrap_or_default(),
        details: status::details(entry),
        idle: None,
        id,
    })
}

/// What a pod may refuse in the template's stead.
fn parts(name: &ObjectName, entry: &PromptEntry) -> Vec<ObjectId> {
    vec![ObjectId {
        kind: Kind::PromptRevision,
        name: ObjectName::new(&*name.namespace, &*entry.active_revision),
    }]
}
