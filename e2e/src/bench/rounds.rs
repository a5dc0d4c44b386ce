//! The rounds of a lane: warm-up, then both programs again and again in random order, until enough windows are fit for use.

use anyhow::ensure;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::bookkeeping::{self, Books};
use super::lanes::Lane;
use super::options::GatewayOptions;
use super::report;
use super::subjects::{Role, Stage};
use super::verdict::{self, Fault};
use super::window::{self, Window};

const WARM_UP_REQUESTS: u64 = 256;
/// The warm-up ends with a window that took at least this share of the aimed length.
const WARM_UP_SHARE: f64 = 0.3;

/// One measurement of both programs, close together in time.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Round {
    pub(super) control: Window,
    pub(super) gateway: Window,
    /// Why the round is not used, if it is not.
    pub(super) fault: Option<Fault>,
}

/// All rounds of a lane.
#[derive(Debug, serde::Serialize)]
pub(super) struct Rounds {
    pub(super) lane: &'static Lane,
    #[serde(rename = "rounds")]
    pub(super) all: Vec<Round>,
    /// None if a second control stood in for the gateway.
    pub(super) books: Option<Books>,
}

impl Rounds {
    /// At most twice the wanted number is measured.
    pub(super) async fn run(options: &GatewayOptions, stage: &mut Stage) -> anyhow::Result<Self> {
        let control = warm_up(options, stage, Role::Control).await?;
        let gateway = warm_up(options, stage, Role::Gateway).await?;
        let mut random = SmallRng::seed_from_u64(options.seed);
        let wanted = options.rounds as usize;
        let mut rounds: Vec<Round> = Vec::new();
        while rounds.iter().filter(|round| round.fault.is_none()).count() < wanted && rounds.len() < 2 * wanted {
            let round = if random.random() {
                let control = window::measure(options, stage, Role::Control, control).await?;
                Round {
                    control,
                    gateway: window::measure(options, stage, Role::Gateway, gateway).await?,
                    fault: None,
                }
            } else {
                let gateway = window::measure(options, stage, Role::Gateway, gateway).await?;
                Round {
                    control: window::measure(options, stage, Role::Control, control).await?,
                    gateway,
                    fault: None,
                }
            };
            rounds.push(round);
            verdict::find_faults(&mut rounds);
            report::progress(stage.lane, &rounds);
        }
        let measured = Self {
            lane: stage.lane,
            all: rounds,
            books: bookkeeping::check(stage).await?,
        };
        ensure!(
            measured.used().count() >= wanted.div_ceil(2),
            "only {} of {} rounds are fit for use: {}",
            measured.used().count(),
            measured.all.len(),
            report::discarded(&measured)
        );
        Ok(measured)
    }

    /// The rounds that are fit for use.
    pub(super) fn used(&self) -> impl Iterator<Item = &Round> {
        self.all.iter().filter(|round| round.fault.is_none())
    }
}

/// Runs ever longer windows; the last one tells how many requests make a window of the aimed length.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts below 2^52"
)]
async fn warm_up(options: &GatewayOptions, stage: &mut Stage, role: Role) -> anyhow::Result<u64> {
    let aim = options.window * 1e6 * stage.lane.window_share;
    let mut requests = WARM_UP_REQUESTS;
    loop {
        let window = window::measure(options, stage, role, requests).await?;
        let scale = aim / window.elapsed_micros;
        if scale <= 1.0 / WARM_UP_SHARE {
            return Ok(((requests as f64 * scale) as u64).max(1));
        }
        requests = (requests as f64 * scale.min(8.0)) as u64;
    }
}
