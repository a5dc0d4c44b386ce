use proptest::prelude::*;
use serde_json::{Value, json};

use std::sync::LazyLock;

use super::*;
use crate::config::{
    example::{config, provider, route},
    resolved::{Caller, Config},
};

/// A Route without a prompt, whose target is the model `gpt`.
static PLAIN: LazyLock<Config> = LazyLock::new(|| config(&[provider("p"), route("m", json!({}))]));

fn scan(body: &str) -> Result<ChatRequest, Error> {
    ChatRequest::scan(Bytes::copy_from_slice(body.as_bytes()))
}

fn sent(body: &str) -> String {
    let route = PLAIN.route(&Caller::Local, "m").unwrap();
    let pieces = scan(body).unwrap().body_for(&route.targets[0]).unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

#[test]
fn only_the_model_of_a_plain_request_changes() {
    let body = r#"{"messages": [{"role":"user","content":"hi"}], "model" : "triage", "temperature": 0.10, "new_field": {"a":[1]}}"#;
    assert_eq!(sent(body), body.replace("\"triage\"", "\"gpt\""));
}

#[test]
fn a_stream_always_asks_for_usage() {
    for (options, expected, asked) in [
        ("", r#""stream":true,"stream_options":{"include_usage":true}"#, false),
        (
            r#","stream_options":null"#,
            r#""stream":true,"stream_options":{"include_usage":true}"#,
            false,
        ),
        (
            r#","stream_options":{}"#,
            r#""stream":true,"stream_options":{"include_usage":true}"#,
            false,
        ),
        (
            r#","stream_options":{"x":1}"#,
            r#""stream":true,"stream_options":{"include_usage":true,"x":1}"#,
            false,
        ),
        (
            r#","stream_options":{"include_usage":false}"#,
            r#""stream":true,"stream_options":{"include_usage":true}"#,
            false,
        ),
        (
            r#","stream_options":{"include_usage":true}"#,
            r#""stream":true,"stream_options":{"include_usage":true}"#,
            true,
        ),
    ] {
        let body = format!(r#"{{"model":"m","messages":[1],"stream":true{options}}}"#);
        assert_eq!(sent(&body), format!(r#"{{"model":"gpt","messages":[1],{expected}}}"#));
        assert_eq!(scan(&body).unwrap().include_usage, asked);
    }
    assert_eq!(
        sent(r#"{"stream":true,"messages":[1],"model":"m"}"#)
            .matches("include_usage")
            .count(),
        1
    );
}

#[test]
fn our_own_fields_are_taken_out_wherever_they_stand() {
    for body in [
        r#"{"usage":{"include":true},"model":"m","messages":[1]}"#,
        r#"{"model":"m","usage":{"include":true},"messages":[1]}"#,
        r#"{"model":"m","messages":[1],"usage":{"include":true}}"#,
        r#"{"provider":null, "usage":{}, "model":"m","messages":[1],"plugins":null,"usage":1}"#,
        r#"{"usage":1,"usage":2,"model":"m","usage":1,"variables":null,"messages":[1]}"#,
    ] {
        let sent: Value = serde_json::from_str(&sent(body)).unwrap();
        assert_eq!(sent, json!({"model": "gpt", "messages": [1]}), "{body}");
    }
}

#[test]
fn what_is_not_built_is_a_400_that_names_it() {
    for field in NOT_BUILT {
        let body = format!(r#"{{"model":"m","messages":[1],"{field}":{{"a":1}}}}"#);
        assert_eq!(scan(&body).unwrap_err(), Error::NotBuilt(field));
    }
    assert!(scan(r#"{"model":"m","messages":[1],"prompt":"text","metadata":{"a":"b"}}"#).is_ok());
}

#[test]
fn faults_name_the_field() {
    for (body, field) in [
        (r#"{"messages":[1]}"#, Some("model")),
        (r#"{"model":1,"messages":[1]}"#, Some("model")),
        (r#"{"model":"m","messages":"hi"}"#, Some("messages")),
        (r#"{"model":"m","messages":[1],"prompt":{"key":"x"}}"#, Some("prompt")),
        (r#"{"model":"m","messages":[1],"prompt":{"id":7}}"#, Some("prompt.id")),
        (r#"{"model":"m","messages":[1],"variables":[]}"#, Some("variables")),
        (
            r#"{"model":"m","messages":[1],"variables":{},"prompt":{"variables":{}}}"#,
            Some("prompt.variables"),
        ),
        (
            r#"{"model":"m@preset/a","messages":[1],"prompt":{"id":"b"}}"#,
            Some("model"),
        ),
        (
            r#"{"model":"m","messages":[1],"metadata":{"template_id":null,"combination_id":3}}"#,
            Some("metadata.combination_id"),
        ),
        (r#"{"model":"m","messages":[1],"stream":"yes"}"#, Some("stream")),
        (
            r#"{"model":"m","messages":[1],"stream":true,"stream_options":3}"#,
            Some("stream_options"),
        ),
        (r#"{"model":"m","messages":[1]} x"#, None),
        ("[]", None),
        ("", None),
    ] {
        assert_eq!(scan(body).unwrap_err().field(), field, "{body}");
    }
    for body in [r#"{"model":"m"}"#, r#"{"model":"m","messages":[]}"#] {
        let error = scan(body).unwrap().check_messages().unwrap_err();
        assert_eq!(error.field(), Some("messages"), "{body}");
    }
}

#[test]
fn what_a_request_says_of_prompts_is_read_and_taken_out() {
    let cases = [
        (r#"{"model":"m","messages":[1],"variables":{"a":1}}"#, "{}"),
        (r#"{"variables":{"a":1},"messages":[1],"model":"m"}"#, "{}"),
        (r#"{"prompt":{"variables":{"a":1}},"model":"m","messages":[1]}"#, "{}"),
        (
            r#"{"model":"m","messages":[1],"variables":{"a":1},"metadata":{"template_id":"t"}}"#,
            r#"{"metadata":{}}"#,
        ),
        (
            r#"{"model":"m","messages":[1],"variables":{"a":1},"metadata":{"a":"b","template_id":"t","combination_id":"m/only" , "c":"d"}}"#,
            r#"{"metadata":{"a":"b","c":"d"}}"#,
        ),
        (
            r#"{"model":"m","messages":[1],"variables":{"a":1},"metadata":{"template_id":"t","combination_id":"m/only","c":"d"}}"#,
            r#"{"metadata":{"c":"d"}}"#,
        ),
    ];
    for (body, more) in cases {
        let asked = scan(body).unwrap().asked.unwrap();
        assert_eq!(asked.variables.unwrap().json, r#"{"a":1}"#, "{body}");
        let mut expected: Value = serde_json::from_str(more).unwrap();
        expected["model"] = json!("gpt");
        expected["messages"] = json!([1]);
        assert_eq!(serde_json::from_str::<Value>(&sent(body)).unwrap(), expected, "{body}");
    }
    let preset = scan(r#"{"model":"m@preset/team/t","messages":[1],"metadata":{"combination_id":"m/only"}}"#).unwrap();
    let asked = preset.asked.unwrap();
    assert_eq!(preset.model, "m");
    assert_eq!(
        (asked.id.unwrap().name.as_ref(), asked.combination.as_deref()),
        ("team/t", Some("m/only"))
    );
    assert!(
        scan(r#"{"model":"m","messages":[1],"variables":null,"metadata":{"a":1}}"#)
            .unwrap()
            .asked
            .is_none()
    );
}

#[test]
fn duplicate_and_escaped_keys_are_read_as_parsers_read_them() {
    let twice = r#"{"model":"a","messages":[1],"model":"b"}"#;
    assert_eq!(scan(twice).unwrap().model, "b");
    assert_eq!(sent(twice), r#"{"model":"gpt","messages":[1]}"#);
    let escaped = r#"{"mo\u0064el":"a","messages":[1],"x\"y":2}"#;
    assert_eq!(scan(escaped).unwrap().model, "a");
    assert_eq!(sent(escaped), r#"{"model":"gpt","messages":[1],"x\"y":2}"#);
    let hidden = r#"{"model":"a","messages":[1],"pro\u0076ider":{"only":[]}}"#;
    assert_eq!(scan(hidden).unwrap_err(), Error::NotBuilt("provider"));
}

proptest! {
    #[test]
    fn nothing_but_the_named_fields_changes(
        extra in proptest::collection::btree_map("[a-z_]{1,8}", "[ -~]{0,12}", 0..6),
        usage_at in 0..8_usize,
        stream in any::<bool>(),
    ) {
        let mut members: Vec<(String, Value)> = extra.into_iter()
            .filter(|(key, _)| !NOT_BUILT.contains(&key.as_str()) && !["model", "messages", "stream", "usage", "user", "variables", "prompt"].contains(&key.as_str()))
            .map(|(key, value)| (key, json!(value))).collect();
        members.push(("model".into(), json!("m")));
        members.push(("messages".into(), json!([{"role": "user", "content": "x"}])));
        members.push(("stream".into(), json!(stream)));
        members.insert(usage_at.min(members.len()), ("usage".into(), json!({"include": true})));
        let text = format!("{{{}}}", members.iter().map(|(key, value)| format!("{} : {value}", json!(key))).collect::<Vec<_>>().join(", "));
        let mut expected: serde_json::Map<String, Value> = members.into_iter().filter(|(key, _)| key != "usage").collect();
        expected.insert("model".into(), json!("gpt"));
        if stream { expected.insert("stream_options".into(), json!({"include_usage": true})); }
        prop_assert_eq!(serde_json::from_str::<Value>(&sent(&text)).unwrap(), Value::Object(expected));
    }
}

#[test]
fn a_session_is_kept_and_taken_out_of_the_body() {
    let expected = r#"{"model":"gpt","messages":[1]}"#;
    for (body, session) in [
        (r#"{"model":"m","messages":[1],"session_id":"a b"}"#, Some("a b")),
        (r#"{"session_id":"\u0061","model":"m","messages":[1]}"#, Some("a")),
        (r#"{"model":"m","session_id":null,"messages":[1]}"#, None),
    ] {
        assert_eq!(scan(body).unwrap().session.as_deref(), session, "{body}");
        assert_eq!(sent(body), expected, "{body}");
    }
    let streamed = sent(r#"{"model":"m","messages":[1],"stream":true,"session_id":"s"}"#);
    let sent: Value = serde_json::from_str(&streamed).unwrap();
    assert_eq!(
        sent,
        json!({"model": "gpt", "messages": [1], "stream": true, "stream_options": {"include_usage": true}})
    );
    for value in ["7", "{}", &format!("\"{}\"", "s".repeat(257))] {
        let error = scan(&format!(r#"{{"model":"m","messages":[1],"session_id":{value}}}"#)).unwrap_err();
        assert_eq!(error.field(), Some("session_id"), "{value}");
    }
}
