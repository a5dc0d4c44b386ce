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
pub(super) struct Report {
    found: BTreeMap<ObjectId, Vec<Diagnostic>>,
    /// How many of them refuse the object itself; what follows is about the last good entry that stands in for it.
    refusals: BTreeMap<ObjectId, usize>,
}

impl Report {
    pub(super) fn add(&mut self, kind: Kind, name: &ObjectName, diagnostic: Diagnostic) {
        let found = self
            .found
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

    /// An object is refused by itself.
    pub(super) fn refuse(&mut self, kind: Kind, name: &ObjectName, diagnostics: Vec<Diagnostic>) {
        self.add_all(kind, name, diagnostics);
        let name = name.clone();
        let object = ObjectId { kind, name };
        let count = self.found.get(&object).map_or(0, Vec::len);
        self.refusals.insert(object, count);
    }

    /// Where a refused object has no entry in the end, nothing is said of the one that it had before: the next time it has none.
    pub(super) fn into_diagnostics(
        mut self,
        has_entry: impl Fn(&ObjectId) -> bool,
    ) -> BTreeMap<ObjectId, Vec<Diagnostic>> {
        for (object, count) in &self.refusals {
            if let Some(found) = self.found.get_mut(object).filter(|_| !has_entry(object)) {
                found.truncate(*count);
            }
        }
        self.found
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
