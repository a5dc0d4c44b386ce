//! The figures of a group of requests: counted by `DuckDB` in whole numbers, divided and rounded here.

use std::collections::BTreeMap;

use duckdb::Row as SqlRow;
use duckdb::types::Value;
use serde::{Deserialize, Serialize};

use super::names::Book;
use crate::capture::record::Outcome;

/// A step of the scale of percentiles is a factor of e^(1/100): they are at most half a percent off, and one group's take as
/// little room as another's, however many requests it has. Groups are added up across hours and pods.
const STEPS_PER_E: f64 = 100.0;

/// SQL of what is summed over each group of requests. Read by `Sums::read`, in this order.
pub(super) fn selected(book: &Book) -> String {
    let [ok, client_error, cancelled] = counted_outcomes(book);
    format!(
        "CAST(count(*) AS HUGEINT),
         CAST(count(*) FILTER (WHERE outcome_name = {ok}) AS HUGEINT),
         CAST(count(*) FILTER (WHERE outcome_name = {client_error}) AS HUGEINT),
         CAST(count(*) FILTER (WHERE outcome_name = {cancelled}) AS HUGEINT),
         CAST(sum(latency_micros) AS HUGEINT),
         CAST(coalesce(sum(prompt_tokens), 0) AS HUGEINT),
         CAST(coalesce(sum(completion_tokens), 0) AS HUGEINT),
         CAST(coalesce(sum(cost_pico_usd), 0) AS HUGEINT),
         CAST(count(cost_pico_usd) AS HUGEINT),
         {LATENCY_STEPS}, {FIRST_TOKEN_STEPS}"
    )
}

/// The same of hours that were rolled up, without the two histograms.
pub(super) fn selected_of_hours(book: &Book) -> String {
    let [ok, client_error, cancelled] = counted_outcomes(book);
    format!(
        "CAST(sum(requests) AS HUGEINT),
         CAST(coalesce(sum(requests) FILTER (WHERE outcome_name = {ok}), 0) AS HUGEINT),
         CAST(coalesce(sum(requests) FILTER (WHERE outcome_name = {client_error}), 0) AS HUGEINT),
         CAST(coalesce(sum(requests) FILTER (WHERE outcome_name = {cancelled}), 0) AS HUGEINT),
         CAST(sum(latency_micros) AS HUGEINT),
         CAST(sum(prompt_tokens) AS HUGEINT),
         CAST(sum(completion_tokens) AS HUGEINT),
         CAST(sum(cost_pico_usd) AS HUGEINT),
         CAST(sum(priced) AS HUGEINT)"
    )
}

/// Requests by step of the scale of percentiles.
pub(super) const LATENCY_STEPS: &str = "histogram(CAST(floor(ln(greatest(latency_micros, 1)) * 100) AS INTEGER))";
pub(super) const FIRST_TOKEN_STEPS: &str = "histogram(CAST(floor(ln(greatest(first_token_micros, 1)) * 100) AS INTEGER)) FILTER (WHERE first_token_micros IS NOT NULL)";

/// Numbers of the outcomes that are counted by themselves.
fn counted_outcomes(book: &Book) -> [i32; 3] {
    [Outcome::Ok, Outcome::ClientError, Outcome::Cancelled].map(|outcome| {
        let ids = book.ids(|name| name == outcome.as_str());
        // No row has the number -1.
        ids.first().copied().unwrap_or(-1)
    })
}

/// What figures are made of. Sums of two groups can be added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    requests: i128,
    success: i128,
    client_error: i128,
    cancelled: i128,
    latency_micros: i128,
    prompt_tokens: i128,
    completion_tokens: i128,
    cost_pico_usd: i128,
    priced: i128,
    pub latencies: Histogram,
    pub first_tokens: Histogram,
}

/// Figures of some requests. Null is what cannot be said of none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measures {
    pub requests: u64,
    pub success_count: u64,
    pub client_error_count: u64,
    pub cancelled_count: u64,
    /// All that was neither answered whole nor ended by the client.
    pub error_count: u64,
    /// Of the requests that the client neither spoilt nor left.
    pub success_rate: Option<f64>,
    pub avg_latency_ms: Option<f64>,
    pub p50_latency_ms: Option<f64>,
    pub p95_latency_ms: Option<f64>,
    /// Of the requests that had a first token.
    pub p50_first_token_ms: Option<f64>,
    pub prompt_tokens: u128,
    pub completion_tokens: u128,
    /// Of the requests whose cost is known.
    pub cost_micro_usd: i128,
    /// USD, of the requests whose cost is known.
    pub avg_cost: Option<f64>,
    /// Requests whose cost is not known.
    pub unpriced_count: u64,
}

