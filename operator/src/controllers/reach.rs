//! How far an object has come: what each gateway pod made of it.
//!
//! Pods count that are Ready and not terminating. A starting pod is listed and does not count, so that a restart makes nobody unready.

use std::borrow::Cow;

use crds::{
    object::{Kind, ObjectId},
    status::{LONGEST_POD_MESSAGE, MOST_BEHIND, PodBehind},
};

use super::text;
use crate::publish::{Fleet, Pod};

/// What the pods made of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach<'a> {
    pub(super) counted: usize,
    pub(super) acked: usize,
    pub(super) refused: usize,
    /// Counted ones first, those that refuse it before others.
    pub(super) behind: Vec<Behind<'a>>,
    /// Pods are there that do not count yet, or no more.
    pub(super) is_restarting: bool,
    /// Some pod refuses an object that it uses and that has a status of its own.
    pub(super) is_refused_for_another: bool,
}

/// A pod that does not serve an object as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Behind<'a> {
    pub(super) state: State,
    pub(super) pod: &'a str,
    pub(super) message: Cow<'a, str>,
}

/// What holds a pod back; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// It does not serve the object as it is, and says why.
    Refused,
    /// It did not get the Snapshot, or refuses it whole.
    Failed,
    /// It has not answered yet.
    Pending,
    /// It does not count.
    Starting,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::Failed => "Failed",
            Self::Pending => "Pending",
            Self::Starting => "Starting",
        }
    }
}

impl Behind<'_> {
    pub(super) fn counts(&self) -> bool {
        self.state != State::Starting
    }
}

impl Reach<'_> {
    pub(super) fn is_complete(&self) -> bool {
        self.counted > 0 && self.acked == self.counted
    }

    pub(super) fn has(&self, state: State) -> bool {
        self.behind.iter().any(|behind| behind.state == state)
    }

    /// Whether it is with the pods, or on its way.
    pub(super) fn is_sent(&self) -> bool {
        let failed = self
            .behind
            .iter()
            .filter(|behind| behind.state == State::Failed)
            .count();
        self.counted > failed
    }

    /// Of the status.
    pub(super) fn listed(&self) -> Vec<PodBehind> {
        let listed = self.behind.iter().take(MOST_BEHIND);
        listed
            .map(|behind| PodBehind {
                pod: behind.pod.to_owned(),
                state: behind.state.as_str().to_owned(),
                message: text::bounded(&behind.message, LONGEST_POD_MESSAGE).into_owned(),
            })
            .collect()
    }
}

/// What the pods of `fleet` made of the object `id`, which is desired as `digest` and made of `parts`.
pub(super) fn of<'a>(fleet: &'a Fleet, id: &ObjectId, digest: Option<&str>, parts: &[ObjectId]) -> Reach<'a> {
    let mut reach = Reach::default();
    for pod in &fleet.pods {
        reach.is_restarting |= !pod.counted;
        reach.counted += usize::from(pod.counted);
        let Some(digest) = digest else { continue };
        reach.is_refused_for_another |=
            id.kind == Kind::Route && parts.iter().any(|part| pod.refused.contains_key(part));
        match behind(pod, id, digest, parts) {
            None => reach.acked += usize::from(pod.counted),
            Some(behind) if pod.counted => {
                reach.refused += usize::from(behind.state == State::Refused);
                reach.behind.push(behind);
            }
            Some(behind) if pod.starting => reach.behind.push(Behind {
                state: State::Starting,
                ..behind
            }),
            Some(_) => {}
        }
    }
    reach.behind.sort_by_key(|behind| behind.state);
    reach
}

/// How a pod is behind, if it is.
fn behind<'a>(pod: &'a Pod, id: &ObjectId, digest: &str, parts: &[ObjectId]) -> Option<Behind<'a>> {
    let (state, message) = if let Some(words) = refusal(pod, id, parts) {
        (State::Refused, words)
    } else if pod.digests.get(id).is_some_and(|held| held == digest) {
        return None;
    } else if let Some(trouble) = &pod.trouble {
        (State::Failed, Cow::Borrowed(trouble.as_str()))
    } else if pod.starting {
        (State::Starting, "not ready yet".into())
    } else {
        (State::Pending, "has not answered yet".into())
    };
    Some(Behind {
        state,
        pod: &pod.name,
        message,
    })
}

/// The pod's words on the object, or on a part of it.
fn refusal<'a>(pod: &'a Pod, id: &ObjectId, parts: &[ObjectId]) -> Option<Cow<'a, str>> {
    if pod.refused.is_empty() {
        return None;
    }
    if let Some(words) = pod.refused.get(id) {
        return Some(Cow::Borrowed(words));
    }
    let part = parts.iter().find_map(|part| Some((part, pod.refused.get(part)?)));
    part.map(|(part, words)| Cow::Owned(format!("{part}: {words}")))
}
