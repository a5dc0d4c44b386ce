//! Names, helps and kinds of the metrics whose samples stand in the configuration or are read when asked for. Those that
//! OpenTelemetry's conventions for generative AI define have its names and attributes, as Prometheus spells them.

use prometheus::proto::MetricType;

/// Samples of one name.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: MetricType::COUNTER,
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: MetricType::GAUGE,
    }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: MetricType::HISTOGRAM,
    }
}

// === Of Routes, as their clients see them ===

pub(super) const REQUESTS: Family = counter(
    "route_switch_requests_total",
    "Client requests, by Route and outcome; without a Route those that named none.",
);
pub(super) const DURATION: Family = histogram(
    "gen_ai_server_request_duration_seconds",
    "Time from a request's head to the last byte of its answer, by Route.",
);
pub(super) const FIRST_TOKEN: Family = histogram(
    "gen_ai_server_time_to_first_token_seconds",
    "Time from a request's head to the first content, by Route.",
);
pub(super) const TOKENS: Family = counter(
    "route_switch_tokens_total",
    "Tokens, by Route and type (input, output).",
);
pub(super) const TOKEN_PARTS: Family = counter(
    "route_switch_token_parts_total",
    "The part of the tokens that was read from a cache or written to one (of the input), or spent on reasoning (of the output), by Route.",
);
pub(super) const COST: Family = counter(
    "route_switch_cost_pico_usd_total",
    "Cost of requests whose price is known, by Route, in millionths of a millionth of a US dollar.",
);

pub(super) const UNPRICED_REQUESTS: Family = counter(
    "route_switch_unpriced_requests_total",
    "Requests that used tokens and whose cost is not known, because a model that they asked has no price, by Route.",
);

// === Of the revisions of prompts ===

pub(super) const PROMPT_REQUESTS: Family = counter(
    "route_switch_prompt_requests_total",
    "Client requests, by the prompt and revision that the last attempt was rendered from, and outcome.",
);
pub(super) const PROMPT_DURATION: Family = histogram(
    "route_switch_prompt_request_duration_seconds",
    "Time from a request's head to the last byte of its answer, by prompt and revision.",
);
pub(super) const PROMPT_TOKENS: Family = counter(
    "route_switch_prompt_tokens_total",
    "Tokens, by prompt, revision and type (input, output).",
);
pub(super) const PROMPT_COST: Family = counter(
    "route_switch_prompt_cost_pico_usd_total",
    "Cost of requests whose price is known, by prompt and revision, in millionths of a millionth of a US dollar.",
);

// === Of targets, and of the models behind them ===

pub(super) const ATTEMPTS: Family = counter(
    "route_switch_attempts_total",
    "Tries at targets, by Route, target and outcome.",
);
pub(super) const OPERATION_DURATION: Family = histogram(
    "gen_ai_client_operation_duration_seconds",
    "Time that calls to providers took, by Provider, model and, where they failed, error_type.",
);
pub(super) const FIRST_CHUNK: Family = histogram(
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    "Time from the call to a provider to the first content of its stream, by Provider and model.",
);
pub(super) const TOKEN_USAGE: Family = histogram(
    "gen_ai_client_token_usage",
    "Tokens of a call as the provider counted them, by Provider, model and type (input, output).",
);

pub(super) const MODEL_COST: Family = counter(
    "route_switch_model_cost_pico_usd_total",
    "Cost of calls whose price is known, by Provider and model, in millionths of a millionth of a US dollar.",
);
pub(super) const UNPRICED_CALLS: Family = counter(
    "route_switch_model_unpriced_calls_total",
    "Calls that used tokens and whose cost is not known, because the Provider lists no price for the model, by Provider and model.",
);

// === Of what is done about faults ===

pub(super) const BREAKER: Family = gauge(
    "route_switch_breaker_state",
    "Circuit breaker of each target: 0 closed, 1 half open, 2 open.",
);
pub(super) const OPENINGS: Family = counter(
    "route_switch_breaker_openings_total",
    "How often the circuit breaker of a target opened.",
);
pub(super) const RETRIES: Family = counter("route_switch_retries_total", "Further tries at the same target.");
pub(super) const FAILOVERS: Family = counter(
    "route_switch_failovers_total",
    "Requests that went on to the next target, by the target that failed.",
);
pub(super) const COOLDOWNS: Family = counter(
    "route_switch_key_cooldowns_total",
    "How often a key was left alone, by Provider and cause (limited, refused).",
);
pub(super) const PLACE_WAITS: Family = counter(
    "route_switch_place_waits_total",
    "Requests that waited for a place at a Provider with limits.maxConcurrent, by whether one came free (entered, full).",
);

