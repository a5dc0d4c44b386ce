//! What concerns a Route: the Providers and revisions that its targets use.

use crds::{
    object::{Kind, ObjectId, ObjectName},
    snapshot::RouteEntry,
};

use super::{status, validate};
use crate::controllers::{
    View,
    metadata::object,
    subject::{Standing, Subject},
};

/// The Route `name`; nothing if not even its metadata could be read.
pub(in crate::controllers) fn dereference<'a>(view: &View<'a>, name: &ObjectName) -> Option<Subject<'a>> {
    let id = ObjectId {
        kind: Kind::Route,
        name: name.clone(),
    };
    let route = object(view.resources.routes.get(name)?);
    let entry = view.compiled.snapshot.routes.get(name);
    let stored = route.and_then(|route| route.status.as_ref());
    Some(Subject {
        metadata: view.metadata(&id)?,
        stored: stored.map(Into::into).unwrap_or_default(),
        standing: Standing::of(entry.map(|entry| entry.stale)),
        parts: entry.map(parts).unwrap_or_default(),
        details: status::details(&name.namespace, entry),
        idle: entry.and_then(|entry| validate::idle(entry, view.diagnostics(&id))),
        id,
    })
}

/// What a pod may refuse in the Route's stead.
fn parts(entry: &RouteEntry) -> Vec<ObjectId> {
    let used = entry.targets.iter().filter(|target| target.resolved);
    let parts = used.flat_map(|target| {
        let revision = target.prompt.as_ref().and_then(|prompt| prompt.revision.as_ref());
        let provider = (Kind::Provider, &target.provider);
        [
            Some(provider),
            revision.map(|revision| (Kind::PromptRevision, revision)),
        ]
    });
    parts
        .flatten()
        .map(|(kind, name)| ObjectId {
            kind,
            name: name.clone(),
        })
        .collect()
}
