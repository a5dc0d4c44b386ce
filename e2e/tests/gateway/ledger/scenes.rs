//! The kinds of requests that the ledger is kept of.

use anyhow::{Context as _, ensure};
use e2e::client::Answer;
use e2e::manifest::{key, provider, route, target};
use serde_json::{Value, json};

use super::KEYS;
use super::books::{Entry, usd};

pub(super) const GATE: u64 = 4;
pub(super) const GATED: &str = "sim-gate-4-words-9";
pub(super) const SILENT: &str = "sim-hang-words-2";

/// Micro-USD per million tokens: input, output, cached input.
const PRICES: [(&str, [i128; 3]); 4] = [
    ("sim-cached-3-words-9", [150_000, 600_000, 75_000]),
    ("sim-words-31", [3_000_001, 15_000_007, 3_000_001]),
    ("sim-nousage", [7, 11, 7]),
    ("sim-cut-3", [1_000_000, 2_000_000, 1_000_000]),
];

/// A kind of request.
#[derive(Debug)]
pub(super) struct Scene {
    /// What the client asks for.
    pub model: &'static str,
    streamed: bool,
    status: u16,
    outcome: &'static str,
    /// The Provider and the provider's model that end it; none when nothing is tried.
    end: Option<(&'static str, &'static str)>,
    target: Option<&'static str>,
}

