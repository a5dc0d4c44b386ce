//! What is kept of the objects of one kind in one place, as a watch tells it. Pure but for a lock that is never held for long.

use std::{
    collections::BTreeMap,
    mem,
    sync::{PoisonError, RwLock},
};

use crds::object::ObjectName;
use kube::{ResourceExt as _, runtime::watcher::Event};

use super::{changes::Change, kinds::Wire};

/// What a store keeps of an object.
pub(super) trait Kept: Clone + Send + Sync + 'static {
    /// The object as the API server sends it.
    type Wire: Wire;

    /// `before` is what was kept of the object until now.
    fn keep(object: Self::Wire, before: Option<&Self>) -> Self;

    /// Whether the compiler could not tell the two apart.
    fn is_same_input(&self, other: &Self) -> bool;
}

/// The objects of one kind in one place.
pub(super) struct Store<V>(RwLock<Inner<V>>);

struct Inner<V> {
    objects: BTreeMap<ObjectName, Entry<V>>,
    /// What a listing under way has given so far.
    listed: BTreeMap<ObjectName, Entry<V>>,
}

#[derive(Clone)]
struct Entry<V> {
    uid: String,
    version: String,
    value: V,
}

impl<V> Default for Store<V> {
    fn default() -> Self {
        Self(RwLock::new(Inner {
            objects: BTreeMap::new(),
            listed: BTreeMap::new(),
        }))
    }
}

impl<V: Clone> Store<V> {
    pub(super) fn copy_into(&self, all: &mut BTreeMap<ObjectName, V>) {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.extend(
            inner
                .objects
                .iter()
                .map(|(name, entry)| (name.clone(), entry.value.clone())),
        );
    }

    pub(super) fn names(&self) -> Vec<ObjectName> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner.objects.keys().cloned().collect()
    }
}

impl<V: Kept> Store<V> {
    /// Takes an event in, and says what it changed. An event that comes twice, or late, changes nothing.
    pub(super) fn absorb(&self, event: Event<V::Wire>) -> Option<Change> {
        // Only the watch writes: what was kept cannot change between reading and writing.
        match event {
            Event::Init => {
                self.write(|inner| inner.listed.clear());
                None
            }
            Event::InitApply(object) => {
                let (name, entry, _) = self.read(object);
                self.write(|inner| inner.listed.insert(name, entry));
                None
            }
            Event::InitDone => self.write(Inner::relisted),
            Event::Apply(object) => {
                let (name, entry, before) = self.read(object);
                let change = match &before {
                    None => Change::Input,
                    Some(before) if before.uid == entry.uid && !is_newer(&entry.version, &before.version) => {
                        return None;
                    }
                    Some(before) => entry.change_from(before),
                };
                self.write(|inner| inner.objects.insert(name, entry));
                Some(change)
            }
            Event::Delete(object) => {
                let (name, uid) = (name(&object), object.uid().unwrap_or_default());
                self.write(|inner| {
                    let is_there = inner.objects.get(&name).is_some_and(|entry| entry.uid == uid);
                    is_there.then(|| inner.objects.remove(&name)).map(|_| Change::Input)
                })
            }
        }
    }

    /// Reads an object, outside of the lock: it may take a while.
    fn read(&self, object: V::Wire) -> (ObjectName, Entry<V>, Option<Entry<V>>) {
        let name = name(&object);
        let before = {
            let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
            inner.objects.get(&name).cloned()
        };
        let uid = object.uid().unwrap_or_default();
        let version = object.resource_version().unwrap_or_default();
        let same = before.as_ref().filter(|before| before.uid == uid);
        let entry = match same {
            Some(same) if same.version == version => same.clone(),
            _ => Entry {
                value: V::keep(object, same.map(|same| &same.value)),
                uid,
                version,
            },
        };
        (name, entry, before)
    }

    fn write<T>(&self, change: impl FnOnce(&mut Inner<V>) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<V: Kept> Inner<V> {
    fn relisted(&mut self) -> Option<Change> {
        let before = mem::replace(&mut self.objects, mem::take(&mut self.listed));
        let gone = before.keys().any(|name| !self.objects.contains_key(name));
        let changes = self.objects.iter().filter_map(|(name, entry)| match before.get(name) {
            None => Some(Change::Input),
            Some(before) if before.uid == entry.uid && before.version == entry.version => None,
            Some(before) => Some(entry.change_from(before)),
        });
        changes.chain(gone.then_some(Change::Input)).max()
    }
}

impl<V: Kept> Entry<V> {
    fn change_from(&self, before: &Self) -> Change {
        if before.uid == self.uid && self.value.is_same_input(&before.value) {
            Change::Status
        } else {
            Change::Input
        }
    }
}

fn name(object: &impl Wire) -> ObjectName {
    ObjectName::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// Versions are numbers that grow. Should they not be, the event that came last is believed.
fn is_newer(version: &str, before: &str) -> bool {
    match (version.parse::<u64>(), before.parse::<u64>()) {
        (Ok(version), Ok(before)) => version > before,
        _ => version != before,
    }
}

#[cfg(test)]
mod tests;
