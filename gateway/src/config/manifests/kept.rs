//! Good objects between two readings: as text, and equal texts once.

use std::collections::HashSet;

use crds::{
    admission::Admitted,
    compiler::{Resources, Submitted, Written},
    object::{Kind, ObjectName},
};

use super::admit::put;

/// A good object. Not printable: it may be a Secret.
#[derive(Clone, PartialEq)]
pub(super) enum Kept {
    Written(Written),
    /// What cannot be written down.
    Whole(Admitted),
}

/// The texts in use.
#[derive(Default)]
pub(super) struct Texts(HashSet<Written>);

impl Kept {
    pub(super) fn of(name: &ObjectName, object: Admitted, texts: &mut Texts) -> Self {
        let written = match &object {
            Admitted::Provider(object) => Written::of(name, &**object),
            Admitted::Route(object) => Written::of(name, &**object),
            Admitted::PromptTemplate(object) => Written::of(name, &**object),
            Admitted::PromptRevision(object) => Written::of(name, &**object),
            Admitted::Secret(object) => Written::of(name, &**object),
            Admitted::ConfigMap(object) => Written::of(name, &**object),
        };
        written.map_or(Self::Whole(object), |text| Self::Written(texts.share(text)))
    }

    /// Files the object under its name.
    pub(super) fn put_into(self, resources: &mut Resources, kind: Kind, name: ObjectName) {
        let text = match self {
            Self::Written(text) => text,
            Self::Whole(object) => return put(object, name, resources),
        };
        match kind {
            Kind::Provider => drop(resources.providers.insert(name, Submitted::Written(text))),
            Kind::Route => drop(resources.routes.insert(name, Submitted::Written(text))),
            Kind::PromptTemplate => drop(resources.prompt_templates.insert(name, Submitted::Written(text))),
            Kind::PromptRevision => drop(resources.prompt_revisions.insert(name, Submitted::Written(text))),
            Kind::Secret => {
                let object = text.read(&name);
                resources.secrets.insert(name, object);
            }
            Kind::ConfigMap => {
                let object = text.read(&name);
                resources.config_maps.insert(name, object);
            }
        }
    }
}

impl Texts {
    fn share(&mut self, text: Written) -> Written {
        if let Some(known) = self.0.get(&text) {
            return known.clone();
        }
        self.0.insert(text.clone());
        text
    }

    /// Forgets those that nothing holds any more.
    pub(super) fn forget_unused(&mut self) {
        self.0.retain(Written::is_shared);
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use crds::admission::admit;
    use serde_json::json;

    use super::*;

    fn kept(name: &str, texts: &mut Texts) -> Kept {
        let object =
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": { "a": "b" } });
        let object = admit(&object).unwrap();
        Kept::of(&object.id().name, object, texts)
    }

    #[test]
    fn equal_texts_are_kept_once_and_as_long_as_they_are_used() {
        let mut texts = Texts::default();
        let (one, other) = (kept("one", &mut texts), kept("other", &mut texts));
        assert!(one == other);
        drop(one);
        texts.forget_unused();
        assert_eq!(texts.0.len(), 1);
        drop(other);
        texts.forget_unused();
        assert_eq!(texts.0.len(), 0);
    }
}
