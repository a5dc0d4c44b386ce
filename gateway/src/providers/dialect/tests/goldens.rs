//! Goldens of every translation, after the types of the vendors' SDKs.

use std::fmt::Write as _;

use serde_json::Value;

use super::*;
use crate::{
    capture::record::Deltas,
    providers::{
        answer::{Answer, Marks},
        canonical::{Inexpressible, Request},
        dialect::{anthropic::translate as anthropic_form, openai::translate as openai_form},
    },
};

fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/dialects/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(
        "after the types of openai 3.57.0 and anthropic 2.13.0 (Python), @anthropic-ai/sdk 1.13.0 (Node)",
    );
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn read(dialect: Dialect, body: &[u8]) -> Result<Request, Inexpressible> {
    match dialect {
        Dialect::OpenAI => openai_form::read_request::read_request(body),
        Dialect::Anthropic => anthropic_form::read_request::read_request(body),
    }
}

fn write(dialect: Dialect, request: &Request) -> Result<Vec<u8>, Inexpressible> {
    match dialect {
        Dialect::OpenAI => {
            let asked = openai_form::write_request::Asked {
                model: "served",
                output_limit_field: "max_completion_tokens",
            };
            openai_form::write_request::write_request(request, asked)
        }
        Dialect::Anthropic => {
            let asked = anthropic_form::write_request::Asked {
                model: "served",
                max_output_tokens: None,
            };
            anthropic_form::write_request::write_request(request, asked)
        }
    }
}

fn other(dialect: Dialect) -> Dialect {
    match dialect {
        Dialect::OpenAI => Dialect::Anthropic,
        Dialect::Anthropic => Dialect::OpenAI,
    }
}

fn pretty(text: &[u8]) -> String {
    let document: Value = serde_json::from_slice(text).unwrap();
    serde_json::to_string_pretty(&document).unwrap()
}

#[test]
fn requests() {
    for (dialect, name) in DIALECTS {
        for (fixture, body) in fixtures(name, "requests") {
            let request = read(dialect, &body).unwrap();
            let written = write(other(dialect), &request).unwrap();
            golden(&format!("{name}_request_{fixture}"), &pretty(&written));
        }
    }
}

#[test]
fn keys_of_schemas_and_arguments_keep_their_order() {
    for (dialect, name) in DIALECTS {
        let body = fixtures(name, "requests")
            .into_iter()
            .find(|(name, _)| name == "tools")
            .unwrap()
            .1;
        let written = String::from_utf8(write(other(dialect), &read(dialect, &body).unwrap()).unwrap()).unwrap();
        let properties = r#"{"zone": {"type": "string"}, "city": {"type": "string"}}"#;
        assert!(written.contains(properties), "{written}");
    }
}

#[test]
fn answers() {
    for (dialect, name) in DIALECTS {
        for (fixture, body) in fixtures(name, "answers") {
            for client in [Dialect::OpenAI, Dialect::Anthropic] {
                let mut answer = Answer::read(body.clone().into(), dialect, client).unwrap();
                let used = answer.usage().unwrap_or(Usage {
                    prompt_tokens: 5,
                    completion_tokens: 2,
                    estimated: true,
                    ..Usage::default()
                });
                let marks = Marks {
                    stamp: &stamp(),
                    created_unix_seconds: 1_795_000_000,
                    used: &used,
                    cost_pico_usd: Some(1_500_000),
                };
                let text = format!(
                    "{}\n\nfinish reason: {:?}\nupstream id: {:?}\nusage: {:?}\ncaptured: {}",
                    pretty(&answer.written(&marks).concat()),
                    answer.finish_reason(),
                    answer.take_upstream_id(),
                    answer.usage(),
                    String::from_utf8_lossy(&answer.message()),
                );
                golden(&format!("{name}_answer_{fixture}_to_{client:?}"), &text);
            }
        }
    }
}

#[test]
fn streams() {
    for (dialect, name) in DIALECTS {
        for (fixture, body) in fixtures(name, "streams") {
            for client in [Dialect::OpenAI, Dialect::Anthropic] {
                let mut writer = writer(dialect, client, UsagePlace::FinishChunk);
                let text = streamed(&mut writer, [&body[..]]).unwrap();
                let Deltas { content, tool_calls } = writer.take_deltas().unwrap();
                let calls: Vec<_> = tool_calls.iter().map(|call| String::from_utf8_lossy(call)).collect();
                let text = format!(
                    "{text}finish reason: {:?}\nupstream id: {:?}\nusage: {:?}\ncaptured: {}\ncaptured calls: {}",
                    writer.finish_reason(),
                    writer.take_upstream_id(),
                    writer.usage(),
                    String::from_utf8_lossy(&content),
                    calls.join(" "),
                );
                golden(&format!("{name}_stream_{fixture}_to_{client:?}"), &text);
            }
        }
    }
}

