//! The figures of a group of requests: counted by `DuckDB` in whole numbers, divided and rounded here.

use duckdb::Row as SqlRow;
use duckdb::types::Value;
use serde::Serialize;

use super::names::Book;
use crate::capture::record::Outcome;

/// A step of the scale of percentiles is a factor of e^(1/100): they are at most half a percent off, and one group's take as
/// little room as another's, however many requests it has. Groups can later be added up across pods.
const STEPS_PER_E: f64 = 100.0;

/// SQL of what is summed over each group. Read by `Measures::read`, in this order.
pub(super) fn selected(book: &Book) -> String {
    let count_of = |outcome: Outcome| {
        let ids = book.ids(|name| name == outcome.as_str());
        format!("count(*) FILTER (WHERE outcome_name = {})", ids.first().unwrap_or(&-1))
    };
    format!(
        "count(*), {}, {}, {},
         sum(latency_micros),
         histogram(CAST(floor(ln(greatest(latency_micros, 1)) * 100) AS INTEGER)),
         histogram(CAST(floor(ln(greatest(first_token_micros, 1)) * 100) AS INTEGER))
             FILTER (WHERE first_token_micros IS NOT NULL),
         coalesce(sum(prompt_tokens), 0),
         coalesce(sum(completion_tokens), 0),
         coalesce(sum(cost_pico_usd), 0),
         count(cost_pico_usd)",
        count_of(Outcome::Ok),
        count_of(Outcome::ClientError),
        count_of(Outcome::Cancelled),
    )
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

impl Measures {
    /// Reads the columns of `selected`, of which the first is number `first`.
    pub(super) fn read(row: &SqlRow, first: usize) -> duckdb::Result<Self> {
        let count = |column: usize| row.get::<_, u64>(first + column);
        let (requests, success_count) = (count(0)?, count(1)?);
        let (client_error_count, cancelled_count) = (count(2)?, count(3)?);
        let error_count = requests - success_count - client_error_count - cancelled_count;
        let latency_micros: Option<i128> = row.get(first + 4)?;
        let latencies = Histogram::from(row.get::<_, Value>(first + 5)?);
        let first_tokens = Histogram::from(row.get::<_, Value>(first + 6)?);
        let tokens = |column: usize| row.get::<_, i128>(first + column).map(i128::unsigned_abs);
        let (cost_pico_usd, priced): (i128, u64) = (row.get(first + 9)?, row.get(first + 10)?);
        Ok(Self {
            requests,
            success_count,
            client_error_count,
            cancelled_count,
            error_count,
            success_rate: ratio(success_count.into(), success_count + error_count),
            avg_latency_ms: ratio(latency_micros.unwrap_or_default(), requests).map(|micros| micros / 1e3),
            p50_latency_ms: latencies.percentile_ms(50),
            p95_latency_ms: latencies.percentile_ms(95),
            p50_first_token_ms: first_tokens.percentile_ms(50),
            prompt_tokens: tokens(7)?,
            completion_tokens: tokens(8)?,
            cost_micro_usd: micro_usd(cost_pico_usd),
            avg_cost: ratio(cost_pico_usd, priced).map(|pico_usd| pico_usd / 1e12),
            unpriced_count: requests - priced,
        })
    }
}

/// Requests by step of the logarithmic scale, in its order.
struct Histogram(Vec<(i32, u64)>);

impl From<Value> for Histogram {
    fn from(value: Value) -> Self {
        let Value::Map(steps) = value else {
            return Self(Vec::new());
        };
        let step = |(step, count): &(Value, Value)| match (step, count) {
            (&Value::Int(step), &Value::UBigInt(count)) => Some((step, count)),
            _ => None,
        };
        let mut steps: Vec<(i32, u64)> = steps.iter().filter_map(step).collect();
        steps.sort_unstable();
        Self(steps)
    }
}

impl Histogram {
    /// The middle of the step that holds the value of nearest rank.
    fn percentile_ms(&self, percent: u64) -> Option<f64> {
        let all: u64 = self.0.iter().map(|(_, count)| count).sum();
        let rank = (all * percent).div_ceil(100);
        let mut below = 0;
        let (step, _) = self.0.iter().find(|(_, count)| {
            below += count;
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
        let histogram = Histogram(vec![(0, 1), (100, 1), (691, 18)]);
        assert_eq!(histogram.percentile_ms(50), Some(1.007));
        assert_eq!(histogram.percentile_ms(5), Some(0.001));
        assert_eq!(histogram.percentile_ms(10), Some(0.003));
        assert_eq!(Histogram(Vec::new()).percentile_ms(50), None);
    }

    #[test]
    fn money_is_rounded_only_when_shown_and_nothing_is_divided_by_none() {
        assert_eq!([499_999, 500_000, -500_001, 0].map(micro_usd), [0, 1, -1, 0]);
        assert_eq!(ratio(1, 4), Some(0.25));
        assert_eq!(ratio(0, 0), None);
    }
}