// === Of the gateway ===

pub(super) const BUILD: Family = gauge("route_switch_build_info", "Always 1; the labels say what is running.");
pub(super) const READY: Family = gauge(
    "route_switch_ready",
    "Whether the gateway is ready: 1, or 0 while it starts or drains.",
);
pub(super) const CONFIG: Family = gauge(
    "route_switch_config_info",
    "Always 1; the label is the revision of the Snapshot in use.",
);
pub(super) const OBJECTS: Family = gauge(
    "route_switch_config_objects",
    "Objects of the Snapshot in use, by kind.",
);
pub(super) const STALE: Family = gauge(
    "route_switch_config_stale_objects",
    "Objects that serve what they last said when they were good, by kind.",
);
pub(super) const FAULTS: Family = gauge(
    "route_switch_config_faults",
    "Faults in the manifests that are in the directory now; in a fleet, objects of the Snapshot that this pod refuses.",
);
pub(super) const QUEUE: Family = gauge(
    "route_switch_capture_queue_bytes",
    "Records that wait to be stored, in bytes.",
);
pub(super) const QUEUE_CAPACITY: Family = gauge(
    "route_switch_capture_queue_capacity_bytes",
    "What the queue of records holds at most, in bytes.",
);
pub(super) const DROPPED_RECORDS: Family = counter(
    "route_switch_capture_dropped_records_total",
    "Records that found no room in the queue.",
);
pub(super) const DROPPED_CONTENTS: Family = counter(
    "route_switch_capture_dropped_contents_total",
    "Records that were kept without their content, for want of room in the queue.",
);
pub(super) const THINNED_CONTENTS: Family = counter(
    "route_switch_capture_thinned_contents_total",
    "Records that were kept without their content, because content came faster than it is taken.",
);
pub(super) const STORE_UP: Family = gauge(
    "route_switch_store_up",
    "Whether a store takes records: 1, or 0 while it fails.",
);
pub(super) const STORE_DROPPED: Family = counter(
    "route_switch_store_dropped_records_total",
    "Records that a failing store gave up.",
);
pub(super) const STORE_BYTES: Family = gauge("route_switch_store_bytes", "What the files of a store take.");
pub(super) const STORE_MAX_BYTES: Family = gauge(
    "route_switch_store_max_bytes",
    "What the files of both stores may take together (--data-max-bytes); not there without a bound.",
);
pub(super) const SPANS: Family = counter(
    "route_switch_spans_total",
    "Spans by what became of them: sent to the collector, dropped for want of room in their queue, failed to be sent.",
);
pub(super) const SPANS_QUEUED: Family = gauge("route_switch_spans_queued", "Spans that wait to be sent.");
pub(super) const LOST_LINES: Family = counter(
    "route_switch_log_lost_lines_total",
    "Log lines that were not written because whoever reads them does not keep up.",
);

// === Of a pod in a fleet ===

pub(super) const SNAPSHOT_EPOCH: Family = gauge(
    "route_switch_fleet_snapshot_epoch",
    "Epoch of the Snapshot in use; it and the sequence order Snapshots.",
);
pub(super) const SNAPSHOT_SEQUENCE: Family = gauge(
    "route_switch_fleet_snapshot_sequence",
    "Sequence of the Snapshot in use within its epoch.",
);
pub(super) const REFUSED: Family = gauge(
    "route_switch_fleet_refused_objects",
    "Objects of the Snapshot that this pod does not serve as they are there, by kind; their statuses say why.",
);
pub(super) const LAST_KNOWN_GOOD_UP: Family = gauge(
    "route_switch_fleet_last_known_good_up",
    "Whether the file of the last known good Snapshot can be written: 1, or 0 while that fails.",
);
pub(super) const LAST_KNOWN_GOOD_AGE: Family = gauge(
    "route_switch_fleet_last_known_good_age_seconds",
    "Since the file of the last known good Snapshot was written.",
);
