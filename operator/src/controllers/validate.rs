//! The verdict on an object by itself: diagnostics become the conditions Accepted and `ResolvedRefs`, and tell who can mend what is wrong.
//!
//! One step for all kinds: what they differ in, the compiler has judged already.

use std::borrow::Cow;

use crds::{
    compiler::{Condition, Diagnostic, Reason},
    status::{ConditionStatus, LONGEST_MESSAGE},
};

use super::{subject::Standing, text};

/// Room that a message leaves for what is said after it.
const ROOM: usize = 128;

/// What a condition says, but for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) status: ConditionStatus,
    pub(super) reason: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
}

/// What is to be said of an object before any pod is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) accepted: Finding,
    pub(super) resolved_refs: Finding,
    /// Something is missing that other objects may still bring.
    pub(super) reconciling: Option<Finding>,
    /// Only a person can mend it.
    pub(super) stalled: Option<Finding>,
}

impl Finding {
    pub(super) fn good(reason: &'static str, message: &'static str) -> Self {
        Self {
            status: ConditionStatus::True,
            reason: reason.into(),
            message: message.into(),
        }
    }

    pub(super) fn bad(reason: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: ConditionStatus::False,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// The same as a condition that is only there while it is true.
    fn as_cause(&self) -> Self {
        Self {
            status: ConditionStatus::True,
            ..self.clone()
        }
    }
}

impl Verdict {
    /// The first thing that is wrong.
    pub(super) fn cause(&self) -> Option<&Finding> {
        [&self.accepted, &self.resolved_refs]
            .into_iter()
            .find(|finding| finding.status == ConditionStatus::False)
    }
}

/// The verdict on an object with `diagnostics`. `served` is the generation of what is still served of it when it is stale, if that is known.
pub(super) fn validate(diagnostics: &[Diagnostic], standing: Standing, served: Option<i64>) -> Verdict {
    let still = (standing == Standing::Stale).then(|| match served {
        Some(generation) => format!("; generation {generation} is still served"),
        None => "; what was good before is still served".to_owned(),
    });
    let mut accepted = Finding::good("Accepted", "");
    let mut resolved_refs = match standing {
        Standing::Absent if fault(diagnostics, Condition::Accepted).is_some() => Finding {
            status: ConditionStatus::Unknown,
            reason: "NotAccepted".into(),
            message: "references are looked at once the object is accepted".into(),
        },
        _ => Finding::good("ResolvedRefs", ""),
    };
    if let Some(fault) = fault(diagnostics, Condition::Accepted) {
        accepted = fault;
    }
    if let Some(fault) = fault(diagnostics, Condition::ResolvedRefs) {
        resolved_refs = fault;
    }
    if let Some(still) = still {
        let about = if accepted.status == ConditionStatus::False {
            &mut accepted
        } else {
            &mut resolved_refs
        };
        about.message.to_mut().push_str(&still);
    }
    let lone = |reason: Reason| diagnostics.iter().any(|diagnostic| diagnostic.reason == reason);
    let stalled = if accepted.status == ConditionStatus::False {
        Some(accepted.as_cause())
    } else if lone(Reason::CredentialMissing) {
        // Its own spec says nothing of a Secret, so that no other object can bring it.
        Some(resolved_refs.as_cause())
    } else {
        None
    };
    let is_waiting = stalled.is_none() && resolved_refs.status == ConditionStatus::False;
    Verdict {
        reconciling: is_waiting.then(|| resolved_refs.as_cause()),
        stalled,
        accepted,
        resolved_refs,
    }
}

/// All diagnostics of one condition; the first gives the reason.
fn fault(diagnostics: &[Diagnostic], condition: Condition) -> Option<Finding> {
    let mut faults = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.condition == condition)
        .peekable();
    let reason = faults.peek()?.reason;
    let message = text::joined(faults.map(words), LONGEST_MESSAGE - ROOM);
    Some(Finding::bad(format!("{reason:?}"), message))
}

/// A diagnostic in words, with its place.
pub(super) fn words(diagnostic: &Diagnostic) -> String {
    let Diagnostic {
        condition: _,
        reason: _,
        field,
        message,
        line,
        column,
    } = diagnostic;
    match (field.as_str(), line, column) {
        ("", _, _) => message.clone(),
        (field, Some(line), Some(column)) => format!("{field} (line {line}, column {column}): {message}"),
        (field, Some(line), None) => format!("{field} (line {line}): {message}"),
        (field, None, _) => format!("{field}: {message}"),
    }
}
