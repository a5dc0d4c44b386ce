//! Many edits of two files each: whatever is told must never be a mix of two edits.

use super::*;

/// An edit that took longer than this to write is not one that lands within the window, and may be told in parts.
const PROMPT: Duration = Duration::from_millis(60);

#[test]
fn rapid_edits_of_two_files_are_never_mixed() {
    let fixture = Fixture::with(&[("a.yaml", &route("a", "m0")), ("b.yaml", &route("b", "m0"))]);
    fixture.next();
    let mut slow = Vec::new();
    let mut told = Vec::new();
    for edit in 1..=500 {
        let started = Instant::now();
        fixture.write("a.yaml", &route("a", &format!("m{edit}")));
        fixture.write("b.yaml", &route("b", &format!("m{edit}")));
        if started.elapsed() > PROMPT {
            slow.push(edit);
        }
        // Runs of edits without a pause, and between them edits that follow as soon as the one before is told.
        if edit % 10 == 0 {
            told.extend(fixture.until(has_both(edit)));
        }
    }
    for reading in told {
        let models: Vec<usize> = routes(&reading)
            .iter()
            .map(|(_, model)| model[1..].parse().unwrap())
            .collect();
        let is_excused = slow
            .iter()
            .any(|edit| models.contains(edit) || models.contains(&(edit - 1)));
        assert!(is_whole(&reading) || is_excused, "{models:?}");
        assert_eq!(reading.faults, []);
    }
}

/// Whether both Routes are there, of one edit.
fn is_whole(reading: &Reading) -> bool {
    matches!(routes(reading).as_slice(), [(_, one), (_, other)] if one == other)
}

fn has_both(edit: usize) -> impl Fn(&Reading) -> bool {
    move |reading| routes(reading).iter().all(|(_, model)| *model == format!("m{edit}"))
}

#[test]
fn files_written_right_when_the_window_ends_are_not_mixed() {
    let fixture = Fixture::with(&[("a.yaml", &route("a", "m0")), ("b.yaml", &route("b", "m0"))]);
    fixture.next();
    for edit in (1..60).step_by(2) {
        let started = Instant::now();
        fixture.write("b.yaml", &route("b", &format!("m{edit}")));
        fixture.write("a.yaml", &route("a", &format!("m{edit}")));
        let was_slow = started.elapsed() > PROMPT;
        // Spins to just about the end of the window, a little earlier or later each time.
        let due = Instant::now() + Duration::from_millis(97) + Duration::from_micros(edit as u64 * 150);
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        let started = Instant::now();
        fixture.write("b.yaml", &route("b", &format!("m{}", edit + 1)));
        fixture.write("a.yaml", &route("a", &format!("m{}", edit + 1)));
        let was_slow = was_slow || started.elapsed() > PROMPT;
        for reading in fixture.until(has_both(edit + 1)) {
            assert!(is_whole(&reading) || was_slow, "{:?}", routes(&reading));
        }
    }
}
