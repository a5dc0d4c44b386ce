//! References against what exists now: credentials of Providers, Providers and prompts of Routes.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Secret;

use super::{Diagnostic, Reason, Settings, Submitted, carry::LastGood, diagnostic::Report};
use crate::{
    object::{Kind, ObjectName},
    prompt_template::PromptTemplate,
    provider::{Provider, Vendor},
    reference::{self, SecretKeyRef},
    snapshot::{
        AuthEntry, Credential, CredentialEntry, KeyReference, PromptEntry, PromptReference, ProviderEntry,
        RevisionEntry, RouteEntry, TargetEntry, terms::Terms,
    },
    vendor,
};

/// The label that lets Providers name a Secret.
pub const CREDENTIAL_LABEL: &str = "routeswitch.io/credential";
/// The longest credential, in bytes: it must fit a header.
const LONGEST_CREDENTIAL: usize = 8192;

/// Where credentials come from.
pub(super) struct Credentials<'a> {
    pub(super) secrets: &'a BTreeMap<ObjectName, Arc<Secret>>,
    pub(super) settings: &'a Settings,
}

/// Why there is no credential. The value is in neither.
enum Missing {
    /// It was taken away, or never was there.
    Withdrawn(Diagnostic),
    /// It is there, but no header can carry it.
    Unusable(Diagnostic),
}

/// The credentials of one Provider.
#[derive(Default)]
struct Found {
    credentials: Vec<CredentialEntry>,
    /// With the names of the credentials.
    missing: Vec<(String, Missing)>,
}

/// Whether a Secret carries `label` as `"true"`.
pub(super) fn is_labelled(secret: &Secret, label: &str) -> bool {
    secret
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(label))
        .is_some_and(|value| value == "true")
}

impl Credentials<'_> {
    fn read(&self, namespace: &str, vendor: Vendor, auth: &AuthEntry) -> Found {
        let mut found = Found::default();
        match auth {
            AuthEntry::None => {}
            AuthEntry::Keys(keys) => {
                for (index, KeyReference { secret, weight }) in keys.iter().enumerate() {
                    let field = format!("spec.auth.keys[{index}].secretRef");
                    found.note(
                        format!("{}/{}", secret.name, secret.key),
                        *weight,
                        self.secret(namespace, secret, &field),
                    );
                }
            }
            AuthEntry::Ambient => {
                let credential = self.settings.ambient_credentials.get(&vendor).cloned();
                let name = vendor::row(vendor).ambient_variable.unwrap_or_default();
                found.note(
                    name.to_owned(),
                    1,
                    credential.ok_or_else(|| Missing::Withdrawn(ambient_missing(vendor))),
                );
            }
        }
        found
    }

    fn secret(&self, namespace: &str, reference: &SecretKeyRef, field: &str) -> Result<Credential, Missing> {
        let SecretKeyRef { name, key } = reference;
        let withdrawn =
            |reason, message: String| Err(Missing::Withdrawn(Diagnostic::not_resolved(reason, field, message)));
        let Some(secret) = self.secrets.get(&ObjectName::new(namespace, &**name)) else {
            let known = self.settings.secret_namespaces.as_ref();
            let message = if known.is_none_or(|known| known.contains(namespace)) {
                format!("there is no Secret {namespace}/{name}")
            } else {
                format!(
                    "Secret {namespace}/{name} is not known: Secrets of namespace {namespace} are not read (--secret-namespaces of the operator)"
                )
            };
            return withdrawn(Reason::SecretNotFound, message);
        };
        if !is_labelled(secret, CREDENTIAL_LABEL) {
            let message = format!("Secret {namespace}/{name} does not carry the label {CREDENTIAL_LABEL}: \"true\"");
            return withdrawn(Reason::SecretNotLabelled, message);
        }
        let Some(value) = secret.data.as_ref().and_then(|data| data.get(key)) else {
            let message = format!("Secret {namespace}/{name} has no key `{key}`");
            return withdrawn(Reason::SecretKeyMissing, message);
        };
        match credential(&value.0) {
            Ok(credential) => Ok(credential),
            Err(problem) => {
                let message = format!("key `{key}` of Secret {namespace}/{name} {problem}");
                let diagnostic = Diagnostic::not_resolved(Reason::InvalidKey, field, message);
                Err(if value.0.is_empty() {
                    Missing::Withdrawn(diagnostic)
                } else {
                    Missing::Unusable(diagnostic)
                })
            }
        }
    }
}

