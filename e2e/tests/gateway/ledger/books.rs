//! The client's own ledger, and its sums.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

/// What requests can be grouped by.
pub(super) const DIMENSIONS: [&str; 6] = ["model", "provider", "route", "target", "key", "outcome"];

/// One request, as its client knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// In the order of `DIMENSIONS`.
    pub dimensions: [Option<String>; 6],
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// None when it is not known.
    pub cost_pico_usd: Option<i128>,
}

/// All requests.
pub(super) struct Books(pub Vec<Entry>);

/// Pico-USD as the API tells money.
#[expect(clippy::cast_precision_loss, reason = "both sides round alike")]
pub(super) fn usd(pico_usd: i128) -> f64 {
    pico_usd as f64 / 1e12
}

impl Entry {
    fn is(&self, outcome: &str) -> bool {
        self.dimensions[5].as_deref() == Some(outcome)
    }
}

impl Books {
    /// Compares the sums by these dimensions with the rows of an answer.
    pub(super) fn compare(&self, names: &[&str], rows: &Value) -> anyhow::Result<()> {
        let places: Vec<usize> = names
            .iter()
            .filter_map(|name| DIMENSIONS.iter().position(|known| known == name))
            .collect();
        let mut groups: BTreeMap<Vec<Option<String>>, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.0 {
            let group = places.iter().map(|place| entry.dimensions[*place].clone()).collect();
            groups.entry(group).or_default().push(entry);
        }
        let rows = rows.as_array().context("no rows")?;
        ensure!(
            rows.len() == groups.len(),
            "{} rows, the ledger has {} groups: {rows:?}",
            rows.len(),
            groups.len()
        );
        for row in rows {
            let group: Vec<Option<String>> = names.iter().map(|name| row[name].as_str().map(str::to_owned)).collect();
            let entries = groups
                .get(&group)
                .with_context(|| format!("the ledger has no such group: {row}"))?;
            compare_row(entries, row)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "both sides round alike")]
fn compare_row(entries: &[&Entry], row: &Value) -> anyhow::Result<()> {
    let count = |outcome: &str| entries.iter().filter(|entry| entry.is(outcome)).count();
    let (ok, client_error, cancelled) = (count("ok"), count("client_error"), count("cancelled"));
    let costs: Vec<i128> = entries.iter().filter_map(|entry| entry.cost_pico_usd).collect();
    let cost_pico_usd: i128 = costs.iter().sum();
    let counted = entries.len() - client_error - cancelled;
    let expected = json!({
        "requests": entries.len(),
        "success_count": ok,
        "client_error_count": client_error,
        "cancelled_count": cancelled,
        "error_count": counted - ok,
        "success_rate": (counted > 0).then(|| ok as f64 / counted as f64),
        "prompt_tokens": entries.iter().map(|entry| entry.prompt_tokens).sum::<u64>(),
        "completion_tokens": entries.iter().map(|entry| entry.completion_tokens).sum::<u64>(),
        "cost_micro_usd": i64::try_from((cost_pico_usd + 500_000).div_euclid(1_000_000))?,
        "avg_cost": (!costs.is_empty()).then(|| cost_pico_usd as f64 / costs.len() as f64 / 1e12),
        "unpriced_count": entries.len() - costs.len(),
    });
    for (name, value) in expected.as_object().into_iter().flatten() {
        ensure!(
            row[name] == *value,
            "{name} is {}, the ledger has {value}: {row}",
            row[name]
        );
    }
    for name in ["avg_latency_ms", "p50_latency_ms", "p95_latency_ms"] {
        ensure!(row[name].as_f64().is_some_and(|millis| millis > 0.0), "{name}: {row}");
    }
    Ok(())
}
