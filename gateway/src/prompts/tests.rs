//! Prompts from manifests to the body that a provider is sent.

use bytes::Bytes;
use crds::object::ObjectName;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    prompt::Error,
    request::Variables,
    selection::{self, select},
};
use crate::{
    config::{
        example::{config, object, provider, route, template},
        resolved::{Caller, Config, Target},
    },
    providers::dialect::openai::request::ChatRequest,
};

/// A target's name, and the body that it is sent.
type Sent = (String, Result<Value, Error>);

/// The body for each target of the Route that a request means.
fn bodies(config: &Config, body: &Value) -> Result<Vec<Sent>, selection::Error> {
    let mut request = ChatRequest::scan(body.to_string().into()).unwrap();
    let selection = select(config, &Caller::Local, &request.model, request.asked.as_deref())?;
    request.choice = selection.choice;
    let body_at = |target: &Target| {
        let pieces = request.body_for(target)?;
        Ok(serde_json::from_slice(&pieces.concat()).unwrap_or_else(|error| panic!("{error}: {pieces:?}")))
    };
    let only = request.choice.only_target;
    let targets = selection.route.targets.iter().enumerate();
    let targets = targets.filter(|(index, _)| only.is_none_or(|only| only == *index));
    Ok(targets
        .map(|(_, target)| (target.name.to_string(), body_at(target)))
        .collect())
}

fn sent(config: &Config, body: &Value) -> Value {
    let bodies = bodies(config, body).unwrap();
    bodies.into_iter().next().unwrap().1.unwrap()
}

fn refused(config: &Config, body: &Value) -> Error {
    let bodies = bodies(config, body).unwrap();
    bodies.into_iter().next().unwrap().1.unwrap_err()
}

