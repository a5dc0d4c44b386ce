//! What a request says of prompts: which one, which revision, and the values of its variables.

use bytes::Bytes;

/// Where the model names a prompt.
pub const PRESET: &str = "@preset/";

/// What a request says. Most say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub id: Option<Named>,
    /// Name, or digits of the digest, of a revision (`prompt.version`).
    pub version: Option<Box<str>>,
    pub variables: Option<Variables>,
    /// `ROUTE/TARGET` (`metadata.combination_id`).
    pub combination: Option<Box<str>>,
}

/// A name, and the field that said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: Box<str>,
    pub field: &'static str,
}

/// The values of variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variables {
    /// The JSON as the client wrote it.
    pub json: Bytes,
    /// The field that holds it.
    pub place: &'static str,
}

/// Two fields that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice {
    pub field: &'static str,
    pub other: &'static str,
}

impl Asked {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes the name of a prompt; another field may only say the same.
    pub fn name(&mut self, name: &str, field: &'static str) -> Result<(), Twice> {
        match &self.id {
            Some(known) if *known.name != *name => Err(Twice {
                field,
                other: known.field,
            }),
            _ => {
                self.id = Some(Named {
                    name: name.into(),
                    field,
                });
                Ok(())
            }
        }
    }

    /// Notes the values of variables; they can be given once.
    pub fn values(&mut self, json: Bytes, place: &'static str) -> Result<(), Twice> {
        if let Some(known) = &self.variables {
            return Err(Twice {
                field: place,
                other: known.place,
            });
        }
        self.variables = Some(Variables { json, place });
        Ok(())
    }

    /// Takes the prompt out of a model's name: `model@preset/NAME` or `@preset/NAME`. Gives what is left of it.
    pub fn take_preset<'a>(&mut self, model: &'a str) -> Result<&'a str, Twice> {
        match model.split_once(PRESET) {
            Some((model, name)) => self.name(name, "model").map(|()| model),
            None => Ok(model),
        }
    }
}
