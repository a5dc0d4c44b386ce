//! `PromptTemplates`: their messages, from the object or from a `ConfigMap`, checked against their variables.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use super::{Diagnostic, Reason, carry::Outcome, diagnostic::Report};
use crate::{
    admission,
    object::{Kind, ObjectName},
    prompt_template::{Message, PromptTemplateSpec, Variable},
    reference::ConfigMapKeyRef,
    snapshot::PromptEntry,
    template, variable,
};

const SOURCE_FIELD: &str = "spec.messagesFrom.configMapKeyRef";

/// Why a `ConfigMap` gives no messages.
enum Unread {
    /// It, or its key, is not there.
    Gone(Diagnostic),
    /// What is there is no list of messages.
    Bad(Vec<Diagnostic>),
}

/// Judges a `PromptTemplate` in `namespace`.
pub(super) fn accept(
    namespace: &str,
    spec: &PromptTemplateSpec,
    config_maps: &BTreeMap<ObjectName, ConfigMap>,
) -> Outcome<PromptEntry> {
    let PromptTemplateSpec {
        messages,
        messages_from,
        variables,
    } = spec;
    let source = messages_from.as_ref().map(|from| &from.config_map_key_ref);
    let messages = match (messages, source) {
        (Some(messages), None) => Ok(messages.clone()),
        (None, Some(source)) => read(namespace, source, config_maps),
        _ => Err(Unread::Bad(vec![Diagnostic::not_accepted(
            Reason::Invalid,
            "spec",
            "must have exactly one of messages and messagesFrom",
        )])),
    };
    let refused = |diagnostics| Outcome::Refused {
        diagnostics,
        allowed_namespaces: None,
    };
    let messages = match messages {
        Ok(messages) => messages,
        Err(Unread::Gone(diagnostic)) => return Outcome::Withdrawn(vec![diagnostic]),
        Err(Unread::Bad(diagnostics)) => return refused(diagnostics),
    };
    let mut diagnostics = check_variables(variables);
    diagnostics.extend(check_messages(&messages, source.is_some(), variables));
    if !diagnostics.is_empty() {
        return refused(diagnostics);
    }
    let (messages_from, variables) = (source.cloned(), variables.clone());
    Outcome::Accepted(PromptEntry {
        stale: false,
        messages,
        messages_from,
        variables,
    })
}

/// Reads the `ConfigMaps` of stale entries again: one that is gone takes the prompt with it, good new messages are taken.
pub(super) fn resolve(
    accepted: BTreeMap<ObjectName, PromptEntry>,
    config_maps: &BTreeMap<ObjectName, ConfigMap>,
    report: &mut Report,
) -> BTreeMap<ObjectName, PromptEntry> {
    let mut resolved = BTreeMap::new();
    for (name, mut entry) in accepted {
        if let Some(source) = entry.messages_from.as_ref().filter(|_| entry.stale) {
            match read(&name.namespace, source, config_maps) {
                Ok(messages) if check_messages(&messages, true, &entry.variables).is_empty() => {
                    entry.messages = messages;
                }
                Ok(_) | Err(Unread::Bad(_)) => {}
                Err(Unread::Gone(diagnostic)) => {
                    report.add(Kind::PromptTemplate, &name, diagnostic);
                    continue;
                }
            }
        }
        resolved.insert(name, entry);
    }
    resolved
}

fn read(
    namespace: &str,
    source: &ConfigMapKeyRef,
    config_maps: &BTreeMap<ObjectName, ConfigMap>,
) -> Result<Vec<Message>, Unread> {
    let ConfigMapKeyRef { name, key } = source;
    let gone = |reason, message| Unread::Gone(Diagnostic::not_resolved(reason, SOURCE_FIELD, message));
    let config_map = config_maps.get(&ObjectName::new(namespace, name)).ok_or_else(|| {
        gone(
            Reason::ConfigMapNotFound,
            format!("there is no ConfigMap {namespace}/{name}"),
        )
    })?;
    let text = config_map.data.as_ref().and_then(|data| data.get(key)).ok_or_else(|| {
        gone(
            Reason::ConfigMapKeyMissing,
            format!("ConfigMap {namespace}/{name} has no key `{key}`"),
        )
    })?;
    let bad = |message: String| Diagnostic::not_accepted(Reason::InvalidTemplate, SOURCE_FIELD, message);
    let value: Value = serde_yaml::from_str(text).map_err(|error| {
        let position = error.location().and_then(|place| {
            let (line, column) = (u32::try_from(place.line()).ok()?, u32::try_from(place.column()).ok()?);
            Some(template::Position { line, column })
        });
        Unread::Bad(vec![bad(format!("key `{key}` is not YAML: {error}")).at(position)])
    })?;
    admission::messages(&value).map_err(|faults| {
        let refused = |fault: admission::Fault| bad(format!("key `{key}`: {} {}", fault.field, fault.message));
        Unread::Bad(faults.into_iter().map(refused).collect())
    })
}

fn check_variables(variables: &[Variable]) -> Vec<Diagnostic> {
    let problems = variables.iter().enumerate().flat_map(|(index, declared)| {
        variable::check(declared).into_iter().map(move |problem| {
            let field = format!("spec.variables[{index}].{}", problem.field);
            Diagnostic::not_accepted(Reason::InvalidTemplate, field, problem.message)
        })
    });
    problems.collect()
}

fn check_messages(messages: &[Message], from_config_map: bool, variables: &[Variable]) -> Vec<Diagnostic> {
    let declared: BTreeSet<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
    let problems = messages.iter().enumerate().flat_map(|(index, message)| {
        template::check(&message.content, &declared)
            .into_iter()
            .map(move |problem| {
                let (field, message) = if from_config_map {
                    (
                        SOURCE_FIELD.to_owned(),
                        format!("[{index}].content: {}", problem.message),
                    )
                } else {
                    (format!("spec.messages[{index}].content"), problem.message)
                };
                Diagnostic::not_accepted(Reason::InvalidTemplate, field, message).at(problem.position)
            })
    });
    problems.collect()
}
