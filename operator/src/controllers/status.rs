//! The status that an object shall have: its verdict and its reach, as conditions.

use crds::status::{
    ACCEPTED, Condition, ConditionStatus, PROGRAMMED, Propagation, READY, RECONCILING, RESOLVED_REFS, STALLED,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    reach::{Reach, State},
    stored::{Details, Status, Stored},
    subject::{Standing, Subject},
    validate::{Finding, Verdict},
};

/// The conditions that are ours; others' are left alone.
pub(super) const TYPES: [&str; 6] = [ACCEPTED, RESOLVED_REFS, PROGRAMMED, READY, RECONCILING, STALLED];

const NO_PODS: &str = "no gateway pod is ready";

/// A status before its conditions have times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Desired<'a> {
    pub(super) observed_generation: Option<i64>,
    /// By type.
    pub(super) findings: Vec<(&'static str, Finding)>,
    pub(super) propagation: Propagation,
    pub(super) details: Details<'a>,
}

/// What only whoever watched an object for a while knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// The generation of what is in the Snapshot.
    pub(super) served: Option<i64>,
    /// How long the newest change took to all pods.
    pub(super) took_millis: Option<i64>,
}

/// The status of `subject`.
pub(super) fn status<'a>(
    subject: &Subject<'a>,
    digest: Option<&str>,
    verdict: &Verdict,
    reach: &Reach<'_>,
    history: History,
) -> Desired<'a> {
    let mut findings = Vec::with_capacity(TYPES.len());
    findings.push((ACCEPTED, verdict.accepted.clone()));
    findings.push((RESOLVED_REFS, verdict.resolved_refs.clone()));
    findings.push((PROGRAMMED, programmed(subject.standing, verdict, reach)));
    findings.push((READY, ready(subject, verdict, reach)));
    findings.extend(verdict.reconciling.clone().map(|finding| (RECONCILING, finding)));
    findings.extend(verdict.stalled.clone().map(|finding| (STALLED, finding)));
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    Desired {
        observed_generation: subject.metadata.generation,
        findings,
        propagation: Propagation {
            revision: digest.map(str::to_owned),
            generation: history.served,
            desired: count(reach.counted),
            acked: count(reach.acked),
            refused: count(reach.refused),
            summary: format!("{}/{}", reach.acked, reach.counted),
            behind: reach.listed(),
            propagation_millis: history.took_millis,
        },
        details: subject.details.clone(),
    }
}

fn programmed(standing: Standing, verdict: &Verdict, reach: &Reach<'_>) -> Finding {
    if standing == Standing::Absent {
        absent(verdict, "nothing of it is sent to the gateway pods".to_owned())
    } else if reach.counted == 0 {
        Finding::bad("NoGatewayPods", NO_PODS)
    } else if reach.is_sent() {
        Finding::good("Programmed", "")
    } else {
        Finding::bad("Failed", "no gateway pod could be given it")
    }
}

fn ready(subject: &Subject<'_>, verdict: &Verdict, reach: &Reach<'_>) -> Finding {
    if subject.standing == Standing::Absent {
        let message = verdict.cause().map(|cause| cause.message.clone().into_owned());
        absent(verdict, message.unwrap_or_default())
    } else if reach.counted == 0 {
        Finding::bad("NoGatewayPods", NO_PODS)
    } else if let Some(idle) = &subject.idle {
        idle.clone()
    } else if reach.is_complete() {
        let message = match subject.standing {
            Standing::Stale => "every ready gateway pod serves what was good before",
            Standing::Fresh | Standing::Absent => "every ready gateway pod serves it",
        };
        Finding::good("Ready", message)
    } else {
        behind(reach)
    }
}

/// With the reason of what is wrong.
fn absent(verdict: &Verdict, message: String) -> Finding {
    let reason = verdict
        .cause()
        .map_or("NotAccepted".into(), |cause| cause.reason.clone());
    Finding::bad(reason, message)
}

/// In the words of the worst pod.
fn behind(reach: &Reach<'_>) -> Finding {
    let counted = || reach.behind.iter().filter(|behind| behind.counts());
    let Some(worst) = counted().next() else {
        return Finding::bad("Progressing", "");
    };
    let reason = match worst.state {
        State::Refused => "Refused",
        State::Failed => "Failed",
        State::Pending | State::Starting => "Progressing",
    };
    let listed = reach.listed();
    let words = listed.first().map_or("", |pod| pod.message.as_str());
    let others = match counted().count() - 1 {
        0 => String::new(),
        1 => " (and 1 other pod)".to_owned(),
        others => format!(" (and {others} other pods)"),
    };
    Finding::bad(reason, format!("{}: {words}{others}", worst.pod))
}

impl Desired<'_> {
    pub(super) fn finding(&self, type_: &str) -> Option<&Finding> {
        let found = self.findings.iter().find(|(found, _)| *found == type_);
        found.map(|(_, finding)| finding)
    }

    /// As it is written. A condition keeps its time as long as its status does not flip.
    pub(super) fn at(self, now: Timestamp, stored: &Stored<'_>) -> Option<Status> {
        let Self {
            observed_generation,
            findings,
            propagation,
            details,
        } = self;
        let now = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
        let conditions = findings.into_iter().map(|(type_, finding)| {
            let Finding {
                status,
                reason,
                message,
            } = finding;
            let before = stored.condition(type_).filter(|before| before.status == status);
            Condition {
                type_: type_.to_owned(),
                status,
                observed_generation,
                last_transition_time: before.map_or(&now, |before| &before.last_transition_time).clone(),
                reason: reason.into_owned(),
                message: message.into_owned(),
            }
        });
        Status::new(observed_generation, conditions.collect(), Some(propagation), details)
    }
}

impl Finding {
    /// Whether a condition says this, of `generation`.
    pub(super) fn is_said_by(&self, condition: &Condition, generation: Option<i64>) -> bool {
        let Self {
            status,
            reason,
            message,
        } = self;
        condition.status == *status
            && condition.reason == *reason
            && condition.message == *message
            && condition.observed_generation == generation
    }

    pub(super) fn is_false(&self) -> bool {
        self.status == ConditionStatus::False
    }
}
