//! Revisions: their names, which one is active, pins, and who may use them.

use super::*;
use crate::{
    prompt_content::{PromptContent, revision_name},
    prompt_revision::PROMOTED,
    snapshot::PromptReference,
};

fn saying(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

/// A revision of template `t` that says `text`; its name is second.
fn revision(text: &str, more: &Value) -> (Value, String) {
    let mut spec = saying(text);
    let content: PromptContent = serde_json::from_value(spec.clone()).unwrap();
    let digest = content.digest();
    spec["templateName"] = json!("t");
    spec["digest"] = json!(digest);
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let name = revision_name("t", &digest);
    (document("routeswitch.io/v1alpha1", "PromptRevision", &name, spec), name)
}

fn promoted(mut revision: Value, time: &str) -> Value {
    revision["metadata"]["annotations"] = json!({PROMOTED: time});
    revision
}

/// The active revision of `t`, and whether the entry is stale.
fn active(compiled: &Compiled) -> (&str, bool) {
    let entry = &compiled.snapshot.prompts[&name("t")];
    (&entry.active_revision, entry.stale)
}

#[test]
fn the_way_a_file_is_written_does_not_count() {
    let texts = [
        r#"
apiVersion: routeswitch.io/v1alpha1
kind: PromptTemplate
metadata: {name: t}
spec:
  messages:
  - role: system
    content: |
      Répondez en {{ language }}.
      "Briefly"
  variables:
  - {name: language, type: String, default: français}
  parameters: {maxTokens: 100, temperature: "0.7"}
"#,
        r#"
spec:
  parameters:
    "temperature": '0.7'
    maxTokens: 1e2
    topP: null
  variables: [{default: "fran\u00e7ais", type: String, "name": language, enum: []}]
  messages: [{content: "R\u00e9pondez en {{ language }}.\n\"Briefly\"\n", role: system}]
  allowedNamespaces: [a]
  revisionHistoryLimit: 3
metadata: {labels: {team: x}, namespace: default, name: "t"}
kind: PromptTemplate
apiVersion: routeswitch.io/v1alpha1
"#,
    ];
    let names = texts.map(|text| {
        let compiled = compiled(&[serde_yaml::from_str(text).unwrap()]);
        assert_eq!(found(&compiled), Vec::<String>::new());
        compiled.snapshot.prompts[&name("t")].spec_revision.clone()
    });
    assert_eq!(names[0], names[1]);
    // Written down, so that it never changes unnoticed: names of revisions outlive versions of this program.
    assert_eq!(names[0], "t-f8a7ddb642");
}

#[test]
fn the_text_of_the_template_makes_a_revision_that_is_to_be_kept() {
    let first = compiled(&[template("t", saying("one"))]);
    let (kept, one) = revision("one", &json!({"origin": "Template"}));
    assert_eq!(active(&first), (&*one, false));
    assert_eq!(first.unkept, [name(&one)]);
    let second = compiled(&[template("t", saying("one")), kept.clone()]);
    assert_eq!(second.unkept, []);
    assert_eq!(second.snapshot.revision, first.snapshot.revision);
    let third = again(&[template("t", saying("two")), kept], &second);
    assert_eq!(third.snapshot.revisions.len(), 2);
    assert_ne!(active(&third).0, one);
    let exported = revision_manifest(&name(&one), &third.snapshot.revisions[&name(&one)]);
    assert!(admit(&serde_json::to_value(exported).unwrap()).is_ok());
}

#[test]
fn a_pin_comes_before_a_promotion_and_that_before_the_text() {
    let (_, text) = revision("text", &json!({}));
    let base = json!({"provenance": {"baseRevision": text}});
    let (old, old_name) = revision("old", &base);
    let (new, new_name) = revision("new", &base);
    let (other, _) = revision("other", &json!({"provenance": {"baseRevision": "t-0000000000"}}));
    let old = promoted(old, "2026-01-01T00:00:00Z");
    let other = promoted(other, "2027-01-01T00:00:00Z");
    let newer = promoted(new.clone(), "2026-01-01T00:00:00.5+00:00");
    let mut pinned = template("t", saying("text"));
    pinned["spec"]["pinnedRevision"] = json!(new_name);
    let plain = template("t", saying("text"));
    for (documents, expected) in [
        (vec![plain.clone(), new.clone(), other.clone()], &text),
        (vec![plain.clone(), new.clone(), other, old.clone()], &old_name),
        (vec![plain, old.clone(), newer], &new_name),
        (vec![pinned, old.clone(), new], &new_name),
        // An edit supersedes a promotion.
        (
            vec![template("t", saying("text 2")), old],
            &revision("text 2", &json!({})).1,
        ),
    ] {
        let compiled = compiled(&documents);
        assert_eq!(found(&compiled), Vec::<String>::new());
        assert_eq!(active(&compiled).0, expected);
    }
}

#[test]
fn a_pin_that_names_nothing_leaves_what_was_active_and_a_revision_of_another_prompt_is_nothing() {
    let good = compiled(&[template("t", saying("one"))]);
    let (_, one) = revision("one", &json!({}));
    let mut pinned = template("t", saying("two"));
    pinned["spec"]["pinnedRevision"] = json!("t-0123456789");
    let line = "PromptTemplate default/t ResolvedRefs RevisionNotFound spec.pinnedRevision";
    let fresh = compiled(std::slice::from_ref(&pinned));
    assert_eq!(
        (found(&fresh), fresh.snapshot.prompts.len()),
        (vec![line.to_owned()], 0)
    );
    let mut after = good;
    for _ in 0..2 {
        after = again(std::slice::from_ref(&pinned), &after);
        assert_eq!((found(&after), active(&after)), (vec![line.to_owned()], (&*one, true)));
        assert!(after.snapshot.revisions.contains_key(&name(&one)));
    }
    let (foreign, foreign_name) = revision("x", &json!({}));
    pinned["metadata"]["name"] = json!("u");
    pinned["spec"]["pinnedRevision"] = json!(foreign_name);
    let compiled = compiled(&[foreign, pinned]);
    assert_eq!(found(&compiled), [line.replace("/t", "/u")]);
}

#[test]
fn a_revision_must_be_what_its_name_and_digest_say() {
    let (good, good_name) = revision("one", &json!({}));
    for (pointer, value, fields) in [
        ("/spec/messages/0/content", json!("other"), vec!["spec.digest"]),
        ("/metadata/name", json!("t-0123456789"), vec!["metadata.name"]),
        (
            "/spec/digest",
            json!("0".repeat(64)),
            vec!["spec.digest", "metadata.name"],
        ),
        (
            "/metadata/annotations",
            json!({PROMOTED: "yes"}),
            vec!["metadata.annotations[routeswitch.io/promoted]"],
        ),
    ] {
        let mut bad = good.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[field] = value;
        let object = bad["metadata"]["name"].as_str().unwrap().to_owned();
        let compiled = compiled(&[bad]);
        let lines: Vec<String> = fields
            .iter()
            .map(|field| format!("PromptRevision default/{object} Accepted Invalid {field}"))
            .collect();
        assert_eq!(found(&compiled), lines);
        assert!(compiled.snapshot.revisions.is_empty());
    }
    let before = compiled(std::slice::from_ref(&good));
    let mut broken = good;
    broken["spec"]["messages"] = json!([]);
    assert!(again(&[broken], &before).snapshot.revisions[&name(&good_name)].stale);
}

#[test]
fn parameters_and_shapes_are_checked_beyond_the_schema() {
    for (field, value, expected) in [
        (
            "parameters",
            json!({"temperature": "2.1"}),
            "spec.parameters.temperature",
        ),
        ("parameters", json!({"topP": "1.01"}), "spec.parameters.topP"),
        (
            "responseFormat",
            json!({"name": "n", "schema": "{x"}),
            "spec.responseFormat.schema",
        ),
        (
            "responseFormat",
            json!({"name": "n", "schema": "[]"}),
            "spec.responseFormat.schema",
        ),
        (
            "responseFormat",
            json!({"name": "n", "schema": "{\"type\": \"thing\"}"}),
            "spec.responseFormat.schema",
        ),
    ] {
        let mut spec = saying("x");
        spec[field] = value;
        let compiled = compiled(&[template("t", spec)]);
        assert_eq!(
            found(&compiled),
            [format!("PromptTemplate default/t Accepted Invalid {expected}")]
        );
    }
    let mut route = to("r", "x", "p");
    route["spec"]["targets"][0]["parameters"] = json!({"temperature": "3"});
    assert_eq!(
        found(&compiled(&[simulated("p"), route])),
        ["Route default/r Accepted Invalid spec.targets[0].parameters.temperature"]
    );
    let long = "a".repeat(243);
    let line = format!("PromptTemplate default/{long} Accepted Invalid metadata.name");
    assert_eq!(found(&compiled(&[template(&long, saying("x"))])), [line]);
}

/// A Route of namespace `a` with a prompt for all targets and one of the second target's own.
fn routed(all: &Value, own: &Value) -> Value {
    let target = |name: &str| json!({"name": name, "providerRef": {"name": "p"}, "model": "m"});
    let (one, mut two) = (target("one"), target("two"));
    two["promptRef"] = own.clone();
    route("a/r", json!({"model": "x", "promptRef": all, "targets": [one, two]}))
}

#[test]
fn targets_use_the_prompt_of_their_own_or_that_of_the_route_if_they_may() {
    let (pinned, pinned_name) = revision("old", &json!({}));
    let mut open = template("t", saying("new"));
    open["spec"]["allowedNamespaces"] = json!(["a"]);
    let closed = template("t", saying("new"));
    let follow = json!({"name": "t", "namespace": "default"});
    let pin = json!({"revision": pinned_name, "namespace": "default"});
    let nothing = json!({"name": "none"});
    let no_revision = json!({"revision": "t-0123456789"});
    let none: [&str; 0] = [];
    for (prompt, all, own, usable, lines) in [
        (&open, &follow, &pin, [true, true], &none[..]),
        (
            &closed,
            &follow,
            &pin,
            [false, false],
            &[
                "spec.promptRef PromptNotAllowed",
                "spec.targets[1].promptRef PromptNotAllowed",
            ],
        ),
        (&open, &nothing, &pin, [false, true], &["spec.promptRef PromptNotFound"]),
        (
            &open,
            &follow,
            &no_revision,
            [true, false],
            &["spec.targets[1].promptRef RevisionNotFound"],
        ),
    ] {
        let documents = [simulated("a/p"), prompt.clone(), pinned.clone(), routed(all, own)];
        let compiled = compiled(&documents);
        let targets = &compiled.snapshot.routes[&name("a/r")].targets;
        assert_eq!([targets[0].resolved, targets[1].resolved], usable, "{all} {own}");
        let expected: Vec<String> = lines
            .iter()
            .map(|line| {
                let (field, reason) = line.split_once(' ').unwrap();
                format!("Route a/r ResolvedRefs {reason} {field}")
            })
            .collect();
        assert_eq!(found(&compiled), expected);
    }
    let compiled = compiled(&[simulated("a/p"), open, pinned, routed(&follow, &pin)]);
    let targets = &compiled.snapshot.routes[&name("a/r")].targets;
    let used = |index: usize| targets[index].prompt.clone().unwrap();
    assert_eq!(used(0).reference, PromptReference::Follow(name("t")));
    assert_ne!(used(0).revision, Some(name(&pinned_name)));
    assert_eq!(used(1).revision, Some(name(&pinned_name)));
}

#[test]
fn a_prompt_that_is_bad_serves_on_and_one_that_is_gone_or_forbidden_does_not() {
    let mut open = template("t", saying("new"));
    open["spec"]["allowedNamespaces"] = json!(["a"]);
    let follow = || json!({"name": "t", "namespace": "default"});
    let documents = |prompt: &[Value]| {
        let mut all = vec![simulated("a/p"), routed(&follow(), &follow())];
        all.extend_from_slice(prompt);
        all
    };
    let good = compiled(&documents(std::slice::from_ref(&open)));
    let resolved = |compiled: &Compiled| compiled.snapshot.routes[&name("a/r")].targets[0].resolved;
    assert!(resolved(&good));
    let mut bad = open.clone();
    bad["spec"]["messages"] = json!([{"role": "user", "content": "{{ who }}"}]);
    let mut malformed = bad.clone();
    malformed["spec"]["colour"] = json!(1);
    for edit in [&bad, &malformed] {
        let after = again(&documents(std::slice::from_ref(edit)), &good);
        assert!(resolved(&after) && active(&after) == (active(&good).0, true), "{edit}");
    }
    for edit in [&mut bad, &mut malformed, &mut open] {
        edit["spec"]["allowedNamespaces"] = json!([]);
        assert!(
            !resolved(&again(&documents(std::slice::from_ref(edit)), &good)),
            "{edit}"
        );
    }
    let gone = again(&documents(&[]), &good);
    assert!(!resolved(&gone) && gone.snapshot.revisions.is_empty());
}
