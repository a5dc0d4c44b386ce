//! Whether a Provider or a Route is valid by itself, and the entry that it makes.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use super::{Diagnostic, Reason, Settings, prompt};
use crate::{
    capture::{self, Capture},
    duration,
    object::ObjectName,
    provider::{Auth, Dialect, Model, ProviderSpec, Vendor},
    reference::PromptRef,
    route::{RouteSpec, Target},
    snapshot::{
        AuthEntry, CaptureEntry, KeyReference, ModelEntry, PromptReference, PromptUse, ProviderEntry, ProviderTimeouts,
        RedactionEntry, RouteEntry, RouteTerms, RouteTimeouts, TargetEntry,
    },
    vendor,
};

mod resilience;

/// The longest wait that can be asked for.
const LONGEST: Duration = Duration::from_hours(24);
/// The longest time that anything can be kept for.
const OLDEST: Duration = Duration::from_hours(3660 * 24);

/// What was found wrong with one spec.
#[derive(Default)]
struct Problems(Vec<Diagnostic>);

/// The entry of a Provider, its credential still open.
pub(super) fn provider(spec: &ProviderSpec, settings: &Settings) -> Result<ProviderEntry, Vec<Diagnostic>> {
    let ProviderSpec {
        vendor,
        dialect,
        base_url,
        auth,
        models,
        limits,
        timeouts,
        headers,
        allow_insecure: _,
        allowed_namespaces,
    } = spec;
    let mut problems = Problems::default();
    let dialect = dialect.unwrap_or(vendor::row(*vendor).dialect);
    let base_url = problems.base_url(*vendor, dialect, base_url.as_deref(), settings);
    let auth = problems.auth(*vendor, auth.as_ref());
    let entries = models.iter().enumerate();
    let models = entries
        .map(|(index, model)| (model.name.clone(), problems.model(index, model)))
        .collect();
    let asked = timeouts.clone().unwrap_or_default();
    let default = ProviderTimeouts::default();
    let timeouts = ProviderTimeouts {
        connect: problems
            .wait("spec.timeouts.connect", asked.connect.as_deref())
            .unwrap_or(default.connect),
        first_token: problems
            .wait("spec.timeouts.firstToken", asked.first_token.as_deref())
            .unwrap_or(default.first_token),
        idle: problems
            .wait("spec.timeouts.idle", asked.idle.as_deref())
            .unwrap_or(default.idle),
        total: problems
            .wait("spec.timeouts.total", asked.total.as_deref())
            .unwrap_or(default.total),
    };
    let max_concurrent = limits.as_ref().and_then(|limits| limits.max_concurrent);
    let max_concurrent = problems.optional_count("spec.limits.maxConcurrent", max_concurrent);
    problems.or(ProviderEntry {
        stale: false,
        vendor: *vendor,
        dialect,
        base_url,
        auth,
        credentials: Vec::new(),
        models,
        max_concurrent,
        timeouts,
        headers: headers
            .iter()
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect(),
        allowed_namespaces: allowed_namespaces.clone(),
    })
}

/// The entry of a Route in `namespace`, its targets still unresolved.
pub(super) fn route(namespace: &str, spec: &RouteSpec) -> Result<RouteEntry, Vec<Diagnostic>> {
    let RouteSpec {
        model,
        aliases,
        prompt_ref,
        targets,
        strategy,
        retry,
        timeouts,
        circuit_breaker,
        session,
        capture,
        allowed_namespaces,
    } = spec;
    let mut problems = Problems::default();
    let asked = timeouts.clone().unwrap_or_default();
    let default = RouteTimeouts::default();
    let timeouts = RouteTimeouts {
        connect: problems.wait("spec.timeouts.connect", asked.connect.as_deref()),
        first_token: problems.wait("spec.timeouts.firstToken", asked.first_token.as_deref()),
        idle: problems.wait("spec.timeouts.idle", asked.idle.as_deref()),
        total: problems.wait("spec.timeouts.total", asked.total.as_deref()),
        commit_after: problems
            .wait("spec.timeouts.commitAfter", asked.commit_after.as_deref())
            .unwrap_or(default.commit_after),
    };
    let entries = targets.iter().enumerate();
    let targets = entries
        .map(|(index, target)| problems.target(namespace, prompt_ref.as_ref(), index, target))
        .collect();
    let retry = problems.retry(retry.as_ref());
    let breaker = problems.breaker(circuit_breaker.as_ref());
    let capture = capture.as_ref().map_or_else(CaptureEntry::default, |capture| {
        problems.capture("spec.capture", capture)
    });
    problems.or(RouteEntry {
        stale: false,
        names: std::iter::once(model).chain(aliases).cloned().collect(),
        terms: Arc::new(RouteTerms {
            strategy: strategy.unwrap_or_default(),
            targets,
            retry,
            timeouts,
            breaker,
            affinity: session
                .as_ref()
                .and_then(|session| session.affinity)
                .unwrap_or_default(),
            capture,
            allowed_namespaces: allowed_namespaces.clone(),
        }),
    })
}

