//! Names of objects: parsed once, compared often.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The namespace of objects that name none (files read by `route-switch serve --manifests`).
pub const DEFAULT_NAMESPACE: &str = "default";

/// The kinds that the compiler reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    Provider,
    PromptTemplate,
    PromptRevision,
    Route,
    Secret,
    ConfigMap,
}

const KINDS: [Kind; 6] = [
    Kind::Provider,
    Kind::PromptTemplate,
    Kind::PromptRevision,
    Kind::Route,
    Kind::Secret,
    Kind::ConfigMap,
];

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// `namespace/name` of an object of a known kind. Serialized as that string. Clones share it: there are several of each name of thousands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

/// An object of a known kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    pub kind: Kind,
    pub name: ObjectName,
}

/// A text that should have been `namespace/name`, or `Kind namespace/name`.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    #[error("`{0}` is not of the form namespace/name")]
    Name(String),
    #[error("`{0}` is not of the form Kind namespace/name, of a known kind")]
    Id(String),
}

impl ObjectName {
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for ObjectName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self::new(namespace, name))
            }
            _ => Err(ParseError::Name(text.to_owned())),
        }
    }
}

impl Serialize for ObjectName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.name)
    }
}

impl FromStr for ObjectId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fault = || ParseError::Id(text.to_owned());
        let (kind, name) = text.split_once(' ').ok_or_else(fault)?;
        let kind = KINDS
            .into_iter()
            .find(|known| known.to_string() == kind)
            .ok_or_else(fault)?;
        Ok(Self {
            kind,
            name: name.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_it_is_written() {
        for kind in KINDS {
            let id = ObjectId {
                kind,
                name: ObjectName::new("team-a", "chat"),
            };
            assert_eq!(id.to_string().parse::<ObjectId>().unwrap(), id);
        }
        for wrong in ["Route", "Route chat", "Pod team-a/chat", "Route  team-a/chat/x"] {
            assert!(wrong.parse::<ObjectId>().is_err(), "{wrong}");
        }
    }
}
