//! Revisions: which there are, which one of a prompt is active, and which ones are new and must be kept.

use std::{collections::BTreeMap, sync::Arc};

use kube::core::ObjectMeta;

use super::{Diagnostic, Reason, diagnostic::Report, prompt};
use crate::{
    object::{DEFAULT_NAMESPACE, Kind, ObjectName},
    prompt_content::{PromptContent, revision_name},
    prompt_revision::{Origin, PROMOTED, PromptRevision, PromptRevisionSpec},
    snapshot::{PromptEntry, RevisionEntry, Snapshot},
};

/// Judges a `PromptRevision`. One that is as it was `before` is not looked at again.
pub(super) fn accept(
    name: &ObjectName,
    object: &PromptRevision,
    before: Option<&RevisionEntry>,
) -> Result<RevisionEntry, Vec<Diagnostic>> {
    let (_, mut entry) = entry(object);
    let known = before.filter(|before| {
        !before.stale
            && before.digest == entry.digest
            && before.template == entry.template
            && before.content == entry.content
    });
    match known {
        Some(before) => entry.content = Arc::clone(&before.content),
        None => check(name, &entry)?,
    }
    entry.promoted_unix_millis = promoted(object)?;
    Ok(entry)
}

/// What a revision says, whether or not it is right.
pub fn entry(object: &PromptRevision) -> (ObjectName, RevisionEntry) {
    let PromptRevisionSpec {
        template_name,
        digest,
        origin,
        messages,
        variables,
        demonstrations,
        parameters,
        response_format,
        provenance,
    } = object.spec.clone();
    let namespace = object.metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let name = ObjectName::new(namespace, object.metadata.name.clone().unwrap_or_default());
    let content = PromptContent {
        messages,
        variables,
        demonstrations,
        parameters,
        response_format,
    };
    let entry = RevisionEntry {
        stale: false,
        template: template_name,
        digest,
        origin: origin.unwrap_or_default(),
        content: Arc::new(content),
        provenance,
        promoted_unix_millis: None,
        created: object
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0.to_string()),
    };
    (name, entry)
}

