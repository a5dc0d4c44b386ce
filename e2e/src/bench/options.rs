//! What `e2e/bench gateway` can be told.

use std::path::PathBuf;

use clap::Args;

/// CPU, latency and memory of `route-switch serve` beside a bare hyper reverse proxy.
///
/// The gateway is in production dress: client key checked, one Route, content capture, analytics, metrics. It runs with one
/// traffic thread on one core, the control likewise; the stand-in provider and the loader share another core. Every answer is
/// checked (status, the request's own mark, usage; of streams also order, count and `[DONE]`): one failure fails the bench.
///
/// A window's processor time is counted until the stores have taken in its last request and the process is at rest,
/// so work that is put off is not work that is left out.
///
/// Records that the gateway drops because its stores do not keep up are a figure of their own; one fails, except in the lane `long`.
///
/// Lanes, with the bound on the gateway's CPU in those of the control:
///   plain    8 connections, 0.4 KB request                        2.2
///   prompt   as plain, the Route has a prompt with two variables  3
///   long     8 connections, 100 KB prompt                         1.5
///   stream   32 streams of 200 chunks, 2 to 3 ms apart; by chunk  1.4
///   routes   as plain, spread over 5,000 Routes                   2.2, and at most a tenth more than in plain
///   single   1 connection, 0.4 KB request            (not run unless named)
///   wide     64 connections, 0.4 KB request          (not run unless named)
///
/// In no lane with a bound may the gateway's anonymous memory pass 60 MB.
///
/// Each line is: name, value [95 % interval], unit, ratio to the control [95 % interval].
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct GatewayOptions {
    /// Rounds to measure; in each, gateway and control in random order.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub rounds: u32,
    /// A lane to run; may be given several times. Default: those with a bound.
    #[arg(long = "lane", value_name = "NAME")]
    pub lanes: Vec<String>,
    /// Fail if the gateway takes more than this many times the control's CPU, in place of the lanes' own bounds.
    #[arg(long, value_name = "RATIO")]
    pub max_ratio: Option<f64>,
    /// Aimed length of a window in seconds. The number of requests that makes it is found in the warm-up, then fixed.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    pub window: f64,
    /// Seed of the order within rounds and of the bootstrap.
    #[arg(long, default_value_t = 9)]
    pub seed: u64,
    /// Write every window with all that was read there to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Core of the program under test.
    #[arg(long, default_value_t = 1, value_name = "CORE")]
    pub subject_core: usize,
    /// Core of the stand-in provider and the loader.
    #[arg(long, default_value_t = 0, value_name = "CORE")]
    pub loader_core: usize,
    /// Folder of the programs to measure. Default: the folder of this one.
    #[arg(long, value_name = "DIR")]
    pub programs: Option<PathBuf>,
    /// Check the bench itself: put a second control in the gateway's place. Its ratios must come out at 1.
    #[arg(long)]
    pub self_check: bool,
}
