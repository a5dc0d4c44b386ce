//! The compiled contract between the compiler and the gateways: everything that a gateway runs from, in one document.
//!
//! Entries keep their unresolved references beside the resolved ones, so that an entry that is carried over from an earlier
//! Snapshot (its object became bad) is resolved afresh against what exists now: a withdrawn Secret or Provider takes effect at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    object::ObjectName,
    prompt_content::PromptContent,
    prompt_revision::{Origin, Provenance},
    prompt_template::Parameters,
    provider::{Dialect, Vendor},
    reference::{ConfigMapKeyRef, SecretKeyRef},
    route::{RetryOn, SessionAffinity, Strategy},
};

pub mod terms;

/// The format of [`Snapshot`]; grows when a field changes its meaning.
pub const VERSION: u32 = 1;

/// All resources, compiled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub version: u32,
    /// The first 16 hexadecimal digits of the SHA-256 of the content. It has no order.
    pub revision: String,
    pub providers: BTreeMap<ObjectName, ProviderEntry>,
    pub routes: BTreeMap<ObjectName, RouteEntry>,
    pub prompts: BTreeMap<ObjectName, PromptEntry>,
    /// All revisions that there are: those of the prompts' own texts, and those that are kept.
    pub revisions: BTreeMap<ObjectName, RevisionEntry>,
    pub keys: BTreeMap<ObjectName, KeyEntry>,
}

impl Snapshot {
    /// The revisions that a prompt or a Route uses, or would if it were not for a fault.
    pub fn used_revisions(&self) -> BTreeSet<ObjectName> {
        let of_prompts = self.prompts.iter().flat_map(|(name, prompt)| {
            let pinned = prompt.pinned_revision.as_ref();
            let revisions = [Some(&prompt.spec_revision), Some(&prompt.active_revision), pinned];
            let named = |revision: &String| ObjectName::new(&*name.namespace, &**revision);
            revisions.into_iter().flatten().map(named).collect::<Vec<_>>()
        });
        let targets = self.routes.values().flat_map(|route| &route.targets);
        let of_routes = targets.filter_map(|target| {
            let used = target.prompt.as_ref()?;
            match &used.reference {
                PromptReference::Pin(revision) => Some(revision.clone()),
                PromptReference::Follow(_) => used.revision.clone(),
            }
        });
        of_prompts.chain(of_routes).collect()
    }
}

/// A Provider whose credential resolved. Providers whose credential is missing are not in the Snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProviderEntry {
    /// The object is bad now; this is what it last said when it was good.
    pub stale: bool,
    pub vendor: Vendor,
    pub dialect: Dialect,
    /// Without a slash at the end; requests go to `{base_url}/chat/completions`, or to `{base_url}/v1/messages`.
    pub base_url: String,
    pub auth: AuthEntry,
    /// What `auth` resolved to: more than one take turns; none when no credential is sent. They travel apart, sealed ([`crate::fleet`]).
    #[serde(skip_deserializing)]
    pub credentials: Vec<CredentialEntry>,
    pub models: BTreeMap<String, ModelEntry>,
    /// Requests under way at once; none = no limit.
    pub max_concurrent: Option<u32>,
    pub timeouts: ProviderTimeouts,
    pub headers: BTreeMap<String, String>,
    pub allowed_namespaces: Vec<String>,
}

/// Where a credential comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthEntry {
    None,
    Keys(Vec<KeyReference>),
    /// From [`crate::compiler::Settings::ambient_credentials`].
    Ambient,
}

/// A credential that a Provider names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReference {
    pub secret: SecretKeyRef,
    pub weight: u32,
}

/// A credential that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CredentialEntry {
    /// `secret/key`, or the environment variable.
    pub name: String,
    pub weight: u32,
    pub credential: Credential,
}

/// What is known of a model. Prices are micro-USD per million tokens; tokens x price = pico-USD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    pub context_tokens: Option<u64>,
    pub max_output_tokens: Option<u64>,
    pub input_micro_usd_per_m_tok: Option<u64>,
    pub output_micro_usd_per_m_tok: Option<u64>,
    pub cached_input_micro_usd_per_m_tok: Option<u64>,
    pub cache_write_micro_usd_per_m_tok: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderTimeouts {
    pub connect: Duration,
    pub first_token: Duration,
    pub idle: Duration,
    pub total: Duration,
}

impl Default for ProviderTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_mins(2),
            idle: Duration::from_mins(1),
            total: Duration::from_mins(10),
        }
    }
}

/// What a Route says of the waits; unset = the Provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteTimeouts {
    pub connect: Option<Duration>,
    pub first_token: Option<Duration>,
    pub idle: Option<Duration>,
    pub total: Option<Duration>,
    pub commit_after: Duration,
}

impl Default for RouteTimeouts {
    fn default() -> Self {
        Self {
            connect: None,
            first_token: None,
            idle: None,
            total: None,
            commit_after: Duration::from_secs(10),
        }
    }
}

/// Extra tries at the same target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RetryEntry {
    pub attempts: u32,
    /// The longest wait before the first of them; it doubles.
    pub backoff: Duration,
    pub when: Vec<RetryOn>,
}

impl Default for RetryEntry {
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff: Duration::from_millis(250),
            when: vec![RetryOn::Connect, RetryOn::RateLimited, RetryOn::ServerError],
        }
    }
}

