//! Which rounds are fit for use, and whether the bench as a whole is passed.

use anyhow::bail;

use super::rounds::{Round, Rounds};
use super::window::Window;
use crate::statistics::{Estimate, estimate, median};

/// Share of its core that the stand-in provider may take before it, and not the program under test, sets the pace.
const MOST_MOCK_SHARE: f64 = 0.9;
/// How much dearer than its median the control may be in a round.
const MOST_CONTROL: f64 = 1.5;

/// What the gateway may hold under load.
const MOST_ANONYMOUS_BYTES: u64 = 60_000_000;
/// How much dearer a request may be with thousands of Routes than with one.
const MOST_FOR_ROUTES: f64 = 1.1;

/// Why a round is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fault {
    /// The stand-in provider took nearly all of its core.
    MockSaturated,
    /// The control cost far more than usual: the machine was disturbed.
    ControlDisturbed,
}

/// Marks the rounds that are not fit for use; a verdict may change when more rounds move the control's median.
pub(super) fn find_faults(rounds: &mut [Round]) {
    let costs: Vec<f64> = rounds.iter().map(|round| cpu_per_unit(&round.control)).collect();
    let usual = median(&costs).unwrap_or(f64::INFINITY);
    for round in rounds {
        let saturated = |window: &Window| window.mock_cpu_micros > MOST_MOCK_SHARE * window.elapsed_micros;
        round.fault = if saturated(&round.control) || saturated(&round.gateway) {
            Some(Fault::MockSaturated)
        } else if cpu_per_unit(&round.control) > MOST_CONTROL * usual {
            Some(Fault::ControlDisturbed)
        } else {
            None
        };
    }
}

/// Microseconds of processor time for one request, or one chunk.
#[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 requests")]
pub(super) fn cpu_per_unit(window: &Window) -> f64 {
    window.cpu_micros / window.units as f64
}

/// The gateway's cost over the control's, round by round.
pub(super) fn ratio(rounds: &Rounds, seed: u64) -> Option<Estimate> {
    let ratios: Vec<f64> = rounds
        .used()
        .map(|round| cpu_per_unit(&round.gateway) / cpu_per_unit(&round.control))
        .collect();
    estimate(&ratios, seed)
}

/// An error that says which bound was passed, if one was. `max_ratio` stands in for the lanes' own.
pub(super) fn judge(measured: &[Rounds], max_ratio: Option<f64>, seed: u64) -> anyhow::Result<()> {
    for rounds in measured {
        let Some(bound) = rounds.lane.max_ratio else { continue };
        judge_lane(rounds, max_ratio.unwrap_or(bound), seed)?;
    }
    judge_flatness(measured, seed)
}

fn judge_lane(rounds: &Rounds, max_ratio: f64, seed: u64) -> anyhow::Result<()> {
    let name = rounds.lane.name;
    if let Some(books) = rounds
        .books
        .filter(|books| books.dropped > 0.0 && !rounds.lane.may_drop)
    {
        bail!(
            "lane {name}: the gateway dropped {} records of {} requests, so that it did less work than it was measured for",
            books.dropped,
            books.requests
        );
    }
    if let Some(found) = ratio(rounds, seed).filter(|found| found.median > max_ratio) {
        bail!(
            "lane {name}: {:.2} times the control's CPU, at most {max_ratio} are allowed",
            found.median
        );
    }
    let memory = rounds.used().map(|round| round.gateway.anonymous_bytes).max();
    if let Some(bytes) = memory.filter(|bytes| *bytes > MOST_ANONYMOUS_BYTES) {
        bail!(
            "lane {name}: {} MB of anonymous memory, at most {} are allowed",
            bytes / 1_000_000,
            MOST_ANONYMOUS_BYTES / 1_000_000
        );
    }
    Ok(())
}