const fn scene(
    model: &'static str,
    streamed: bool,
    (status, outcome): (u16, &'static str),
    end: Option<(&'static str, &'static str)>,
    target: Option<&'static str>,
) -> Scene {
    Scene {
        model,
        streamed,
        status,
        outcome,
        end,
        target,
    }
}

const OK: (u16, &str) = (200, "ok");
const PRICED: Option<(&str, &str)> = Some(("default/priced", "sim-cached-3-words-9"));
const DEAR: Option<(&str, &str)> = Some(("default/priced", "sim-words-31"));
const UNPRICED: Option<(&str, &str)> = Some(("default/sim", "sim-fast"));
const ONLY: Option<&str> = Some("only");

pub(super) const SCENES: &[Scene] = &[
    scene("priced", false, OK, PRICED, ONLY),
    scene("priced", true, OK, PRICED, ONLY),
    scene("dear", false, OK, DEAR, ONLY),
    scene("dear", true, OK, DEAR, ONLY),
    scene("unpriced", false, OK, UNPRICED, ONLY),
    scene("unpriced", true, OK, UNPRICED, ONLY),
    scene("estimated", false, OK, Some(("default/priced", "sim-nousage")), ONLY),
    scene("estimated", true, OK, Some(("default/priced", "sim-nousage")), ONLY),
    scene("failover", false, OK, DEAR, Some("second")),
    scene("failover", true, OK, DEAR, Some("second")),
    scene("cut", true, (200, "cut"), Some(("default/priced", "sim-cut-3")), ONLY),
    scene(
        "limited",
        true,
        (429, "rate_limited"),
        Some(("default/sim", "sim-429")),
        ONLY,
    ),
    scene(
        "failing",
        false,
        (502, "upstream_error"),
        Some(("default/sim", "sim-500")),
        ONLY,
    ),
    scene("late", false, (504, "timeout"), Some(("default/sim", "sim-hang")), ONLY),
    scene(
        "refusing",
        true,
        (400, "client_error"),
        Some(("default/sim", "sim-400")),
        ONLY,
    ),
    scene("unknown", false, (404, "client_error"), None, None),
    scene("empty", true, (503, "no_target"), None, None),
];

/// The Provider `priced`, the Routes of all scenes, and the keys.
pub(super) fn objects() -> Vec<Value> {
    let models = PRICES.map(|(name, [input, output, cached])| {
        let price = |micro_usd: i128| i64::try_from(micro_usd).unwrap_or_default();
        json!({
            "name": name, "inputMicroUsdPerMTok": price(input), "outputMicroUsdPerMTok": price(output),
            "cachedInputMicroUsdPerMTok": price(cached),
        })
    });
    let one = |name: &str, provider: &str, model: &str| {
        let timeouts = json!({ "firstToken": if name == "late" { "200ms" } else { "60s" } });
        route(
            name,
            json!({ "targets": [target("only", provider, model, 1)], "timeouts": timeouts, "retry": { "attempts": 0 } }),
        )
    };
    let failover = [
        target("first", "sim", "sim-500", 1),
        target("second", "priced", "sim-words-31", 0),
    ];
    let mut objects = vec![
        provider("priced", json!({ "vendor": "Simulated", "models": models })),
        one("priced", "priced", "sim-cached-3-words-9"),
        one("dear", "priced", "sim-words-31"),
        one("unpriced", "sim", "sim-fast"),
        one("estimated", "priced", "sim-nousage"),
        one("cut", "priced", "sim-cut-3"),
        one("limited", "sim", "sim-429"),
        one("failing", "sim", "sim-500"),
        one("late", "sim", "sim-hang"),
        one("refusing", "sim", "sim-400"),
        one("empty", "nobody", "sim-fast"),
        one("gated", "sim", GATED),
        one("silent", "sim", SILENT),
        // Its first target fails each time, and is tried each time.
        route(
            "failover",
            json!({
                "targets": failover, "retry": { "attempts": 0 },
                "circuitBreaker": { "consecutiveFailures": 0, "failurePercent": 0 },
            }),
        ),
    ];
    objects.extend(
        KEYS.iter()
            .flatten()
            .map(|(name, value)| key(name, json!({ "key": value }))),
    );
    objects
}

pub(super) fn dimensions(names: [Option<&str>; 6]) -> [Option<String>; 6] {
    names.map(|name| name.map(str::to_owned))
}

impl Scene {
    /// A request with a message of so many characters.
    pub(super) fn body(&self, length: usize) -> String {
        let text: String = "rivers and lakes ".chars().cycle().take(length).collect();
        json!({ "model": self.model, "stream": self.streamed, "messages": [{ "role": "user", "content": text }] })
            .to_string()
    }

    /// The entry of a request that got this answer.
    pub(super) fn entry(&self, answer: &Answer, body: &str, key: Option<&str>) -> anyhow::Result<Entry> {
        ensure!(
            answer.status == self.status,
            "status {}: {}",
            answer.status,
            answer.text()
        );
        let name = format!("default/{}", self.model);
        let route = (self.model != "unknown").then_some(name.as_str());
        ensure!(
            answer.header("x-route-switch-route") == route.unwrap_or_default(),
            "{:?}",
            answer.headers
        );
        ensure!(
            answer.header("x-route-switch-target") == self.target.unwrap_or_default(),
            "{:?}",
            answer.headers
        );
        let (provider, model) = self.end.unzip();
        let dimensions = dimensions([model, provider, route, self.target, key, Some(self.outcome)]);
        let mut entry = Entry {
            dimensions,
            ..Entry::default()
        };
        match self.outcome {
            "ok" => {
                let usage = answer.usage()?;
                let tokens = |of: &Value| of.as_u64().with_context(|| format!("no tokens: {usage}"));
                entry.prompt_tokens = tokens(&usage["prompt_tokens"])?;
                entry.completion_tokens = tokens(&usage["completion_tokens"])?;
                let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0);
                entry.cost_pico_usd = cost_pico_usd(self.end, &entry, cached);
                ensure!(
                    usage["cost"].as_f64() == entry.cost_pico_usd.map(usd),
                    "{usage}, not {:?}",
                    entry.cost_pico_usd
                );
            }
            "cut" => {
                let messages = serde_json::from_str::<Value>(body)?["messages"].to_string();
                entry.prompt_tokens = messages.len().div_ceil(4) as u64;
                entry.completion_tokens = answer.transcript()?.content().len().div_ceil(4) as u64;
                entry.cost_pico_usd = cost_pico_usd(self.end, &entry, 0);
            }
            _ => {}
        }
        Ok(entry)
    }
}

fn cost_pico_usd(end: Option<(&str, &str)>, entry: &Entry, cached_tokens: u64) -> Option<i128> {
    let (provider, model) = end?;
    let (_, [input, output, cached]) = PRICES
        .iter()
        .find(|(name, _)| provider == "default/priced" && *name == model)?;
    let uncached = i128::from(entry.prompt_tokens - cached_tokens);
    Some(uncached * input + i128::from(cached_tokens) * cached + i128::from(entry.completion_tokens) * output)
}
