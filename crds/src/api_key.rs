//! Client keys in labelled Secrets: what such a Secret must hold, and the entry that it makes.
//!
//! **Invariant**: no value of a Secret is ever in a message.

use k8s_openapi::{ByteString, api::core::v1::Secret};

use crate::{
    compiler::sha256_hex,
    object::ObjectName,
    snapshot::{KeyEntry, KeyRoutes, Role},
};

/// The label, with value `"true"`, that makes a Secret a client key.
pub const LABEL: &str = "routeswitch.io/api-key";

/// Bounds of a key, in characters.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 8..=512;
/// Bound of the name, in characters.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 1..=253;
/// Bound of the number of routes.
const ROUTES: usize = 1024;
const FIELDS: [&str; 5] = ["key", "keySha256", "name", "role", "routes"];

/// Why a Secret is no client key.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) problems: Vec<Problem>,
    pub(crate) holds: Holds,
}

/// One thing that is wrong, for instance with `data.role`.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) field: String,
    pub(crate) message: String,
}

/// What can be told of the key itself, whatever else is wrong.
#[derive(Debug)]
pub(crate) enum Holds {
    Nothing,
    Unreadable,
    Hash(String),
}

impl Holds {
    /// Whether the Secret may still hold the key whose hash is `sha256`; if not, that key was withdrawn.
    pub(crate) fn may_hold(&self, sha256: &str) -> bool {
        match self {
            Holds::Nothing => false,
            Holds::Unreadable => true,
            Holds::Hash(hash) => hash == sha256,
        }
    }
}

/// Reads the Secret of that name.
pub(crate) fn read(object: &ObjectName, secret: &Secret) -> Result<KeyEntry, Refused> {
    let mut reader = Reader {
        secret,
        problems: Vec::new(),
    };
    let holds = reader.key();
    let name = reader.name(&object.name);
    let role = reader.role();
    let routes = reader.routes(&object.namespace);
    reader.unknown();
    match (holds, reader.problems) {
        (Holds::Hash(sha256), problems) if problems.is_empty() => Ok(KeyEntry {
            stale: false,
            name,
            sha256,
            role,
            routes,
        }),
        (holds, problems) => Err(Refused { problems, holds }),
    }
}

fn route(namespace: &str, text: &str) -> Option<ObjectName> {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    let (namespace, name) = text.split_once('/').unwrap_or((namespace, text));
    (is_name(namespace) && is_name(name)).then(|| ObjectName::new(namespace, name))
}

struct Reader<'a> {
    secret: &'a Secret,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn refuse(&mut self, field: &str, message: impl Into<String>) {
        let field = if field.is_empty() {
            "data".to_owned()
        } else {
            format!("data.{field}")
        };
        self.problems.push(Problem {
            field,
            message: message.into(),
        });
    }

    fn bytes(&self, field: &str) -> Option<&'a [u8]> {
        let ByteString(bytes) = self.secret.data.as_ref()?.get(field)?;
        Some(bytes)
    }

    fn text(&mut self, field: &str) -> Option<&'a str> {
        let text = std::str::from_utf8(self.bytes(field)?);
        if text.is_err() {
            self.refuse(field, "must be text (UTF-8)");
        }
        text.ok()
    }

    fn key(&mut self) -> Holds {
        match (self.bytes("key"), self.bytes("keySha256")) {
            (Some(key), None) => self.plain_key(key),
            (None, Some(hash)) => self.hashed_key(hash),
            (None, None) => {
                self.refuse("", "must have one of key and keySha256");
                Holds::Nothing
            }
            (Some(_), Some(_)) => {
                self.refuse("", "must have only one of key and keySha256");
                Holds::Unreadable
            }
        }
    }

    fn plain_key(&mut self, key: &[u8]) -> Holds {
        if key.is_empty() {
            self.refuse("key", "must not be empty");
            return Holds::Nothing;
        }
        if key.last() == Some(&b'\n') {
            self.refuse(
                "key",
                "must not end with a newline; make the Secret without it (printf, not echo)",
            );
            return Holds::Unreadable;
        }
        if !KEY_LENGTH.contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
            self.refuse("key", "must be 8 to 512 visible ASCII characters without spaces");
            return Holds::Unreadable;
        }
        Holds::Hash(sha256_hex(key))
    }

    fn hashed_key(&mut self, hash: &[u8]) -> Holds {
        match std::str::from_utf8(hash) {
            Ok(text) if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Holds::Hash(text.to_ascii_lowercase())
            }
            Ok("") => {
                self.refuse("keySha256", "must not be empty");
                Holds::Nothing
            }
            _ => {
                self.refuse("keySha256", "must be 64 hexadecimal digits, without a newline");
                Holds::Unreadable
            }
        }
    }

    fn name(&mut self, secret_name: &str) -> String {
        match self.text("name") {
            None => secret_name.to_owned(),
            Some(name) if NAME_LENGTH.contains(&name.chars().count()) && !name.chars().any(char::is_control) => {
                name.to_owned()
            }
            Some(_) => {
                self.refuse(
                    "name",
                    "must be 1 to 253 characters, without newlines and other control characters",
                );
                String::new()
            }
        }
    }

    fn role(&mut self) -> Role {
        match self.text("role") {
            None | Some("User") => Role::User,
            Some("Viewer") => Role::Viewer,
            Some("Admin") => Role::Admin,
            Some(_) => {
                self.refuse("role", "must be User, Viewer or Admin");
                Role::User
            }
        }
    }

    /// A name without a namespace is of the Secret's own.
    fn routes(&mut self, namespace: &str) -> KeyRoutes {
        let Some(text) = self.text("routes") else {
            return KeyRoutes::OwnNamespace;
        };
        if text.trim() == "*" {
            return KeyRoutes::All;
        }
        let listed: Option<Vec<ObjectName>> = text.split(',').map(|entry| route(namespace, entry.trim())).collect();
        match listed {
            Some(mut listed) if listed.len() <= ROUTES => {
                listed.sort();
                listed.dedup();
                KeyRoutes::Listed(listed)
            }
            _ => {
                self.refuse(
                    "routes",
                    "must be * or at most 1024 of NAME or NAMESPACE/NAME, separated by commas",
                );
                KeyRoutes::Listed(Vec::new())
            }
        }
    }

    fn unknown(&mut self) {
        let secret = self.secret;
        let unknown = secret.data.iter().flatten().map(|(field, _)| field.as_str());
        for field in unknown.filter(|field| !FIELDS.contains(field)) {
            self.refuse(field, format!("is unknown; a client key has {}", FIELDS.join(", ")));
        }
    }
}
