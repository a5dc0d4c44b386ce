//! The simulator as a server: goldens of its answers, and each fault as a client meets it.

use std::io;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Running, Settings, start};

pub(super) mod anthropic;

/// Compares with a file of `tests/golden/simulator`, which names the SDKs whose types are its model.
pub(super) fn golden(name: &str, text: &str) {
    let model = "OpenAI chat completions, after the types of openai 3.54.0 (Python) and 7.57.0 (Node)";
    golden_of("", model, name, text);
}

/// Compares with a file of a folder in there.
fn golden_of(folder: &str, model: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    let goldens = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/simulator");
    settings.set_snapshot_path(format!("{goldens}/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(model);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A client; all of this process share one provider of cryptography, whoever asks first.
fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

async fn simulator() -> Running {
    let clock = || 1_795_000_000_000_000;
    start(Settings {
        clock,
        ..Settings::default()
    })
    .await
    .unwrap()
}

fn request(running: &Running, body: &Value, simulate: &str) -> RequestBuilder {
    let url = format!("{}/chat/completions", running.base_url());
    client()
        .post(url)
        .header("x-simulate", simulate)
        .header("content-type", "application/json")
        .body(body.to_string())
}

fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
}

fn streamed(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": true})
}

async fn get(url: String) -> reqwest::Result<Response> {
    client().get(url).send().await
}

async fn instrument(running: &Running, path: &str) -> Value {
    let text = get(format!("http://{}/_simulator/{path}", running.address))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What comes back on a connection of its own, and how that ends.
async fn raw(running: &Running, body: &Value) -> (String, io::Result<()>) {
    raw_at(running, "/v1/chat/completions", body).await
}

async fn raw_at(running: &Running, path: &str, body: &Value) -> (String, io::Result<()>) {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nanthropic-version: 2023-06-01\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await;
    (String::from_utf8_lossy(&bytes).into_owned(), end.map(drop))
}

fn contents(text: &str) -> usize {
    text.matches(r#""delta":{"content":""#).count()
}

#[tokio::test]
async fn answers_are_written_as_the_vendor_writes_them() {
    let running = simulator().await;
    let weather = json!({"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}}, "required": ["city", "unit"],
    }}});
    let schema = json!({"type": "json_schema", "json_schema": {"name": "event", "strict": true, "schema": {
        "type": "object", "additionalProperties": false, "required": ["day", "people"], "properties": {
            "day": {"type": "string", "format": "date"}, "people": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        },
    }}});
    let with = |mut body: Value, more: Value| {
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}]);
    for (name, body) in [
        ("chat", chat("sim-words-4")),
        ("chat_stream", streamed("sim-words-3")),
        (
            "chat_stream_with_usage",
            with(
                streamed("sim-words-2-cached-4"),
                json!({"stream_options": {"include_usage": true}}),
            ),
        ),
        (
            "chat_cut_at_the_limit",
            with(chat("sim-fast"), json!({"max_completion_tokens": 2})),
        ),
        ("tools", with(chat("sim-tools-2"), json!({"tools": [weather]}))),
        (
            "tools_stream",
            with(
                streamed("sim-tools-2-chunks-2"),
                json!({"tools": [weather], "stream_options": {"include_obfuscation": false}}),
            ),
        ),
        ("structured", with(chat("sim-fast"), json!({"response_format": schema}))),
        ("reasoning_stream", streamed("sim-reasoning-2-words-2")),
        (
            "two_choices_with_logprobs",
            with(
                streamed("sim-words-2"),
                json!({"n": 2, "logprobs": true, "top_logprobs": 2}),
            ),
        ),
        ("logprobs", with(chat("sim-words-1"), json!({"logprobs": true}))),
        ("image", with(chat("sim-words-2"), json!({"messages": image}))),
        (
            "no_usage",
            with(
                streamed("sim-words-1-nousage"),
                json!({"stream_options": {"include_usage": true}}),
            ),
        ),
    ] {
        let response = request(&running, &body, "").send().await.unwrap();
        golden(name, &response.text().await.unwrap());
    }
    let models = get(format!("{}/models", running.base_url()))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    golden("models", &models);
    running.stop().await;
}

