//! Where the command finds prompts: a directory of manifests, compiled as the gateway would, or a running gateway.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use clap::Args;
use crds::{
    compiler::{Compiled, Settings, compile, revision_manifest},
    object::{DEFAULT_NAMESPACE, ObjectName},
    prompt_content::NAME_DIGITS,
    prompt_revision::PromptRevision,
    snapshot::{PromptReference, Snapshot},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use crate::{
    cli::remote::{self, Remote},
    config::{
        manifests::Loader,
        revisions::{self, Revisions},
    },
    prompts::{prompt::Prompt, request::Variables},
};

/// Whom to ask.
#[derive(Args, Clone, Debug)]
pub(super) struct Place {
    /// Read the manifests of this directory instead of asking a gateway
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "key"], value_hint = clap::ValueHint::DirPath)]
    manifests: Option<PathBuf>,
    /// With --manifests: the data directory of a gateway, for the revisions that it keeps
    #[arg(long, value_name = "DIR", requires = "manifests", value_hint = clap::ValueHint::DirPath)]
    data: Option<PathBuf>,
    /// Base URL of a running gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_hint = clap::ValueHint::Url)]
    url: String,
    /// A client key of that gateway with the role Viewer; callers on its own machine need none
    #[arg(long, value_name = "KEY", env = "ROUTE_SWITCH_KEY", hide_env_values = true)]
    key: Option<String>,
}

/// What a place turned out to be.
pub(super) enum Source {
    Files(Arc<Snapshot>),
    Gateway(Remote),
}

/// A prompt in a list.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) active_revision: String,
    pub(super) pinned_revision: Option<String>,
    pub(super) variables: Vec<String>,
    pub(super) routes: Vec<String>,
}

/// A message that was rendered.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    pub(super) role: &'static str,
    pub(super) content: String,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct Revision {
    active: bool,
    manifest: PromptRevision,
}

impl Place {
    pub(super) fn open(self) -> Result<Source, Error> {
        let Self {
            manifests,
            data,
            url,
            key,
        } = self;
        match manifests {
            Some(directory) => {
                let mut resources = Loader::new(directory)?.read().resources;
                if let Some(data) = data {
                    Revisions::open(data.join(revisions::DIRECTORY), jiff::Timestamp::now).add_to(&mut resources);
                }
                let Compiled { snapshot, .. } = compile(&resources, &Settings::default(), None);
                Ok(Source::Files(snapshot))
            }
            None => Ok(Source::Gateway(Remote::new(&url, key))),
        }
    }
}

impl Source {
    pub(super) fn prompts(&self) -> Result<Vec<Listed>, Error> {
        match self {
            Self::Files(snapshot) => Ok(snapshot
                .prompts
                .keys()
                .filter_map(|name| listed(snapshot, name))
                .collect()),
            Self::Gateway(gateway) => Ok(gateway.get::<List<Listed>>("/v1/prompts", &[])?.data),
        }
    }

    /// The revision of this name, or the active one of the prompt of this name.
    pub(super) fn revision(&self, name: &str) -> Result<PromptRevision, Error> {
        let found = match self {
            Self::Files(snapshot) => in_files(snapshot, name),
            Self::Gateway(gateway) => at_gateway(gateway, name)?,
        };
        found.ok_or_else(|| Error::Unknown(name.to_owned()))
    }
}

/// The messages that a revision makes of the values of its variables.
pub(super) fn render(revision: &PromptRevision, values: &Value) -> Result<Vec<Message>, Error> {
    let (name, entry) = crds::compiler::revision_entry(revision);
    let prompt = Prompt::compile(&name, &entry).map_err(|problem| Error::Values(problem.into()))?;
    let variables = Variables {
        json: Bytes::from(values.to_string()),
        place: "variables",
    };
    let rendered = prompt.render(Some(&variables))?;
    let messages = rendered.messages.into_iter().map(|message| Message {
        role: message.role.as_str(),
        content: message.text.to_string(),
    });
    Ok(messages.collect())
}

fn object(name: &str) -> ObjectName {
    name.parse()
        .unwrap_or_else(|_| ObjectName::new(DEFAULT_NAMESPACE, name))
}

fn in_files(snapshot: &Snapshot, name: &str) -> Option<PromptRevision> {
    let named = object(name);
    let active = |prompt: &crds::snapshot::PromptEntry| ObjectName::new(&*named.namespace, &*prompt.active_revision);
    let name = snapshot.prompts.get(&named).map_or_else(|| named.clone(), active);
    Some(revision_manifest(&name, snapshot.revisions.get(&name)?))
}

/// A revision's name says its prompt, so one question is enough for either.
fn at_gateway(gateway: &Remote, name: &str) -> Result<Option<PromptRevision>, Error> {
    if let Some(active) = revisions(gateway, name)?.into_iter().find(|revision| revision.active) {
        return Ok(Some(active.manifest));
    }
    let Some((prompt, digits)) = name.rsplit_once('-').filter(|(_, digits)| digits.len() == NAME_DIGITS) else {
        return Ok(None);
    };
    let ending = format!("-{digits}");
    let is_it = |revision: &Revision| {
        revision
            .manifest
            .metadata
            .name
            .as_ref()
            .is_some_and(|name| name.ends_with(&ending))
    };
    Ok(revisions(gateway, prompt)?
        .into_iter()
        .find(is_it)
        .map(|revision| revision.manifest))
}

/// None where there is no such prompt.
fn revisions(gateway: &Remote, prompt: &str) -> Result<Vec<Revision>, Error> {
    match gateway.get::<List<Revision>>(&format!("/v1/prompts/{prompt}/revisions"), &[]) {
        Ok(list) => Ok(list.data),
        Err(remote::Error::Refused { status: 404, .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn listed(snapshot: &Snapshot, name: &ObjectName) -> Option<Listed> {
    let prompt = snapshot.prompts.get(name)?;
    let active = snapshot
        .revisions
        .get(&ObjectName::new(&*name.namespace, &*prompt.active_revision))?;
    let follows = |reference: &PromptReference| match reference {
        PromptReference::Follow(prompt) => prompt == name,
        PromptReference::Pin(revision) => {
            let pinned = snapshot.revisions.get(revision);
            revision.namespace == name.namespace && pinned.is_some_and(|pinned| *pinned.template == *name.name)
        }
    };
    let routes = snapshot.routes.iter().filter(|(_, route)| {
        let mut prompts = route.targets.iter().filter_map(|target| target.prompt.as_ref());
        prompts.any(|used| follows(&used.reference))
    });
    Some(Listed {
        id: if *name.namespace == *DEFAULT_NAMESPACE {
            name.name.to_string()
        } else {
            name.to_string()
        },
        active_revision: prompt.active_revision.clone(),
        pinned_revision: prompt.pinned_revision.clone(),
        variables: active
            .content
            .variables
            .iter()
            .map(|variable| variable.name.clone())
            .collect(),
        routes: routes.map(|(route, _)| route.to_string()).collect(),
    })
}