impl Problems {
    fn invalid(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Diagnostic::not_accepted(Reason::Invalid, field, message));
    }

    fn or<T>(self, value: T) -> Result<T, Vec<Diagnostic>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    /// The resolved URL, without a slash at the end; empty when there is none, which is then reported.
    fn base_url(&mut self, vendor: Vendor, dialect: Dialect, given: Option<&str>, settings: &Settings) -> String {
        let simulator = || {
            settings
                .simulator_url
                .as_deref()
                .filter(|_| vendor == Vendor::Simulated)
        };
        let resolved = match (given, vendor::row(vendor).default_base_url, simulator()) {
            (Some(given), _, _) => given.to_owned(),
            (None, Some(default), _) => default.to_owned(),
            (None, None, Some(root)) => match dialect {
                Dialect::OpenAI => format!("{}/v1", root.trim_end_matches('/')),
                Dialect::Anthropic => root.to_owned(),
            },
            (None, None, None) => {
                self.no_base_url(vendor);
                return String::new();
            }
        };
        if let Some(message) = url_problem(&resolved) {
            self.invalid("spec.baseUrl", message);
        }
        resolved.trim_end_matches('/').to_owned()
    }

    fn no_base_url(&mut self, vendor: Vendor) {
        let (reason, message) = match vendor {
            Vendor::Simulated => (
                Reason::SimulatorNotConfigured,
                "vendor Simulated without baseUrl needs a simulator: start with --simulator URL, or give baseUrl",
            ),
            Vendor::OpenAI | Vendor::Anthropic | Vendor::OpenAICompatible => {
                (Reason::Invalid, "is required for this vendor")
            }
        };
        self.0.push(Diagnostic::not_accepted(reason, "spec.baseUrl", message));
    }

    fn auth(&mut self, vendor: Vendor, auth: Option<&Auth>) -> AuthEntry {
        let Some(Auth { keys, none }) = auth else {
            return if vendor::row(vendor).ambient_variable.is_some() {
                AuthEntry::Ambient
            } else {
                AuthEntry::None
            };
        };
        match (keys.as_deref(), none) {
            (None, Some(_)) => AuthEntry::None,
            (Some(keys), None) => AuthEntry::Keys(
                keys.iter()
                    .enumerate()
                    .map(|(index, key)| KeyReference {
                        secret: key.secret_ref.clone(),
                        weight: self.count(&format!("spec.auth.keys[{index}].weight"), key.weight, 1),
                    })
                    .collect(),
            ),
            _ => {
                self.invalid("spec.auth", "must be either keys or none");
                AuthEntry::None
            }
        }
    }

    fn model(&mut self, index: usize, model: &Model) -> ModelEntry {
        let Model {
            name: _,
            context_tokens,
            max_output_tokens,
            input_micro_usd_per_m_tok,
            output_micro_usd_per_m_tok,
            cached_input_micro_usd_per_m_tok,
            cache_write_micro_usd_per_m_tok,
        } = model;
        let mut count = |field: &str, value: Option<i64>| {
            let count = value.map(u64::try_from).transpose();
            count.unwrap_or_else(|_| {
                self.invalid(format!("spec.models[{index}].{field}"), "must not be negative");
                None
            })
        };
        ModelEntry {
            context_tokens: count("contextTokens", *context_tokens),
            max_output_tokens: count("maxOutputTokens", *max_output_tokens),
            input_micro_usd_per_m_tok: count("inputMicroUsdPerMTok", *input_micro_usd_per_m_tok),
            output_micro_usd_per_m_tok: count("outputMicroUsdPerMTok", *output_micro_usd_per_m_tok),
            cached_input_micro_usd_per_m_tok: count("cachedInputMicroUsdPerMTok", *cached_input_micro_usd_per_m_tok),
            cache_write_micro_usd_per_m_tok: count("cacheWriteMicroUsdPerMTok", *cache_write_micro_usd_per_m_tok),
        }
    }

    fn target(&mut self, namespace: &str, route: Option<&PromptRef>, index: usize, target: &Target) -> TargetEntry {
        let Target {
            name,
            provider_ref,
            model,
            weight,
            prompt_ref,
            parameters,
            priority,
        } = target;
        let weight = self.count(&format!("spec.targets[{index}].weight"), *weight, 1);
        let priority = self.count(&format!("spec.targets[{index}].priority"), *priority, 0);
        let parameters = parameters.clone().unwrap_or_default();
        self.0.extend(prompt::check_parameters(
            &format!("spec.targets[{index}].parameters"),
            &parameters,
        ));
        TargetEntry {
            name: name.clone(),
            provider: provider_ref.resolve(namespace),
            model: model.clone(),
            weight,
            prompt: prompt_ref.as_ref().or(route).map(|reference| PromptUse {
                reference: prompt_reference(namespace, reference),
                inherited: prompt_ref.is_none(),
                revision: None,
            }),
            parameters,
            priority,
            resolved: false,
        }
    }

    fn capture(&mut self, field: &str, capture: &Capture) -> CaptureEntry {
        let Capture {
            metadata,
            content,
            sample_percent,
            max_examples,
            max_age,
            redact,
        } = capture;
        let default = CaptureEntry::default();
        let mut count = |name: &str, value: Option<i64>, default: u64| {
            let count = value.map_or(Ok(default), u64::try_from);
            count.unwrap_or_else(|_| {
                self.invalid(format!("{field}.{name}"), "must not be negative");
                default
            })
        };
        let sample_percent = count("samplePercent", sample_percent.map(i64::from), 100);
        let max_examples = count("maxExamples", *max_examples, default.max_examples);
        let max_age = max_age.as_deref().map_or(default.max_age, |text| {
            self.age(format!("{field}.maxAge"), text).unwrap_or(default.max_age)
        });
        let mut rules = Vec::with_capacity(redact.len());
        for (index, redaction) in redact.iter().enumerate() {
            match capture::rule(redaction) {
                Ok(rule) => rules.push(RedactionEntry {
                    rule,
                    replacement: redaction.replacement.clone().unwrap_or_else(|| "[redacted]".to_owned()),
                }),
                Err(("", message)) => self.invalid(format!("{field}.redact[{index}]"), message),
                Err((name, message)) => self.invalid(format!("{field}.redact[{index}].{name}"), message),
            }
        }
        CaptureEntry {
            metadata: metadata.unwrap_or(default.metadata),
            content: content.unwrap_or(default.content),
            sample_percent: u32::try_from(sample_percent).unwrap_or(100).min(100),
            max_examples,
            max_age,
            redact: rules,
        }
    }

    /// How long something is kept: more than nothing, at most ten years.
    fn age(&mut self, field: String, text: &str) -> Option<Duration> {
        match duration::parse(text) {
            Ok(Duration::ZERO) => self.invalid(field, "must be longer than 0"),
            Ok(age) if age > OLDEST => self.invalid(field, "must be at most 3660d"),
            Ok(age) => return Some(age),
            Err(error) => self.invalid(field, error.to_string()),
        }
        None
    }

    /// A duration: more than nothing, at most a day.
    fn wait(&mut self, field: &str, text: Option<&str>) -> Option<Duration> {
        match duration::parse(text?) {
            Ok(Duration::ZERO) => self.invalid(field, "must be longer than 0"),
            Ok(wait) if wait > LONGEST => self.invalid(field, "must be at most 24h"),
            Ok(wait) => return Some(wait),
            Err(error) => self.invalid(field, error.to_string()),
        }
        None
    }

    /// A number that the schema keeps within bounds.
    fn optional_count(&mut self, field: &str, value: Option<i32>) -> Option<u32> {
        let count = u32::try_from(value?);
        if count.is_err() {
            self.invalid(field, "must not be negative");
        }
        count.ok()
    }

    fn count(&mut self, field: &str, value: Option<i32>, default: u32) -> u32 {
        self.optional_count(field, value).unwrap_or(default)
    }
}

