//! A target, looked up.

use std::sync::Arc;

use crds::{
    provider::Dialect,
    snapshot::{ProviderEntry, RouteEntry, TargetEntry},
    vendor,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use tokio::time::Instant;

use super::{Destination, Surroundings, Target, Timeouts};
use crate::{
    prompts::parameters::Defaults,
    providers::{dialect::anthropic, price::Price},
    routing::health::Health,
    telemetry::metrics::{ModelLabels, ModelMetrics, TargetMetrics},
};

impl Target {
    /// None when the compiler let something through that no request can be made of.
    pub(super) fn resolve(
        entry: &TargetEntry,
        surroundings: &Surroundings<'_>,
        known: Option<&Self>,
        route: &RouteEntry,
    ) -> Option<Self> {
        let prompt = match &entry.prompt {
            Some(used) => Some(Arc::clone(surroundings.library.revision(used.revision.as_ref()?)?)),
            None => None,
        };
        let provider = surroundings.snapshot.providers.get(&entry.provider)?;
        let destination = surroundings.destinations.get(&entry.provider)?;
        let model = provider.models.get(&entry.model);
        let own = &provider.timeouts;
        let over = &route.timeouts;
        let words = &surroundings.words;
        let (name, named_model) = (words.of(&entry.name), words.of(&entry.model));
        let labels = ModelLabels {
            provider: words.of(&entry.provider.to_string()).text,
            vendor: vendor::row(provider.vendor).gen_ai_name,
            model: named_model.text,
        };
        // Another model behind the same name, or another place, is another target.
        let health = known
            .filter(|known| {
                known.model == labels.model
                    && known.provider == labels.provider
                    && known.destination.uri == destination.uri
            })
            .map_or_else(
                || Arc::new(Health::new(Instant::now())),
                |known| Arc::clone(&known.health),
            );
        Some(Self {
            name: name.text,
            header: name.header,
            name_json: name.json,
            provider: Arc::clone(&labels.provider),
            provider_json: words.of(&entry.provider.name).json,
            model: Arc::clone(&labels.model),
            model_json: named_model.json,
            destination: Arc::clone(destination),
            account: Arc::clone(surroundings.accounts.get(&entry.provider)?),
            health,
            dialect: provider.dialect,
            timeouts: Timeouts {
                connect: over.connect.unwrap_or(own.connect),
                first_token: over.first_token.unwrap_or(own.first_token),
                idle: over.idle.unwrap_or(own.idle),
                total: over.total.unwrap_or(own.total),
            },
            price: model.and_then(Price::of),
            max_output_tokens: model.and_then(|model| model.max_output_tokens),
            prompt,
            defaults: Defaults::of(&entry.parameters, None),
            output_limit_field: vendor::row(provider.vendor).output_limit_field,
            metrics: TargetMetrics::new(ModelMetrics::new(labels)),
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
    if provider.dialect == Dialect::Anthropic {
        headers
            .entry(anthropic::VERSION_HEADER)
            .or_insert(HeaderValue::from_static(anthropic::VERSION));
    }
    Some(headers)
}
