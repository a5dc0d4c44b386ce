//! How steps of the compiler say what is wrong with an object.

use std::collections::BTreeMap;

use super::{Condition, Diagnostic, Reason};
use crate::{
    admission::Fault,
    object::{Kind, ObjectId, ObjectName},
    template::Position,
};

/// What has been found so far.
#[derive(Default)]
pub(super) struct Report(BTreeMap<ObjectId, Vec<Diagnostic>>);

impl Report {
    pub(super) fn add(&mut self, kind: Kind, name: &ObjectName, diagnostic: Diagnostic) {
        let found = self
            .0
            .entry(ObjectId {
                kind,
                name: name.clone(),
            })
            .or_default();
        if !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    }

    pub(super) fn add_all(&mut self, kind: Kind, name: &ObjectName, diagnostics: Vec<Diagnostic>) {
        for diagnostic in diagnostics {
            self.add(kind, name, diagnostic);
        }
    }

    pub(super) fn into_diagnostics(self) -> BTreeMap<ObjectId, Vec<Diagnostic>> {
        self.0
    }
}

impl Diagnostic {
    pub(super) fn not_accepted(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self {
            condition: Condition::Accepted,
            reason,
            field,
            message,
            line: None,
            column: None,
        }
    }

    pub(super) fn not_resolved(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            condition: Condition::ResolvedRefs,
            ..Self::not_accepted(reason, field, message)
        }
    }

    pub(super) fn malformed(fault: &Fault) -> Self {
        Self::not_accepted(Reason::Malformed, &fault.field, &fault.message)
    }

    pub(super) fn at(self, position: Option<Position>) -> Self {
        let (line, column) = position.map(|position| (position.line, position.column)).unzip();
        Self { line, column, ..self }
    }
}
