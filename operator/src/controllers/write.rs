//! What there is to write.

use crds::{
    object::{ObjectId, ObjectName},
    prompt_revision::PromptRevision,
};

use super::{difference::Urgency, notice::Notice, stored::Status};

/// One call of the API server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Write {
    Status(Box<StatusWrite>),
    /// Makes a `PromptRevision`.
    Keep(Box<PromptRevision>),
    /// Deletes a `PromptRevision`, if it is still this one.
    Collect {
        name: ObjectName,
        uid: String,
        version: String,
    },
    Tell {
        about: About,
        notice: Notice,
    },
}

/// A status.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StatusWrite {
    pub(super) id: ObjectId,
    pub(super) uid: Option<String>,
    /// The version of the object that it was planned on.
    pub(super) base: String,
    pub(super) status: Status,
    pub(super) urgency: Urgency,
    /// What is told when it is written.
    pub(super) notices: Vec<Notice>,
}

/// What an Event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    Object {
        id: ObjectId,
        uid: Option<String>,
    },
    /// This operator.
    Operator,
}

/// Writes with the same key replace each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Status(ObjectId),
    Revision(ObjectName),
    Tell(Option<ObjectId>),
}

impl Write {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Status(write) => Key::Status(write.id.clone()),
            Self::Keep(revision) => Key::Revision(name(revision)),
            Self::Collect { name, .. } => Key::Revision(name.clone()),
            Self::Tell { about, .. } => Key::Tell(about.id().cloned()),
        }
    }

    pub(super) fn urgency(&self) -> Urgency {
        match self {
            Self::Status(write) => write.urgency,
            Self::Keep(_) | Self::Collect { .. } | Self::Tell { .. } => Urgency::Now,
        }
    }

    /// Whether it says what `earlier` says, but for when that was.
    pub(super) fn repeats(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Status(one), Self::Status(other)) => one.uid == other.uid && one.status.repeats(&other.status),
            (one, other) => one == other,
        }
    }
}

impl About {
    pub(super) fn id(&self) -> Option<&ObjectId> {
        match self {
            Self::Object { id, uid: _ } => Some(id),
            Self::Operator => None,
        }
    }
}

impl Status {
    /// Whether two statuses differ in nothing but times.
    fn repeats(&self, earlier: &Self) -> bool {
        let (one, other) = (self.stored(), earlier.stored());
        let is_same = one.conditions.len() == other.conditions.len()
            && one.conditions.iter().zip(other.conditions).all(|(one, other)| {
                let other = crds::status::Condition {
                    last_transition_time: one.last_transition_time.clone(),
                    ..other.clone()
                };
                *one == other
            });
        is_same
            && one.observed_generation == other.observed_generation
            && one.propagation == other.propagation
            && one.details == other.details
    }
}

/// Of a revision, which always has both.
pub(super) fn name(revision: &PromptRevision) -> ObjectName {
    let metadata = &revision.metadata;
    ObjectName::new(
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}
