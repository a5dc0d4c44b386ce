//! A target, looked up.

use std::{ops::Deref, sync::Arc, time::Duration};

use bytes::Bytes;
use crds::{
    provider::Dialect,
    snapshot::{ProviderEntry, RouteTimeouts, TargetEntry},
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use tokio::time::Instant;

use super::{Surroundings, commons::Commons};
use crate::{
    prompts::{parameters::Defaults, prompt::Prompt},
    providers::{dialect::anthropic, price::Price},
    routing::{account::Account, health::Health},
    telemetry::metrics::{ModelMetrics, TargetMetrics},
};

/// A target, with its provider's data at hand.
#[derive(Debug)]
pub struct Target {
    common: Arc<Common>,
    pub health: Arc<Health>,
    pub metrics: TargetMetrics,
}

/// What equal targets have in common: thousands of Routes have the same few, and requests find them in the processor's cache whichever
/// Route they are for.
#[derive(Debug)]
pub struct Common {
    pub name: Arc<str>,
    pub header: HeaderValue,
    /// The name as a JSON string.
    pub name_json: Bytes,
    /// `namespace/name` of the Provider.
    pub provider: Arc<str>,
    /// The Provider's name as a JSON string.
    pub provider_json: Bytes,
    pub model: Arc<str>,
    /// The model as a JSON string.
    pub model_json: Bytes,
    pub dialect: Dialect,
    pub destination: Arc<Destination>,
    /// The Provider's keys and places.
    pub account: Arc<Account>,
    pub timeouts: Timeouts,
    pub price: Option<Price>,
    /// What is put in front of the messages of each request, unless it wants another prompt.
    pub prompt: Option<Arc<Prompt>>,
    /// Parameters where the request says nothing; they come before those of the prompt.
    pub defaults: Defaults,
    /// The longest answer of the model, in tokens, if it is known.
    pub max_output_tokens: Option<u64>,
    /// What the vendor calls the limit of an answer in `OpenAI`'s dialect.
    pub output_limit_field: &'static str,
    /// What is counted for the model, whichever targets stand for it.
    pub model_metrics: ModelMetrics,
}

/// Where requests to a Provider go. All its targets share one.
#[derive(Debug)]
pub struct Destination {
    pub uri: Uri,
    /// All headers of a request but its length and the credential: host, content type, those of the Provider.
    pub headers: HeaderMap,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    pub first_token: Duration,
    pub idle: Duration,
    pub total: Duration,
}

impl Deref for Target {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

impl Target {
    /// None when the compiler let something through that no request can be made of. It counts on from `known`.
    pub(super) fn resolve(
        (entry, timeouts): (&TargetEntry, &RouteTimeouts),
        surroundings: &Surroundings<'_>,
        commons: &mut Commons,
        known: Option<&Self>,
    ) -> Option<Self> {
        let common = commons.target(entry, timeouts, surroundings)?;
        // Another model behind the same name, or another place, is another target.
        let health = known
            .filter(|known| {
                known.model == common.model
                    && known.provider == common.provider
                    && known.destination.uri == common.destination.uri
            })
            .map_or_else(
                || Arc::new(Health::new(Instant::now())),
                |known| Arc::clone(&known.health),
            );
        let same = known.filter(|known| known.model_metrics.labels() == common.model_metrics.labels());
        Some(Self {
            health,
            metrics: same.map_or_else(TargetMetrics::default, |known| known.metrics.clone()),
            common,
        })
    }
}

impl Destination {
    /// None when the compiler let something through that no request can be made of.
    pub(super) fn of(provider: &ProviderEntry) -> Option<Self> {
        let path = match provider.dialect {
            Dialect::OpenAI => "chat/completions",
            Dialect::Anthropic => "v1/messages",
        };
        let uri: Uri = format!("{}/{path}", provider.base_url).parse().ok()?;
        Some(Self {
            headers: request_headers(&uri, provider)?,
            uri,
        })
    }
}

fn request_headers(uri: &Uri, provider: &ProviderEntry) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(8 + provider.headers.len());
    for (name, value) in &provider.headers {
        headers.insert(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
    }
    headers.insert(header::HOST, HeaderValue::from_str(uri.authority()?.as_str()).ok()?);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("route-switch/", env!("CARGO_PKG_VERSION"))),
    );
    // Holds the place of each body's length: a map that grows is copied.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    if provider.dialect == Dialect::Anthropic {
        headers
            .entry(anthropic::VERSION_HEADER)
            .or_insert(HeaderValue::from_static(anthropic::VERSION));
    }
    Some(headers)
}
