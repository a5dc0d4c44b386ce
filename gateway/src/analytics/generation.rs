//! `GET /generation`: what is known of one request, in `OpenRouter`'s shape with our own additions at its end.

use duckdb::{Connection, OptionalExt, Row, params};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::Error;
use super::database::timestamp;
use super::measures::{micro_usd, ratio};
use super::names::Book;
use super::system::rfc3339;

const REQUEST: &str =
    "SELECT *, epoch_us(created) AS created_unix_micros FROM request_rows WHERE created BETWEEN ? AND ? AND id = ?";
const ATTEMPTS: &str = "SELECT * FROM all_attempt_rows WHERE created = ? AND request_id = ? ORDER BY position";

/// How far the time in an id may be from the time of its request. Bounds what a search reads: nearly always they are one time; a clock that
/// was set makes them differ.
const CLOCK_SLACK_MICROS: [i64; 2] = [1_000_000, 3_600_000_000];

/// Which requests somebody may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    All,
    /// Those to Routes of this namespace, and those of its keys.
    Namespace(Box<str>),
    /// Those of this key (`namespace/name`).
    Key(Box<str>),
}

/// One request. What is not known, or does not apply, is null.
#[derive(Clone, Debug, Serialize)]
pub struct Generation {
    pub id: String,
    /// The provider's own id of its answer.
    pub upstream_id: Option<String>,
    pub api_type: &'static str,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The provider's name of the model; what the client asked for when nothing was tried.
    pub model: String,
    pub provider_name: Option<String>,
    /// `user`, as the client sent it.
    pub external_user: Option<String>,
    pub streamed: bool,
    pub cancelled: bool,
    pub finish_reason: Option<String>,
    pub native_finish_reason: Option<String>,
    /// Milliseconds to the first token.
    pub latency: Option<f64>,
    /// Milliseconds in all.
    pub generation_time: Option<f64>,
    pub tokens_prompt: Option<u64>,
    pub tokens_completion: Option<u64>,
    pub native_tokens_prompt: Option<u64>,
    pub native_tokens_completion: Option<u64>,
    pub native_tokens_reasoning: Option<u64>,
    pub native_tokens_cached: Option<u64>,
    pub is_byok: bool,
    /// USD, as are the next two.
    pub usage: Option<f64>,
    pub total_cost: Option<f64>,
    pub upstream_inference_cost: Option<f64>,
    pub provider_responses: Vec<ProviderResponse>,
    #[serde(flatten)]
    unknown: Unknown,

    pub route: Option<String>,
    pub requested_model: String,
    pub target: Option<String>,
    /// `namespace/name` of the prompt that the request was rendered from.
    pub prompt: Option<String>,
    pub prompt_revision: Option<String>,
    /// Whose request it is; none for a keyless caller.
    pub key: Option<String>,
    pub outcome: String,
    pub status: u16,
    pub error: Option<String>,
    pub tokens_estimated: Option<bool>,
    /// Part of the prompt's tokens: written to the provider's cache.
    pub tokens_cache_write: Option<u64>,
    pub cost_micro_usd: Option<i128>,
    /// Revision of the Snapshot that the request ran on.
    pub snapshot: String,
    pub overhead_micros: u64,
    /// Null: the Route keeps no content. False: there was no room for it.
    pub content_kept: Option<bool>,
    pub attempts: Vec<Attempt>,
}

/// One try at one target, in `OpenRouter`'s shape.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderResponse {
    pub endpoint_id: Option<String>,
    pub id: Option<String>,
    pub provider_name: String,
    pub model_permaslug: String,
    pub status: Option<u16>,
    /// Milliseconds in all.
    pub latency: Option<f64>,
    pub is_byok: bool,
    pub routed_service_tier: Option<String>,
}

/// One try at one target, in our own words.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    pub target: String,
    pub provider: String,
    pub model: String,
    pub prompt: Option<String>,
    pub prompt_revision: Option<String>,
    pub outcome: String,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub latency_ms: Option<f64>,
    pub first_token_ms: Option<f64>,
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
    pub cost_micro_usd: Option<i128>,
    pub upstream_id: Option<String>,
}

/// `OpenRouter`'s fields for which nothing is ever known here.
#[derive(Clone, Debug)]
struct Unknown;

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NAMES: [&str; 21] = [
            "request_id",
            "session_id",
            "router",
            "preset_id",
            "workspace_id",
            "app_id",
            "origin",
            "http_referer",
            "user_agent",
            "moderation_latency",
            "native_tokens_completion_images",
            "num_media_prompt",
            "num_media_completion",
            "num_input_audio_prompt",
            "num_search_results",
            "num_fetches",
            "web_search_engine",
            "cache_discount",
            "service_tier",
            "data_region",
            "response_cache_source_id",
        ];
        serializer.collect_map(NAMES.map(|name| (name, None::<()>)))
    }
}

