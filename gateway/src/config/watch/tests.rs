use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::mpsc::{Receiver, channel},
};

use tempfile::TempDir;

use super::*;
use crate::config::manifests::tests::{names, route, routes, secret};

mod rapid;

/// Long enough for any machine; nothing waits for it unless a test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A watched directory.
struct Fixture {
    /// Before `directory`, so that it stops first.
    watch: Option<Watch>,
    readings: Receiver<Reading>,
    directory: TempDir,
}

impl Fixture {
    fn with(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(&directory.path().join(name), text);
        }
        Self::on(directory, "")
    }

    /// Watches what is called `name` in `directory`.
    fn on(directory: TempDir, name: &str) -> Self {
        let signal = Arc::new(Signal::default());
        let sentry = Sentry::new(&signal);
        // The look at the stamps would hide what inotify misses.
        Self::start(
            directory,
            name,
            Pace {
                poll: PATIENCE * 10,
                ..PACE
            },
            signal,
            sentry,
        )
    }

    fn start(directory: TempDir, name: &str, pace: Pace, signal: Arc<Signal>, sentry: Sentry) -> Self {
        let (sender, readings) = channel();
        let loader = Loader::new(directory.path().join(name)).unwrap();
        let on_reading = move |reading| drop(sender.send(reading));
        let watch = start(loader, pace, signal, sentry, on_reading).unwrap();
        Self {
            watch: Some(watch),
            readings,
            directory,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    fn next(&self) -> Reading {
        self.readings.recv_timeout(PATIENCE).unwrap()
    }

    /// All readings up to the first that fits.
    fn until(&self, fits: impl Fn(&Reading) -> bool) -> Vec<Reading> {
        let mut readings = Vec::new();
        loop {
            readings.push(self.next());
            if readings.last().is_some_and(&fits) {
                return readings;
            }
        }
    }

    /// All readings up to the one with a Route of this name, which is written now.
    fn until_marked(&self, name: &str) -> Vec<Reading> {
        self.write(&format!("marker-{name}.yaml"), &route(name, "m"));
        self.until(|reading| names(reading).iter().any(|found| found == name))
    }
}

fn write(path: &std::path::Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn has(model: &'static str) -> impl Fn(&Reading) -> bool {
    move |reading| routes(reading).iter().any(|(_, found)| found == model)
}

#[test]
fn the_first_reading_comes_at_once_and_an_edit_after_it() {
    let fixture = Fixture::with(&[("r.yaml", &route("a", "one"))]);
    assert_eq!(routes(&fixture.next()), [("default/a".into(), "one".into())]);
    let started = Instant::now();
    fixture.write("r.yaml", &route("a", "two"));
    assert_eq!(routes(&fixture.next()), [("default/a".into(), "two".into())]);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(90) && took < PATIENCE, "{took:?}");
}

#[test]
fn a_reading_that_was_given_is_not_given_again() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("r.yaml"), &route("a", "one"));
    let mut loader = Loader::new(directory.path()).unwrap();
    loader.read();
    let (sender, readings) = channel();
    let watch = watch(loader, move |reading| drop(sender.send(reading))).unwrap();
    write(&directory.path().join("r.yaml"), &route("a", "two"));
    assert!(has("two")(&readings.recv_timeout(PATIENCE).unwrap()));
    drop(watch);
    assert!(
        readings.recv().is_err(),
        "the thread is gone, and nothing else was said"
    );
}

#[test]
fn what_changes_nothing_is_not_told() {
    let fixture = Fixture::with(&[("r.yaml", &route("a", "one"))]);
    fixture.next();
    fixture.write("r.yaml", &route("a", "one"));
    fixture.write("note.txt", "nothing");
    fixture.write(".r.yaml.swp", "[");
    fixture.write("empty.yaml", "---\n");
    assert_eq!(fixture.until_marked("z").len(), 1);
}

#[test]
fn an_atomic_rename_is_seen() {
    let fixture = Fixture::with(&[("r.yaml", &route("a", "one"))]);
    fixture.next();
    fixture.write(".r.yaml.tmp", &route("a", "two"));
    fs::rename(fixture.path(".r.yaml.tmp"), fixture.path("r.yaml")).unwrap();
    assert!(fixture.until(has("two")).iter().all(|reading| names(reading) == ["a"]));
}

#[test]
fn a_mounted_config_map_swaps_whole() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("in");
    for (version, model) in [("..1", "one"), ("..2", "two"), ("..3", "three")] {
        write(&inside.join(version).join("a.yaml"), &route("a", model));
        write(&inside.join(version).join("b.yaml"), &route("b", model));
    }
    symlink("..1", inside.join("..data")).unwrap();
    symlink("..data/a.yaml", inside.join("a.yaml")).unwrap();
    symlink("..data/b.yaml", inside.join("b.yaml")).unwrap();
    let fixture = Fixture::on(directory, "in");
    assert!(has("one")(&fixture.next()));
    for (version, model) in [("..2", "two"), ("..3", "three")] {
        symlink(version, inside.join("..data_tmp")).unwrap();
        fs::rename(inside.join("..data_tmp"), inside.join("..data")).unwrap();
        let reading = fixture.next();
        assert_eq!(
            routes(&reading),
            [("default/a".into(), model.into()), ("default/b".into(), model.into())]
        );
        assert_eq!(reading.faults, []);
    }
}

