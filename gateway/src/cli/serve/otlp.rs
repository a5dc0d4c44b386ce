//! Where spans go, by arguments and by the variables that OpenTelemetry has for it.

use clap::Args;

use crate::telemetry::traces::{Error, Settings};

#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    /// Send spans of requests and attempts to the collector at this root URL, by OTLP over HTTP; without it there are none.
    /// `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_RESOURCE_ATTRIBUTES` are honoured
    #[arg(long = "otlp-endpoint", value_name = "URL", value_hint = clap::ValueHint::Url, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    endpoint: Option<String>,
    /// What the spans' service is called
    #[arg(
        long = "otlp-service-name",
        value_name = "NAME",
        default_value = "route-switch",
        env = "OTEL_SERVICE_NAME"
    )]
    service_name: String,
    /// The share of traces to send, from 0 to 1, of those that the client's traceparent does not decide about
    #[arg(long = "otlp-sample-ratio", value_name = "RATIO", default_value = "1", value_parser = ratio, env = "OTEL_TRACES_SAMPLER_ARG")]
    ratio: f64,
}

impl Arguments {
    /// None if no collector is named. An empty variable counts as none.
    pub(in crate::cli) fn settings(self) -> Result<Option<Settings>, Error> {
        let Self {
            endpoint,
            service_name,
            ratio,
        } = self;
        let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) else {
            return Ok(None);
        };
        let Ok(endpoint) = endpoint.parse() else {
            return Err(Error::Endpoint(endpoint));
        };
        Ok(Some(Settings {
            endpoint,
            service_name,
            ratio,
        }))
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("write a number from 0 to 1, for instance 0.1".to_owned()),
    }
}