pub(super) fn find(connection: &Connection, id: &str) -> Result<Option<Generation>, Error> {
    let Some(made) = made_unix_micros(id) else {
        return Ok(None);
    };
    let book = Book::read(connection)?;
    let mut statement = connection.prepare(REQUEST)?;
    let mut found = None;
    for slack in CLOCK_SLACK_MICROS {
        let (since, until) = (timestamp(made - slack), timestamp(made + slack));
        let row = statement.query_row(params![since, until, id], |row| {
            let generation = Generation::read(row, &book)?;
            Ok((generation, Attempt::only(row, &book)?, row.get("created_unix_micros")?))
        });
        found = row.optional()?;
        if found.is_some() {
            break;
        }
    }
    let Some((mut generation, only_attempt, created)) = found else {
        return Ok(None);
    };
    generation.tried(match only_attempt {
        Some(attempt) => vec![attempt],
        None => attempts(connection, created, id, &book)?,
    });
    Ok(Some(generation))
}

fn attempts(connection: &Connection, created_unix_micros: i64, id: &str, book: &Book) -> Result<Vec<Attempt>, Error> {
    let mut statement = connection.prepare(ATTEMPTS)?;
    let attempts = statement.query_map(params![timestamp(created_unix_micros), id], |row| {
        Attempt::read(row, book)
    })?;
    Ok(attempts.collect::<duckdb::Result<_>>()?)
}

impl Sight {
    pub fn shows(&self, generation: &Generation) -> bool {
        let inside = |namespace: &str, name: &Option<String>| {
            name.as_ref()
                .and_then(|name| name.strip_prefix(namespace))
                .is_some_and(|rest| rest.starts_with('/'))
        };
        match self {
            Self::All => true,
            Self::Namespace(own) => inside(own, &generation.route) || inside(own, &generation.key),
            Self::Key(own) => generation.key.as_deref() == Some(own),
        }
    }
}

/// The ordinal in `gen-<ordinal>-<ulid>`: that of the pod that has the request. None when this is no such id.
pub fn ordinal(id: &str) -> Option<u32> {
    made_unix_micros(id)?;
    id.strip_prefix("gen-")?.split_once('-')?.0.parse().ok()
}

/// The time in `gen-<ordinal>-<ulid>`, in microseconds since 1970; none when this is no such id.
fn made_unix_micros(id: &str) -> Option<i64> {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let (ordinal, ulid) = id.strip_prefix("gen-")?.split_once('-')?;
    ordinal.parse::<u32>().ok()?;
    let ulid = ulid.as_bytes();
    let digit = |byte: &u8| DIGITS.iter().position(|digit| *digit == byte.to_ascii_uppercase());
    if ulid.len() != 26 || ulid.iter().any(|byte| digit(byte).is_none()) || ulid[0] > b'7' {
        return None;
    }
    let millis = ulid[..10]
        .iter()
        .filter_map(digit)
        .fold(0_i64, |millis, digit| millis << 5 | digit.cast_signed() as i64);
    Some(millis * 1000)
}

impl Generation {
    /// Adds the attempts, and what they tell of the whole.
    pub(super) fn tried(&mut self, attempts: Vec<Attempt>) {
        self.upstream_id = attempts.last().and_then(|attempt| attempt.upstream_id.clone());
        self.provider_responses = attempts.iter().map(ProviderResponse::of).collect();
        self.attempts = attempts;
    }

    pub(super) fn read(row: &Row, book: &Book) -> duckdb::Result<Self> {
        let name = |column: &str| Ok::<_, duckdb::Error>(book.name(row.get(column)?));
        let finish_reason = match name("finish_reason_name")? {
            Some(reason) => Some(reason),
            None => row.get("finish_reason_text")?,
        };
        let outcome = name("outcome_name")?.unwrap_or_default();
        let requested_model = name("requested_model_name")?;
        let requested_model = requested_model.map_or_else(|| row.get("requested_model_text"), Ok)?;
        let (prompt, completion) = (row.get("prompt_tokens")?, row.get("completion_tokens")?);
        let cost_pico_usd: Option<i64> = row.get("cost_pico_usd")?;
        let cost_usd = cost_pico_usd.and_then(|pico_usd| ratio(pico_usd.into(), 1_000_000_000_000));
        Ok(Self {
            id: row.get("id")?,
            upstream_id: None,
            api_type: "completions",
            created_at: rfc3339(row.get("created_unix_micros")?),
            model: name("model_name")?.unwrap_or_else(|| requested_model.clone()),
            provider_name: name("provider_name")?,
            external_user: row.get("external_user")?,
            streamed: row.get("streamed")?,
            cancelled: outcome == "cancelled",
            native_finish_reason: finish_reason.clone(),
            finish_reason,
            latency: millis(row, "first_token_micros")?,
            generation_time: millis(row, "latency_micros")?,
            tokens_prompt: prompt,
            tokens_completion: completion,
            native_tokens_prompt: prompt,
            native_tokens_completion: completion,
            native_tokens_reasoning: row.get("reasoning_tokens")?,
            native_tokens_cached: row.get("cached_tokens")?,
            is_byok: true,
            usage: cost_usd,
            total_cost: cost_usd,
            upstream_inference_cost: cost_usd,
            provider_responses: Vec::new(),
            unknown: Unknown,
            route: name("route_name")?,
            requested_model,
            target: name("target_name")?,
            prompt: name("prompt_name")?,
            prompt_revision: name("revision_name")?,
            key: name("key_name")?,
            outcome,
            status: row.get("status")?,
            error: row.get("error")?,
            tokens_estimated: row.get("tokens_estimated")?,
            tokens_cache_write: row.get("cache_write_tokens")?,
            cost_micro_usd: cost_pico_usd.map(|pico_usd| micro_usd(pico_usd.into())),
            snapshot: name("snapshot_name")?.unwrap_or_default(),
            overhead_micros: row.get("overhead_micros")?,
            content_kept: row.get("content_kept")?,
            attempts: Vec::new(),
        })
    }
}

