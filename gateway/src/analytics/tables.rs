//! The tables of the store of analytics, and the views that people and our own queries read: `requests` has one row a
//! request, `attempts` one row a try at one target, `hours` what is left of requests that were deleted. Times are UTC; money is pico-USD (10^-12); unknown is null.
//!
//! Names that come again in row after row (of Routes, keys, models) are kept once, in `names`, and by number in the rows. What many requests
//! have in common (Route, outcome, target and the like) is kept once as well, in `request_kinds`, so that a row of `request_facts` has half as many
//! columns: memory and time go by columns. The view `request_rows` puts the two together,
//! and has the rows of `old_request_rows` as well. The views for people look names up in one list of all: a
//! join for each of a dozen columns takes four megabytes each. Text that a client may choose freely is kept in the rows, so that `names` stays small.
//!
//! A request that its first target answered well, as nearly all are, has no row of its own in `attempt_rows`: what that row would
//! say stands in `request_rows` already, but for three columns that are there for it. `all_attempt_rows` has both kinds.
//!
//! There is no index: rows come in the order of time, so that a range of `created` is found by the bounds of each block, and
//! an index over ids would take more memory and time than all else.

pub(super) const REQUEST_FACTS: &str = "request_facts";
pub(super) const REQUEST_KINDS: &str = "request_kinds";
/// Rows from before there were kinds.
pub(super) const OLD_REQUEST_ROWS: &str = "old_request_rows";
pub(super) const ATTEMPT_ROWS: &str = "attempt_rows";
pub(super) const NAMES: &str = "names";

/// The columns that hold numbers of names, by table.
pub(super) const NAMED: [(&str, &[&str]); 5] = [
    (REQUEST_FACTS, &["key_name", "snapshot_name"]),
    (
        OLD_REQUEST_ROWS,
        &[
            "route_name",
            "requested_model_name",
            "key_name",
            "snapshot_name",
            "outcome_name",
            "finish_reason_name",
            "target_name",
            "provider_name",
            "model_name",
            "prompt_name",
            "revision_name",
        ],
    ),
    (
        REQUEST_KINDS,
        &[
            "route_name",
            "requested_model_name",
            "outcome_name",
            "finish_reason_name",
            "target_name",
            "provider_name",
            "model_name",
            "prompt_name",
            "revision_name",
        ],
    ),
    (
        ATTEMPT_ROWS,
        &[
            "route_name",
            "target_name",
            "provider_name",
            "model_name",
            "outcome_name",
            "prompt_name",
            "revision_name",
        ],
    ),
    (
        "hourly_rows",
        &[
            "route_name",
            "target_name",
            "provider_name",
            "model_name",
            "prompt_name",
            "revision_name",
            "key_name",
            "outcome_name",
        ],
    ),
];

