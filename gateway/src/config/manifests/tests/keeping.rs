//! What stays in use when files go bad or away.

use super::*;

#[test]
fn a_file_that_no_longer_parses_keeps_its_documents() {
    let both = format!("{}---\n{}", route("a", "m"), route("b", "m"));
    let mut fixture = Fixture::with(&[("r.yaml", &both), ("other.yaml", &route("c", "m"))]);
    fixture.read();
    fixture.write("r.yaml", "apiVersion: [\n");
    fixture.write("other.yaml", &route("c", "changed"));
    for _ in 0..3 {
        let reading = fixture.read();
        assert_eq!(names(&reading), ["a", "b", "c"]);
        assert!(routes(&reading).contains(&("default/c".into(), "changed".into())));
        assert_eq!(reading.faults.len(), 1);
        assert!(reading.faults[0].line.is_some() && reading.settled);
    }
    fixture.write("r.yaml", &route("a", "mended"));
    assert!(!fixture.read().settled);
    let reading = fixture.read();
    assert_eq!(
        (names(&reading), reading.faults.len(), reading.settled),
        (vec!["a".into(), "c".into()], 0, true)
    );
}

#[test]
fn a_document_that_vanished_needs_two_equal_readings() {
    let mut fixture = Fixture::with(&[("a.yaml", &route("a", "m")), ("b.yaml", &route("b", "m"))]);
    fixture.read();
    fixture.remove("a.yaml");
    let reading = fixture.read();
    assert_eq!(
        (names(&reading), reading.settled),
        (vec!["a".into(), "b".into()], false)
    );
    fixture.write("b.yaml", &route("b", "other"));
    let reading = fixture.read();
    assert_eq!(
        (names(&reading), reading.settled),
        (vec!["a".into(), "b".into()], false),
        "not equal to the one before"
    );
    let reading = fixture.read();
    assert_eq!((names(&reading), reading.settled), (vec!["b".into()], true));
}

#[test]
fn a_half_written_file_loses_nothing() {
    let whole = format!("{}---\n{}---\n{}", route("a", "m"), route("b", "m"), route("c", "m"));
    let mut fixture = Fixture::with(&[("r.yaml", &whole)]);
    fixture.read();
    for length in 0..whole.len() {
        fixture.write("r.yaml", &whole[..length]);
        assert_eq!(names(&fixture.read()), ["a", "b", "c"], "after {length} bytes");
    }
    fixture.write("r.yaml", &whole);
    assert!(fixture.read().settled);
}

#[test]
fn an_object_that_moves_between_files_is_never_absent() {
    let mut fixture = Fixture::with(&[("a.yaml", &route("a", "m")), ("b.yaml", &route("b", "m"))]);
    fixture.read();
    fs::rename(fixture.path("a.yaml"), fixture.path("z.yaml")).unwrap();
    let reading = fixture.read();
    assert_eq!((names(&reading), reading.settled), (vec!["a".into(), "b".into()], true));
    assert_eq!(*reading.sources[&id(Kind::Route, "a")].file, *fixture.path("z.yaml"));
}

#[test]
fn a_refused_object_is_malformed_and_a_refused_secret_is_what_it_was() {
    let mut fixture = Fixture::with(&[("r.yaml", &route("a", "m")), ("s.yaml", &secret("s", "old"))]);
    fixture.read();
    fixture.write("r.yaml", &route("a", "{}"));
    fixture.write("s.yaml", &secret("s", "[]"));
    for _ in 0..2 {
        let reading = fixture.read();
        assert_eq!(routes(&reading), [("default/a".into(), "!".into())]);
        assert!(reading.resources.secrets.contains_key(&ObjectName::new("default", "s")));
        assert!(
            reading
                .faults
                .iter()
                .any(|fault| fault.object == Some(id(Kind::Secret, "s"))),
            "{:?}",
            reading.faults
        );
    }
    fixture.remove("s.yaml");
    fixture.read();
    assert!(fixture.read().resources.secrets.is_empty());
}

#[test]
fn an_object_that_lost_its_name_stays_until_it_has_one() {
    let mut fixture = Fixture::with(&[("r.yaml", &format!("{}---\n{}", route("a", "m"), secret("s", "v")))]);
    fixture.read();
    fixture.write("r.yaml", &route("a", "m").replace("name: a", "nmae: a"));
    fixture.read();
    let reading = fixture.read();
    assert_eq!(names(&reading), ["a"], "it may be the one that has no name");
    assert!(reading.resources.secrets.is_empty(), "a Secret it is not");
    fixture.write("r.yaml", &route("b", "m"));
    fixture.read();
    assert_eq!(names(&fixture.read()), ["b"]);
}

#[test]
fn an_object_of_another_kind_does_not_keep_what_was_taken_away() {
    let foreign = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n";
    let mut fixture = Fixture::with(&[("r.yaml", &format!("{foreign}---\n{}", route("a", "m")))]);
    fixture.read();
    fixture.write("r.yaml", foreign);
    fixture.read();
    assert_eq!(names(&fixture.read()), [""; 0]);
}

#[test]
fn a_broken_first_file_does_not_give_way_to_the_second() {
    let mut fixture = Fixture::with(&[("a.yaml", &route("a", "first")), ("b.yaml", &route("a", "second"))]);
    fixture.read();
    fixture.write("a.yaml", "[");
    for _ in 0..2 {
        assert_eq!(routes(&fixture.read()), [("default/a".into(), "first".into())]);
    }
}

#[test]
fn a_directory_that_vanishes_keeps_everything() {
    let outer = Fixture::with(&[("in/r.yaml", &route("a", "m"))]);
    let mut loader = Loader::new(outer.path("in")).unwrap();
    loader.read();
    fs::rename(outer.path("in"), outer.path("away")).unwrap();
    for _ in 0..3 {
        let reading = loader.read();
        assert_eq!((names(&reading), reading.settled), (vec!["a".into()], true));
        assert_eq!(reading.faults[0].file, outer.path("in"));
    }
    fs::rename(outer.path("away"), outer.path("in")).unwrap();
    assert_eq!(loader.read().faults, []);
}
