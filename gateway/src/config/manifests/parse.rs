//! One file's text to the objects that it holds, and what is wrong with each.

use std::{path::Path, sync::Arc};

use crds::{
    admission::{Admitted, Fault, Refused},
    object::ObjectId,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    FileFault,
    admit::{self, Doubt},
    gather::{Content, Digest},
    kept::{Kept, Texts},
    yaml::{self, Document, Flaw, Lines},
};

/// What a file holds. Not printable: it holds Secrets.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) objects: Vec<Arc<Found>>,
    pub(super) faults: Vec<FileFault>,
    pub(super) warnings: Vec<FileFault>,
    /// Which objects that are missing from the file may still be meant to be there.
    pub(super) doubt: Doubt,
}

/// One object, as a file has it.
pub(super) struct Found {
    pub(super) id: Arc<ObjectId>,
    pub(super) line: u32,
    pub(super) verdict: Result<Kept, Box<Refused>>,
    /// Of the content.
    pub(super) digest: Digest,
}

/// Where an object stands: in a document, by itself or as an item of a List.
struct Place<'a> {
    path: &'a Path,
    lines: &'a Lines,
    /// Of the document.
    line: u32,
    /// Path of the object within the document; empty when it is the document.
    prefix: &'a str,
}

impl Parsed {
    pub(super) fn from(path: &Path, content: &Content, texts: &mut Texts) -> Self {
        let text = match content {
            Content::Text { text, .. } => text,
            Content::Unreadable { line, message } => return Self::broken(path, *line, message),
            Content::Known(_) => return Self::broken(path, None, "changed while it was read"),
        };
        let mut parsed = Self::default();
        match yaml::read_each(text, |document| parsed.take(path, document, texts)) {
            Ok(()) => {
                parsed.objects.shrink_to_fit();
                parsed
            }
            Err(error) => Self::broken(path, Some(error.line), &error.message),
        }
    }

    /// A file of which nothing can be known.
    pub(super) fn broken(path: &Path, line: Option<u32>, message: &str) -> Self {
        let message = format!("{message}; what was read from it before stays in use");
        let fault = FileFault {
            file: path.to_owned(),
            line,
            object: None,
            field: String::new(),
            message,
        };
        Self {
            faults: vec![fault],
            doubt: Doubt::All,
            ..Self::default()
        }
    }

    fn take(&mut self, path: &Path, document: Document, texts: &mut Texts) {
        let Document {
            value,
            line,
            lines,
            mut flaws,
            mut warnings,
        } = document;
        for (prefix, value) in flatten(String::new(), value) {
            let place = Place {
                path,
                lines: &lines,
                line,
                prefix: &prefix,
            };
            let object = self.take_object(&place, &value, place.claim(&mut flaws), texts);
            let warned = place.claim(&mut warnings).into_iter();
            self.warnings
                .extend(warned.map(|flaw| place.fault(object.clone(), flaw.field, Some(flaw.line), flaw.message)));
        }
        let place = Place {
            path,
            lines: &lines,
            line,
            prefix: "",
        };
        for flaw in flaws {
            self.doubt = Doubt::All;
            self.faults
                .push(place.fault(None, flaw.field, Some(flaw.line), flaw.message));
        }
    }

    /// Notes one object; its name, if it has one.
    fn take_object(
        &mut self,
        place: &Place<'_>,
        value: &Value,
        flaws: Vec<Flaw>,
        texts: &mut Texts,
    ) -> Option<ObjectId> {
        let (id, verdict) = match admit::admit(value) {
            Ok(object) => (Some(object.id()), Ok(object)),
            Err(refusal) => {
                let (refused, doubt) = *refusal;
                self.doubt.add(doubt);
                (refused.id.clone(), Err(refused))
            }
        };
        for fault in verdict.as_ref().err().into_iter().flat_map(|refused| &refused.faults) {
            let line = place.lines.find(&join(place.prefix, &fault.field));
            self.faults
                .push(place.fault(id.clone(), fault.field.clone(), line, fault.message.clone()));
        }
        for flaw in &flaws {
            self.faults
                .push(place.fault(id.clone(), flaw.field.clone(), Some(flaw.line), flaw.message.clone()));
        }
        let verdict = with_flaws(verdict, flaws);
        let line = place.lines.find(place.prefix).unwrap_or(place.line);
        let digest = Sha256::digest(value.to_string()).into();
        self.objects.extend(id.clone().map(|mut id| {
            // Most objects of a file are of one namespace, which they then share.
            let before = self.objects.last().map(|before| &before.id.name.namespace);
            if let Some(same) = before.filter(|before| **before == id.name.namespace) {
                id.name.namespace = Arc::clone(same);
            }
            Arc::new(Found {
                verdict: verdict
                    .map(|object| Kept::of(&id.name, object, texts))
                    .map_err(Box::new),
                id: Arc::new(id),
                line,
                digest,
            })
        }));
        id
    }
}

/// The line of a field of the object that begins at `object_line`.
pub(super) fn line_of(text: &str, object_line: u32, field: &str) -> Option<u32> {
    yaml::read(text).ok()?.into_iter().find_map(|document| {
        let Document { value, line, lines, .. } = document;
        let mut objects = flatten(String::new(), value).into_iter();
        let (prefix, _) = objects.find(|(prefix, _)| lines.find(prefix).unwrap_or(line) == object_line)?;
        lines.find(&join(&prefix, field))
    })
}

/// A verdict that knows what the file itself has wrong.
fn with_flaws(verdict: Result<Admitted, Refused>, flaws: Vec<Flaw>) -> Result<Admitted, Refused> {
    if flaws.is_empty() {
        return verdict;
    }
    let mut refused = match verdict {
        Ok(object) => admit::refuse(&object, Vec::new()),
        Err(refused) => refused,
    };
    refused.faults.extend(flaws.into_iter().map(
        |Flaw {
             field,
             line: _,
             message,
         }| Fault { field, message },
    ));
    Err(refused)
}

impl Place<'_> {
    /// Takes those of `flaws` that lie within the object, and makes their paths relative to it.
    fn claim(&self, flaws: &mut Vec<Flaw>) -> Vec<Flaw> {
        let within = flaws.extract_if(.., |flaw| flaw.field.starts_with(self.prefix));
        within
            .map(|flaw| Flaw {
                field: flaw.field[self.prefix.len()..].trim_start_matches('.').to_owned(),
                ..flaw
            })
            .collect()
    }

    fn fault(&self, object: Option<ObjectId>, field: String, line: Option<u32>, message: String) -> FileFault {
        FileFault {
            file: self.path.to_owned(),
            line: line.or(Some(self.line)),
            object,
            field,
            message,
        }
    }
}

/// The objects of a document, each with its path: the document itself, or the items of a List.
fn flatten(prefix: String, value: Value) -> Vec<(String, Value)> {
    let is_list = value["kind"] == "List" && value["apiVersion"] == "v1";
    match value {
        Value::Object(mut map) if is_list && map.get("items").is_some_and(Value::is_array) => {
            let Some(Value::Array(items)) = map.remove("items") else {
                return Vec::new();
            };
            let numbered = items.into_iter().enumerate();
            numbered
                .flat_map(|(index, item)| flatten(join(&prefix, &format!("items[{index}]")), item))
                .collect()
        }
        other => vec![(prefix, other)],
    }
}

fn join(prefix: &str, field: &str) -> String {
    if prefix.is_empty() || field.is_empty() || field.starts_with('[') {
        format!("{prefix}{field}")
    } else {
        format!("{prefix}.{field}")
    }
}
