//! All objects at once: what is to be written so that each says what it comes to now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crds::object::ObjectId;

use super::{
    View, difference,
    ledger::Ledger,
    memory::{Memory, Moment},
    notice, prompt_revision, prompt_template, provider, reach, route, status,
    stored::Status,
    subject::Subject,
    validate,
    write::{StatusWrite, Write},
};

/// Plans; remembers of each object what only a witness knows.
#[derive(Debug)]
pub(super) struct Planner {
    ledger: Arc<Mutex<Ledger>>,
    memories: BTreeMap<ObjectId, Memory>,
    /// How many plans were made.
    turn: u64,
}

impl Planner {
    pub(super) fn new(ledger: Arc<Mutex<Ledger>>) -> Self {
        Self {
            ledger,
            memories: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Nothing before it is known what the pods have: a new leader would say of every object that it is behind.
    pub(super) fn plan(&mut self, view: &View<'_>) -> Vec<Arc<Write>> {
        let is_known = view.fleet.desired.is_some() && view.fleet.settled;
        if self.turn == 0 && !is_known {
            return Vec::new();
        }
        self.turn += 1;
        let ledger = Arc::clone(&self.ledger);
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.statuses.retain(|id, applied| {
            let version = version(view, id);
            version.is_some_and(|version| applied.is_ahead_of(version))
        });
        let mut writes = Vec::new();
        let resources = view.resources;
        for name in resources.providers.keys() {
            writes.extend(provider::subject(view, name).and_then(|subject| self.status(view, &ledger, &subject)));
        }
        for name in resources.prompt_templates.keys() {
            writes
                .extend(prompt_template::subject(view, name).and_then(|subject| self.status(view, &ledger, &subject)));
        }
        for name in resources.routes.keys() {
            writes.extend(route::subject(view, name).and_then(|subject| self.status(view, &ledger, &subject)));
        }
        self.memories.retain(|_, memory| memory.turn == self.turn);
        writes.extend(prompt_template::revisions(view, &mut ledger));
        writes.extend(prompt_revision::collect(view, &mut ledger));
        writes.extend(tell(view, &mut ledger));
        writes.into_iter().map(Arc::new).collect()
    }

    /// The status of one object, if it is another than it has.
    fn status(&mut self, view: &View<'_>, ledger: &Ledger, subject: &Subject<'_>) -> Option<Write> {
        let version = subject.metadata.resource_version.as_deref()?;
        let unread = view
            .unreadable
            .get(&subject.id)
            .and_then(|object| object.status.as_ref());
        let unread = unread.and_then(|status| Status::parse(subject.id.kind, status));
        let stored = match (ledger.statuses.get(&subject.id), &unread) {
            (Some(applied), _) => applied.status.stored(),
            (None, Some(status)) => status.stored(),
            (None, None) => subject.stored.clone(),
        };
        let digest = view.digests.get(&subject.id).map(String::as_str);
        let reach = reach::of(view.fleet, &subject.id, digest, &subject.parts);
        let memory = self.memories.entry(subject.id.clone()).or_default();
        let served = memory.served(subject, &stored);
        let moment = Moment {
            turn: self.turn,
            changed: view.changed,
            at: view.at,
        };
        let history = memory.note(digest, &stored, &reach, moment);
        if subject.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let verdict = validate::validate(view.diagnostics(&subject.id), subject.standing, served);
        let desired = status::status(subject, digest, &verdict, &reach, history);
        let urgency = difference::difference(&stored, &desired, &reach)?;
        let notices = notice::notices(&stored, &desired, &reach);
        Some(Write::Status(Box::new(StatusWrite {
            id: subject.id.clone(),
            uid: subject.metadata.uid.clone(),
            base: version.to_owned(),
            status: desired.at(view.now, &stored)?,
            urgency,
            notices,
        })))
    }
}

/// The version of an object in the stores.
fn version<'a>(view: &View<'a>, id: &ObjectId) -> Option<&'a str> {
    view.metadata(id)?.resource_version.as_deref()
}

/// Events about what has no status of its own.
fn tell(view: &View<'_>, ledger: &mut Ledger) -> Vec<Write> {
    let problems = notice::problems(view);
    ledger.noticed.retain(|id, _| problems.contains_key(id));
    let new = problems
        .into_iter()
        .filter(|(id, (_, notice))| ledger.noticed.get(id) != Some(&notice.note));
    new.map(|(_, (about, notice))| Write::Tell { about, notice }).collect()
}
