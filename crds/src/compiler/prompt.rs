//! `PromptTemplates` and `PromptRevisions`: their messages, from the object or from a `ConfigMap`, checked against their variables.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use super::{Diagnostic, Reason, carry::Outcome, diagnostic::Report};
use crate::{
    admission,
    object::{Kind, ObjectName},
    prompt_content::{NAME_DIGITS, PromptContent},
    prompt_template::{Message, Parameters, PromptTemplateSpec, ResponseFormat, Variable},
    reference::ConfigMapKeyRef,
    snapshot::PromptEntry,
    template, variable,
};

/// How many revisions are kept that nothing uses, if the prompt does not say.
const DEFAULT_HISTORY_LIMIT: usize = 10;
/// The longest name of a `PromptTemplate`: a dash and the digits of a revision must fit behind it.
const LONGEST_NAME: usize = 253 - 1 - NAME_DIGITS;
const SOURCE_FIELD: &str = "spec.messagesFrom.configMapKeyRef";

/// Why a `ConfigMap` gives no messages.
enum Unread {
    /// It, or its key, is not there.
    Gone(Diagnostic),
    /// What is there is no list of messages.
    Bad(Vec<Diagnostic>),
}

/// Judges a `PromptTemplate`. What it said `before` is not judged again.
pub(super) fn accept(
    name: &ObjectName,
    spec: &PromptTemplateSpec,
    config_maps: &BTreeMap<ObjectName, Arc<ConfigMap>>,
    before: Option<&PromptEntry>,
) -> Outcome<PromptEntry> {
    let PromptTemplateSpec {
        messages,
        messages_from,
        variables,
        parameters,
        response_format,
        pinned_revision,
        revision_history_limit,
        allowed_namespaces,
    } = spec;
    let source = messages_from.as_ref().map(|from| &from.config_map_key_ref);
    let messages = match (messages, source) {
        (Some(messages), None) => Ok(messages.clone()),
        (None, Some(source)) => read(&name.namespace, source, config_maps),
        _ => Err(Unread::Bad(vec![Diagnostic::not_accepted(
            Reason::Invalid,
            "spec",
            "must have exactly one of messages and messagesFrom",
        )])),
    };
    let refused = |diagnostics| Outcome::Refused {
        diagnostics,
        allowed_namespaces: Some(allowed_namespaces.clone()),
    };
    let messages = match messages {
        Ok(messages) => messages,
        Err(Unread::Gone(diagnostic)) => return Outcome::Withdrawn(vec![diagnostic]),
        Err(Unread::Bad(diagnostics)) => return refused(diagnostics),
    };
    let content = PromptContent {
        messages,
        variables: variables.clone(),
        demonstrations: Vec::new(),
        parameters: parameters.clone(),
        response_format: response_format.clone(),
    };
    let known = before.filter(|before| !before.stale && *before.content == content);
    let mut diagnostics = if known.is_some() {
        Vec::new()
    } else {
        check(&content, source.is_some())
    };
    if name.name.len() > LONGEST_NAME {
        let message = format!("must be at most {LONGEST_NAME} characters, so that its revisions can have names");
        diagnostics.push(Diagnostic::not_accepted(Reason::Invalid, "metadata.name", message));
    }
    if !diagnostics.is_empty() {
        return refused(diagnostics);
    }
    Outcome::Accepted(PromptEntry {
        stale: false,
        content: known.map_or_else(|| Arc::new(content), |known| Arc::clone(&known.content)),
        messages_from: source.cloned(),
        pinned_revision: pinned_revision.clone(),
        revision_history_limit: revision_history_limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(DEFAULT_HISTORY_LIMIT),
        allowed_namespaces: allowed_namespaces.clone(),
        spec_revision: String::new(),
        active_revision: String::new(),
    })
}

/// All that is wrong with what a prompt says.
pub(super) fn check(content: &PromptContent, from_config_map: bool) -> Vec<Diagnostic> {
    let PromptContent {
        messages,
        variables,
        demonstrations: _,
        parameters,
        response_format,
    } = content;
    let mut diagnostics = check_variables(variables);
    diagnostics.extend(check_messages(messages, from_config_map, variables));
    diagnostics.extend(
        parameters
            .iter()
            .flat_map(|parameters| check_parameters("spec.parameters", parameters)),
    );
    diagnostics.extend(response_format.iter().filter_map(check_format));
    diagnostics
}

/// What the schema cannot say of parameters.
pub(super) fn check_parameters(field: &str, parameters: &Parameters) -> Vec<Diagnostic> {
    let Parameters {
        temperature,
        top_p,
        max_tokens: _,
        seed: _,
        stop: _,
    } = parameters;
    let bounded = |name: &str, text: Option<&String>, most: f64| {
        let is_within = text?.parse::<f64>().is_ok_and(|number| number <= most);
        let message = format!("must be at most {most}");
        (!is_within).then(|| Diagnostic::not_accepted(Reason::Invalid, format!("{field}.{name}"), message))
    };
    let found = [
        bounded("temperature", temperature.as_ref(), 2.0),
        bounded("topP", top_p.as_ref(), 1.0),
    ];
    found.into_iter().flatten().collect()
}

fn check_format(format: &ResponseFormat) -> Option<Diagnostic> {
    let problem = match serde_json::from_str::<Value>(&format.schema) {
        Err(error) => format!("is not JSON: {error}"),
        Ok(schema) if !schema.is_object() => "must be the JSON text of an object".to_owned(),
        Ok(schema) => match jsonschema::validator_for(&schema) {
            Err(error) => format!("is not a JSON Schema: {error}"),
            Ok(_) => return None,
        },
    };
    Some(Diagnostic::not_accepted(
        Reason::Invalid,
        "spec.responseFormat.schema",
        problem,
    ))
}

/// Reads the `ConfigMaps` of stale entries again: one that is gone takes the prompt with it, good new messages are taken.
pub(super) fn resolve(
    accepted: BTreeMap<ObjectName, PromptEntry>,
    config_maps: &BTreeMap<ObjectName, Arc<ConfigMap>>,
    report: &mut Report,
) -> BTreeMap<ObjectName, PromptEntry> {
    let mut resolved = BTreeMap::new();
    for (name, mut entry) in accepted {
        if let Some(source) = entry.messages_from.as_ref().filter(|_| entry.stale) {
            match read(&name.namespace, source, config_maps) {
                Ok(messages) if check_messages(&messages, true, &entry.content.variables).is_empty() => {
                    Arc::make_mut(&mut entry.content).messages = messages;
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
    config_maps: &BTreeMap<ObjectName, Arc<ConfigMap>>,
) -> Result<Vec<Message>, Unread> {
    let ConfigMapKeyRef { name, key } = source;
    let gone = |reason, message| Unread::Gone(Diagnostic::not_resolved(reason, SOURCE_FIELD, message));
    let config_map = config_maps.get(&ObjectName::new(namespace, &**name)).ok_or_else(|| {
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
