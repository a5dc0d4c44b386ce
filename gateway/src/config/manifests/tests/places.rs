//! Names, links, and files that cannot be read.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_mounted_config_map_is_read_once() {
    let mut fixture = Fixture::with(&[("..2026_01/r.yaml", &route("a", "m"))]);
    symlink("..2026_01", fixture.path("..data")).unwrap();
    symlink("..data/r.yaml", fixture.path("r.yaml")).unwrap();
    let reading = fixture.read();
    assert_eq!((names(&reading), reading.faults.len()), (vec!["a".into()], 0));
    assert_eq!(*reading.sources[&id(Kind::Route, "a")].file, *fixture.path("r.yaml"));
}

#[test]
fn hidden_files_are_passed_over_and_directories_are_entered() {
    let files = [
        (".r.yaml", "["),
        (".git/r.yaml", "["),
        ("r.yaml~", "["),
        ("deep/er/r.yml", &route("a", "m")),
    ];
    let mut fixture = Fixture::with(&files);
    symlink(".", fixture.path("deep/loop")).unwrap();
    symlink("../deep", fixture.path("deep/again")).unwrap();
    symlink("deep/er/r.yml", fixture.path("alias.yaml")).unwrap();
    let reading = fixture.read();
    assert_eq!((names(&reading), reading.faults.len()), (vec!["a".into()], 0));
    assert_eq!(
        *reading.sources[&id(Kind::Route, "a")].file,
        *fixture.path("alias.yaml")
    );
}

#[test]
fn a_file_that_cannot_be_read_costs_no_other_and_keeps_what_it_held() {
    let mut fixture = Fixture::with(&[
        ("a.yaml", &route("a", "m")),
        ("b.yaml", &route("b", "m")),
        ("c.yaml", &route("c", "m")),
    ]);
    fixture.read();
    fixture.remove("a.yaml");
    // Reading one's own memory at address 0 fails for every user.
    symlink("/proc/self/mem", fixture.path("a.yaml")).unwrap();
    fixture.remove("b.yaml");
    symlink("nowhere", fixture.path("b.yaml")).unwrap();
    fixture.write("c.yaml", &route("c", "new"));
    for _ in 0..2 {
        let reading = fixture.read();
        assert_eq!(
            (names(&reading), reading.settled),
            (vec!["a".into(), "b".into(), "c".into()], true)
        );
        assert!(routes(&reading).contains(&("default/c".into(), "new".into())));
        assert_eq!(reading.faults.len(), 2, "{:?}", reading.faults);
        assert!(
            reading
                .faults
                .iter()
                .all(|fault| fault.message.contains("cannot be read")),
            "{:?}",
            reading.faults
        );
    }
}

#[test]
fn a_file_that_is_too_large_or_not_text_is_a_fault() {
    let mut fixture = Fixture::with(&[("a.yaml", &route("a", "m"))]);
    fs::write(fixture.path("b.yaml"), b"a: 1\nb: \xff\n").unwrap();
    fs::File::create(fixture.path("c.yaml"))
        .unwrap()
        .set_len(17 << 20)
        .unwrap();
    let reading = fixture.read();
    assert_eq!(names(&reading), ["a"]);
    assert_eq!(
        faults(&reading),
        [
            ("b.yaml".into(), Some(2), String::new()),
            ("c.yaml".into(), None, String::new())
        ]
    );
    assert!(
        reading.faults[1].message.contains("larger than 16 MiB"),
        "{}",
        reading.faults[1]
    );
}
