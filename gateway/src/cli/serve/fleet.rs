//! `--fleet`: a gateway that the operator of a cluster configures.

use std::path::{Path, PathBuf};

use clap::Args;
use crds::fleet::{PodIdentity, key::FleetKeys};

use super::bytes;
use crate::fleet::{
    LAST_KNOWN_GOOD, holder,
    keys::{self, read},
    siblings::{self, Name},
};

#[derive(Args, Debug)]
#[command(next_help_heading = "In a fleet")]
pub(in crate::cli) struct Arguments {
    /// Serve what the operator pushes to the admin port, and start from what was pushed last, or from what a sibling has
    #[arg(long, conflicts_with = "manifests", requires = "key")]
    fleet: bool,
    /// Directory of the fleet key: the files `current` and, while the key turns, `previous`, of 32 bytes each
    #[arg(long = "fleet-key", id = "key", value_name = "DIR", requires = "fleet", value_hint = clap::ValueHint::DirPath)]
    key: Option<PathBuf>,
    /// Admin ports of the other pods; a host name means all its addresses
    #[arg(long, value_name = "HOST:PORT", requires = "fleet", value_delimiter = ',')]
    siblings: Vec<Name>,
    /// Name of this pod; its last number goes into generation ids
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pod_name: Option<String>,
    /// Uid of this pod; the operator and siblings sign for it
    #[arg(long, value_name = "UID", env = "POD_UID")]
    pod_uid: Option<String>,
    /// Refuse prompts with more bytes of text than this, for instance 64KiB; what they were before keeps serving [default: no limit]
    #[arg(long, value_name = "BYTES", requires = "fleet", value_parser = bytes)]
    max_prompt_bytes: Option<u64>,
}

/// A place in a fleet.
pub(in crate::cli) struct Settings {
    pub(super) pod: PodIdentity,
    pub(super) keys: FleetKeys,
    /// Where they are read again.
    pub(super) directory: PathBuf,
    pub(super) siblings: Vec<Name>,
    pub(super) holder: holder::Settings,
}

/// Why there is no place in a fleet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("--fleet needs {0}")]
    Lacks(&'static str),
    #[error("{flag}: {text:?} is not visible ASCII of at most 253 characters")]
    NotAName { flag: &'static str, text: String },
    #[error(transparent)]
    Key(#[from] keys::Error),
    #[error(transparent)]
    Siblings(#[from] siblings::Error),
}

impl Arguments {
    /// None without `--fleet`.
    pub(super) fn settings(self, data: &Path) -> Result<Option<Settings>, Error> {
        let Self {
            fleet,
            key,
            siblings,
            pod_name,
            pod_uid,
            max_prompt_bytes,
        } = self;
        if !fleet {
            return Ok(None);
        }
        let directory = key.ok_or(Error::Lacks("--fleet-key DIR"))?;
        let name = pod_name.ok_or(Error::Lacks("--pod-name NAME, or the variable POD_NAME"))?;
        let uid = pod_uid.ok_or(Error::Lacks("--pod-uid UID, or the variable POD_UID"))?;
        Ok(Some(Settings {
            pod: PodIdentity {
                name: visible("--pod-name", name)?,
                uid: visible("--pod-uid", uid)?,
            },
            keys: read(&directory)?,
            directory,
            siblings,
            holder: holder::Settings {
                file: data.join(LAST_KNOWN_GOOD),
                max_prompt_bytes,
            },
        }))
    }
}

/// What can stand in a header.
fn visible(flag: &'static str, text: String) -> Result<String, Error> {
    if (1..=253).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(Error::NotAName { flag, text })
    }
}