/// What a request costs does not hang on how many Routes there are.
fn judge_flatness(measured: &[Rounds], seed: u64) -> anyhow::Result<()> {
    let of = |name: &str| {
        let rounds = measured.iter().find(|rounds| rounds.lane.name == name)?;
        Some(ratio(rounds, seed)?.median)
    };
    if let (Some(one), Some(many)) = (of("plain"), of("routes"))
        && many > MOST_FOR_ROUTES * one
    {
        bail!(
            "lane routes: {many:.2} times the control's CPU, with one Route {one:.2}: the cost grows with the Routes"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::bookkeeping::Books;
    use super::super::lanes::Lane;
    use super::super::subjects::Role;
    use super::*;
    use crate::machine::CoreUse;

    fn window(role: Role, cpu_per_request: f64, mock_share: f64) -> Window {
        let core = CoreUse { busy: 1.0, stolen: 0.0 };
        Window {
            role,
            requests: 1000,
            units: 1000,
            elapsed_micros: 1e5,
            cpu_micros: cpu_per_request * 1000.0,
            deferred_cpu_micros: 0.0,
            thread_cpu_micros: std::collections::BTreeMap::new(),
            stat_cpu_micros: 0.0,
            waited_micros: 0.0,
            mock_cpu_micros: mock_share * 1e5,
            loader_cpu_micros: 0.0,
            p50_micros: 1,
            p99_micros: 1,
            first_content_p50_micros: None,
            resident_bytes: 1,
            anonymous_bytes: 1,
            subject_core: core,
            loader_core: core,
            load_average: 0.0,
        }
    }

    fn round(gateway: f64, control: f64, mock_share: f64) -> Round {
        let (control, gateway) = (
            window(Role::Control, control, 0.1),
            window(Role::Gateway, gateway, mock_share),
        );
        Round {
            control,
            gateway,
            fault: None,
        }
    }

    fn measured(gateway: f64, dropped: f64) -> Rounds {
        measured_in("plain", gateway, dropped)
    }

    fn measured_in(lane: &str, gateway: f64, dropped: f64) -> Rounds {
        let lane = Lane::chosen(&[lane.to_owned()]).unwrap()[0];
        Rounds {
            lane,
            all: vec![round(gateway, 20.0, 0.1); 10],
            books: Some(Books {
                requests: 10_000,
                dropped,
                thinned: 0.0,
            }),
        }
    }

    #[test]
    fn a_round_with_a_disturbed_control_or_a_saturated_mock_is_discarded() {
        let mut rounds = vec![round(40.0, 20.0, 0.1); 8];
        rounds.push(round(40.0, 31.0, 0.1));
        rounds.push(round(40.0, 20.0, 0.95));
        find_faults(&mut rounds);
        let faults: Vec<_> = rounds.iter().filter_map(|round| round.fault).collect();
        assert_eq!(faults, [Fault::ControlDisturbed, Fault::MockSaturated]);
    }

    #[test]
    fn the_bound_is_on_the_median_ratio() {
        assert!(judge(&[measured(44.0, 0.0)], None, 1).is_ok());
        assert!(judge(&[measured(44.4, 0.0)], None, 1).is_err());
        assert!(judge(&[measured(44.4, 0.0)], Some(2.5), 1).is_ok());
        assert!(judge(&[measured_in("single", 90.0, 0.0)], None, 1).is_ok());
    }

    #[test]
    fn a_gateway_that_drops_records_fails_however_cheap_it_is() {
        let error = judge(&[measured(20.0, 3.0)], None, 1).unwrap_err().to_string();
        assert!(error.contains("dropped 3 records of 10000"), "{error}");
    }

    #[test]
    fn many_routes_may_cost_a_tenth_more_than_one() {
        let lanes = |many| [measured(30.0, 0.0), measured_in("routes", many, 0.0)];
        assert!(judge(&lanes(32.0), None, 1).is_ok());
        let error = judge(&lanes(34.0), None, 1).unwrap_err().to_string();
        assert!(error.contains("grows with the Routes"), "{error}");
    }

    #[test]
    fn memory_is_judged_by_its_worst_moment() {
        let mut rounds = measured(30.0, 0.0);
        rounds.all[3].gateway.anonymous_bytes = 61_000_000;
        let error = judge(&[rounds], None, 1).unwrap_err().to_string();
        assert!(error.contains("61 MB"), "{error}");
    }
}
