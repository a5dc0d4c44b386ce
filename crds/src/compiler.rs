//! The pure compiler: all resources in, one Snapshot and a list of what is wrong with each object out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::{
    admission::Fault,
    fleet::digest::{self, Digests},
    object::{Kind, ObjectId, ObjectName},
    prompt_revision::PromptRevision,
    prompt_template::PromptTemplate,
    provider::{Provider, Vendor},
    route::Route,
    snapshot::{Credential, PromptEntry, RevisionEntry, Snapshot, VERSION, terms::Terms},
};

use carry::Outcome;
use diagnostic::Report;

pub use prompt_revision::{entry as revision_entry, manifest as revision_manifest};
pub use resolve::CREDENTIAL_LABEL;
pub(crate) use revision::sha256_hex;
pub use written::Written;

mod accept;
mod carry;
mod conflict;
mod diagnostic;
mod key;
mod prompt;
mod prompt_revision;
mod resolve;
mod revision;
#[cfg(test)]
mod tests;
mod written;

/// Everything that exists, by name. Secrets and `ConfigMaps` that nothing names are ignored. Objects are shared, so that putting this
/// together anew for each compilation copies none of them.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    pub providers: BTreeMap<ObjectName, Submitted<Provider>>,
    pub routes: BTreeMap<ObjectName, Submitted<Route>>,
    pub prompt_templates: BTreeMap<ObjectName, Submitted<PromptTemplate>>,
    pub prompt_revisions: BTreeMap<ObjectName, Submitted<PromptRevision>>,
    pub secrets: BTreeMap<ObjectName, Arc<Secret>>,
    pub config_maps: BTreeMap<ObjectName, Arc<ConfigMap>>,
}

/// An object as it was found.
#[derive(Debug)]
pub enum Submitted<K> {
    /// It passed the schema and its CEL rules.
    WellFormed(Arc<K>),
    /// It did too; it is read when it is compiled, one at a time.
    Written(Written),
    /// It did not; an API server would have refused it.
    Malformed(Vec<Fault>),
    /// It did not, but its `allowedNamespaces` could be read: what is missing there is withdrawn although the object is bad.
    PartlyReadable {
        faults: Vec<Fault>,
        allowed_namespaces: Vec<String>,
    },
}

/// What does not come from resources.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The root of the simulator that Providers of vendor Simulated without a `baseUrl` use.
    pub simulator_url: Option<String>,
    /// Credentials of vendors from the environment, for Providers without `auth`. Empty in a cluster.
    pub ambient_credentials: BTreeMap<Vendor, Credential>,
    /// The only namespaces whose Secrets are known; none = all are.
    pub secret_namespaces: Option<BTreeSet<String>>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    pub snapshot: Arc<Snapshot>,
    /// What each object in `snapshot` comes to.
    pub digests: Arc<Digests>,
    /// By object; an object without an entry is good.
    pub diagnostics: BTreeMap<ObjectId, Vec<Diagnostic>>,
    /// Revisions in the Snapshot that no `PromptRevision` holds: whoever compiles keeps them, and gives them back the next time.
    pub unkept: Vec<ObjectName>,
}

/// One thing that is wrong with one object.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    pub condition: Condition,
    pub reason: Reason,
    /// Path of the field, for instance `spec.targets[1].providerRef`; empty when it is the object as a whole.
    pub field: String,
    pub message: String,
    /// Within the text of the field, counted from 1, for templates.
    pub line: Option<u32>,
    pub column: Option<u32>,
}

/// The condition that becomes false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Condition {
    /// The object is valid by itself.
    Accepted,
    /// Everything it names exists and may be used.
    ResolvedRefs,
}

/// Why, as a constant that tools can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Reason {
    Malformed,
    Invalid,
    InvalidTemplate,
    InvalidKey,
    Conflicted,
    ProviderNotFound,
    ProviderNotAllowed,
    ProviderNotUsable,
    SecretNotFound,
    SecretNotLabelled,
    SecretKeyMissing,
    CredentialMissing,
    SimulatorNotConfigured,
    ConfigMapNotFound,
    ConfigMapKeyMissing,
    PromptNotFound,
    PromptNotAllowed,
    PromptNotUsable,
    RevisionNotFound,
}

