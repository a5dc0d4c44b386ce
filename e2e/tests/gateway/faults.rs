//! Everything that can go wrong at a provider before the first content: another target answers, or else the client is told.

use anyhow::{Context as _, ensure};
use e2e::client::Answer;
use e2e::manifest::{credential, file, provider, route, target};
use e2e::stage::{Gateway, Stage};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::{ask, ask_stream, worked};

const CREDENTIAL: &str = "sk-provider-4a7d1ed414474e40";
/// Cases that run at once: most of them wait for a timeout.
const AT_ONCE: usize = 12;

/// A fault and what follows from it.
#[derive(Clone, Copy, Debug)]
struct Fault {
    name: &'static str,
    streamed: bool,
    model: &'static str,
    /// What the client is told when there is no other target.
    status: u16,
    code: &'static str,
    /// How the try is recorded.
    outcome: &'static str,
    provider_status: Option<u16>,
}

const UNAVAILABLE: (u16, &str, &str) = (502, "provider_unavailable", "upstream_error");
const REFUSED: (u16, &str, &str) = (502, "provider_authentication", "upstream_error");
const OVERLOADED: (u16, &str, &str) = (503, "provider_overloaded", "upstream_error");
const LIMITED: (u16, &str, &str) = (429, "rate_limit_exceeded", "rate_limited");
const TIMEOUT: (u16, &str, &str) = (504, "timeout", "timeout");