impl Found {
    fn note(&mut self, name: String, weight: u32, read: Result<Credential, Missing>) {
        match read {
            Ok(credential) => self.credentials.push(CredentialEntry {
                name,
                weight,
                credential,
            }),
            Err(missing) => self.missing.push((name, missing)),
        }
    }
}

fn ambient_missing(vendor: Vendor) -> Diagnostic {
    let variable = vendor::row(vendor)
        .ambient_variable
        .unwrap_or("its environment variable");
    let message = format!(
        "auth is omitted and there is no credential for {vendor:?} in the environment ({variable}); name a Secret"
    );
    Diagnostic::not_resolved(Reason::CredentialMissing, "spec.auth", message)
}

/// Reads what a header can carry.
fn credential(bytes: &[u8]) -> Result<Credential, &'static str> {
    match std::str::from_utf8(bytes) {
        Ok("") => Err("is empty"),
        Ok(text) if text.len() > LONGEST_CREDENTIAL => Err("is longer than 8192 bytes"),
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Credential::new(text)),
        Ok(text)
            if text
                .trim_end_matches(['\r', '\n'])
                .bytes()
                .all(|byte| byte.is_ascii_graphic()) =>
        {
            Err("ends with a newline; make the Secret without it (printf, not echo)")
        }
        _ => Err("holds other characters than visible ASCII"),
    }
}

/// Gives each Provider its credentials. One of several keys may be missing: the others serve. A Provider of whose keys none is left
/// leaves the Snapshot; where one is there but unusable, the last good entry stays, credentials and base URL together.
pub(super) fn providers(
    accepted: BTreeMap<ObjectName, ProviderEntry>,
    credentials: &Credentials<'_>,
    previous: &BTreeMap<ObjectName, ProviderEntry>,
    report: &mut Report,
) -> BTreeMap<ObjectName, ProviderEntry> {
    let mut resolved = BTreeMap::new();
    for (name, mut entry) in accepted {
        let Found { credentials, missing } = credentials.read(&name.namespace, entry.vendor, &entry.auth);
        let is_usable = !credentials.is_empty() || entry.auth == AuthEntry::None;
        let mut withdrawn = Vec::new();
        let mut is_kept = false;
        for (key, missing) in missing {
            let diagnostic = match missing {
                Missing::Withdrawn(diagnostic) => {
                    withdrawn.push(key);
                    diagnostic
                }
                Missing::Unusable(diagnostic) => {
                    is_kept = true;
                    diagnostic
                }
            };
            report.add(Kind::Provider, &name, diagnostic);
        }
        if is_usable {
            entry.credentials = credentials;
            resolved.insert(name, entry);
        } else if let Some(last_good) = previous.get(&name).filter(|_| is_kept)
            && last_good.auth == entry.auth
        {
            let mut kept = last_good.kept(Some(&entry.allowed_namespaces));
            kept.credentials
                .retain(|credential| !withdrawn.contains(&credential.name));
            if !kept.credentials.is_empty() {
                resolved.insert(name, kept);
            }
        }
    }
    resolved
}

/// Marks the targets of each Route whose Provider is in the Snapshot and may be used from the Route's namespace.
pub(super) fn targets(
    routes: &mut BTreeMap<ObjectName, RouteEntry>,
    (providers, submitted): (
        &BTreeMap<ObjectName, ProviderEntry>,
        &BTreeMap<ObjectName, Submitted<Provider>>,
    ),
    terms: &Terms,
    report: &mut Report,
) {
    for (name, route) in routes {
        let targets = &mut Arc::make_mut(&mut route.terms).targets;
        for (index, target) in targets.iter_mut().enumerate() {
            let provider = &target.provider;
            let problem = match providers.get(provider) {
                Some(entry)
                    if reference::is_allowed(&provider.namespace, &entry.allowed_namespaces, &name.namespace) =>
                {
                    None
                }
                Some(_) => Some((
                    Reason::ProviderNotAllowed,
                    format!(
                        "Provider {provider} does not allow namespace {} (allowedNamespaces)",
                        name.namespace
                    ),
                )),
                None if submitted.contains_key(provider) => Some((
                    Reason::ProviderNotUsable,
                    format!("Provider {provider} is not usable; its own status says why"),
                )),
                None => Some((Reason::ProviderNotFound, format!("there is no Provider {provider}"))),
            };
            target.resolved = problem.is_none();
            if let Some((reason, message)) = problem {
                let field = format!("spec.targets[{index}].providerRef");
                report.add(Kind::Route, name, Diagnostic::not_resolved(reason, field, message));
            }
        }
        terms.share(route);
    }
}

