//! The tables of the store of analytics. Times are UTC; money is pico-USD (10^-12); unknown is null.

pub(super) const REQUESTS: &str = "requests";
pub(super) const ATTEMPTS: &str = "attempts";

/// Step N makes version N + 1. There is no index: rows come in the order of time, so that a range of `created` is found by
/// the bounds of each block, and an index over ids would take more memory and time than all else.
pub(super) const STEPS: &[&str] = &["
CREATE TABLE requests (
    id VARCHAR NOT NULL,
    created TIMESTAMP NOT NULL,
    route VARCHAR,
    requested_model VARCHAR NOT NULL,
    key VARCHAR,
    external_user VARCHAR,
    snapshot VARCHAR NOT NULL,
    streamed BOOLEAN NOT NULL,
    outcome VARCHAR NOT NULL,
    status INTEGER NOT NULL,
    error VARCHAR,
    finish_reason VARCHAR,
    latency_micros BIGINT NOT NULL,
    first_token_micros BIGINT,
    overhead_micros BIGINT NOT NULL,
    attempt_count INTEGER NOT NULL,
    target VARCHAR,
    provider VARCHAR,
    model VARCHAR,
    prompt_tokens BIGINT,
    cached_tokens BIGINT,
    completion_tokens BIGINT,
    reasoning_tokens BIGINT,
    tokens_estimated BOOLEAN,
    cost_pico_usd BIGINT,
    content_kept BOOLEAN
);
CREATE TABLE attempts (
    request_id VARCHAR NOT NULL,
    created TIMESTAMP NOT NULL,
    position INTEGER NOT NULL,
    route VARCHAR,
    target VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
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
COMMENT ON TABLE requests IS 'One row per client request.';
COMMENT ON COLUMN requests.created IS 'When the head of the request was read, in UTC. Also of attempts: of their request.';
COMMENT ON COLUMN requests.target IS 'Of the last attempt, as are provider and model.';
COMMENT ON COLUMN requests.cost_pico_usd IS '10^-12 USD; null when a price or the tokens are unknown.';
COMMENT ON COLUMN requests.content_kept IS 'Null: the Route keeps no content. False: the queue had no room for it.';
COMMENT ON TABLE attempts IS 'One row per try at one target; position counts from 1.';
"];
