use std::fmt::Write as _;

use serde_json::{Value, json};

use super::read;
use crate::simulator::answer::Reasoning;
use crate::simulator::anthropic::signature;
use crate::simulator::tests::anthropic::golden;

/// A good request with one thing changed: a pointer to what is replaced, or removed with no value.
fn changed(pointer: &str, value: Option<Value>) -> Value {
    let mut request = json!({
        "model": "sim-fast", "max_tokens": 4096,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": signature::of("Hm.")},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
                {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {"at": "it"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "two", "is_error": false},
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "one"}]},
            ]},
            {"role": "assistant", "content": "Both."},
            {"role": "user", "content": "More, please."},
        ],
        "tools": [{"name": "look", "description": "Looks.", "strict": true, "input_schema": {
            "type": "object", "additionalProperties": false, "properties": {"at": {"type": "string"}},
        }}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {
            "type": "object", "additionalProperties": false, "properties": {"what": {"type": "string"}},
        }}},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stream": true, "temperature": 1, "top_p": 0.5, "stop_sequences": ["a", "b"],
        "metadata": {"user_id": "u"}, "service_tier": "auto",
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

fn refusal(request: &Value, lenient: bool) -> Option<String> {
    let refused = read(request.as_object().unwrap(), "2023-06-01", lenient).err()?;
    Some(refused.body_text("req"))
}

#[test]
fn a_request_with_every_field_in_order_is_read() {
    let request = changed("/max_tokens", Some(json!(4096)));
    let request = read(request.as_object().unwrap(), "2023-06-01", false).unwrap();
    assert!(request.stream && !request.omit_thinking && !request.ask.parallel);
    assert_eq!(
        (request.ask.limit, request.ask.reasoning),
        (Some(4096), Reasoning::Wanted)
    );
    assert_eq!(request.ask.user_text.as_deref(), Some("More, please."));
    let forgotten = request.ask.tool_results.is_empty() && request.ask.images.is_empty();
    assert!(forgotten, "only the last messages count");
    let results = changed("/messages/4", None);
    let results = read(results.as_object().unwrap(), "2023-06-01", false).unwrap();
    assert!(results.ask.tool_results.is_empty(), "the assistant has answered them");
}