/// Compiles `resources`.
///
/// Each object is judged by itself, so that a bad one never costs a good one. An object that is bad now and was good in
/// `previous` keeps its last good entry, marked stale. References are then resolved against what exists now, for fresh and
/// stale entries alike: what was withdrawn (an object, a Secret or its key or label, a `ConfigMap`, an entry of
/// `allowedNamespaces`) is gone at once. The result depends on nothing but the arguments.
pub fn compile(resources: &Resources, settings: &Settings, previous: Option<&Snapshot>) -> Compiled {
    let Resources {
        providers,
        routes,
        prompt_templates,
        prompt_revisions,
        secrets,
        config_maps: _,
    } = resources;
    let nothing = Snapshot::default();
    let previous = previous.unwrap_or(&nothing);
    let mut report = Report::default();

    let accepted = carry::entries(
        Kind::Provider,
        providers,
        &previous.providers,
        &mut report,
        |_, object| {
            Outcome::from(
                accept::provider(&object.spec, settings),
                Some(&object.spec.allowed_namespaces),
            )
        },
    );
    let credentials = resolve::Credentials { secrets, settings };
    let providers = resolve::providers(accepted, &credentials, &previous.providers, &mut report);

    let (prompts, revisions) = prompts(resources, previous, &mut report);

    let terms = Terms::of(previous);
    let mut accepted = carry::entries(Kind::Route, routes, &previous.routes, &mut report, |name, object| {
        let mut entry = accept::route(&name.namespace, &object.spec);
        if let Ok(entry) = &mut entry {
            terms.share(entry);
        }
        Outcome::from(entry, Some(&object.spec.allowed_namespaces))
    });
    let submitted = &resources.providers;
    resolve::targets(&mut accepted, (&providers, submitted), &terms, &mut report);
    let known = resolve::Prompts {
        templates: &prompts,
        revisions: &revisions,
        submitted: prompt_templates,
    };
    known.resolve(&mut accepted, &terms, &mut report);
    let routes = conflict::routes(
        accepted,
        |name| routes.get(name).and_then(Submitted::created),
        &mut report,
    );

    let accepted = key::entries(secrets, &previous.keys, &mut report);
    let created = |name: &ObjectName| {
        secrets
            .get(name)
            .and_then(|secret| secret.metadata.creation_timestamp.as_ref())
    };
    let keys = conflict::keys(accepted, created, &mut report);

    let mut snapshot = Snapshot {
        version: VERSION,
        revision: String::new(),
        providers,
        routes,
        prompts,
        revisions,
        keys,
    };
    let digests = digest::of(&snapshot);
    let has_entry = |object: &ObjectId| digests.contains_key(object);
    let diagnostics = report.into_diagnostics(has_entry);
    snapshot.revision = revision::of(&digests);
    let is_kept = |name: &&ObjectName| prompt_revisions.contains_key(name);
    Compiled {
        unkept: snapshot
            .revisions
            .keys()
            .filter(|name| !is_kept(name))
            .cloned()
            .collect(),
        snapshot: Arc::new(snapshot),
        digests: Arc::new(digests),
        diagnostics,
    }
}

/// The prompts that can be used, and all revisions.
fn prompts(
    resources: &Resources,
    previous: &Snapshot,
    report: &mut Report,
) -> (BTreeMap<ObjectName, PromptEntry>, BTreeMap<ObjectName, RevisionEntry>) {
    let config_maps = &resources.config_maps;
    let mut revisions = carry::entries(
        Kind::PromptRevision,
        &resources.prompt_revisions,
        &previous.revisions,
        report,
        |name, object| {
            Outcome::from(
                prompt_revision::accept(name, object, previous.revisions.get(name)),
                None,
            )
        },
    );
    let accepted = carry::entries(
        Kind::PromptTemplate,
        &resources.prompt_templates,
        &previous.prompts,
        report,
        |name, object| prompt::accept(name, &object.spec, config_maps, previous.prompts.get(name)),
    );
    let accepted = prompt::resolve(accepted, config_maps, report);
    let prompts = prompt_revision::activate(accepted, &mut revisions, previous, report);
    (prompts, revisions)
}

/// Not derived: that would ask it of the kind, which is shared.
impl<K> Clone for Submitted<K> {
    fn clone(&self) -> Self {
        match self {
            Submitted::WellFormed(object) => Submitted::WellFormed(Arc::clone(object)),
            Submitted::Written(text) => Submitted::Written(text.clone()),
            Submitted::Malformed(faults) => Submitted::Malformed(faults.clone()),
            Submitted::PartlyReadable {
                faults,
                allowed_namespaces,
            } => Submitted::PartlyReadable {
                faults: faults.clone(),
                allowed_namespaces: allowed_namespaces.clone(),
            },
        }
    }
}

impl<K: kube::Resource> Submitted<K> {
    /// When the API server made the object; nothing for what was written down, and for what could not be read.
    fn created(&self) -> Option<&Time> {
        match self {
            Submitted::WellFormed(object) => object.meta().creation_timestamp.as_ref(),
            Submitted::Written(_) | Submitted::Malformed(_) | Submitted::PartlyReadable { .. } => None,
        }
    }
}
