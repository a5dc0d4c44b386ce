//! Which rounds are fit for use, and whether the bench as a whole is passed.

use anyhow::bail;

use super::rounds::{Round, Rounds};
use super::window::Window;
use crate::statistics::{Estimate, estimate, median};

/// Share of its core that the stand-in provider may take before it, and not the program under test, sets the pace.
const MOST_MOCK_SHARE: f64 = 0.9;
/// How much dearer than its median the control may be in a round.
const MOST_CONTROL: f64 = 1.5;

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
    let ratios: Vec<f64> =
        rounds.used().map(|round| cpu_per_unit(&round.gateway) / cpu_per_unit(&round.control)).collect();
    estimate(&ratios, seed)
}

/// An error that says which bound was passed, if one was.
pub(super) fn judge(measured: &[Rounds], max_ratio: f64, seed: u64) -> anyhow::Result<()> {
    for rounds in measured {
        let name = rounds.lane.name;
        if let Some(dropped) = rounds.dropped_records.filter(|dropped| *dropped > 0.0) {
            bail!("lane {name}: the gateway dropped {dropped} records, so that it did less work than it was measured for");
        }
        if let Some(found) = ratio(rounds, seed).filter(|found| rounds.lane.bounded && found.median > max_ratio) {
            bail!("lane {name}: {:.2} times the control's CPU, at most {max_ratio} are allowed", found.median);
        }
    }
    Ok(())
}