#[test]
fn the_directory_itself_may_be_a_link_that_is_swapped() {
    let directory = tempfile::tempdir().unwrap();
    for model in ["one", "two"] {
        write(&directory.path().join(model).join("r.yaml"), &route("a", model));
    }
    symlink("one", directory.path().join("current")).unwrap();
    let fixture = Fixture::on(directory, "current");
    fixture.next();
    symlink("two", fixture.path("next")).unwrap();
    fs::rename(fixture.path("next"), fixture.path("current")).unwrap();
    assert!(has("two")(&fixture.next()));
    fixture.write("two/r.yaml", &route("a", "three"));
    assert!(has("three")(&fixture.next()));
}

#[test]
fn a_linked_file_elsewhere_is_watched() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("elsewhere/real.txt"), &route("a", "one"));
    fs::create_dir(directory.path().join("in")).unwrap();
    symlink("../elsewhere/real.txt", directory.path().join("in/r.yaml")).unwrap();
    let fixture = Fixture::on(directory, "in");
    fixture.next();
    fixture.write("elsewhere/real.txt", &route("a", "two"));
    assert!(has("two")(&fixture.next()));
}

#[test]
fn truncating_and_writing_loses_nothing() {
    let fixture = Fixture::with(&[("r.yaml", &route("a", "one"))]);
    fixture.next();
    for (number, model) in ["two", "three"].into_iter().enumerate() {
        // An edit that takes longer than the window may be told in parts.
        let started = Instant::now();
        fixture.write("r.yaml", "");
        fixture.write("z.yaml", &route(&format!("z{number}"), "m"));
        let was_slow = started.elapsed() > PACE.quiet;
        let marked = fixture.next();
        assert!(names(&marked).contains(&"a".to_owned()) || was_slow);
        fixture.write("r.yaml", &route("a", model));
        fixture.until(has(model));
    }
}

#[test]
fn what_is_deleted_goes_with_the_second_reading_and_comes_back_with_the_file() {
    let fixture = Fixture::with(&[("a.yaml", &route("a", "one")), ("b.yaml", &route("b", "one"))]);
    fixture.next();
    fs::remove_file(fixture.path("a.yaml")).unwrap();
    let reading = fixture.next();
    assert_eq!((names(&reading), reading.settled), (vec!["b".to_owned()], true));
    fixture.write("a.yaml", &route("a", "two"));
    assert_eq!(names(&fixture.next()), ["a", "b"]);
}

#[test]
fn deleting_and_writing_again_is_no_absence() {
    let fixture = Fixture::with(&[("a.yaml", &route("a", "one"))]);
    fixture.next();
    let started = Instant::now();
    fs::remove_file(fixture.path("a.yaml")).unwrap();
    fixture.write("a.yaml", &route("a", "two"));
    let was_slow = started.elapsed() > PACE.quiet;
    assert!(
        fixture
            .until(has("two"))
            .iter()
            .all(|reading| names(reading) == ["a"] || was_slow)
    );
}

#[test]
fn new_directories_are_watched() {
    let fixture = Fixture::with(&[("a.yaml", &route("a", "one"))]);
    fixture.next();
    fixture.write("new/er/b.yaml", &route("b", "one"));
    fixture.until(|reading| names(reading) == ["a", "b"]);
    fixture.write("new/er/b.yaml", &route("b", "two"));
    fixture.until(has("two"));
    fs::remove_dir_all(fixture.path("new")).unwrap();
    fixture.until(|reading| names(reading) == ["a"]);
    fixture.write("new/er/b.yaml", &route("b", "three"));
    fixture.until(has("three"));
}

#[test]
fn a_directory_that_goes_and_comes_back_is_watched_again() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("in/r.yaml"), &route("a", "one"));
    let fixture = Fixture::on(directory, "in");
    fixture.next();
    fs::rename(fixture.path("in"), fixture.path("away")).unwrap();
    let reading = fixture.next();
    assert_eq!((names(&reading), reading.faults.len()), (vec!["a".to_owned()], 1));
    fixture.write("in/r.yaml", &route("a", "two"));
    fixture.until(has("two"));
    fixture.write("in/r.yaml", &route("a", "three"));
    fixture.until(has("three"));
}

#[test]
fn a_bad_file_is_told_and_so_is_its_repair() {
    let fixture = Fixture::with(&[("r.yaml", &route("a", "one")), ("s.yaml", &secret("s", "v"))]);
    fixture.next();
    fixture.write("r.yaml", "[");
    let reading = fixture.next();
    assert_eq!((names(&reading), reading.faults.len()), (vec!["a".to_owned()], 1));
    fixture.write("r.yaml", &route("a", "one"));
    assert_eq!(fixture.next().faults, []);
}

#[test]
fn without_inotify_the_stamps_tell() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("a.yaml"), &route("a", "one"));
    let pace = Pace {
        quiet: Duration::from_millis(20),
        poll: Duration::from_millis(20),
    };
    let fixture = Fixture::start(directory, "", pace, Arc::new(Signal::default()), Sentry::blind());
    fixture.next();
    fixture.write("a.yaml", &route("a", "two"));
    fixture.until(has("two"));
    fs::remove_file(fixture.path("a.yaml")).unwrap();
    fixture.until(|reading| names(reading).is_empty());
}

#[test]
fn dropping_the_watch_ends_its_thread() {
    let mut fixture = Fixture::with(&[("r.yaml", &route("a", "one"))]);
    fixture.next();
    fixture.watch.take();
    assert!(fixture.readings.recv().is_err());
}
