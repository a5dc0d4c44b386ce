//! Figures of a group against its rows, added up here once more.

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// How far a percentile may be off.
const TOLERANCE: f64 = 0.05;

/// The figures of one Route, against the rows of all Routes.
pub(super) fn check(group: &Value, rows: &[Value]) -> anyhow::Result<()> {
    let own: Vec<&Value> = rows.iter().filter(|row| row["route"] == group["route"]).collect();
    let sum = |name: &str| own.iter().filter_map(|row| row[name].as_i64()).sum::<i64>();
    let (tokens_in, tokens_out, cost) = (sum("tokens_prompt"), sum("tokens_completion"), sum("cost_micro_usd"));
    ensure!(group["requests"] == own.len(), "there are {} rows", own.len());
    ensure!(group["prompt_tokens"] == tokens_in, "{tokens_in} tokens in");
    ensure!(group["completion_tokens"] == tokens_out, "{tokens_out} tokens out");
    // The cost of each row is rounded, that of the group only at its end.
    let told = group["cost_micro_usd"].as_i64().context("no cost")?;
    ensure!(told.abs_diff(cost) <= own.len() as u64, "{cost} micro-USD");
    ensure!((cost > 0) == (tokens_out > 0), "{cost} micro-USD");
    let ok = own.iter().filter(|row| row["outcome"] == "ok").count();
    ensure!(group["success_count"] == ok, "{ok} went well");
    for (name, of, percent) in [
        ("p50_latency_ms", "generation_time", 50),
        ("p95_latency_ms", "generation_time", 95),
        ("p50_first_token_ms", "latency", 50),
    ] {
        let exact = percentile(own.iter().filter_map(|row| row[of].as_f64()).collect(), percent);
        let is_close = match (group[name].as_f64(), exact) {
            (Some(told), Some(exact)) => (told - exact).abs() <= exact * TOLERANCE,
            (told, exact) => told == exact,
        };
        ensure!(is_close, "{name} is {}, by the rows {exact:?}", group[name]);
    }
    Ok(())
}

/// The value of nearest rank.
fn percentile(mut values: Vec<f64>, percent: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}
