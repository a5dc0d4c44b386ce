//! `e2e/bench`: what the gateway costs beside a bare proxy.
//!
//! Both run on one core, the stand-in provider and the loader on another; in every round both are measured, in random order,
//! over windows of a fixed number of requests; a figure is the median over the rounds, and its ratio to the control the median
//! of the ratios within the rounds, so that a machine that is slow for a while slows both sides of a ratio.

mod bookkeeping;
mod dress;
mod lanes;
mod options;
mod report;
mod rounds;
mod subjects;
mod verdict;
mod window;

use std::fs;

use anyhow::Context as _;

pub use options::GatewayOptions;

use crate::{machine, process};
use lanes::Lane;
use rounds::Rounds;
use subjects::Stage;

/// Measures, reports, and fails if an answer was wrong, if too few rounds were fit for use, or if a bound was passed.
pub async fn gateway(options: GatewayOptions) -> anyhow::Result<()> {
    let lanes = Lane::chosen(&options.lanes)?;
    process::pin_self(options.loader_core).await?;
    report::note(&format!(
        "machine: {}, load {:.1}",
        machine::describe(),
        machine::load_average().unwrap_or(0.0)
    ));
    let mut measured = Vec::new();
    for lane in lanes {
        // A stage of its own for each lane: no lane pays for what another has stored.
        let mut stage = Stage::set(&options, lane).await?;
        let rounds = Rounds::run(&options, &mut stage)
            .await
            .with_context(|| format!("lane {}", lane.name))?;
        report::lane(&rounds, options.seed);
        measured.push(rounds);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_vec_pretty(&report::raw(&options, &measured))?;
        fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    verdict::judge(&measured, options.max_ratio, options.seed)
}
