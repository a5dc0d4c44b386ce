//! `PromptTemplates`: checks, positions, `ConfigMaps`.

use super::*;

fn user(content: &str) -> Value {
    json!({"role": "user", "content": content})
}

fn from(name: &str) -> Value {
    template(
        "t",
        json!({"messagesFrom": {"configMapKeyRef": {"name": name, "key": "messages"}}}),
    )
}

fn texts(text: &str) -> Value {
    config_map("texts", json!({"messages": text}))
}

#[test]
fn a_good_template_reaches_the_snapshot() {
    let variables = json!([{"name": "who", "type": "String", "default": "you", "enum": ["you", "me"], "maxLength": 3}]);
    let spec = json!({"messages": [user("Hello {{ who }}")], "variables": variables});
    let compiled = compiled(&[template("t", spec)]);
    let entry = &compiled.snapshot.prompts[&name("t")];
    assert_eq!(
        (
            entry.content.messages[0].content.as_str(),
            entry.content.variables.len()
        ),
        ("Hello {{ who }}", 1)
    );
    assert_eq!(found(&compiled), Vec::<String>::new());
}

#[test]
fn problems_carry_message_line_and_column() {
    let compiled = compiled(&[template(
        "t",
        json!({"messages": [user("fine"), user("one\n  {{ who }}")]}),
    )]);
    let diagnostic = &compiled.diagnostics.values().next().unwrap()[0];
    assert_eq!(diagnostic.field, "spec.messages[1].content");
    assert_eq!((diagnostic.line, diagnostic.column), (Some(2), Some(6)));
    assert_eq!(diagnostic.message, "variable `who` is not declared in variables");
}

#[test]
fn declarations_that_contradict_themselves_are_refused() {
    let variables =
        json!([{"name": "n", "type": "Integer", "default": "x"}, {"name": "b", "type": "Boolean", "enum": ["yes"]}]);
    let compiled = compiled(&[template("t", json!({"messages": [user("")], "variables": variables}))]);
    let lines = ["spec.variables[0].default", "spec.variables[1].enum[0]"];
    assert_eq!(
        found(&compiled),
        lines.map(|field| format!("PromptTemplate default/t Accepted InvalidTemplate {field}"))
    );
}

#[test]
fn messages_can_stand_in_a_config_map() {
    let compiled = compiled(&[
        from("texts"),
        texts("- role: system\n  content: Be brief.\n- {role: user, content: Go}\n"),
    ]);
    let entry = &compiled.snapshot.prompts[&name("t")];
    assert_eq!(
        entry
            .content
            .messages
            .iter()
            .map(|message| message.content.as_str())
            .collect::<Vec<_>>(),
        ["Be brief.", "Go"]
    );
}

#[test]
fn a_config_map_with_bad_messages_leaves_the_last_good_ones() {
    let good = compiled(&[from("texts"), texts("- {role: user, content: good}")]);
    for (text, part) in [
        ("- role: [", "is not YAML"),
        ("just text", "must be a list"),
        ("[]", "at least 1 item"),
        (
            "- {role: robot, content: x}",
            "must be one of system, developer, user, assistant",
        ),
        ("- {role: user}", "[0].content is required"),
        ("- {role: user, content: x, name: y}", "unknown field"),
        (
            "- {role: user, content: '{{ who }}'}",
            "[0].content: variable `who` is not declared",
        ),
    ] {
        let after = again(&[from("texts"), texts(text)], &good);
        let entry = &after.snapshot.prompts[&name("t")];
        assert_eq!(
            (entry.stale, entry.content.messages[0].content.as_str()),
            (true, "good"),
            "{text}"
        );
        let diagnostic = &after.diagnostics.values().next().unwrap()[0];
        assert!(diagnostic.message.contains(part), "{text}: {}", diagnostic.message);
        assert_eq!(diagnostic.reason, Reason::InvalidTemplate);
    }
}

#[test]
fn a_config_map_that_is_gone_takes_good_and_stale_prompts_with_it() {
    let good = compiled(&[from("texts"), texts("- {role: user, content: good}")]);
    for object in [from("texts"), template("t", json!({}))] {
        let kept = again(&[object.clone(), texts("- {role: user, content: better}")], &good);
        assert_eq!(kept.snapshot.prompts[&name("t")].content.messages[0].content, "better");
        for gone in [vec![], vec![config_map("texts", json!({"other": "x"}))]] {
            let documents: Vec<Value> = std::iter::once(object.clone()).chain(gone).collect();
            assert!(again(&documents, &good).snapshot.prompts.is_empty(), "{documents:?}");
        }
    }
}
