//! All prompts of a configuration, with every revision compiled.

use std::{collections::BTreeMap, sync::Arc};

use crds::{
    object::ObjectName,
    prompt_content::NAME_DIGITS,
    snapshot::{PromptEntry, Snapshot},
};

use super::prompt::Prompt;

/// The prompts, by `PromptTemplate`, and all revisions.
#[derive(Debug, Default)]
pub struct Library {
    templates: BTreeMap<ObjectName, Arc<Template>>,
    revisions: BTreeMap<ObjectName, Arc<Prompt>>,
}

/// A prompt with its revisions.
#[derive(Debug)]
pub struct Template {
    pub object: ObjectName,
    pub entry: PromptEntry,
    pub active: Arc<Prompt>,
}

impl Library {
    /// Compiles what `previous` has not. A revision is immutable, so what it was compiled to is good for ever.
    pub fn of(snapshot: &Snapshot, previous: Option<&Self>) -> Self {
        let mut revisions = BTreeMap::new();
        for (object, entry) in &snapshot.revisions {
            let known = previous
                .and_then(|previous| previous.revisions.get(object))
                .filter(|known| *known.digest == *entry.digest);
            let compiled = known.map_or_else(
                || Prompt::compile(object, entry).map(Arc::new),
                |known| Ok(Arc::clone(known)),
            );
            match compiled {
                Ok(prompt) => drop(revisions.insert(object.clone(), prompt)),
                Err(problem) => {
                    tracing::error!(revision = %object, %problem, "failed to compile a prompt; it is not used");
                }
            }
        }
        let templates = snapshot.prompts.iter().filter_map(|(object, entry)| {
            let active = revisions.get(&ObjectName::new(&*object.namespace, &*entry.active_revision))?;
            let template = Template {
                object: object.clone(),
                entry: entry.clone(),
                active: Arc::clone(active),
            };
            Some((object.clone(), Arc::new(template)))
        });
        Self {
            templates: templates.collect(),
            revisions,
        }
    }

    pub fn templates(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.templates.values()
    }

    pub fn template(&self, object: &ObjectName) -> Option<&Arc<Template>> {
        self.templates.get(object)
    }

    pub fn revision(&self, object: &ObjectName) -> Option<&Arc<Prompt>> {
        self.revisions.get(object)
    }

    /// All revisions, by name.
    pub fn revisions(&self) -> impl Iterator<Item = &Arc<Prompt>> {
        self.revisions.values()
    }

    /// The revisions of a prompt, by name.
    pub fn revisions_of<'a>(&'a self, template: &'a ObjectName) -> impl Iterator<Item = &'a Arc<Prompt>> {
        self.revisions
            .values()
            .filter(move |prompt| prompt.template == *template)
    }

    /// The revision of a prompt that `version` names: by its name, by the digits in it, or by more of its digest.
    pub fn version(&self, template: &ObjectName, version: &str) -> Option<&Arc<Prompt>> {
        let by_name = self.revisions.get(&ObjectName::new(&*template.namespace, version));
        by_name.filter(|prompt| prompt.template == *template).or_else(|| {
            let digits = version.get(..NAME_DIGITS)?;
            let name = format!("{}-{digits}", template.name);
            let found = self.revisions.get(&ObjectName::new(&*template.namespace, name))?;
            (found.template == *template && found.digest.starts_with(version)).then_some(found)
        })
    }
}