/// What a Route in `namespace` refers to. The schema has seen to it that there is a name or a revision.
fn prompt_reference(namespace: &str, reference: &PromptRef) -> PromptReference {
    let PromptRef {
        name,
        revision,
        namespace: given,
    } = reference;
    let object = |name: &str| ObjectName::new(given.as_deref().unwrap_or(namespace), name);
    match revision {
        Some(revision) => PromptReference::Pin(object(revision)),
        None => PromptReference::Follow(object(name.as_deref().unwrap_or_default())),
    }
}

/// What is wrong with a base URL beyond what its pattern tells.
fn url_problem(text: &str) -> Option<String> {
    let url = match url::Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Some(format!("is not a URL: {error}")),
    };
    let link_local = match url.host() {
        None => return Some("must have a host".to_owned()),
        Some(url::Host::Ipv4(address)) => is_link_local_v4(address),
        Some(url::Host::Ipv6(address)) => is_link_local_v6(address),
        Some(url::Host::Domain(_)) => false,
    };
    link_local.then(|| "must not be a link-local address (169.254.0.0/16, fe80::/10)".to_owned())
}

fn is_link_local_v4(address: Ipv4Addr) -> bool {
    address.is_link_local()
}

fn is_link_local_v6(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local() || address.to_ipv4().is_some_and(is_link_local_v4)
}
