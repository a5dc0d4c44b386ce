//! Requests of Anthropic's clients: what is read of them and what is changed for a target.

use serde_json::json;

use super::*;
use crate::config::{
    example::{config, object, route},
    resolved::{Caller, Route},
};

/// A Route to a target of this dialect whose model is `claude`.
fn to_claude() -> Arc<Route> {
    let spec = json!({ "vendor": "Simulated", "dialect": "Anthropic" });
    let targets = json!([{ "name": "only", "providerRef": { "name": "p" }, "model": "claude" }]);
    let config = config(&[object("Provider", "p", spec), route("r", json!({ "targets": targets }))]);
    Arc::clone(config.route(&Caller::Local, "r").unwrap())
}

fn scan(body: &str) -> Result<MessagesRequest, Error> {
    MessagesRequest::scan(
        Bytes::copy_from_slice(body.as_bytes()),
        &HeaderMap::new(),
        Purpose::Answer,
    )
}

fn sent(body: &str) -> String {
    let route = to_claude();
    let pieces = scan(body).unwrap().body_for(&route.targets[0]).unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

#[test]
fn only_the_model_of_a_request_changes() {
    let body =
        r#"{"max_tokens":1, "model" : "triage", "messages":[{"role":"user","content":"hi"}], "x_new":{"a":[1.50]}}"#;
    assert_eq!(sent(body), body.replace("\"triage\"", "\"claude\""));
}

#[test]
fn what_is_missing_or_not_built_is_named() {
    for (body, field) in [
        (r#"{"messages":[1],"max_tokens":1}"#, "model"),
        (r#"{"model":"m","messages":[1]}"#, "max_tokens"),
        (r#"{"model":"m","messages":[1],"max_tokens":null}"#, "max_tokens"),
        (r#"{"model":"m","messages":[1],"max_tokens":1,"stream":1}"#, "stream"),
        (
            r#"{"model":"m","messages":[1],"max_tokens":1,"provider":{}}"#,
            "provider",
        ),
    ] {
        assert_eq!(scan(body).unwrap_err().field(), Some(field), "{body}");
    }
    for (body, field) in [
        (r#"{"model":"m","max_tokens":1}"#, "messages"),
        (r#"{"model":"m","messages":[],"max_tokens":1}"#, "messages"),
    ] {
        assert_eq!(scan(body).unwrap().check_messages().unwrap_err().field(), Some(field));
    }
    assert!(matches!(scan("{"), Err(Error::Json(_))));
}

#[test]
fn the_users_name_and_the_clients_version_are_found() {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", "2026-10-21".parse().unwrap());
    headers.insert("x-other", "1".parse().unwrap());
    let body = r#"{"model":"m","messages":[1],"metadata":{"user_id":"u-1"}}"#;
    let request = MessagesRequest::scan(body.into(), &headers, Purpose::Count).unwrap();
    assert_eq!(request.user.as_deref(), Some("u-1"));
    let route = to_claude();
    let forwarded: Vec<_> = request.headers_for(&route.targets[0]).collect();
    assert_eq!(forwarded.len(), 1);
    assert_eq!(
        (forwarded[0].0.as_str(), forwarded[0].1),
        ("anthropic-version", &"2026-10-21".parse().unwrap())
    );
}

#[test]
fn a_key_that_stands_twice_counts_as_parsers_have_it() {
    let body = r#"{"model":"a","messages":[1],"max_tokens":1,"m\u006fdel":"b"}"#;
    assert_eq!(scan(body).unwrap().model, "b");
    assert_eq!(sent(body), r#"{"model":"claude","messages":[1],"max_tokens":1}"#);
}

#[test]
fn reasoning_of_other_vendors_does_not_come_back_to_this_one() {
    let foreign = format!(r#"{{"type":"thinking","thinking":"x","signature":"{UNSIGNED}"}}"#);
    let own = r#"{"type":"thinking","thinking":"y","signature":"s"}"#;
    for (content, left) in [
        (format!("[{foreign}, {own}]"), format!("[{own}]")),
        (format!("[{own}, {foreign}]"), format!("[{own}]")),
        (
            format!("[{foreign},{foreign},{own},{foreign},{own}]"),
            format!("[{own},{own}]"),
        ),
        (format!("[{foreign}]"), "[]".to_owned()),
    ] {
        let body = |content: &str| {
            format!(r#"{{"model":"claude","max_tokens":1,"messages":[{{"role":"assistant","content":{content}}}]}}"#)
        };
        assert_eq!(sent(&body(&content)), body(&left));
    }
}