#[tokio::test]
async fn errors_are_the_vendors_objects() {
    let running = start(Settings {
        api_key: Some("sk-right".to_owned()),
        ..Settings::default()
    })
    .await
    .unwrap();
    let shown = async |response: Response| {
        let head = format!(
            "{} retry-after={:?}",
            response.status().as_u16(),
            response.headers().get("retry-after")
        );
        format!("{head}\n  {}\n", response.text().await.unwrap())
    };
    let mut text = shown(request(&running, &chat("sim-fast"), "").send().await.unwrap()).await;
    text += &shown(
        request(&running, &chat("sim-fast"), "")
            .bearer_auth("sk-wrong-key")
            .send()
            .await
            .unwrap(),
    )
    .await;
    for model in [
        "gpt-unknown",
        "sim-wat",
        "sim-401",
        "sim-403",
        "sim-404",
        "sim-418",
        "sim-429-retry-7",
        "sim-500",
        "sim-503",
    ] {
        text += &shown(
            request(&running, &chat(model), "")
                .bearer_auth("sk-right")
                .send()
                .await
                .unwrap(),
        )
        .await;
    }
    text += &shown(
        request(&running, &chat("sim-fast"), "latncy=3")
            .bearer_auth("sk-right")
            .send()
            .await
            .unwrap(),
    )
    .await;
    text += &shown(
        request(&running, &json!(null), "")
            .body("{")
            .bearer_auth("sk-right")
            .send()
            .await
            .unwrap(),
    )
    .await;
    text += &shown(get(format!("{}/embeddings", running.base_url())).await.unwrap()).await;
    text += &shown(get(format!("{}/chat/completions", running.base_url())).await.unwrap()).await;
    text += &shown(
        client()
            .get(format!("{}/models/gpt-4", running.base_url()))
            .bearer_auth("sk-right")
            .send()
            .await
            .unwrap(),
    )
    .await;
    golden("errors", &text);
    running.stop().await;
}

#[tokio::test]
async fn a_gate_proves_that_chunk_k_arrived_before_chunk_k_plus_1_was_sent() {
    let running = simulator().await;
    let mut response = request(&running, &streamed("sim-chunks-3-words-3"), "gate=5")
        .send()
        .await
        .unwrap();
    let mut seen = String::new();
    for released in 0..3 {
        while contents(&seen) <= released {
            seen += str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
        }
        assert_eq!(contents(&seen), released + 1, "the next chunk waits for its release");
        let sent = instrument(&running, "requests?last=1").await["requests"][0]["sent_unix_micros"].clone();
        assert_eq!(sent.as_array().unwrap().len(), released + 1);
        let url = format!("http://{}/_simulator/release?gate=5", running.address);
        assert!(client().post(url).send().await.unwrap().status().is_success());
    }
    while let Some(bytes) = response.chunk().await.unwrap() {
        seen += str::from_utf8(&bytes).unwrap();
    }
    assert!(seen.ends_with("data: [DONE]\n\n"));
    running.stop().await;
}