impl Sums {
    /// Reads the columns of `selected_of_hours`, of which the first is number `first`.
    pub(super) fn read_hours(row: &SqlRow, first: usize) -> duckdb::Result<Self> {
        Ok(Self {
            requests: row.get(first)?,
            success: row.get(first + 1)?,
            client_error: row.get(first + 2)?,
            cancelled: row.get(first + 3)?,
            latency_micros: row.get(first + 4)?,
            prompt_tokens: row.get(first + 5)?,
            completion_tokens: row.get(first + 6)?,
            cost_pico_usd: row.get(first + 7)?,
            priced: row.get(first + 8)?,
            latencies: Histogram::default(),
            first_tokens: Histogram::default(),
        })
    }

    /// Reads the columns of `selected`.
    pub(super) fn read(row: &SqlRow, first: usize) -> duckdb::Result<Self> {
        Ok(Self {
            latencies: Histogram::from(row.get::<_, Value>(first + 9)?),
            first_tokens: Histogram::from(row.get::<_, Value>(first + 10)?),
            ..Self::read_hours(row, first)?
        })
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.success += other.success;
        self.client_error += other.client_error;
        self.cancelled += other.cancelled;
        self.latency_micros += other.latency_micros;
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.cost_pico_usd += other.cost_pico_usd;
        self.priced += other.priced;
        self.latencies.add(&other.latencies);
        self.first_tokens.add(&other.first_tokens);
    }
}

impl From<&Sums> for Measures {
    fn from(sums: &Sums) -> Self {
        let count = |sum: i128| u64::try_from(sum).unwrap_or(u64::MAX);
        let (requests, success_count) = (count(sums.requests), count(sums.success));
        let (client_error_count, cancelled_count) = (count(sums.client_error), count(sums.cancelled));
        let counted = success_count
            .saturating_add(client_error_count)
            .saturating_add(cancelled_count);
        let error_count = requests.saturating_sub(counted);
        let priced = count(sums.priced);
        Self {
            requests,
            success_count,
            client_error_count,
            cancelled_count,
            error_count,
            success_rate: ratio(sums.success, success_count.saturating_add(error_count)),
            avg_latency_ms: ratio(sums.latency_micros, requests).map(|micros| micros / 1e3),
            p50_latency_ms: sums.latencies.percentile_ms(50),
            p95_latency_ms: sums.latencies.percentile_ms(95),
            p50_first_token_ms: sums.first_tokens.percentile_ms(50),
            prompt_tokens: sums.prompt_tokens.unsigned_abs(),
            completion_tokens: sums.completion_tokens.unsigned_abs(),
            cost_micro_usd: micro_usd(sums.cost_pico_usd),
            avg_cost: ratio(sums.cost_pico_usd, priced).map(|pico_usd| pico_usd / 1e12),
            unpriced_count: requests.saturating_sub(priced),
        }
    }
}

/// Requests by step of the logarithmic scale.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Histogram(BTreeMap<i32, u64>);

impl From<Value> for Histogram {
    fn from(value: Value) -> Self {
        let Value::Map(steps) = value else {
            return Self::default();
        };
        let step = |(step, count): &(Value, Value)| match (step, count) {
            (&Value::Int(step), &Value::UBigInt(count)) => Some((step, count)),
            _ => None,
        };
        Self(steps.iter().filter_map(step).collect())
    }
}

impl Histogram {
    pub(super) fn add(&mut self, other: &Self) {
        for (&step, count) in &other.0 {
            let sum = self.0.entry(step).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// The middle of the step that holds the value of nearest rank.
    fn percentile_ms(&self, percent: u64) -> Option<f64> {
        let all: u128 = self.0.values().copied().map(u128::from).sum();
        let rank = (all * u128::from(percent)).div_ceil(100);
        let mut below = 0;
        let (step, _) = self.0.iter().find(|(_, count)| {
            below += u128::from(**count);
            below >= rank
        })?;
        let micros = ((f64::from(*step) + 0.5) / STEPS_PER_E).exp();
        Some(micros.round() / 1e3)
    }
}

/// Rounded to the nearest, halves up.
pub(super) fn micro_usd(pico_usd: i128) -> i128 {
    (pico_usd + 500_000).div_euclid(1_000_000)
}

/// `sum / count`, none of none.
#[expect(clippy::cast_precision_loss, reason = "what is shown as a fraction has 53 bits")]
pub(super) fn ratio(sum: i128, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::{Histogram, micro_usd, ratio};

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let histogram = Histogram([(0, 1), (100, 1), (691, 18)].into());
        assert_eq!(histogram.percentile_ms(50), Some(1.007));
        assert_eq!(histogram.percentile_ms(5), Some(0.001));
        assert_eq!(histogram.percentile_ms(10), Some(0.003));
        assert_eq!(Histogram::default().percentile_ms(50), None);
    }

    #[test]
    fn money_is_rounded_only_when_shown_and_nothing_is_divided_by_none() {
        assert_eq!([499_999, 500_000, -500_001, 0].map(micro_usd), [0, 1, -1, 0]);
        assert_eq!(ratio(1, 4), Some(0.25));
        assert_eq!(ratio(0, 0), None);
    }
}