impl Attempt {
    /// Of the row of a request, if that tells of its only attempt as well.
    fn only(row: &Row, book: &Book) -> duckdb::Result<Option<Self>> {
        let Some(latency_ms) = millis(row, "attempt_latency_micros")? else {
            return Ok(None);
        };
        Ok(Some(Self {
            latency_ms: Some(latency_ms),
            first_token_ms: millis(row, "attempt_first_token_micros")?,
            ..Self::read(row, book)?
        }))
    }

    /// Of the row of an attempt.
    pub(super) fn read(row: &Row, book: &Book) -> duckdb::Result<Self> {
        let name = |column: &str| Ok::<_, duckdb::Error>(book.name(row.get(column)?));
        let cost_pico_usd: Option<i64> = row.get("cost_pico_usd")?;
        Ok(Self {
            target: name("target_name")?.unwrap_or_default(),
            provider: name("provider_name")?.unwrap_or_default(),
            model: name("model_name")?.unwrap_or_default(),
            prompt: name("prompt_name")?,
            prompt_revision: name("revision_name")?,
            outcome: name("outcome_name")?.unwrap_or_default(),
            status: row.get("status")?,
            error: row.get("error")?,
            latency_ms: millis(row, "latency_micros")?,
            first_token_ms: millis(row, "first_token_micros")?,
            prompt_tokens: row.get("prompt_tokens")?,
            completion_tokens: row.get("completion_tokens")?,
            cost_micro_usd: cost_pico_usd.map(|pico_usd| micro_usd(pico_usd.into())),
            upstream_id: row.get("upstream_id")?,
        })
    }
}

impl ProviderResponse {
    fn of(attempt: &Attempt) -> Self {
        Self {
            endpoint_id: None,
            id: attempt.upstream_id.clone(),
            provider_name: attempt.provider.clone(),
            model_permaslug: attempt.model.clone(),
            status: attempt.status,
            latency: attempt.latency_ms,
            is_byok: true,
            routed_service_tier: None,
        }
    }
}

fn millis(row: &Row, column: &str) -> duckdb::Result<Option<f64>> {
    let micros: Option<i64> = row.get(column)?;
    Ok(micros.and_then(|micros| ratio(micros.into(), 1000)))
}

#[cfg(test)]
mod tests {
    use super::{made_unix_micros, ordinal};

    #[test]
    fn an_id_tells_its_time_and_what_is_no_id_tells_none() {
        // The example of the ULID specification.
        assert_eq!(
            made_unix_micros("gen-0-01ARYZ6S41TSV4RRFFQ69G5FAV"),
            Some(1_469_918_176_385_000)
        );
        assert_eq!(
            made_unix_micros("gen-12-01aryz6s41tsv4rrffq69g5fav"),
            Some(1_469_918_176_385_000)
        );
        for id in [
            "",
            "gen-0-",
            "gen-0-01ARYZ6S41TSV4RRFFQ69G5FA",
            "gen-x-01ARYZ6S41TSV4RRFFQ69G5FAV",
        ] {
            assert_eq!(made_unix_micros(id), None, "{id}");
        }
        assert_eq!(ordinal("gen-12-01aryz6s41tsv4rrffq69g5fav"), Some(12));
        assert_eq!(ordinal("gen-12-"), None);
        assert_eq!(made_unix_micros("gen-0-81ARYZ6S41TSV4RRFFQ69G5FAV"), None);
        assert_eq!(made_unix_micros("gen-0-01ARYZ6S41TSV4RRFFQ69G5FAU"), None);
    }
}