/// Name, models asked for whole and streamed, what follows, and the provider's status in both cases.
type Row = (
    &'static str,
    [&'static str; 2],
    (u16, &'static str, &'static str),
    [Option<u16>; 2],
);

/// The provider "gone" is an address at which nobody listens.
const TABLE: &[Row] = &[
    ("unauthorized", ["sim-401"; 2], REFUSED, [Some(401); 2]),
    ("forbidden", ["sim-403"; 2], REFUSED, [Some(403); 2]),
    ("unknown", ["sim-404"; 2], UNAVAILABLE, [Some(404); 2]),
    ("limited", ["sim-429-retry-7"; 2], LIMITED, [Some(429); 2]),
    ("failing", ["sim-500"; 2], UNAVAILABLE, [Some(500); 2]),
    ("overloaded", ["sim-503-retry-7"; 2], OVERLOADED, [Some(503); 2]),
    ("silent", ["sim-hang"; 2], TIMEOUT, [None; 2]),
    ("stuck", ["sim-hang-0"; 2], TIMEOUT, [None; 2]),
    ("closed", ["sim-cut"; 2], UNAVAILABLE, [None; 2]),
    ("cut", ["sim-cut-0"; 2], UNAVAILABLE, [None; 2]),
    ("reset", ["sim-reset"; 2], UNAVAILABLE, [None; 2]),
    ("gone", ["sim-fast"; 2], UNAVAILABLE, [None; 2]),
    ("garbage", ["sim-garbage"; 2], UNAVAILABLE, [None; 2]),
    ("html", ["sim-html"; 2], UNAVAILABLE, [None; 2]),
    ("error", ["sim-error"; 2], UNAVAILABLE, [Some(500), None]),
    (
        "oversized",
        ["sim-oversized-65", "sim-oversized-17"],
        UNAVAILABLE,
        [None; 2],
    ),
];

fn faults() -> impl Iterator<Item = Fault> {
    TABLE
        .iter()
        .flat_map(|&(name, models, (status, code, outcome), provider_statuses)| {
            [false, true].map(|streamed| Fault {
                name,
                streamed,
                model: models[usize::from(streamed)],
                status,
                code,
                outcome,
                provider_status: provider_statuses[usize::from(streamed)],
            })
        })
}

impl Fault {
    fn route(&self, kind: &str) -> String {
        format!(
            "{kind}-{}-{}",
            self.name,
            if self.streamed { "streamed" } else { "whole" }
        )
    }

    /// Each has its own: a key that is limited or refused is left alone for a while.
    fn provider(&self) -> String {
        if self.name == "gone" {
            "gone".to_owned()
        } else {
            self.route("secured")
        }
    }

    fn body(&self, kind: &str) -> Value {
        let model = self.route(kind);
        if self.streamed { ask_stream(&model) } else { ask(&model) }
    }

    /// A Route with a good target behind the bad one, and one with the bad one alone.
    fn routes(&self) -> [Value; 2] {
        let bad = target("bad", &self.provider(), self.model, 1);
        // Those that are not about time have enough of it, on a busy machine too.
        let wait = if self.outcome == "timeout" { "1500ms" } else { "30s" };
        let timeouts = json!({ "connect": "2s", "firstToken": wait, "idle": wait });
        // One try a target; the suite `faults` is about further ones.
        let retry = json!({ "attempts": 0 });
        let both =
            json!({ "targets": [bad, target("good", "sim", "sim-fast", 0)], "timeouts": timeouts, "retry": retry });
        let alone = json!({ "targets": [bad], "timeouts": timeouts, "retry": retry });
        [route(&self.route("two"), both), route(&self.route("one"), alone)]
    }
}

/// A stage whose provider is given a credential that no answer may show.
async fn stage() -> anyhow::Result<(Stage, Gateway)> {
    let stage = Stage::new().await?;
    let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let auth = json!({ "keys": [{ "secretRef": { "name": "credential", "key": "key" } }] });
    let mut objects = vec![
        credential("credential", CREDENTIAL),
        provider("sim", json!({ "vendor": "Simulated" })),
        provider(
            "gone",
            json!({ "vendor": "OpenAICompatible", "baseUrl": format!("http://{gone}/v1"), "allowInsecure": true, "auth": auth }),
        ),
    ];
    let secured = faults().filter(|fault| fault.name != "gone");
    objects.extend(secured.map(|fault| provider(&fault.provider(), json!({ "vendor": "Simulated", "auth": auth }))));
    objects.extend(faults().flat_map(|fault| fault.routes()));
    stage.write("faults.yaml", &file(&objects))?;
    let gateway = stage.gateway(&[]).await?;
    Ok((stage, gateway))
}

#[tokio::test]
async fn after_a_fault_before_the_first_content_the_next_target_answers() -> anyhow::Result<()> {
    let (stage, gateway) = stage().await?;
    let expected = stage.simulator.answer(&ask("sim-fast")).await?.content()?;
    let cases = stream::iter(faults()).map(async |fault| {
        check_failover(&gateway, fault, &expected)
            .await
            .with_context(|| format!("{fault:?}"))
    });
    cases.buffer_unordered(AT_ONCE).try_collect().await
}

async fn check_failover(gateway: &Gateway, fault: Fault, expected: &str) -> anyhow::Result<()> {
    let answer = worked(gateway.client.chat(&fault.body("two")).await?)?;
    ensure!(answer.content()? == expected, "{}", answer.text());
    ensure!(answer.header("x-route-switch-attempts") == "2", "{:?}", answer.headers);
    ensure!(answer.header("x-route-switch-target") == "good", "{:?}", answer.headers);
    let told = gateway.client.generation(answer.id()).await?;
    ensure!(told["outcome"] == "ok" && told["target"] == "good", "{told}");
    check_attempt(&told["attempts"][0], fault)?;
    let second = &told["attempts"][1];
    ensure!(
        second["outcome"] == "ok" && second["status"] == 200 && second["target"] == "good",
        "{told}"
    );
    ensure!(told["attempts"].as_array().map(Vec::len) == Some(2), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_fault_of_the_only_target_is_a_typed_error() -> anyhow::Result<()> {
    let (_stage, gateway) = stage().await?;
    let cases = stream::iter(faults())
        .map(async |fault| check_error(&gateway, fault).await.with_context(|| format!("{fault:?}")));
    cases.buffer_unordered(AT_ONCE).try_collect().await
}

async fn check_error(gateway: &Gateway, fault: Fault) -> anyhow::Result<()> {
    let answer = gateway.client.chat(&fault.body("one")).await?;
    ensure!(
        answer.status == fault.status,
        "status {}: {}",
        answer.status,
        answer.text()
    );
    check_error_object(&answer, fault)?;
    ensure!(answer.header("x-route-switch-attempts") == "1", "{:?}", answer.headers);
    let retry_after = if matches!(fault.provider_status, Some(429 | 503)) {
        "7"
    } else {
        ""
    };
    ensure!(answer.header("retry-after") == retry_after, "{:?}", answer.headers);
    ensure!(
        !answer.text().contains(CREDENTIAL),
        "the credential is in the answer: {}",
        answer.text()
    );
    let told = gateway.client.generation(answer.id()).await?;
    ensure!(
        told["outcome"] == fault.outcome && told["status"] == fault.status,
        "{told}"
    );
    ensure!(told["attempts"].as_array().map(Vec::len) == Some(1), "{told}");
    check_attempt(&told["attempts"][0], fault)?;
    ensure!(
        !told.to_string().contains(CREDENTIAL),
        "the credential is in what was recorded: {told}"
    );
    Ok(())
}

fn check_error_object(answer: &Answer, fault: Fault) -> anyhow::Result<()> {
    let error = answer.error()?;
    let provider = format!("default/{}", fault.provider());
    let provider = provider.as_str();
    let metadata = &error["metadata"];
    ensure!(error["code"] == fault.code && error["type"].is_string(), "{error}");
    ensure!(
        error["message"]
            .as_str()
            .is_some_and(|message| message.contains(provider)),
        "{error}"
    );
    ensure!(metadata["provider"] == provider && metadata["attempts"] == 1, "{error}");
    ensure!(
        metadata["status"] == json!(fault.provider_status) && metadata["error_type"].is_string(),
        "{error}"
    );
    Ok(())
}

fn check_attempt(attempt: &Value, fault: Fault) -> anyhow::Result<()> {
    ensure!(
        attempt["outcome"] == fault.outcome && attempt["target"] == "bad",
        "{attempt}"
    );
    ensure!(
        attempt["status"] == json!(fault.provider_status) && attempt["model"] == fault.model,
        "{attempt}"
    );
    ensure!(
        attempt["error"].as_str().is_some_and(|error| !error.is_empty()),
        "{attempt}"
    );
    Ok(())
}