fn check(name: &ObjectName, entry: &RevisionEntry) -> Result<(), Vec<Diagnostic>> {
    let mut problems = prompt::check(&entry.content, false);
    let actual = entry.content.digest();
    if actual != entry.digest {
        let message = format!("is not the digest of what the revision says, which is {actual}");
        problems.push(Diagnostic::not_accepted(Reason::Invalid, "spec.digest", message));
    }
    let expected = revision_name(&entry.template, &entry.digest);
    if *name.name != *expected {
        let message = format!("must be `{expected}`: the template, a dash, and the first ten digits of the digest");
        problems.push(Diagnostic::not_accepted(Reason::Invalid, "metadata.name", message));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn promoted(object: &PromptRevision) -> Result<Option<i64>, Vec<Diagnostic>> {
    let annotations = object.metadata.annotations.as_ref();
    let Some(text) = annotations.and_then(|annotations| annotations.get(PROMOTED)) else {
        return Ok(None);
    };
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(Some(time.as_millisecond())),
        Err(_) => Err(vec![Diagnostic::not_accepted(
            Reason::Invalid,
            format!("metadata.annotations[{PROMOTED}]"),
            "must be a time like 2026-01-31T12:00:00Z",
        )]),
    }
}

/// Adds the revision of each prompt's own text to `revisions`, and says which one of each prompt is active: the pinned one, else the
/// one last promoted that was made from the prompt's own text as it is now, else that text's.
///
/// A pin that names nothing is a fault: the prompt stays at what was active before, if there was anything.
pub(super) fn activate(
    prompts: BTreeMap<ObjectName, PromptEntry>,
    revisions: &mut BTreeMap<ObjectName, RevisionEntry>,
    previous: &Snapshot,
    report: &mut Report,
) -> BTreeMap<ObjectName, PromptEntry> {
    let mut active = BTreeMap::new();
    for (name, mut prompt) in prompts {
        let before = previous.prompts.get(&name);
        let own = own_revision(&name, &mut prompt, before, previous);
        prompt.spec_revision = revision_name(&name.name, &own.digest);
        revisions
            .entry(ObjectName::new(&*name.namespace, &*prompt.spec_revision))
            .or_insert(own);
        match choose(&name, &prompt, revisions) {
            Ok(chosen) => prompt.active_revision = chosen,
            Err(diagnostic) => {
                report.add(Kind::PromptTemplate, &name, diagnostic);
                let Some(before) = before else { continue };
                let last = ObjectName::new(&*name.namespace, &*before.active_revision);
                let Some(last_good) = previous.revisions.get(&last) else {
                    continue;
                };
                prompt.stale = true;
                prompt.active_revision.clone_from(&before.active_revision);
                revisions.entry(last).or_insert_with(|| last_good.clone());
            }
        }
        active.insert(name, prompt);
    }
    active
}

/// The revision of a prompt's own text. What the previous Snapshot has of it is shared.
fn own_revision(
    name: &ObjectName,
    prompt: &mut PromptEntry,
    before: Option<&PromptEntry>,
    previous: &Snapshot,
) -> RevisionEntry {
    let same = before
        .filter(|before| before.content == prompt.content)
        .and_then(|before| {
            let revision = ObjectName::new(&*name.namespace, &*before.spec_revision);
            previous.revisions.get(&revision)
        });
    let digest = match same {
        Some(same) => {
            prompt.content = Arc::clone(&same.content);
            same.digest.clone()
        }
        None => prompt.content.digest(),
    };
    RevisionEntry {
        stale: false,
        template: name.name.to_string(),
        digest,
        origin: Origin::Template,
        content: Arc::clone(&prompt.content),
        provenance: None,
        promoted_unix_millis: None,
        created: None,
    }
}

fn choose(
    name: &ObjectName,
    prompt: &PromptEntry,
    revisions: &BTreeMap<ObjectName, RevisionEntry>,
) -> Result<String, Diagnostic> {
    let own = |revision: &RevisionEntry| *revision.template == *name.name;
    if let Some(pinned) = &prompt.pinned_revision {
        let named = revisions.get(&ObjectName::new(&*name.namespace, &**pinned));
        return if named.is_some_and(own) {
            Ok(pinned.clone())
        } else {
            let message = format!("there is no revision {pinned} of this prompt");
            Err(Diagnostic::not_resolved(
                Reason::RevisionNotFound,
                "spec.pinnedRevision",
                message,
            ))
        };
    }
    let promoted = revisions
        .iter()
        .filter(|(object, revision)| object.namespace == name.namespace && own(revision))
        .filter(|(_, revision)| {
            let provenance = revision.provenance.as_ref();
            provenance.and_then(|provenance| provenance.base_revision.as_ref()) == Some(&prompt.spec_revision)
        })
        .filter_map(|(object, revision)| Some((revision.promoted_unix_millis?, &object.name)))
        .max();
    Ok(promoted.map_or_else(|| prompt.spec_revision.clone(), |(_, name)| name.to_string()))
}

/// The manifest of a revision, as it is kept and exported.
pub fn manifest(name: &ObjectName, revision: &RevisionEntry) -> PromptRevision {
    let RevisionEntry {
        stale: _,
        template,
        digest,
        origin,
        content,
        provenance,
        promoted_unix_millis,
        created: _,
    } = revision;
    let PromptContent {
        messages,
        variables,
        demonstrations,
        parameters,
        response_format,
    } = (**content).clone();
    let promoted = promoted_unix_millis.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    PromptRevision {
        metadata: ObjectMeta {
            name: Some(name.name.to_string()),
            namespace: Some(name.namespace.to_string()),
            annotations: promoted.map(|time| BTreeMap::from([(PROMOTED.to_owned(), time.to_string())])),
            ..ObjectMeta::default()
        },
        spec: PromptRevisionSpec {
            template_name: template.clone(),
            digest: digest.clone(),
            origin: Some(*origin),
            messages,
            variables,
            demonstrations,
            parameters,
            response_format,
            provenance: provenance.clone(),
        },
    }
}
