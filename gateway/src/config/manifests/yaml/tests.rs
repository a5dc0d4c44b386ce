use serde_json::json;

use super::*;

fn one(text: &str) -> Document {
    let mut documents = read(text).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

#[test]
fn every_field_knows_its_line() {
    let document = one(
        "# comment\nkind: Route\nspec:\n  targets:\n    - name: a\n      weight: 1\n    - name: b\n  text: |\n    one\n    two\n  last: x\n",
    );
    let lines = |field| document.lines.find(field);
    assert_eq!(document.line, 2);
    assert_eq!(lines("kind"), Some(2));
    assert_eq!(lines("spec.targets"), Some(4));
    assert_eq!(lines("spec.targets[0].weight"), Some(6));
    assert_eq!(lines("spec.targets[1]"), Some(7));
    assert_eq!(lines("spec.last"), Some(11));
    assert_eq!(lines("spec.targets[1].missing"), Some(7), "the nearest that holds it");
    assert_eq!(lines(""), Some(2));
    assert_eq!(lines("nowhere"), None);
}

#[test]
fn empty_documents_are_ignored_and_the_others_keep_their_lines() {
    let documents = read("---\n---\n# nothing\n---\na: 1\n---\n\n---\nb: 2\n...\n").unwrap();
    assert_eq!(
        documents
            .iter()
            .map(|document| (document.line, document.value.clone()))
            .collect::<Vec<_>>(),
        [(5, json!({"a": 1})), (9, json!({"b": 2}))]
    );
}

#[test]
fn a_repeated_key_is_a_flaw_that_names_both_lines() {
    let document = one("spec:\n  a: 1\n  b:\n    c: 2\n  a: 3\n  z: 1\n");
    let message = "the key is already given on line 2".to_owned();
    assert_eq!(
        document.flaws,
        [Flaw {
            field: "spec.a".to_owned(),
            line: 5,
            message
        }]
    );
    assert_eq!(document.value, json!({"spec": {"a": 1, "b": {"c": 2}, "z": 1}}));
}

#[test]
fn unquoted_words_that_are_booleans_warn() {
    let document = one("a: on\nb: 'on'\nc: [n, \"n\"]\ny: 1\nd: true\n");
    assert_eq!(
        document.value,
        json!({"a": true, "b": "on", "c": [false, "n"], "true": 1, "d": true})
    );
    let found: Vec<_> = document
        .warnings
        .iter()
        .map(|warning| (warning.field.as_str(), warning.line))
        .collect();
    assert_eq!(found, [("a", 1), ("c", 3), ("", 4)]);
}

#[test]
fn anchors_aliases_and_merges_are_read() {
    let document = one(
        "base: &base {x: 1, y2: 2}\nuse: *base\nlist: [*base]\nmerged:\n  <<: *base\n  x: 9\nboth:\n  <<: [{p: 1}, {p: 2, q: 3}]\n",
    );
    let base = json!({"x": 1, "y2": 2});
    let expected =
        json!({"base": base, "use": base, "list": [base], "merged": {"x": 9, "y2": 2}, "both": {"p": 1, "q": 3}});
    assert_eq!(document.value, expected);
    assert!(document.flaws.is_empty());
}

#[test]
fn a_billion_laughs_is_refused_in_no_time() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        text = format!("{text}a{level}: &a{level} [{items}]\n");
    }
    let Err(error) = read(&text) else { panic!("it was read") };
    assert!(error.message.contains("aliases"), "{error:?}");
}

#[test]
fn long_texts_copied_by_aliases_are_refused() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(", "));
    assert!(read(&text).is_err_and(|error| error.message.contains("aliases copy")));
}

#[test]
fn an_alias_of_what_holds_it_is_refused() {
    assert!(read("a: &a\n  b: *a\n").is_err_and(|error| error.line == 2));
}

#[test]
fn depth_is_bounded() {
    assert!(read(&format!("{}{}", "- ".repeat(101), "x")).is_err());
    assert!(read(&"[".repeat(100_000)).is_err());
    assert!(read(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).is_ok());
}

#[test]
fn what_is_not_yaml_says_where() {
    let Err(error) = read("a: 1\nb: [1\nc: 2\n") else {
        panic!("it was read")
    };
    assert!(
        error.line >= 2 && error.message.starts_with("not valid YAML"),
        "{error:?}"
    );
    assert!(read("a: {{ .Values.name }}\n").is_err_and(|error| error.message.contains("not rendered")));
    assert!(read("a: \"unclosed\n").is_err());
}

#[test]
fn json_is_read_with_tabs_and_pairs_of_escapes() {
    let document = one(
        "{\n\t\"a\": \"\\ud83d\\ude00 \\\\ud83d \\/ \\u00e4\",\n\t\"b\": [1, 2.5, null, true],\n\t\"y\": \"on\"\n}\n",
    );
    assert_eq!(
        document.value,
        json!({"a": "\u{1f600} \\ud83d / \u{e4}", "b": [1, 2.5, null, true], "y": "on"})
    );
    assert_eq!(document.lines.find("b"), Some(3));
    assert!(document.warnings.is_empty());
    assert!(read("{\"a\": \"\\ud83d\"}").is_err(), "half of a pair");
}

#[test]
fn tags_that_mean_something_else_are_flaws() {
    assert_eq!(
        one("a: !!str 12\nb: !!int 12\nc: ! 7\n").value,
        json!({"a": "12", "b": 12, "c": "7"})
    );
    assert_eq!(one("a: !custom x\nb: !!int x\nc: .inf\n").flaws.len(), 3);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_read() {
    assert_eq!(
        one("\u{feff}a: 1\r\nb:\r\n  c: x\r\n").value,
        json!({"a": 1, "b": {"c": "x"}})
    );
}
