//! What the program was told, resolved: every namespace has its name.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

/// How many namespaces can be named; more than that are better watched as all, since each has its own watches.
const MOST_NAMESPACES: usize = 64;

/// What the program was told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The operator's own.
    pub namespace: String,
    pub pod_name: String,
    /// Where our kinds and `ConfigMaps` are.
    pub watched: Namespaces,
    /// Where Secrets are.
    pub secrets: Namespaces,
    pub gateways: Gateways,
    /// In `namespace`.
    pub fleet_key_secret: String,
    /// Whether a fleet key that is not there is made.
    pub makes_fleet_key: bool,
    /// In `namespace`.
    pub lease: String,
    pub simulator: Option<String>,
    /// How often everything is listed anew.
    pub resync: Duration,
    pub listen: SocketAddr,
}

/// How gateway pods are found.
#[derive(Clone, Debug)]
pub struct Gateways {
    pub namespace: String,
    pub selector: String,
    /// Of pods that do not name theirs.
    pub admin_port: u16,
}

/// Some namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    All,
    Named(BTreeSet<String>),
}

impl Namespaces {
    pub fn one(name: &str) -> Self {
        Self::Named(BTreeSet::from([name.to_owned()]))
    }

    /// Reads `*`, or names with commas between them.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        let names: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if let Some(wrong) = names.iter().find(|name| !is_namespace(name)) {
            return Err(format!(
                "`{wrong}` is not the name of a namespace; give names with commas between them, or * alone"
            ));
        }
        if names.len() > MOST_NAMESPACES {
            return Err(format!(
                "at most {MOST_NAMESPACES} namespaces can be named; * is all of them"
            ));
        }
        Ok(Self::Named(names))
    }

    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(namespace),
        }
    }

    /// The names; none for all.
    pub fn named(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::All => None,
            Self::Named(names) => Some(names),
        }
    }

    /// What to ask the API server for: each namespace by itself, or none for all at once.
    pub fn scopes(&self) -> Vec<Option<String>> {
        match self {
            Self::All => vec![None],
            Self::Named(names) => names.iter().cloned().map(Some).collect(),
        }
    }
}

fn is_namespace(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| inner(byte) || byte == b'-')
        && bytes.first().copied().is_some_and(inner)
        && bytes.last().copied().is_some_and(inner)
}
