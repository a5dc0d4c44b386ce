//! What the gateway knows afterwards: one request, what was kept, sums, metrics. Held against the client's own count.

use rusqlite::{Connection, OpenFlags, params};
use serde_json::Value;

use super::{check, check_ok};
use crate::cli::demo::{
    client::{ADMIN_KEY, APP_KEY, Client, Unexpected},
    figures::{short, usd},
    place::Place,
    tour::Told,
};
use crate::cli::table::table;

const HEAD: [&str; 8] = [
    "",
    "requests",
    "ok",
    "p50 ms",
    "first token ms",
    "tokens in",
    "out",
    "cost",
];
const PICO_PER_MICRO: i64 = 1_000_000;

pub(in crate::cli::demo) async fn generation(client: &Client, id: &str) -> Told {
    let answer = client.get(APP_KEY, &format!("/v1/generation?id={id}")).await?;
    check_ok(&answer)?;
    let data = &answer.body["data"];
    let attempts = data["attempts"].as_array().map_or(&[][..], Vec::as_slice);
    check(attempts.len() == 2 && data["outcome"] == "ok", || {
        format!("not two attempts and ok: {data}")
    })?;
    let tries = attempts.iter().map(|attempt| {
        let latency = attempt["latency_ms"].as_f64().unwrap_or(0.0);
        format!(
            "{} of {}: {}, {latency:.1} ms",
            text(&attempt["target"]),
            text(&attempt["provider"]),
            text(&attempt["outcome"])
        )
    });
    let mut lines = vec![format!("GET /v1/generation?id={id}, the request that failed over:")];
    lines.extend(tries);
    Ok(lines)
}

pub(in crate::cli::demo) async fn examples(client: &Client, place: &Place, since: &str) -> Told {
    // Whoever asks for analytics waits until all that was recorded is stored, here as there.
    check_ok(&client.get(ADMIN_KEY, "/v1/system/analytics").await?)?;
    let file = place.data.join("examples.sqlite");
    let store = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let since = since.parse().map_or(0, jiff::Timestamp::as_microsecond);
    let kept = "SELECT count(*), coalesce(sum(complete), 0) FROM examples WHERE created_unix_micros >= ?1";
    let (count, complete): (i64, i64) = store.query_row(kept, params![since], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let expected = client.ledger.captured;
    check((count, complete) == (expected, expected), || {
        format!("{count} kept, {complete} whole, of {expected}")
    })?;
    let last = "SELECT CAST(request AS TEXT), output FROM examples WHERE output IS NOT NULL ORDER BY created_unix_micros DESC LIMIT 1";
    let (request, output): (String, String) = store.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let file_bytes: u64 = ["", "-wal"]
        .iter()
        .filter_map(|end| std::fs::metadata(format!("{}{end}", file.display())).ok())
        .map(|data| data.len())
        .sum();
    Ok(vec![
        format!(
            "all {count} requests to support-triage, with their answers, in {} ({} KiB)",
            file.display(),
            file_bytes / 1024
        ),
        format!("the last: {}", short(&request, 96)),
        format!("       -> {}", short(&output, 96)),
    ])
}

pub(in crate::cli::demo) async fn analytics(client: &Client, since: &str) -> Told {
    let mut lines = Vec::new();
    for dimension in ["route", "provider"] {
        let answer = client
            .get(
                ADMIN_KEY,
                &format!("/v1/system/analytics?group_by={dimension}&since={since}"),
            )
            .await?;
        check_ok(&answer)?;
        let rows = answer.body["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, dimension)).collect();
        let mut head = HEAD;
        head[0] = dimension;
        lines.extend(table(1, &head, &cells));
        lines.push(String::new());
    }
    let all = client
        .get(ADMIN_KEY, &format!("/v1/system/analytics?since={since}"))
        .await?;
    check_ok(&all)?;
    lines.push(compare(client, &all.body["rows"][0])?);
    Ok(lines)
}

/// The gateway's sums beside the client's own.
fn compare(client: &Client, all: &Value) -> Result<String, Unexpected> {
    let ledger = client.ledger;
    let requests = all["requests"].as_u64().unwrap_or(0);
    let cost = all["cost_micro_usd"].as_i64().unwrap_or(0) * PICO_PER_MICRO;
    // The gateway rounds its sum to whole micro-USD.
    let is_same = requests == ledger.requests && (cost - ledger.cost_pico_usd).abs() <= PICO_PER_MICRO;
    let (own_requests, own_cost) = (ledger.requests, usd(ledger.cost_pico_usd));
    check(is_same, || {
        format!(
            "{requests} requests, {}; the client counted {own_requests}, {own_cost}",
            usd(cost)
        )
    })?;
    Ok(format!(
        "in all {requests} requests, {}: the same as the client counted itself",
        usd(cost)
    ))
}

fn cells(row: &Value, dimension: &str) -> Vec<String> {
    let number = |name: &str| row[name].as_u64().unwrap_or(0).to_string();
    let ms = |name: &str| {
        row[name]
            .as_f64()
            .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"))
    };
    let unpriced = row["unpriced_count"] == row["requests"];
    let cost = row["cost_micro_usd"]
        .as_i64()
        .filter(|_| !unpriced)
        .map_or_else(|| "-".to_owned(), |cost| usd(cost * PICO_PER_MICRO));
    vec![
        row[dimension].as_str().unwrap_or("(none)").to_owned(),
        number("requests"),
        number("success_count"),
        ms("p50_latency_ms"),
        ms("p50_first_token_ms"),
        number("prompt_tokens"),
        number("completion_tokens"),
        cost,
    ]
}

pub(in crate::cli::demo) async fn metrics(client: &Client) -> Told {
    let text = client.metrics().await?;
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let counted = "route_switch_requests_total{outcome=\"ok\",route=\"default/support-triage\"}";
    let line = text.lines().find(|line| line.starts_with(counted));
    let line = line.ok_or_else(|| Unexpected::Otherwise(format!("there is no {counted}")))?;
    Ok(vec![
        format!(
            "http://{}/metrics: {} samples, for instance",
            client.addresses.admin,
            samples.count()
        ),
        line.to_owned(),
    ])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_without_a_price_has_no_cost_and_one_without_a_name_says_so() {
        let row = json!({ "route": null, "requests": 2, "success_count": 1, "p50_latency_ms": 1.25, "unpriced_count": 2,
            "cost_micro_usd": 0, "prompt_tokens": 5, "completion_tokens": 0, "p50_first_token_ms": null });
        assert_eq!(cells(&row, "route"), ["(none)", "2", "1", "1.2", "-", "5", "0", "-"]);
    }
}
