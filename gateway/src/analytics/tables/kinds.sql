-- What many requests have in common goes to a table of its own. Rows of before stay where they are until they are too old: to move them would take
-- as much room again.
CREATE TABLE request_kinds (
    number INTEGER NOT NULL,
    route_name INTEGER,
    requested_model_name INTEGER,
    streamed BOOLEAN NOT NULL,
    outcome_name INTEGER,
    status INTEGER NOT NULL,
    finish_reason_name INTEGER,
    attempt_count INTEGER NOT NULL,
    target_name INTEGER,
    provider_name INTEGER,
    model_name INTEGER,
    tokens_estimated BOOLEAN,
    content_kept BOOLEAN,
    prompt_name INTEGER,
    revision_name INTEGER
);
CREATE TABLE request_facts (
    id VARCHAR NOT NULL,
    created TIMESTAMP NOT NULL,
    kind INTEGER NOT NULL,
    key_name INTEGER,
    snapshot_name INTEGER,
    requested_model_text VARCHAR,
    external_user VARCHAR,
    error VARCHAR,
    finish_reason_text VARCHAR,
    latency_micros BIGINT NOT NULL,
    first_token_micros BIGINT,
    overhead_micros BIGINT NOT NULL,
    prompt_tokens BIGINT,
    cached_tokens BIGINT,
    cache_write_tokens BIGINT,
    completion_tokens BIGINT,
    reasoning_tokens BIGINT,
    cost_pico_usd BIGINT,
    attempt_latency_micros BIGINT,
    attempt_first_token_micros BIGINT,
    upstream_id VARCHAR
);
ALTER TABLE request_rows RENAME TO old_request_rows;
CREATE VIEW request_rows AS SELECT
    facts.id, facts.created, kinds.route_name, kinds.requested_model_name, facts.requested_model_text, facts.key_name,
    facts.external_user, facts.snapshot_name, kinds.streamed, kinds.outcome_name, kinds.status, facts.error,
    kinds.finish_reason_name, facts.latency_micros, facts.first_token_micros, facts.overhead_micros,
    kinds.attempt_count, kinds.target_name, kinds.provider_name, kinds.model_name, facts.prompt_tokens,
    facts.cached_tokens, facts.completion_tokens, facts.reasoning_tokens, kinds.tokens_estimated, facts.cost_pico_usd,
    kinds.content_kept, kinds.prompt_name, kinds.revision_name, facts.cache_write_tokens, facts.finish_reason_text,
    facts.attempt_latency_micros, facts.attempt_first_token_micros, facts.upstream_id
FROM request_facts AS facts JOIN request_kinds AS kinds ON kinds.number = facts.kind
UNION ALL SELECT
    id, created, route_name, requested_model_name, requested_model_text, key_name, external_user, snapshot_name,
    streamed, outcome_name, status, error, finish_reason_name, latency_micros, first_token_micros, overhead_micros,
    attempt_count, target_name, provider_name, model_name, prompt_tokens, cached_tokens, completion_tokens,
    reasoning_tokens, tokens_estimated, cost_pico_usd, content_kept, prompt_name, revision_name, cache_write_tokens,
    finish_reason_text, attempt_latency_micros, attempt_first_token_micros, upstream_id
FROM old_request_rows;
CREATE VIEW names_in_order AS
SELECT list(name ORDER BY place) AS names
FROM (SELECT range AS place FROM range(0, (SELECT max(id) + 1 FROM names))) LEFT JOIN names ON id = place;
CREATE OR REPLACE VIEW requests AS SELECT
    row.id, row.created, book.names[row.route_name + 1] AS route,
    coalesce(book.names[row.requested_model_name + 1], row.requested_model_text) AS requested_model,
    book.names[row.key_name + 1] AS key, row.external_user, book.names[row.snapshot_name + 1] AS snapshot, row.streamed,
    book.names[row.outcome_name + 1] AS outcome, row.status, row.error,
    coalesce(book.names[row.finish_reason_name + 1], row.finish_reason_text) AS finish_reason, row.latency_micros,
    row.first_token_micros, row.overhead_micros, row.attempt_count, book.names[row.target_name + 1] AS target,
    book.names[row.provider_name + 1] AS provider, book.names[row.model_name + 1] AS model,
    book.names[row.prompt_name + 1] AS prompt, book.names[row.revision_name + 1] AS revision, row.prompt_tokens,
    row.cached_tokens, row.cache_write_tokens, row.completion_tokens, row.reasoning_tokens, row.tokens_estimated,
    row.cost_pico_usd, row.content_kept
FROM request_rows AS row, names_in_order AS book;
CREATE OR REPLACE VIEW attempts AS SELECT
    row.request_id, row.created, row.position, book.names[row.route_name + 1] AS route,
    book.names[row.target_name + 1] AS target, book.names[row.provider_name + 1] AS provider,
    book.names[row.model_name + 1] AS model, book.names[row.prompt_name + 1] AS prompt,
    book.names[row.revision_name + 1] AS revision, book.names[row.outcome_name + 1] AS outcome, row.status, row.error,
    row.latency_micros, row.first_token_micros, row.prompt_tokens, row.cached_tokens, row.cache_write_tokens,
    row.completion_tokens, row.reasoning_tokens, row.tokens_estimated, row.cost_pico_usd, row.upstream_id
FROM all_attempt_rows AS row, names_in_order AS book;
CREATE OR REPLACE VIEW hours AS SELECT
    row.hour, book.names[row.route_name + 1] AS route, book.names[row.target_name + 1] AS target,
    book.names[row.provider_name + 1] AS provider, book.names[row.model_name + 1] AS model,
    book.names[row.prompt_name + 1] AS prompt, book.names[row.revision_name + 1] AS revision,
    book.names[row.key_name + 1] AS key, book.names[row.outcome_name + 1] AS outcome, row.requests, row.latency_micros,
    row.prompt_tokens, row.cached_tokens, row.cache_write_tokens, row.completion_tokens, row.reasoning_tokens,
    row.cost_pico_usd, row.priced
FROM hourly_rows AS row, names_in_order AS book;
COMMENT ON VIEW requests IS 'One row per client request.';
COMMENT ON COLUMN requests.created IS 'When the head of the request was read, in UTC. Also of attempts: of their request.';
COMMENT ON COLUMN requests.target IS 'Of the last attempt, as are provider, model, prompt and revision.';
COMMENT ON COLUMN requests.cost_pico_usd IS '10^-12 USD; null when a price or the tokens are unknown.';
COMMENT ON COLUMN requests.content_kept IS 'Null: the Route keeps no content. False: more came than is taken, or the queue had no room for it.';
COMMENT ON VIEW attempts IS 'One row per try at one target; position counts from 1.';
COMMENT ON VIEW hours IS 'Sums by the hour of requests that are in the view requests no more.';
COMMENT ON COLUMN hours.priced IS 'Requests whose cost is known.';