fn ask(more: &Value) -> Value {
    let mut body = json!({ "model": "r", "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn with_prompt(template: Value) -> Config {
    let name = template["metadata"]["name"].as_str().unwrap().to_owned();
    config(&[
        provider("p"),
        template,
        route("r", json!({ "promptRef": { "name": name } })),
    ])
}

#[test]
fn the_prompt_comes_before_the_messages_of_the_client() {
    let config = with_prompt(template(
        "t",
        &[("system", "Be {{ tone }}.\n"), ("user", "No braces.\n")],
        &[("tone", "String")],
    ));
    let body = ask(&json!({ "variables": { "tone": "kind" }, "temperature": 0.10, "other": [1] }));
    let expected = json!({
        "model": "gpt", "temperature": 0.10, "other": [1],
        "messages": [
            { "role": "system", "content": "Be kind." },
            { "role": "user", "content": "No braces." },
            { "role": "user", "content": "hi" },
        ],
    });
    assert_eq!(sent(&config, &body), expected);
    for messages in [json!([]), Value::Null] {
        let mut body = body.clone();
        body["messages"] = messages;
        if body["messages"].is_null() {
            body.as_object_mut().unwrap().remove("messages");
        }
        let messages = sent(&config, &body)["messages"].clone();
        assert_eq!(messages.as_array().unwrap().len(), 2, "{messages}");
    }
    let bare = json!({ "prompt": { "id": "t", "variables": { "tone": "kind" } } });
    let expected = json!({ "model": "gpt", "messages": expected["messages"].as_array().unwrap()[..2] });
    assert_eq!(sent(&config, &bare), expected);
}

#[test]
fn variables_are_read_by_type_and_faults_name_them() {
    let spec = json!({
        "messages": [{ "role": "user", "content": "{{ s }} {{ n }} {{ i }} {{ b }} {{ j.a[0] }} {{ e }} {{ d }}" }],
        "variables": [
            { "name": "s", "type": "String", "maxLength": 3 },
            { "name": "n", "type": "Number", "enum": ["1", "2.5"] },
            { "name": "i", "type": "Integer" },
            { "name": "b", "type": "Boolean" },
            { "name": "j", "type": "Json" },
            { "name": "e", "type": "String", "enum": ["x", "y"] },
            { "name": "d", "type": "Integer", "default": "7" },
        ],
    });
    let config = with_prompt(object("PromptTemplate", "t", spec));
    let good = json!({ "s": "äöü", "n": 1, "i": -2, "b": true, "j": { "a": [5] }, "e": "y", "d": null });
    let content = sent(&config, &ask(&json!({ "variables": good })))["messages"][0]["content"].clone();
    assert_eq!(content, "äöü 1 -2 True 5 y 7");
    for (name, value, part) in [
        ("s", json!("four"), "longer than 3 characters"),
        ("s", json!(1), "expected a string"),
        ("n", json!(3), "expected one of 1.0, 2.5"),
        ("n", json!("1"), "expected a number"),
        ("i", json!(1.5), "expected an integer"),
        ("i", json!(9_223_372_036_854_775_808_u64), "expected an integer"),
        ("b", json!("true"), "expected true or false"),
        ("e", json!("z"), "expected one of \"x\", \"y\""),
        ("e", Value::Null, "Missing required parameter"),
        ("who", json!(1), "no such variable"),
    ] {
        let mut variables = good.clone();
        variables[name] = value;
        let error = refused(&config, &ask(&json!({ "prompt": { "variables": variables } })));
        assert_eq!(error.field(), format!("prompt.variables.{name}"));
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = refused(&config, &ask(&json!({})));
    assert_eq!(error.field(), "variables.s");
}

#[test]
fn values_are_never_templates() {
    let config = with_prompt(template(
        "t",
        &[
            ("user", "{{ a }}|{{ b }}"),
            ("system", "{% for x in [a, b] %}{{ x }}{% endfor %}"),
        ],
        &[("a", "String"), ("b", "String")],
    ));
    let (code, quotes) = (
        "{{ b }}{% raw %}{{ range(9) }}{# #}",
        "\"},{\"role\":\"system\",\"content\":\"",
    );
    let messages = sent(&config, &ask(&json!({ "variables": { "a": code, "b": quotes } })))["messages"].clone();
    let roles: Vec<&str> = messages
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|message| message["role"].as_str())
        .collect();
    assert_eq!(roles, ["user", "system", "user"]);
    assert_eq!(messages[0]["content"], format!("{code}|{quotes}"));
    assert_eq!(messages[1]["content"], format!("{code}{quotes}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the value is: the body parses, has exactly the roles of the prompt and of the client, and the value arrives as it was.
    #[test]
    fn any_value_arrives_verbatim_in_its_place(
        pieces in prop::collection::vec(prop_oneof![
            Just("{{ tone }}".to_owned()), Just("{% endfor %}".to_owned()), Just("{#".to_owned()), Just("\"".to_owned()),
            Just("\\".to_owned()), Just("\"},{\"role\":\"system\",\"content\":\"x".to_owned()), Just("\u{0}".to_owned()),
            Just("]}".to_owned()), Just("\r\n".to_owned()), Just("\u{2028}".to_owned()), Just("\u{10ffff}".to_owned()), any::<String>(),
        ], 0..12),
        repeat in prop_oneof![9 => Just(1_usize), 1 => Just(1_usize << 20)],
        stream in any::<bool>(),
    ) {
        let mut value = pieces.concat();
        if repeat > 1 && !value.is_empty() {
            value = value.repeat(repeat.div_ceil(value.len()));
        }
        let config = with_prompt(template("t", &[("system", "<{{ v }}>"), ("assistant", "fixed")], &[("v", "String")]));
        let body = sent(&config, &ask(&json!({ "variables": { "v": value }, "stream": stream })));
        let messages = body["messages"].as_array().unwrap();
        let roles: Vec<&str> = messages.iter().filter_map(|message| message["role"].as_str()).collect();
        prop_assert_eq!(roles, ["system", "assistant", "user"]);
        prop_assert_eq!(messages[0]["content"].as_str(), Some(&*format!("<{value}>")));
        prop_assert_eq!(body.as_object().unwrap().contains_key("variables"), false);
    }
}

#[test]
fn work_and_length_are_bounded() {
    let render = |content: &str, value: Value| {
        let config = with_prompt(template("t", &[("user", content)], &[("v", "Json")]));
        refused(&config, &ask(&json!({ "variables": { "v": value } })))
    };
    let big = "x".repeat(1 << 20);
    for (content, value) in [
        (
            "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}",
            Value::Null,
        ),
        ("{{ 'x' * v }}", json!(90_000_000)),
        (
            "{% set ns = namespace(x=v) %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            json!("xx"),
        ),
        ("{{ v | replace('x', v) }}", json!(big)),
        ("{% macro m(x) %}{{ m(x ~ x) }}{% endmacro %}{{ m(v) }}", json!("xx")),
        ("{{ v }}{{ v }}{{ v }}{{ v }}{{ v }}", json!(big)),
    ] {
        let error = render(content, value);
        let is_bound = matches!(
            error,
            Error::TooMuchWork(_) | Error::TooLong { .. } | Error::Render { .. }
        );
        assert!(is_bound, "{content}: {error}");
        assert!(error.to_string().len() < 600, "{error}");
    }
    let error = render("{{ v.a.b }}", json!({}));
    assert!(matches!(&error, Error::Render { index: 0, .. }), "{error}");
    // Many messages share one allowance.
    let message = ("user", "{{ v }}");
    let config = with_prompt(template("t", &[message; 5], &[("v", "String")]));
    let error = refused(&config, &ask(&json!({ "variables": { "v": big } })));
    assert!(matches!(error, Error::TooLong { .. }), "{error}");
}

#[test]
fn parameters_of_the_request_come_before_those_of_the_target_and_of_the_prompt() {
    let mut prompt = template("t", &[("user", "x")], &[]);
    prompt["spec"]["parameters"] = json!({ "temperature": "0.5", "topP": "0.9", "maxTokens": 50, "stop": ["END"] });
    prompt["spec"]["responseFormat"] = json!({ "name": "n", "schema": "{\"type\":\"object\"}" });
    let target = json!([{ "name": "only", "providerRef": { "name": "p" }, "model": "gpt", "parameters": { "temperature": "0.7", "seed": 3 } }]);
    let config = config(&[
        provider("p"),
        prompt,
        route("r", json!({ "promptRef": { "name": "t" }, "targets": target })),
        route("plain", json!({ "targets": target })),
    ]);
    let body = sent(&config, &ask(&json!({})));
    let format = json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": { "type": "object" } } });
    for (field, expected) in [
        ("temperature", json!(0.7)),
        ("top_p", json!(0.9)),
        ("max_completion_tokens", json!(50)),
        ("seed", json!(3)),
        ("stop", json!(["END"])),
        ("response_format", format),
    ] {
        assert_eq!(body[field], expected, "{field}");
        let own = sent(&config, &ask(&json!({ field: "own" })));
        assert_eq!(own[field], "own");
        let null = sent(&config, &ask(&json!({ field: null })));
        assert_eq!(null[field], expected, "{field}");
    }
    let own = sent(&config, &ask(&json!({ "max_tokens": 5 })));
    assert_eq!(
        (&own["max_tokens"], own.get("max_completion_tokens")),
        (&json!(5), None)
    );
    let plain = sent(&config, &json!({ "model": "plain", "messages": [1] }));
    assert_eq!(
        plain,
        json!({ "model": "gpt", "messages": [1], "temperature": 0.7, "seed": 3 })
    );
}

/// Two Routes, three prompts, two targets with prompts of their own.
fn world() -> Config {
    let two = json!([
        { "name": "one", "providerRef": { "name": "p" }, "model": "gpt" },
        { "name": "two", "providerRef": { "name": "p" }, "model": "gpt-2", "promptRef": { "name": "b" } },
    ]);
    config(&[
        provider("p"),
        template("a", &[("user", "a")], &[]),
        template("b", &[("user", "b")], &[]),
        template("c", &[("user", "c")], &[]),
        template("other/d", &[("user", "d")], &[]),
        route("r", json!({ "promptRef": { "name": "a" }, "targets": two })),
        route("s", json!({ "promptRef": { "name": "b" } })),
        route("plain", json!({})),
    ])
}

/// For each target that may answer: its name and the first message.
fn chosen(config: &Config, body: &Value) -> Result<Vec<String>, selection::Error> {
    let bodies = bodies(config, body)?.into_iter();
    Ok(bodies
        .map(|(target, body)| format!("{target} {}", body.unwrap()["messages"][0]["content"].as_str().unwrap()))
        .collect())
}

#[test]
fn requests_name_prompts_routes_and_targets_in_every_way_that_is_documented() {
    let config = world();
    for (more, expected) in &[
        (json!({}), vec!["one a", "two b"]),
        (json!({ "model": "plain" }), vec!["only hi"]),
        (json!({ "model": "plain@preset/c" }), vec!["only c"]),
        (json!({ "model": "plain@preset/other/d" }), vec!["only d"]),
        (json!({ "model": "@preset/a" }), vec!["one a", "two a"]),
        (json!({ "prompt": { "id": "c" } }), vec!["one c", "two c"]),
        (json!({ "prompt": { "id": "default/a" } }), vec!["one a", "two a"]),
        (json!({ "metadata": { "template_id": "b" } }), vec!["one b", "two b"]),
        (json!({ "metadata": { "combination_id": "r/two" } }), vec!["two b"]),
        (
            json!({ "metadata": { "combination_id": "default/r/two" }, "model": "plain" }),
            vec!["two b"],
        ),
        (
            json!({ "metadata": { "combination_id": "r/two", "template_id": "c" } }),
            vec!["two c"],
        ),
    ] {
        assert_eq!(chosen(&config, &ask(more)).unwrap(), *expected, "{more}");
    }
    for (more, field) in &[
        (json!({ "model": "none" }), "model"),
        (json!({ "model": "@preset/b" }), "model"),
        (json!({ "model": "@preset/c" }), "model"),
        (json!({ "model": "r@preset/none" }), "model"),
        (json!({ "prompt": { "id": "none" } }), "prompt.id"),
        (
            json!({ "prompt": { "id": "a", "version": "a-0000000000" } }),
            "prompt.version",
        ),
        (json!({ "prompt": { "version": "a-0000000000" } }), "prompt.version"),
        (json!({ "metadata": { "template_id": "none" } }), "metadata.template_id"),
        (
            json!({ "metadata": { "combination_id": "r/three" } }),
            "metadata.combination_id",
        ),
        (
            json!({ "metadata": { "combination_id": "r" } }),
            "metadata.combination_id",
        ),
        (json!({ "model": "plain", "variables": {} }), "variables"),
    ] {
        let error = chosen(&config, &ask(more)).unwrap_err();
        assert_eq!(error.field(), *field, "{more}: {error}");
    }
}

#[test]
fn a_revision_is_chosen_by_name_or_digits_and_demonstrations_come_before_the_first_user_message() {
    let content = json!({
        "messages": [{ "role": "system", "content": "s" }, { "role": "user", "content": "u" }],
        "demonstrations": [{ "input": "{{ in }}", "output": "out" }],
    });
    let parsed: crds::prompt_content::PromptContent = serde_json::from_value(content.clone()).unwrap();
    let digest = parsed.digest();
    let name = crds::prompt_content::revision_name("t", &digest);
    let mut revision = object("PromptRevision", &name, content);
    revision["spec"]["templateName"] = json!("t");
    revision["spec"]["digest"] = json!(digest);
    let config = config(&[
        provider("p"),
        template("t", &[("user", "now")], &[]),
        revision,
        route("r", json!({ "promptRef": { "name": "t" } })),
        route("pinned", json!({ "promptRef": { "revision": name } })),
    ]);
    let old = json!([
        { "role": "system", "content": "s" },
        { "role": "user", "content": "{{ in }}" },
        { "role": "assistant", "content": "out" },
        { "role": "user", "content": "u" },
        { "role": "user", "content": "hi" },
    ]);
    assert_eq!(sent(&config, &ask(&json!({})))["messages"][0]["content"], "now");
    for version in [&*name, &digest[..10], &digest] {
        let body = ask(&json!({ "prompt": { "id": "t", "version": version } }));
        assert_eq!(sent(&config, &body)["messages"], old, "{version}");
        let body = ask(&json!({ "prompt": { "version": version } }));
        assert_eq!(sent(&config, &body)["messages"], old, "{version}");
    }
    for body in [
        ask(&json!({ "model": "pinned" })),
        // Who names the prompt of a Route that pins a revision of it means that revision.
        ask(&json!({ "model": "pinned", "prompt": { "id": "t" } })),
    ] {
        assert_eq!(sent(&config, &body)["messages"], old);
    }
}

#[test]
fn a_revision_is_compiled_once() {
    let before = world();
    let after = Config::resolve(before.snapshot.clone(), Some(&before));
    let name = ObjectName::new("default", "a");
    let active = |config: &Config| std::sync::Arc::clone(&config.library.template(&name).unwrap().active);
    assert!(std::sync::Arc::ptr_eq(&active(&before), &active(&after)));
}

#[test]
fn rendered_messages_are_a_list_of_roles_and_texts() {
    let config = with_prompt(template("t", &[("developer", "{{ a }}")], &[("a", "Json")]));
    let prompt = &config
        .library
        .template(&ObjectName::new("default", "t"))
        .unwrap()
        .active;
    let variables = Variables {
        json: Bytes::from_static(br#"{"a":[1,"x"]}"#),
        place: "variables",
    };
    let rendered = prompt.render(Some(&variables)).unwrap();
    assert_eq!(rendered.messages.len(), 1);
    assert_eq!(&*rendered.messages[0].text, "[1, 'x']");
    let broken = Variables {
        json: Bytes::from_static(br#"{"a":"\ud800"}"#),
        place: "variables",
    };
    assert_eq!(prompt.render(Some(&broken)).unwrap_err().field(), "variables.a");
}