/// The prompts that Routes may name.
pub(super) struct Prompts<'a> {
    pub(super) templates: &'a BTreeMap<ObjectName, PromptEntry>,
    pub(super) revisions: &'a BTreeMap<ObjectName, RevisionEntry>,
    pub(super) submitted: &'a BTreeMap<ObjectName, Submitted<PromptTemplate>>,
}

impl Prompts<'_> {
    /// Gives each target the revision that it uses. A target whose prompt is not there is not used: its clients meant something else
    /// than a request without one.
    pub(super) fn resolve(&self, routes: &mut BTreeMap<ObjectName, RouteEntry>, terms: &Terms, report: &mut Report) {
        for (name, route) in routes {
            if route.targets.iter().all(|target| target.prompt.is_none()) {
                continue;
            }
            let targets = &mut Arc::make_mut(&mut route.terms).targets;
            for (index, target) in targets.iter_mut().enumerate() {
                let Some((field, problem)) = self.resolve_target(&name.namespace, target) else {
                    continue;
                };
                target.resolved = false;
                let field = match field {
                    Whose::Route => "spec.promptRef".to_owned(),
                    Whose::Target => format!("spec.targets[{index}].promptRef"),
                };
                let (reason, message) = problem;
                report.add(Kind::Route, name, Diagnostic::not_resolved(reason, field, message));
            }
            terms.share(route);
        }
    }

    fn resolve_target(&self, namespace: &str, target: &mut TargetEntry) -> Option<(Whose, (Reason, String))> {
        let used = target.prompt.as_mut()?;
        let found = match &used.reference {
            PromptReference::Follow(prompt) => self.followed(namespace, prompt),
            PromptReference::Pin(revision) => self.pinned(namespace, revision),
        };
        let whose = if used.inherited { Whose::Route } else { Whose::Target };
        match found {
            Ok(revision) => {
                used.revision = Some(revision);
                None
            }
            Err(problem) => {
                used.revision = None;
                Some((whose, problem))
            }
        }
    }

    fn followed(&self, namespace: &str, prompt: &ObjectName) -> Result<ObjectName, (Reason, String)> {
        let Some(entry) = self.templates.get(prompt) else {
            return Err(if self.submitted.contains_key(prompt) {
                let message = format!("PromptTemplate {prompt} is not usable; its own status says why");
                (Reason::PromptNotUsable, message)
            } else {
                (Reason::PromptNotFound, format!("there is no PromptTemplate {prompt}"))
            });
        };
        allowed(namespace, prompt, Some(entry))?;
        Ok(ObjectName::new(&*prompt.namespace, &*entry.active_revision))
    }

    fn pinned(&self, namespace: &str, revision: &ObjectName) -> Result<ObjectName, (Reason, String)> {
        let Some(entry) = self.revisions.get(revision) else {
            return Err((
                Reason::RevisionNotFound,
                format!("there is no PromptRevision {revision}"),
            ));
        };
        let template = ObjectName::new(&*revision.namespace, &*entry.template);
        allowed(namespace, &template, self.templates.get(&template))?;
        Ok(revision.clone())
    }
}

/// Whose field a fault is in.
enum Whose {
    Route,
    Target,
}

fn allowed(namespace: &str, prompt: &ObjectName, entry: Option<&PromptEntry>) -> Result<(), (Reason, String)> {
    let allows = entry.map_or(&[][..], |entry| &entry.allowed_namespaces);
    if reference::is_allowed(&prompt.namespace, allows, namespace) {
        Ok(())
    } else {
        let message = format!("PromptTemplate {prompt} does not allow namespace {namespace} (allowedNamespaces)");
        Err((Reason::PromptNotAllowed, message))
    }
}
