use serde_json::{Value, json};

use super::*;
use crate::providers::sse::Parser;

fn writer(place: UsagePlace) -> StreamWriter {
    StreamWriter::new(Setting {
        stamp: Stamp {
            id: "\"gen-0-X\"".into(),
            model: "\"gpt\"".into(),
            provider: "\"acme\"".into(),
        },
        place,
        price: None,
        created_unix_seconds: 7,
        estimated_prompt_tokens: 11,
        capture: true,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "callers write it with json!")]
fn chunk(delta: Value, finish: Option<&str>) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-2025",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn provider_stream(with_usage: bool) -> Vec<Value> {
    let mut events = vec![
        chunk(json!({"role": "assistant", "content": ""}), None),
        chunk(json!({"content": "Hé\"l"}), None),
        chunk(json!({"content": "lo"}), None),
        chunk(json!({}), Some("stop")),
    ];
    if with_usage {
        events.push(
            json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-2025",
            "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
        );
    }
    events
}

/// What the client gets, and how many events of it before the end.
fn translate(place: UsagePlace, events: &[Value]) -> (Vec<Value>, usize, StreamWriter) {
    let mut writer = writer(place);
    let mut out = BytesMut::new();
    for event in events {
        writer.event(event.to_string().into(), &mut out).unwrap();
    }
    let before_end = parse(&out).len();
    writer.end(
        Trailer {
            target: b"\"a\"",
            attempts: 2,
            overhead_micros: 9,
        },
        &mut out,
    );
    assert!(out.ends_with(b"data: [DONE]\n\n"));
    (parse(&out), before_end, writer)
}

fn parse(text: &[u8]) -> Vec<Value> {
    let mut parser = Parser::new(1 << 20);
    parser.push(Bytes::copy_from_slice(text));
    let mut events = Vec::new();
    while let Some(event) = parser.next_event().unwrap() {
        if event != "[DONE]" {
            events.push(serde_json::from_slice(&event).unwrap());
        }
    }
    events
}

#[test]
fn each_chunk_passes_at_once_with_our_id_model_and_provider() {
    let (events, before_end, _) = translate(UsagePlace::OwnChunk, &provider_stream(true));
    assert_eq!(before_end, 4);
    for (event, original) in events.iter().zip(provider_stream(true)) {
        assert_eq!(
            (&event["id"], &event["model"], &event["provider"]),
            (&json!("gen-0-X"), &json!("gpt"), &json!("acme"))
        );
        assert_eq!(event["choices"][0]["delta"], original["choices"][0]["delta"]);
    }
    assert_eq!(events[3]["choices"][0]["native_finish_reason"], "stop");
}

#[test]
fn usage_asked_for_comes_in_a_last_chunk_of_its_own() {
    let (events, _, _) = translate(UsagePlace::OwnChunk, &provider_stream(true));
    let last = &events[4];
    assert_eq!(last["choices"], json!([]));
    assert_eq!(
        last["usage"],
        json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cost": null})
    );
    assert_eq!(
        last["route_switch"],
        json!({"target": "a", "attempts": 2, "overhead_us": 9})
    );
    assert!(events[..4].iter().all(|event| event.get("usage").is_none()));
}

#[test]
fn usage_not_asked_for_comes_on_the_finish_chunk_which_is_held() {
    let (events, before_end, _) = translate(UsagePlace::FinishChunk, &provider_stream(true));
    assert_eq!((events.len(), before_end), (4, 3));
    assert_eq!(events[3]["choices"][0]["finish_reason"], "stop");
    assert_eq!(events[3]["usage"]["total_tokens"], 5);
}

#[test]
fn openrouters_way_is_one_choice_with_an_empty_delta() {
    let (events, before_end, _) = translate(UsagePlace::EmptyDelta, &provider_stream(true));
    assert_eq!((events.len(), before_end), (5, 4));
    assert_eq!(events[4]["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        events[4]["choices"][0]["delta"],
        json!({"role": "assistant", "content": ""})
    );
    assert_eq!(events[4]["usage"]["total_tokens"], 5);
}

#[test]
fn usage_that_never_came_is_estimated() {
    for place in [UsagePlace::OwnChunk, UsagePlace::FinishChunk, UsagePlace::EmptyDelta] {
        let (events, _, writer) = translate(place, &provider_stream(false));
        let usage = &events.last().unwrap()["usage"];
        assert_eq!(
            (&usage["estimated"], &usage["prompt_tokens"]),
            (&json!(true), &json!(11))
        );
        assert!(writer.usage().estimated);
    }
}

#[test]
fn usage_on_the_providers_own_finish_chunk_is_found() {
    let mut events = provider_stream(false);
    events[3]["usage"] = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    for place in [UsagePlace::OwnChunk, UsagePlace::FinishChunk, UsagePlace::EmptyDelta] {
        let (events, _, _) = translate(place, &events);
        assert_eq!(events.last().unwrap()["usage"]["total_tokens"], 5, "{place:?}");
    }
}

#[test]
fn what_is_captured_is_what_was_streamed() {
    let mut events = provider_stream(true);
    let calls = json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]);
    events.insert(3, chunk(json!({"tool_calls": calls}), None));
    let (_, _, mut writer) = translate(UsagePlace::OwnChunk, &events);
    let deltas = writer.take_deltas().unwrap();
    assert_eq!(deltas.content, r#"Hé\"llo"#.as_bytes());
    assert_eq!(serde_json::from_slice::<Value>(&deltas.tool_calls[0]).unwrap(), calls);
}

#[test]
fn a_role_does_not_begin_an_answer_and_all_else_does() {
    let mut out = BytesMut::new();
    let mut event = |delta: Value| {
        writer(UsagePlace::OwnChunk)
            .event(chunk(delta, None).to_string().into(), &mut out)
            .unwrap()
    };
    assert_eq!(
        event(json!({"role": "assistant", "content": "", "refusal": null, "tool_calls": []})),
        Event::Preamble
    );
    for delta in [
        json!({"content": "x"}),
        json!({"reasoning_content": "x"}),
        json!({"tool_calls": [{}]}),
        json!({"refusal": "no"}),
    ] {
        assert_eq!(event(delta.clone()), Event::Content, "{delta}");
    }
    assert_eq!(
        writer(UsagePlace::OwnChunk).event(chunk(json!({}), Some("stop")).to_string().into(), &mut out),
        Ok(Event::Content)
    );
    assert_eq!(
        writer(UsagePlace::OwnChunk).event("[DONE]".into(), &mut out),
        Ok(Event::Done)
    );
}

#[test]
fn garbage_and_errors_are_faults() {
    let mut out = BytesMut::new();
    let mut fault = |text: &'static str| writer(UsagePlace::OwnChunk).event(text.into(), &mut out).unwrap_err();
    assert!(matches!(fault("{oops"), Fault::Json(_)));
    assert!(matches!(fault("{}"), Fault::Shape("choices")));
    assert!(
        matches!(fault(r#"{"error":{"message":"overloaded"}}"#), Fault::Reported(error) if error.message == "overloaded")
    );
}