/// What is changed in the good request.
fn refused() -> Vec<(&'static str, Option<Value>)> {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "look", "input": {}});
    vec![
        ("/model", None),
        ("/max_tokens", None),
        ("/max_tokens", Some(json!(-1))),
        ("/max_tokens", Some(json!("many"))),
        ("/messages", None),
        ("/messages", Some(json!([]))),
        ("/messages", Some(json!("hi"))),
        ("/messages/0", Some(json!("hi"))),
        ("/messages/0", None),
        ("/messages/0/role", Some(json!("system"))),
        ("/messages/0/role", Some(json!("tool"))),
        ("/messages/0/name", Some(json!("ann"))),
        ("/messages/4/content", Some(json!(""))),
        ("/messages/4/content", Some(json!([]))),
        ("/messages/4/content", Some(json!([{"type": "text", "text": ""}]))),
        ("/messages/4/content", Some(json!(3))),
        ("/messages/4", Some(json!({"role": "assistant", "content": "Well "}))),
        ("/messages/0/content/0/type", Some(json!("input_text"))),
        ("/messages/0/content/0/type", Some(json!("document"))),
        ("/messages/0/content/0", Some(call("toolu_9"))),
        ("/messages/0/content/0/detail", Some(json!("low"))),
        ("/messages/0/content/1/source/media_type", Some(json!("image/bmp"))),
        ("/messages/0/content/1/source/data", Some(json!("?"))),
        ("/messages/0/content/1/source/type", Some(json!("data"))),
        (
            "/messages/0/content/2/source/url",
            Some(json!("http://example.com/a.png")),
        ),
        ("/messages/1/content/0/signature", Some(json!("forged"))),
        ("/messages/1/content/0/thinking", Some(json!("Hm!"))),
        ("/messages/1/content/0", None),
        ("/messages/1/content/2/id", Some(json!("call 1"))),
        ("/messages/1/content/2/input", Some(json!("{}"))),
        ("/messages/1/content/3/id", Some(json!("toolu_1"))),
        ("/messages/2/content/1", None),
        ("/messages/2/content/1", Some(json!({"type": "text", "text": "Well?"}))),
        ("/messages/2/content/1/tool_use_id", Some(json!("toolu_3"))),
        ("/messages/2", None),
        (
            "/messages/3",
            Some(json!({"role": "assistant", "content": [call("toolu_4")]})),
        ),
        ("/system", Some(json!(3))),
        ("/system/0/type", Some(json!("image"))),
        ("/tools/0/name", Some(json!("look at"))),
        ("/tools/0/input_schema", None),
        ("/tools/0/input_schema/type", Some(json!("string"))),
        ("/tools/0/input_schema/additionalProperties", None),
        ("/tools/0/parameters", Some(json!({}))),
        ("/tools/0/type", Some(json!("function"))),
        ("/tools", None),
        ("/tool_choice", Some(json!("auto"))),
        ("/tool_choice", Some(json!({"type": "required"}))),
        ("/tool_choice", Some(json!({"type": "any"}))),
        ("/tool_choice", Some(json!({"type": "tool", "name": "see"}))),
        ("/thinking/budget_tokens", Some(json!(1023))),
        ("/thinking/budget_tokens", Some(json!(4096))),
        ("/thinking/type", Some(json!("on"))),
        ("/temperature", Some(json!(0.5))),
        ("/temperature", Some(json!(1.5))),
        ("/top_k", Some(json!(4))),
        ("/stop_sequences", Some(json!("a"))),
        ("/stop_sequences/0", Some(json!(" "))),
        ("/output_config/effort", Some(json!("none"))),
        ("/output_config/format/name", Some(json!("seen"))),
        ("/output_config/format/schema/additionalProperties", None),
        ("/service_tier", Some(json!("flex"))),
        ("/container", Some(json!("c"))),
        ("/max_completion_tokens", Some(json!(3))),
        ("/response_format", Some(json!({}))),
    ]
}

#[test]
fn what_the_vendor_refuses_is_refused_in_its_words() {
    let mut text = String::new();
    for (pointer, value) in refused() {
        let shown = value.as_ref().map_or("removed".to_owned(), Value::to_string);
        let refusal = refusal(&changed(pointer, value), false).unwrap_or_else(|| "ACCEPTED".to_owned());
        writeln!(text, "{pointer} = {shown}\n  {refusal}").unwrap();
    }
    assert!(!text.contains("ACCEPTED"), "{text}");
    golden("refusals", &text);
}

#[test]
fn what_is_unknown_or_not_imitated_passes_a_lenient_model() {
    for pointer in [
        "/z_unknown",
        "/container",
        "/messages/0/name",
        "/messages/0/content/0/detail",
        "/tools/0/parameters",
    ] {
        let request = changed(pointer, Some(json!("x")));
        assert!(refusal(&request, false).is_some(), "{pointer}");
        assert_eq!(refusal(&request, true), None, "{pointer}");
    }
}

#[test]
fn results_at_the_end_are_answered_unless_the_user_says_more() {
    let mut request = changed("/messages/4", None);
    drop(request["messages"].as_array_mut().unwrap().pop());
    let read = |request: &Value| read(request.as_object().unwrap(), "2023-06-01", false).unwrap().ask;
    assert_eq!(read(&request).tool_results, ["two", "one"]);
    let said = json!({"type": "text", "text": "Well?"});
    request["messages"][2]["content"].as_array_mut().unwrap().push(said);
    let ask = read(&request);
    assert_eq!((ask.tool_results.len(), ask.user_text.as_deref()), (0, Some("Well?")));
}
