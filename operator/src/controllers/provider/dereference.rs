//! What concerns a Provider.

use crds::object::{Kind, ObjectId, ObjectName};

use super::status;
use crate::controllers::{
    View,
    metadata::object,
    subject::{Standing, Subject},
};

/// The Provider `name`; nothing if not even its metadata could be read.
pub(in crate::controllers) fn dereference<'a>(view: &View<'a>, name: &ObjectName) -> Option<Subject<'a>> {
    let id = ObjectId {
        kind: Kind::Provider,
        name: name.clone(),
    };
    let provider = object(view.resources.providers.get(name)?);
    let entry = view.compiled.snapshot.providers.get(name);
    let stored = provider.and_then(|provider| provider.status.as_ref());
    Some(Subject {
        metadata: view.metadata(&id)?,
        stored: stored.map(Into::into).unwrap_or_default(),
        standing: Standing::of(entry.map(|entry| entry.stale)),
        parts: Vec::new(),
        details: status::details(provider, entry),
        idle: None,
        id,
    })
}
