use std::fmt::Write as _;

use serde_json::{Value, json};

use super::read;
use crate::simulator::endpoint::Fields;
use crate::simulator::tests::golden;

/// A good request with one thing changed: a pointer to what is replaced, or removed with no value.
fn changed(pointer: &str, value: Option<Value>) -> Value {
    let mut request = json!({
        "model": "sim-fast",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "call_2", "content": "two"},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "one"}]},
            {"role": "assistant", "content": "Both."},
            {"role": "user", "content": "More as JSON, please."},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "strict": true, "parameters": {
            "type": "object", "additionalProperties": false, "required": ["at"], "properties": {"at": {"type": "string"}},
        }}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "seen", "strict": true, "schema": {
            "type": "object", "additionalProperties": false, "required": ["what"], "properties": {"what": {"type": "string"}},
        }}},
        "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false},
        "temperature": 1, "top_p": 0.5, "n": 2, "stop": ["a", "b"], "max_completion_tokens": 100, "logprobs": true, "top_logprobs": 2,
        "seed": 7, "user": "u", "metadata": {"k": "v"}, "parallel_tool_calls": true, "service_tier": "auto", "store": false,
        "presence_penalty": -2.0, "frequency_penalty": 2, "logit_bias": {"50256": -100}, "reasoning_effort": "low", "verbosity": null,
    });
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (request.pointer_mut(parent).unwrap(), value) {
        (Value::Object(members), Some(value)) => drop(members.insert(name.to_owned(), value)),
        (Value::Object(members), None) => drop(members.remove(name).unwrap()),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
        (Value::Array(items), None) => drop(items.remove(name.parse().unwrap())),
        _ => unreachable!(),
    }
    request
}

fn fields(request: &Value) -> Fields {
    request.as_object().unwrap().clone()
}

fn refusal(request: &Value, lenient: bool) -> Option<String> {
    read(&fields(request), lenient)
        .err()
        .map(|refusal| format!("{} {}", refusal.status.as_u16(), refusal.body_text()))
}

#[test]
fn a_request_with_every_field_in_order_is_read() {
    let request = changed("/n", Some(json!(2)));
    let request = read(&fields(&request), false).unwrap();
    assert!(request.stream && request.include_usage && !request.obfuscate);
    assert_eq!(
        (request.ask.choices, request.ask.limit, request.top_logprobs),
        (2, Some(100), Some(2))
    );
    assert_eq!(request.ask.user_text.as_deref(), Some("More as JSON, please."));
    assert!(
        request.ask.tool_results.is_empty() && request.ask.images.is_empty(),
        "only the last messages count"
    );
}

/// What is changed in the good request.
fn refused() -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("/model", None),
        ("/model", Some(json!(3))),
        ("/messages", None),
        ("/messages", Some(json!([]))),
        ("/messages", Some(json!("hi"))),
        ("/messages/0", Some(json!("hi"))),
        ("/messages/0/role", None),
        ("/messages/0/role", Some(json!("narrator"))),
        ("/messages/0/content", None),
        ("/messages/0/content", Some(json!(null))),
        ("/messages/0/content", Some(json!(3))),
        ("/messages/0/content", Some(json!([]))),
        (
            "/messages/0/content",
            Some(json!([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}])),
        ),
        ("/messages/1/content/0/type", Some(json!("smell"))),
        ("/messages/1/content/0/text", None),
        ("/messages/1/content/1/image_url", None),
        (
            "/messages/1/content/1/image_url",
            Some(json!("https://example.com/a.png")),
        ),
        ("/messages/1/content/1/image_url/url", None),
        (
            "/messages/1/content/1/image_url/url",
            Some(json!("data:image/png;base64,###")),
        ),
        ("/messages/1/content/1/image_url/detail", Some(json!("tiny"))),
        ("/messages/2", Some(json!({"role": "assistant", "content": "no calls"}))),
        ("/messages/2/tool_calls", Some(json!([]))),
        ("/messages/2/tool_calls/0/id", None),
        ("/messages/2/tool_calls/0/function/arguments", Some(json!({}))),
        ("/messages/3", None),
        ("/messages/3/tool_call_id", None),
        ("/messages/3/tool_call_id", Some(json!("call_3"))),
        ("/messages/4", Some(json!({"role": "user", "content": "interrupts"}))),
        ("/tools", None),
        ("/tools", Some(json!([]))),
        ("/tools", Some(json!(null))),
        ("/tools/0/type", Some(json!("custom"))),
        ("/tools/0/function/name", Some(json!("look up"))),
        ("/tools/0/function/parameters", Some(json!({"type": "string"}))),
        ("/tools/0/function/parameters/required", Some(json!([]))),
        ("/tool_choice", Some(json!("sometimes"))),
        ("/tool_choice/function/name", Some(json!("listen"))),
        ("/response_format", Some(json!("json"))),
        ("/response_format/type", Some(json!("yaml"))),
        ("/response_format/json_schema", None),
        ("/response_format/json_schema/name", None),
        ("/response_format/json_schema/schema", None),
        ("/response_format/json_schema/schema/additionalProperties", None),
        ("/stream", Some(json!("yes"))),
        ("/stream", Some(json!(false))),
        ("/stream", None),
        ("/stream_options", Some(json!(true))),
        ("/stream_options/include_costs", Some(json!(true))),
        ("/temperature", Some(json!(2.1))),
        ("/temperature", Some(json!(-1))),
        ("/temperature", Some(json!("hot"))),
        ("/top_p", Some(json!(1.5))),
        ("/n", Some(json!(0))),
        ("/n", Some(json!(129))),
        ("/n", Some(json!(1.5))),
        ("/stop", Some(json!(["a", "b", "c", "d", "e"]))),
        ("/stop", Some(json!(3))),
        ("/max_tokens", Some(json!(100))),
        ("/max_completion_tokens", Some(json!(0))),
        ("/logprobs", Some(json!(false))),
        ("/top_logprobs", Some(json!(21))),
        ("/presence_penalty", Some(json!(-3))),
        ("/metadata", Some(json!([]))),
        ("/reasoning_effort", Some(json!("heroic"))),
        ("/user", Some(json!(null))),
        ("/modalities", Some(json!(["text", "audio"]))),
        ("/functions", Some(json!([]))),
        ("/top_k", Some(json!(40))),
    ]
}

#[test]
fn what_the_vendor_refuses_is_refused_in_its_words() {
    let mut lines = String::new();
    for (pointer, value) in refused() {
        let shown = value.as_ref().map_or("absent".to_owned(), Value::to_string);
        let refusal =
            refusal(&changed(pointer, value), false).unwrap_or_else(|| format!("{pointer} {shown} was accepted"));
        writeln!(lines, "{pointer} {shown}\n  {refusal}").unwrap();
    }
    golden("refusals", &lines);
}

#[test]
fn json_mode_needs_the_word_json_in_the_messages() {
    let mut request = changed("/response_format", Some(json!({"type": "json_object"})));
    assert_eq!(refusal(&request, false), None);
    request["messages"][6]["content"] = json!("More, please.");
    assert!(
        refusal(&request, false)
            .unwrap()
            .contains("must contain the word 'json'")
    );
}

#[test]
fn a_lenient_model_takes_what_is_unknown_but_nothing_malformed() {
    assert_eq!(refusal(&changed("/top_k", Some(json!(40))), true), None);
    assert_eq!(refusal(&changed("/modalities", Some(json!(["text"]))), true), None);
    assert_eq!(refusal(&changed("/web_search_options", Some(json!({}))), true), None);
    assert!(refusal(&changed("/n", Some(json!(0))), true).is_some());
}