/// When a target is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BreakerEntry {
    /// 0: failures in a row do not open it.
    pub consecutive_failures: u32,
    /// 0: the share of failures does not open it.
    pub failure_percent: u32,
    pub minimum_requests: u32,
    pub window: Duration,
    pub open_for: Duration,
    pub half_open_probes: u32,
}

impl Default for BreakerEntry {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_percent: 50,
            minimum_requests: 20,
            window: Duration::from_secs(30),
            open_for: Duration::from_secs(30),
            half_open_probes: 1,
        }
    }
}

/// A Route. It stays in the Snapshot when none of its targets resolved: its clients get a 503, not a 404.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteEntry {
    /// The object is bad now; this is what it last said when it was good.
    pub stale: bool,
    /// The client-facing names that this Route holds: its model, then its aliases, less those that an older Route claims.
    pub names: Vec<String>,
    /// Shared by Routes that are made from one template, which differ in their names only ([`terms::Terms`]). In a document they are fields
    /// of the Route.
    #[serde(flatten)]
    pub terms: Arc<RouteTerms>,
}

/// What a Route says beside its names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteTerms {
    pub strategy: Strategy,
    /// As declared, in order; only those with `resolved` are used.
    pub targets: Vec<TargetEntry>,
    pub retry: RetryEntry,
    pub timeouts: RouteTimeouts,
    pub breaker: BreakerEntry,
    pub affinity: SessionAffinity,
    pub capture: CaptureEntry,
    pub allowed_namespaces: Vec<String>,
}

impl Deref for RouteEntry {
    type Target = RouteTerms;

    fn deref(&self) -> &RouteTerms {
        &self.terms
    }
}

/// What is kept of the requests of a Route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaptureEntry {
    pub metadata: bool,
    pub content: bool,
    /// Of the requests whose content would be stored.
    pub sample_percent: u32,
    pub max_examples: u64,
    pub max_age: Duration,
    pub redact: Vec<RedactionEntry>,
}

impl Default for CaptureEntry {
    fn default() -> Self {
        Self {
            metadata: true,
            content: false,
            sample_percent: 100,
            max_examples: 10_000,
            max_age: Duration::from_hours(90 * 24),
            redact: Vec::new(),
        }
    }
}

/// Something that is replaced before anything is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RedactionEntry {
    pub rule: RedactionRule,
    pub replacement: String,
}

/// Where something is replaced. Both were checked: they parse.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RedactionRule {
    Regex(String),
    JsonPath(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TargetEntry {
    pub name: String,
    pub provider: ObjectName,
    pub model: String,
    pub weight: u32,
    /// Lower first.
    pub priority: u32,
    /// The prompt of requests to this target; none passes them as they are.
    pub prompt: Option<PromptUse>,
    /// Parameters where the request says nothing; they come before those of the prompt.
    pub parameters: Parameters,
    /// The Provider and the prompt are in this Snapshot and may be used from the Route's namespace.
    pub resolved: bool,
}

/// The prompt of a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PromptUse {
    pub reference: PromptReference,
    /// The field that says so is the Route's, not the target's own.
    pub inherited: bool,
    /// The `PromptRevision` in use, in [`Snapshot::revisions`]; none when there is none that may be used.
    pub revision: Option<ObjectName>,
}

/// What a target says of its prompt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PromptReference {
    /// The active revision of this `PromptTemplate`.
    Follow(ObjectName),
    /// This `PromptRevision`.
    Pin(ObjectName),
}

/// A checked prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptEntry {
    /// The object is bad now; this is what it last said when it was good.
    pub stale: bool,
    pub content: Arc<PromptContent>,
    /// Where the messages stand, when not in the object itself.
    pub messages_from: Option<ConfigMapKeyRef>,
    pub pinned_revision: Option<String>,
    pub revision_history_limit: usize,
    pub allowed_namespaces: Vec<String>,
    /// Name of the revision of the prompt's own text.
    pub spec_revision: String,
    /// Name of the revision in use.
    pub active_revision: String,
}

/// A checked revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionEntry {
    /// The object is bad now; this is what it last said when it was good.
    pub stale: bool,
    /// Name of its `PromptTemplate`, which need not exist.
    pub template: String,
    pub digest: String,
    pub origin: Origin,
    pub content: Arc<PromptContent>,
    pub provenance: Option<Provenance>,
    /// When it was made the active one of its prompt, in milliseconds since 1970.
    pub promoted_unix_millis: Option<i64>,
    /// When it was first seen, as RFC 3339 has it; unknown for what stands in a file. It does not count for what the Snapshot is.
    #[serde(skip)]
    pub created: Option<String>,
}

/// A client key; the key itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// The Secret is bad now; this is what it last said when it was good.
    pub stale: bool,
    /// What people call the key; default: the Secret's name.
    pub name: String,
    /// SHA-256 of the key, 64 lower-case hexadecimal digits.
    pub sha256: String,
    pub role: Role,
    pub routes: KeyRoutes,
}

/// What a key may do; each includes the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    #[default]
    User,
    Viewer,
    Admin,
}

/// The Routes that a key may use, beside what `allowedNamespaces` of the Routes says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyRoutes {
    /// All Routes of the Secret's own namespace, and those of other namespaces that allow it.
    #[default]
    OwnNamespace,
    /// Every Route that the namespace may use (`*`).
    All,
    /// These.
    Listed(Vec<ObjectName>),
}

/// A secret text. It is neither printed nor serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one header that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl Serialize for Credential {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }
}
