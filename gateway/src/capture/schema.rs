//! Versions of a store's tables. Both stores keep theirs in a table `schema_version`; a newer program brings the tables of an
//! older file up to date, an older program leaves the file of a newer one alone.

/// The file was written by a newer program.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the file has tables of version {found}, this program knows versions up to {known}: start a newer program, or move the file away"
)]
pub struct Newer {
    found: u32,
    known: u32,
}

/// The steps that bring tables of version `found` (0: none yet) to the newest. Step N makes version N + 1.
pub(crate) fn steps_from(found: u32, steps: &'static [&'static str]) -> Result<&'static [&'static str], Newer> {
    let missing = usize::try_from(found).ok().and_then(|found| steps.get(found..));
    missing.ok_or(Newer {
        found,
        known: newest(steps),
    })
}

/// The version that all steps together make.
pub(crate) fn newest(steps: &[&str]) -> u32 {
    u32::try_from(steps.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Newer, steps_from};

    #[test]
    fn only_missing_steps_are_taken_and_a_newer_file_is_refused() {
        const STEPS: &[&str] = &["a", "b"];
        assert_eq!(steps_from(0, STEPS).unwrap(), ["a", "b"]);
        assert_eq!(steps_from(1, STEPS).unwrap(), ["b"]);
        assert!(steps_from(2, STEPS).unwrap().is_empty());
        assert_eq!(steps_from(3, STEPS).unwrap_err(), Newer { found: 3, known: 2 });
    }
}