/// Step N makes version N + 1.
pub(super) const STEPS: &[&str] = &["
CREATE TABLE names (id INTEGER NOT NULL, name VARCHAR NOT NULL);
CREATE TABLE request_rows (
    id VARCHAR NOT NULL,
    created TIMESTAMP NOT NULL,
    route_name INTEGER,
    requested_model_name INTEGER,
    requested_model_text VARCHAR,
    key_name INTEGER,
    external_user VARCHAR,
    snapshot_name INTEGER,
    streamed BOOLEAN NOT NULL,
    outcome_name INTEGER,
    status INTEGER NOT NULL,
    error VARCHAR,
    finish_reason_name INTEGER,
    latency_micros BIGINT NOT NULL,
    first_token_micros BIGINT,
    overhead_micros BIGINT NOT NULL,
    attempt_count INTEGER NOT NULL,
    target_name INTEGER,
    provider_name INTEGER,
    model_name INTEGER,
    prompt_tokens BIGINT,
    cached_tokens BIGINT,
    completion_tokens BIGINT,
    reasoning_tokens BIGINT,
    tokens_estimated BOOLEAN,
    cost_pico_usd BIGINT,
    content_kept BOOLEAN
);
CREATE TABLE attempt_rows (
    request_id VARCHAR NOT NULL,
    created TIMESTAMP NOT NULL,
    position INTEGER NOT NULL,
    route_name INTEGER,
    target_name INTEGER,
    provider_name INTEGER,
    model_name INTEGER,
    outcome_name INTEGER,
    status INTEGER,
    error VARCHAR,
    latency_micros BIGINT NOT NULL,
    first_token_micros BIGINT,
    prompt_tokens BIGINT,
    cached_tokens BIGINT,
    completion_tokens BIGINT,
    reasoning_tokens BIGINT,
    tokens_estimated BOOLEAN,
    cost_pico_usd BIGINT,
    upstream_id VARCHAR
);
CREATE VIEW requests AS SELECT
    row.id, row.created, route.name AS route,
    coalesce(requested_model.name, row.requested_model_text) AS requested_model, key.name AS key, row.external_user,
    snapshot.name AS snapshot, row.streamed, outcome.name AS outcome, row.status, row.error,
    finish_reason.name AS finish_reason, row.latency_micros, row.first_token_micros, row.overhead_micros,
    row.attempt_count, target.name AS target, provider.name AS provider, model.name AS model, row.prompt_tokens,
    row.cached_tokens, row.completion_tokens, row.reasoning_tokens, row.tokens_estimated, row.cost_pico_usd,
    row.content_kept
FROM request_rows AS row
LEFT JOIN names AS route ON route.id = row.route_name
LEFT JOIN names AS requested_model ON requested_model.id = row.requested_model_name
LEFT JOIN names AS key ON key.id = row.key_name
LEFT JOIN names AS snapshot ON snapshot.id = row.snapshot_name
LEFT JOIN names AS outcome ON outcome.id = row.outcome_name
LEFT JOIN names AS finish_reason ON finish_reason.id = row.finish_reason_name
LEFT JOIN names AS target ON target.id = row.target_name
LEFT JOIN names AS provider ON provider.id = row.provider_name
LEFT JOIN names AS model ON model.id = row.model_name;
CREATE VIEW attempts AS SELECT
    row.request_id, row.created, row.position, route.name AS route, target.name AS target, provider.name AS provider,
    model.name AS model, outcome.name AS outcome, row.status, row.error, row.latency_micros, row.first_token_micros,
    row.prompt_tokens, row.cached_tokens, row.completion_tokens, row.reasoning_tokens, row.tokens_estimated,
    row.cost_pico_usd, row.upstream_id
FROM attempt_rows AS row
LEFT JOIN names AS route ON route.id = row.route_name
LEFT JOIN names AS target ON target.id = row.target_name
LEFT JOIN names AS provider ON provider.id = row.provider_name
LEFT JOIN names AS model ON model.id = row.model_name
LEFT JOIN names AS outcome ON outcome.id = row.outcome_name;
COMMENT ON VIEW requests IS 'One row per client request.';
COMMENT ON COLUMN requests.created IS 'When the head of the request was read, in UTC. Also of attempts: of their request.';
COMMENT ON COLUMN requests.target IS 'Of the last attempt, as are provider and model.';
COMMENT ON COLUMN requests.cost_pico_usd IS '10^-12 USD; null when a price or the tokens are unknown.';
COMMENT ON COLUMN requests.content_kept IS 'Null: the Route keeps no content. False: more came than is taken, or the queue had no room for it.';
COMMENT ON VIEW attempts IS 'One row per try at one target; position counts from 1.';
",
"
ALTER TABLE request_rows ADD COLUMN prompt_name INTEGER;
ALTER TABLE request_rows ADD COLUMN revision_name INTEGER;
ALTER TABLE request_rows ADD COLUMN cache_write_tokens BIGINT;
ALTER TABLE request_rows ADD COLUMN finish_reason_text VARCHAR;
ALTER TABLE attempt_rows ADD COLUMN prompt_name INTEGER;
ALTER TABLE attempt_rows ADD COLUMN revision_name INTEGER;
ALTER TABLE attempt_rows ADD COLUMN cache_write_tokens BIGINT;
CREATE OR REPLACE VIEW requests AS SELECT
    row.id, row.created, route.name AS route,
    coalesce(requested_model.name, row.requested_model_text) AS requested_model, key.name AS key, row.external_user,
    snapshot.name AS snapshot, row.streamed, outcome.name AS outcome, row.status, row.error,
    coalesce(finish_reason.name, row.finish_reason_text) AS finish_reason, row.latency_micros, row.first_token_micros,
    row.overhead_micros, row.attempt_count, target.name AS target, provider.name AS provider, model.name AS model,
    prompt.name AS prompt, revision.name AS revision, row.prompt_tokens, row.cached_tokens, row.cache_write_tokens,
    row.completion_tokens, row.reasoning_tokens, row.tokens_estimated, row.cost_pico_usd, row.content_kept
FROM request_rows AS row
LEFT JOIN names AS route ON route.id = row.route_name
LEFT JOIN names AS requested_model ON requested_model.id = row.requested_model_name
LEFT JOIN names AS key ON key.id = row.key_name
LEFT JOIN names AS snapshot ON snapshot.id = row.snapshot_name
LEFT JOIN names AS outcome ON outcome.id = row.outcome_name
LEFT JOIN names AS finish_reason ON finish_reason.id = row.finish_reason_name
LEFT JOIN names AS target ON target.id = row.target_name
LEFT JOIN names AS provider ON provider.id = row.provider_name
LEFT JOIN names AS model ON model.id = row.model_name
LEFT JOIN names AS prompt ON prompt.id = row.prompt_name
LEFT JOIN names AS revision ON revision.id = row.revision_name;
CREATE OR REPLACE VIEW attempts AS SELECT
    row.request_id, row.created, row.position, route.name AS route, target.name AS target, provider.name AS provider,
    model.name AS model, prompt.name AS prompt, revision.name AS revision, outcome.name AS outcome, row.status, row.error,
    row.latency_micros, row.first_token_micros, row.prompt_tokens, row.cached_tokens, row.cache_write_tokens,
    row.completion_tokens, row.reasoning_tokens, row.tokens_estimated, row.cost_pico_usd, row.upstream_id
FROM attempt_rows AS row
LEFT JOIN names AS route ON route.id = row.route_name
LEFT JOIN names AS target ON target.id = row.target_name
LEFT JOIN names AS provider ON provider.id = row.provider_name
LEFT JOIN names AS model ON model.id = row.model_name
LEFT JOIN names AS prompt ON prompt.id = row.prompt_name
LEFT JOIN names AS revision ON revision.id = row.revision_name
LEFT JOIN names AS outcome ON outcome.id = row.outcome_name;
COMMENT ON VIEW requests IS 'One row per client request.';
COMMENT ON COLUMN requests.created IS 'When the head of the request was read, in UTC. Also of attempts: of their request.';
COMMENT ON COLUMN requests.target IS 'Of the last attempt, as are provider, model, prompt and revision.';
COMMENT ON COLUMN requests.cost_pico_usd IS '10^-12 USD; null when a price or the tokens are unknown.';
COMMENT ON COLUMN requests.content_kept IS 'Null: the Route keeps no content. False: more came than is taken, or the queue had no room for it.';
COMMENT ON VIEW attempts IS 'One row per try at one target; position counts from 1.';
",
"
CREATE TABLE hourly_rows (
    hour TIMESTAMP NOT NULL,
    route_name INTEGER,
    target_name INTEGER,
    provider_name INTEGER,
    model_name INTEGER,
    prompt_name INTEGER,
    revision_name INTEGER,
    key_name INTEGER,
    outcome_name INTEGER,
    requests BIGINT NOT NULL,
    latency_micros HUGEINT NOT NULL,
    latency_steps MAP(INTEGER, UBIGINT),
    first_token_steps MAP(INTEGER, UBIGINT),
    prompt_tokens HUGEINT NOT NULL,
    cached_tokens HUGEINT NOT NULL,
    cache_write_tokens HUGEINT NOT NULL,
    completion_tokens HUGEINT NOT NULL,
    reasoning_tokens HUGEINT NOT NULL,
    cost_pico_usd HUGEINT NOT NULL,
    priced BIGINT NOT NULL
);
CREATE VIEW hours AS SELECT
    row.hour, route.name AS route, target.name AS target, provider.name AS provider, model.name AS model,
    prompt.name AS prompt, revision.name AS revision, key.name AS key, outcome.name AS outcome, row.requests,
    row.latency_micros, row.prompt_tokens, row.cached_tokens, row.cache_write_tokens, row.completion_tokens,
    row.reasoning_tokens, row.cost_pico_usd, row.priced
FROM hourly_rows AS row
LEFT JOIN names AS route ON route.id = row.route_name
LEFT JOIN names AS target ON target.id = row.target_name
LEFT JOIN names AS provider ON provider.id = row.provider_name
LEFT JOIN names AS model ON model.id = row.model_name
LEFT JOIN names AS prompt ON prompt.id = row.prompt_name
LEFT JOIN names AS revision ON revision.id = row.revision_name
LEFT JOIN names AS key ON key.id = row.key_name
LEFT JOIN names AS outcome ON outcome.id = row.outcome_name;
COMMENT ON VIEW hours IS 'Sums by the hour of requests that are in the view requests no more.';
COMMENT ON COLUMN hours.priced IS 'Requests whose cost is known.';
",
"
ALTER TABLE request_rows ADD COLUMN attempt_latency_micros BIGINT;
ALTER TABLE request_rows ADD COLUMN attempt_first_token_micros BIGINT;
ALTER TABLE request_rows ADD COLUMN upstream_id VARCHAR;
CREATE VIEW all_attempt_rows AS
SELECT request_id, created, position, route_name, target_name, provider_name, model_name, outcome_name, status, error,
    latency_micros, first_token_micros, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, tokens_estimated,
    cost_pico_usd, upstream_id, prompt_name, revision_name, cache_write_tokens
FROM attempt_rows
UNION ALL
SELECT id, created, 1, route_name, target_name, provider_name, model_name, outcome_name, status, error,
    attempt_latency_micros, attempt_first_token_micros, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens,
    tokens_estimated, cost_pico_usd, upstream_id, prompt_name, revision_name, cache_write_tokens
FROM request_rows WHERE attempt_latency_micros IS NOT NULL;
CREATE OR REPLACE VIEW attempts AS SELECT
    row.request_id, row.created, row.position, route.name AS route, target.name AS target, provider.name AS provider,
    model.name AS model, prompt.name AS prompt, revision.name AS revision, outcome.name AS outcome, row.status, row.error,
    row.latency_micros, row.first_token_micros, row.prompt_tokens, row.cached_tokens, row.cache_write_tokens,
    row.completion_tokens, row.reasoning_tokens, row.tokens_estimated, row.cost_pico_usd, row.upstream_id
FROM all_attempt_rows AS row
LEFT JOIN names AS route ON route.id = row.route_name
LEFT JOIN names AS target ON target.id = row.target_name
LEFT JOIN names AS provider ON provider.id = row.provider_name
LEFT JOIN names AS model ON model.id = row.model_name
LEFT JOIN names AS prompt ON prompt.id = row.prompt_name
LEFT JOIN names AS revision ON revision.id = row.revision_name
LEFT JOIN names AS outcome ON outcome.id = row.outcome_name;
COMMENT ON VIEW attempts IS 'One row per try at one target; position counts from 1.';
",
include_str!("tables/kinds.sql")];
