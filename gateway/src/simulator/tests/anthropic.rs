//! Anthropic's dialect: goldens of its answers and errors, and each fault as a client of OpenAI's dialect meets it.

use std::io;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{client, golden_of, instrument, raw_at, simulator};
use crate::simulator::{Running, Settings, start};

const MODEL: &str =
    "Anthropic messages, after the types of anthropic 2.13.0 (Python) and @anthropic-ai/sdk 1.13.0 (Node)";
const PATH: &str = "/v1/messages";

pub(in crate::simulator) fn golden(name: &str, text: &str) {
    golden_of("anthropic", MODEL, name, text);
}

fn post(running: &Running, path: &str, body: &Value) -> RequestBuilder {
    client()
        .post(format!("http://{}{path}", running.address))
        .header("anthropic-version", "2023-06-01")
        .body(body.to_string())
}

async fn text(running: &Running, body: &Value) -> String {
    post(running, PATH, body).send().await.unwrap().text().await.unwrap()
}

fn message(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]})
}

fn streamed(model: &str) -> Value {
    with(message(model), json!({"stream": true}))
}

fn with(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else { unreachable!() };
    body.as_object_mut().unwrap().extend(more);
    body
}

/// Chunks of content in a stream. With each call comes an empty piece of arguments, which is none.
fn contents(text: &str) -> usize {
    ["text", "input_json", "thinking"]
        .iter()
        .map(|kind| text.matches(&format!(r#""delta":{{"type":"{kind}_delta""#)).count())
        .sum()
}

#[tokio::test]
async fn answers_are_written_as_the_vendor_writes_them() {
    let running = simulator().await;
    let weather = json!({"name": "get_weather", "input_schema": {
        "type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}}, "required": ["city", "unit"],
    }});
    let schema = json!({"format": {"type": "json_schema", "schema": {
        "type": "object", "additionalProperties": false, "required": ["day", "people"], "properties": {
            "day": {"type": "string", "format": "date"}, "people": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        },
    }}});
    let image = json!([{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]}]);
    for (name, body) in [
        ("message", message("sim-words-4")),
        ("message_stream", streamed("sim-words-3-cached-1-written-2")),
        (
            "message_cut_at_the_limit",
            with(message("sim-fast"), json!({"max_tokens": 2})),
        ),
        (
            "message_stopped",
            with(message("sim-fast"), json!({"stop_sequences": ["velvet", "arrow"]})),
        ),
        ("tools", with(message("sim-tools-2"), json!({"tools": [weather]}))),
        (
            "tools_stream",
            with(streamed("sim-tools-2-chunks-2"), json!({"tools": [weather]})),
        ),
        (
            "structured",
            with(message("sim-fast"), json!({"output_config": schema})),
        ),
        ("thinking", message("sim-reasoning-2-words-2")),
        ("thinking_stream", streamed("sim-reasoning-2-words-2")),
        (
            "thinking_omitted_stream",
            with(
                streamed("sim-words-2"),
                json!({"thinking": {"type": "adaptive", "display": "omitted"}}),
            ),
        ),
        ("image", with(message("sim-words-2"), json!({"messages": image}))),
        ("no_usage", streamed("sim-words-1-nousage")),
    ] {
        golden(name, &text(&running, &body).await);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says_and_counts_like_openais() {
    let running = simulator().await;
    let weather = json!([{"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]);
    let function =
        json!([{"type": "function", "function": {"name": "get_weather", "parameters": weather[0]["input_schema"]}}]);
    for model in [
        "sim-fast",
        "sim-tools-2",
        "sim-reasoning-3",
        "sim-tools-chunks-4-reasoning",
    ] {
        let body = with(streamed(model), json!({"tools": weather}));
        let whole: Value =
            serde_json::from_str(&text(&running, &with(body.clone(), json!({"stream": false}))).await).unwrap();
        let stream = text(&running, &body).await;
        let end = stream.split("event: message_delta\ndata: ").nth(1).unwrap();
        let end: Value = serde_json::from_str(end.split('\n').next().unwrap()).unwrap();
        assert_eq!(end["delta"]["stop_reason"], whole["stop_reason"], "{model}");
        assert_eq!(
            end["usage"]["output_tokens"], whole["usage"]["output_tokens"],
            "{model}"
        );
        let chat = json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "Hello"}], "tools": function});
        let chat = post(&running, "/v1/chat/completions", &chat)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let of_openai = chat.matches("\"delta\":{\"").count() - 1;
        assert_eq!(contents(&stream), of_openai, "{model}: {stream}\n{chat}");
    }
    running.stop().await;
}

/// The simulator that wants a certain key.
async fn locked() -> Running {
    let clock = || 1_795_000_000_000_000;
    let api_key = Some("sk-right".to_owned());
    let settings = Settings {
        api_key,
        clock,
        ..Settings::default()
    };
    start(settings).await.unwrap()
}

/// A response as a golden shows it.
async fn shown(request: RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
    let (retry, id) = (header("retry-after"), header("request-id"));
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    assert!(id.is_none_or(|id| body.contains(&id)), "it names the request: {body}");
    format!("{status} retry-after={retry:?}\n  {body}\n")
}

#[tokio::test]
async fn keys_and_versions_are_demanded_as_the_vendor_does() {
    let running = locked().await;
    let hello = message("sim-fast");
    let mut all = shown(post(&running, PATH, &hello)).await;
    let both = post(&running, PATH, &hello).header("x-api-key", "sk-wrong");
    all += &shown(both.bearer_auth("sk-right")).await;
    all += &shown(post(&running, PATH, &hello).bearer_auth("sk-wrong")).await;
    let right = post(&running, PATH, &hello).bearer_auth("sk-right");
    assert_eq!(right.send().await.unwrap().status(), 200);
    let keyed = || {
        let url = format!("http://{}{PATH}", running.address);
        client().post(url).header("x-api-key", "sk-right")
    };
    all += &shown(keyed().body(hello.to_string())).await;
    all += &shown(keyed().header("anthropic-version", "2024-01-01")).await;
    let cool = with(hello, json!({"temperature": 1.0})).to_string();
    let older = keyed().header("anthropic-version", "2023-06-01").body(cool.clone());
    assert_eq!(older.send().await.unwrap().status(), 200);
    all += &shown(keyed().header("anthropic-version", "2026-10-21").body(cool)).await;
    golden("admission", &all);
    running.stop().await;
}

#[tokio::test]
async fn errors_are_the_vendors_objects() {
    let running = locked().await;
    let keyed = |path, body: &Value| post(&running, path, body).header("x-api-key", "sk-right");
    let mut all = String::new();
    let statuses = [400, 401, 402, 403, 404, 413, 500, 503, 504, 529].map(|status| format!("sim-{status}"));
    let others = ["claude-unknown", "sim-429-retry-7"].map(str::to_owned);
    for model in statuses.iter().chain(&others) {
        all += &shown(keyed(PATH, &message(model))).await;
    }
    let hello = message("sim-fast");
    all += &shown(keyed(PATH, &hello).header("x-simulate", "latncy=3")).await;
    all += &shown(keyed(PATH, &hello).body("{")).await;
    all += &shown(keyed(PATH, &hello).body(vec![b' '; 33 * 1024 * 1024])).await;
    all += &shown(keyed("/v1/complete", &hello)).await;
    golden("errors", &all);
    running.stop().await;
}

#[tokio::test]
async fn a_count_is_what_the_answer_charges() {
    let running = simulator().await;
    let conversation = json!({"system": "Be brief.", "messages": [{"role": "user", "content": "Hello, who are you?"}]});
    let counted = with(json!({"model": "sim-fast"}), conversation.clone());
    let count = post(&running, "/v1/messages/count_tokens", &counted)
        .send()
        .await
        .unwrap();
    let count: Value = serde_json::from_str(&count.text().await.unwrap()).unwrap();
    let answer: Value = serde_json::from_str(&text(&running, &with(message("sim-fast"), conversation)).await).unwrap();
    assert_eq!(count["input_tokens"], answer["usage"]["input_tokens"]);
    let refused = post(
        &running,
        "/v1/messages/count_tokens",
        &with(counted.clone(), json!({"max_tokens": 3})),
    );
    assert_eq!(refused.send().await.unwrap().status(), 400);
    let faulty = post(
        &running,
        "/v1/messages/count_tokens",
        &with(counted, json!({"model": "sim-529"})),
    );
    assert_eq!(faulty.send().await.unwrap().status(), 529);
    running.stop().await;
}

#[tokio::test]
async fn models_are_listed_in_pages() {
    let running = simulator().await;
    let page = async |query: &str| {
        let url = format!("http://{}/v1/models{query}", running.address);
        let response = client()
            .get(url)
            .header("anthropic-version", "2023-06-01")
            .send()
            .await
            .unwrap();
        serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap()
    };
    let first = page("?limit=5").await;
    assert_eq!(
        (first["data"].as_array().unwrap().len(), &first["has_more"]),
        (5, &json!(true))
    );
    let rest = page(&format!("?after_id={}", first["last_id"].as_str().unwrap())).await;
    assert_eq!(
        (rest["data"].as_array().unwrap().len(), &rest["has_more"]),
        (7, &json!(false))
    );
    let back = page(&format!("?limit=5&before_id={}", rest["first_id"].as_str().unwrap())).await;
    assert_eq!(back["data"], first["data"]);
    golden("model", &page("/sim-fast").await.to_string());
    assert_eq!(page("/claude").await["error"]["type"], "not_found_error");
    running.stop().await;
}

#[tokio::test]
async fn faults_befall_at_the_same_places_as_openais() {
    let running = simulator().await;
    let raw = async |body: &Value| raw_at(&running, PATH, body).await;
    assert_eq!(raw(&streamed("sim-cut")).await.0, "");
    let (text_of_reset, end) = raw(&streamed("sim-reset")).await;
    let kind = end.map_err(|error| error.kind());
    assert_eq!(
        (text_of_reset.as_str(), kind),
        ("", Err(io::ErrorKind::ConnectionReset))
    );
    for (model, chunks) in [("sim-cut-0", 0), ("sim-cut-3", 3), ("sim-cut-9999", 24)] {
        let (text, end) = raw(&streamed(model)).await;
        let ended = text.contains("message_delta");
        assert_eq!(
            (contents(&text), end.is_ok(), ended),
            (chunks, true, false),
            "{model}: {text}"
        );
        assert!(text.contains("event: message_start"), "{model}: {text}");
    }
    assert_eq!(
        raw(&streamed("sim-reset-3")).await.1.map_err(|error| error.kind()),
        Err(io::ErrorKind::ConnectionReset)
    );
    let text = async |body: Value| text(&running, &body).await;
    let error = text(streamed("sim-error-1")).await;
    assert!(
        contents(&error) == 1
            && error.contains("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\""),
        "{error}"
    );
    assert!(
        error.trim_end().ends_with("\"}") && !error.contains("message_stop"),
        "{error}"
    );
    assert_eq!(
        post(&running, PATH, &message("sim-error-1"))
            .send()
            .await
            .unwrap()
            .status(),
        500
    );
    assert!(serde_json::from_str::<Value>(&text(message("sim-garbage")).await).is_err());
    let garbled = text(streamed("sim-garbage-2")).await;
    assert_eq!((contents(&garbled), garbled.matches("\"del\n\n").count()), (23, 1));
    assert!(text(message("sim-html")).await.starts_with("<!DOCTYPE html>"));
    for body in [message("sim-oversized-2"), streamed("sim-oversized-2")] {
        let length = text(body).await.len();
        assert!((2 * 1024 * 1024..2 * 1024 * 1024 + 2000).contains(&length), "{length}");
    }
    let mut hanging = post(&running, PATH, &streamed("sim-hang-2")).send().await.unwrap();
    let mut seen = String::new();
    while contents(&seen) < 2 {
        seen += str::from_utf8(&hanging.chunk().await.unwrap().unwrap()).unwrap();
    }
    let kept = instrument(&running, "requests?last=1").await["requests"][0].clone();
    assert_eq!((&kept["path"], &kept["outcome"]), (&json!(PATH), &json!("open")));
    running.stop().await;
}

#[tokio::test]
async fn an_echo_holds_the_request_byte_for_byte_and_no_secret() {
    let running = simulator().await;
    let body = r#"{"model":"sim-echo", "max_tokens":1,"messages":[{"role":"user","content":"hé"}],"z_unknown" : 1.50}"#;
    let request = post(&running, PATH, &json!(null))
        .body(body)
        .header("x-api-key", "sk-very-secret-1234");
    let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    let echo = answer["content"][0]["text"].as_str().unwrap();
    assert!(
        echo.starts_with(r#"{"path":"/v1/messages","#) && echo.ends_with(&format!("\"body\":{body}}}")),
        "{echo}"
    );
    assert!(!echo.contains("very-secret"));
    running.stop().await;
}