#[test]
fn what_the_other_dialect_has_no_words_for_is_named() {
    let openai = |member: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{member}}}"#);
    let anthropic = |member: &str| {
        format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],{member}}}"#)
    };
    let message = |message: &str| format!(r#"{{"model":"m","max_tokens":9,"messages":[{message}]}}"#);
    let mut lines = String::new();
    for (dialect, body) in [
        (Dialect::OpenAI, openai(r#""n":2"#)),
        (Dialect::OpenAI, openai(r#""logprobs":true"#)),
        (Dialect::OpenAI, openai(r#""presence_penalty":0.5"#)),
        (Dialect::OpenAI, openai(r#""x_new":1"#)),
        (Dialect::OpenAI, openai(r#""temperature":1.5"#)),
        (Dialect::OpenAI, openai(r#""max_tokens":"many""#)),
        (Dialect::OpenAI, openai(r#""response_format":{"type":"json_object"}"#)),
        (
            Dialect::OpenAI,
            openai(r#""tools":[{"type":"custom","custom":{"name":"c"}}]"#),
        ),
        (Dialect::OpenAI, openai(r#""tool_choice":{"type":"allowed_tools"}"#)),
        (
            Dialect::OpenAI,
            message(r#"{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}"#),
        ),
        (
            Dialect::OpenAI,
            message(r#"{"role":"user","content":[{"type":"image_url","image_url":"x"}]}"#),
        ),
        (Dialect::OpenAI, message(r#"{"role":"system","content":"x"}"#)),
        (
            Dialect::OpenAI,
            message(
                r#"{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}"#,
            ),
        ),
        (Dialect::OpenAI, message(r#"{"role":"nobody","content":"x"}"#)),
        (Dialect::OpenAI, message(r#"{"role":"assistant","content":"x"}"#)),
        (
            Dialect::OpenAI,
            message(r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x/a.png"}}]}"#),
        ),
        (Dialect::OpenAI, openai(r#""stop":["\n"]"#)),
        (
            Dialect::OpenAI,
            openai(
                r#""response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","additionalProperties":true}}}"#,
            ),
        ),
        (
            Dialect::Anthropic,
            anthropic(r#""stop_sequences":["a","b","c","d","e"]"#),
        ),
        (Dialect::Anthropic, anthropic(r#""top_k":3"#)),
        (Dialect::Anthropic, anthropic(r#""mcp_servers":[{}]"#)),
        (
            Dialect::Anthropic,
            anthropic(r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#),
        ),
        (Dialect::Anthropic, anthropic(r#""tool_choice":{"type":"some"}"#)),
        (
            Dialect::Anthropic,
            message(r#"{"role":"user","content":[{"type":"container_upload","file_id":"f"}]}"#),
        ),
        (
            Dialect::Anthropic,
            message(r#"{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}"#),
        ),
        (Dialect::Anthropic, message(r#"{"role":"user"}"#)),
    ] {
        let error = read(dialect, body.as_bytes())
            .and_then(|request| write(other(dialect), &request))
            .unwrap_err();
        writeln!(lines, "{dialect:?} {body}\n    {error}").unwrap();
    }
    golden("inexpressible", &lines);
}

#[test]
fn errors_within_a_stream_are_faults() {
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let openai = r#"{"error":{"message":"Overloaded","type":"server_error"}}"#;
    for (provider, data) in [(Dialect::Anthropic, overloaded), (Dialect::OpenAI, openai)] {
        for client in [Dialect::OpenAI, Dialect::Anthropic] {
            let fault = writer(provider, client, UsagePlace::OwnChunk)
                .event(data.into(), &mut BytesMut::new())
                .unwrap_err();
            assert!(matches!(fault, Fault::Reported(error) if error.message == "Overloaded"));
        }
    }
}

#[test]
fn a_start_a_ping_and_an_empty_block_do_not_begin_an_answer_and_all_else_does() {
    for client in [Dialect::OpenAI, Dialect::Anthropic] {
        let mut writer = writer(Dialect::Anthropic, client, UsagePlace::OwnChunk);
        let mut event = |data: &'static str| writer.event(data.into(), &mut BytesMut::new()).unwrap();
        for preamble in [
            r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":1,"output_tokens":1}}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}"#,
        ] {
            assert_eq!(event(preamble), Event::Preamble, "{client:?} {preamble}");
        }
        for content in [
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"thinking_delta","thinking":"a"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}"#,
        ] {
            assert_eq!(event(content), Event::Content, "{client:?} {content}");
        }
        assert_eq!(event(r#"{"type":"message_stop"}"#), Event::Done, "{client:?}");
    }
}

#[test]
fn tokens_of_a_stream_that_broke_off_are_counted_as_far_as_they_were() {
    let start = r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":70,"cache_read_input_tokens":5,"output_tokens":1}}}"#;
    let text = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"eight by"}}"#;
    for client in [Dialect::OpenAI, Dialect::Anthropic] {
        let mut writer = writer(Dialect::Anthropic, client, UsagePlace::OwnChunk);
        for data in [start, text] {
            writer.event(data.into(), &mut BytesMut::new()).unwrap();
        }
        let usage = writer.usage();
        assert_eq!(
            (usage.prompt_tokens, usage.completion_tokens, usage.estimated),
            (75, 2, true),
            "{client:?}"
        );
        assert!(!writer.is_finished());
    }
}