#[tokio::test]
async fn a_cut_closes_the_connection_and_a_reset_resets_it() {
    let running = simulator().await;
    let (text, end) = raw(&running, &streamed("sim-cut")).await;
    assert_eq!((text.as_str(), end.is_ok()), ("", true));
    let (text, end) = raw(&running, &streamed("sim-reset")).await;
    assert_eq!(
        (text.as_str(), end.map_err(|error| error.kind())),
        ("", Err(io::ErrorKind::ConnectionReset))
    );
    for (model, chunks) in [("sim-cut-0", 0), ("sim-cut-3", 3), ("sim-cut-9999", 24)] {
        let (text, end) = raw(&running, &streamed(model)).await;
        assert_eq!(
            (contents(&text), end.is_ok(), text.contains("finish_reason\":\"stop")),
            (chunks, true, false),
            "{model}: {text}"
        );
    }
    let (text, end) = raw(&running, &streamed("sim-reset-3")).await;
    assert_eq!(end.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
    assert!(contents(&text) <= 3);
    let (text, end) = raw(&running, &chat("sim-cut-3")).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let told: usize = head
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(end.is_ok() && body.len() == told / 2, "{text}");
    assert_eq!(
        instrument(&running, "stats").await["models"]["sim-cut"],
        json!({"none": 1})
    );
    running.stop().await;
}

#[tokio::test]
async fn a_hanging_answer_is_ended_by_the_client_and_that_is_noted() {
    let running = simulator().await;
    let mut response = request(&running, &streamed("sim-hang-2"), "").send().await.unwrap();
    let mut seen = String::new();
    while contents(&seen) < 2 {
        seen += str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(
        instrument(&running, "requests?last=1").await["requests"][0]["outcome"],
        "open"
    );
    drop(response);
    while instrument(&running, "requests?last=1").await["requests"][0]["outcome"] != "client_left" {
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_those_that_hang() {
    let running = simulator().await;
    let hanging = request(&running, &streamed("sim-hang"), "").send();
    let watch = async {
        while instrument(&running, "stats").await["models"]["sim-hang"] != json!({"none": 1}) {
            tokio::task::yield_now().await;
        }
        running.stop().await;
    };
    let (response, ()) = tokio::join!(hanging, watch);
    assert!(response.is_err());
}

#[tokio::test]
async fn wrong_answers_are_wrong_in_the_way_that_was_asked() {
    let running = simulator().await;
    let text = async |body: Value| request(&running, &body, "").send().await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&text(chat("sim-garbage")).await).is_err());
    let garbled = text(streamed("sim-garbage-2")).await;
    assert_eq!((contents(&garbled), garbled.matches("\"del\n\n").count()), (23, 1));
    assert!(
        text(streamed("sim-error-1"))
            .await
            .ends_with("\"param\":null,\"code\":null}}\n\n")
    );
    assert_eq!(
        request(&running, &chat("sim-error-1"), "")
            .send()
            .await
            .unwrap()
            .status(),
        500
    );
    let page = request(&running, &chat("sim-html"), "").send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), page.headers()["content-type"].to_str().unwrap()),
        (200, "text/html; charset=utf-8")
    );
    for body in [chat("sim-oversized-2"), streamed("sim-oversized-2")] {
        let length = text(body).await.len();
        assert!((2 * 1024 * 1024..2 * 1024 * 1024 + 2000).contains(&length), "{length}");
    }
    let dripped =
        text(json!({"model": "sim-drip-1-words-2", "messages": [{"role": "user", "content": "Hello"}]})).await;
    assert_eq!(
        serde_json::from_str::<Value>(&dripped).unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
    running.stop().await;
}

#[tokio::test]
async fn an_echo_holds_the_request_byte_for_byte_and_no_secret() {
    let running = simulator().await;
    let body = r#"{"model":"sim-echo", "messages":[{"role":"user","content":"hé"}],"z_unknown" : 1.50,"a":null}"#;
    let response = request(&running, &json!(null), "")
        .body(body)
        .bearer_auth("sk-very-secret-1234")
        .header("x-mine", "yes")
        .send()
        .await
        .unwrap();
    let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    let echo = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(echo.ends_with(&format!("\"body\":{body}}}")), "{echo}");
    let echo: Value = serde_json::from_str(echo).unwrap();
    assert_eq!(
        (&echo["headers"]["authorization"], &echo["headers"]["x-mine"]),
        (&json!("...1234"), &json!("yes"))
    );
    let kept = instrument(&running, "requests?last=1").await;
    assert_eq!(kept["requests"][0]["body"], body);
    assert!(!kept.to_string().contains("very-secret"));
    running.stop().await;
}

#[tokio::test]
async fn a_flaky_model_fails_its_share_and_chunks_keep_their_distance() {
    let running = start(Settings {
        seed: 3,
        ..Settings::default()
    })
    .await
    .unwrap();
    let client = client();
    let mut failed = 0;
    for _ in 0..100 {
        let url = format!("{}/chat/completions", running.base_url());
        let response = client
            .post(url)
            .body(chat("sim-fail-30-429").to_string())
            .send()
            .await
            .unwrap();
        failed += usize::from(response.status() == 429);
    }
    assert_eq!(failed, 30);
    assert_eq!(
        instrument(&running, "stats").await["models"]["sim-fail-30-429"],
        json!({"200": 70, "429": 30})
    );
    request(&running, &streamed("sim-words-4"), "latency=20,gap=5")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let kept = instrument(&running, "requests?last=1").await["requests"][0].clone();
    let times: Vec<u64> = kept["sent_unix_micros"]
        .as_array()
        .unwrap()
        .iter()
        .map(|time| time.as_u64().unwrap())
        .collect();
    assert!(times[0] - kept["received_unix_micros"].as_u64().unwrap() >= 19_000);
    assert!(
        times.len() == 4 && times.windows(2).all(|pair| pair[1] - pair[0] >= 4_500),
        "{times:?}"
    );
    running.stop().await;
}
