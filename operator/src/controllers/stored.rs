//! A status as it is on the API server, of whatever kind: read without a copy, since all of them are compared at every change.

use std::borrow::Cow;

use crds::{
    object::Kind,
    status::{Condition, PromptTemplateStatus, Propagation, ProviderStatus, RouteStatus, TargetStatus},
};
use serde::Serialize;
use serde_json::Value;

/// A status.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Status {
    Provider(ProviderStatus),
    PromptTemplate(PromptTemplateStatus),
    Route(RouteStatus),
}

/// What all kinds have in theirs, and the rest.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored<'a> {
    pub(super) observed_generation: Option<i64>,
    pub(super) conditions: &'a [Condition],
    pub(super) propagation: Option<&'a Propagation>,
    pub(super) details: Details<'a>,
}

/// What is peculiar to a kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Details<'a> {
    #[default]
    None,
    Provider {
        models: Option<i32>,
    },
    PromptTemplate {
        spec_revision: Option<&'a str>,
        active_revision: Option<&'a str>,
    },
    Route {
        targets: Cow<'a, [TargetStatus]>,
    },
}

impl Stored<'_> {
    pub(super) fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }
}

impl Status {
    /// The status of an object that could not be read. What is no status of its kind is none.
    pub(super) fn parse(kind: Kind, value: &Value) -> Option<Self> {
        let value = value.clone();
        match kind {
            Kind::Provider => serde_json::from_value(value).ok().map(Self::Provider),
            Kind::PromptTemplate => serde_json::from_value(value).ok().map(Self::PromptTemplate),
            Kind::Route => serde_json::from_value(value).ok().map(Self::Route),
            Kind::PromptRevision | Kind::Secret | Kind::ConfigMap => None,
        }
    }

    pub(super) fn new(
        observed_generation: Option<i64>,
        conditions: Vec<Condition>,
        propagation: Option<Propagation>,
        details: Details<'_>,
    ) -> Option<Self> {
        Some(match details {
            Details::None => return None,
            Details::Provider { models } => Self::Provider(ProviderStatus {
                observed_generation,
                conditions,
                models,
                propagation,
            }),
            Details::PromptTemplate {
                spec_revision,
                active_revision,
            } => Self::PromptTemplate(PromptTemplateStatus {
                observed_generation,
                conditions,
                spec_revision: spec_revision.map(str::to_owned),
                active_revision: active_revision.map(str::to_owned),
                propagation,
            }),
            Details::Route { targets } => Self::Route(RouteStatus {
                observed_generation,
                conditions,
                targets: targets.into_owned(),
                propagation,
            }),
        })
    }

    pub(super) fn stored(&self) -> Stored<'_> {
        match self {
            Self::Provider(status) => status.into(),
            Self::PromptTemplate(status) => status.into(),
            Self::Route(status) => status.into(),
        }
    }
}

impl<'a> From<&'a ProviderStatus> for Stored<'a> {
    fn from(status: &'a ProviderStatus) -> Self {
        let ProviderStatus {
            observed_generation,
            conditions,
            models,
            propagation,
        } = status;
        Self {
            observed_generation: *observed_generation,
            conditions,
            propagation: propagation.as_ref(),
            details: Details::Provider { models: *models },
        }
    }
}

impl<'a> From<&'a PromptTemplateStatus> for Stored<'a> {
    fn from(status: &'a PromptTemplateStatus) -> Self {
        let PromptTemplateStatus {
            observed_generation,
            conditions,
            spec_revision,
            active_revision,
            propagation,
        } = status;
        Self {
            observed_generation: *observed_generation,
            conditions,
            propagation: propagation.as_ref(),
            details: Details::PromptTemplate {
                spec_revision: spec_revision.as_deref(),
                active_revision: active_revision.as_deref(),
            },
        }
    }
}

impl<'a> From<&'a RouteStatus> for Stored<'a> {
    fn from(status: &'a RouteStatus) -> Self {
        let RouteStatus {
            observed_generation,
            conditions,
            targets,
            propagation,
        } = status;
        Self {
            observed_generation: *observed_generation,
            conditions,
            propagation: propagation.as_ref(),
            details: Details::Route {
                targets: Cow::Borrowed(targets),
            },
        }
    }
}
