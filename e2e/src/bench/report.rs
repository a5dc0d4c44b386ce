//! What a person and a program are told: one line a figure on standard output, all windows as JSON.

use std::collections::BTreeSet;
use std::io::Write as _;

use serde_json::{Value, json};

use super::lanes::Lane;
use super::options::GatewayOptions;
use super::rounds::{Round, Rounds};
use super::subjects::Role;
use super::verdict::{Fault, cpu_per_unit};
use super::window::Window;
use crate::machine;
use crate::statistics::{Estimate, estimate, median};

const MEBIBYTE: f64 = 1_048_576.0;

/// One kind of figure: its name, its unit and how it is read from a window.
struct Figure {
    name: &'static str,
    unit: String,
    read: fn(&Window) -> Option<f64>,
}

fn figures(lane: &Lane) -> Vec<Figure> {
    let mut figures = vec![
        Figure {
            name: "cpu",
            unit: format!("us/{}", lane.unit()),
            read: |window| Some(cpu_per_unit(window)),
        },
        Figure {
            name: "rate",
            unit: format!("{}s/s", lane.unit()),
            read: |window| Some(rate(window)),
        },
        Figure {
            name: "p50",
            unit: "us".to_owned(),
            read: |window| Some(whole(window.p50_micros)),
        },
        Figure {
            name: "p99",
            unit: "us".to_owned(),
            read: |window| Some(whole(window.p99_micros)),
        },
        Figure {
            name: "rss",
            unit: "MiB".to_owned(),
            read: |window| Some(whole(window.resident_bytes) / MEBIBYTE),
        },
        Figure {
            name: "anonymous",
            unit: "MiB".to_owned(),
            read: |window| Some(whole(window.anonymous_bytes) / MEBIBYTE),
        },
    ];
    if lane.chunks.is_some() {
        let read = |window: &Window| window.first_content_p50_micros.map(whole);
        figures.push(Figure {
            name: "first-content",
            unit: "us".to_owned(),
            read,
        });
    }
    figures
}

fn rate(window: &Window) -> f64 {
    whole(window.units) / window.elapsed_micros * 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts, microseconds and bytes of one window are below 2^52"
)]
fn whole(count: u64) -> f64 {
    count as f64
}

/// The lines of one lane.
pub(super) fn lane(rounds: &Rounds, seed: u64) {
    for figure in figures(rounds.lane) {
        for (role, name) in [(Role::Gateway, "gateway"), (Role::Control, "control")] {
            let of_role = |round: &Round| (figure.read)(of(round, role));
            let ratio_of = |round: &Round| Some(of_role(round)? / (figure.read)(&round.control)?);
            let values: Vec<f64> = rounds.used().filter_map(of_role).collect();
            let ratios: Vec<f64> = rounds.used().filter_map(ratio_of).collect();
            let (Some(value), Some(ratio)) = (estimate(&values, seed), estimate(&ratios, seed)) else {
                continue;
            };
            let name = format!("{}.{name}.{}", rounds.lane.name, figure.name);
            say(&format!(
                "{name:<32} {:>31} {:<11} {:>18}",
                interval(value),
                figure.unit,
                interval(ratio)
            ));
        }
    }
    if let Some(books) = rounds.books {
        for (what, count) in [("dropped", books.dropped), ("thinned", books.thinned)] {
            let name = format!("{}.gateway.{what}", rounds.lane.name);
            let share = 100.0 * count / whole(books.requests);
            say(&format!("{name:<32} {share:>31.2} {:<11} {:>18}", "%", "-"));
        }
    }
    note(&threads(rounds));
    note(&footnote(rounds, seed));
}

fn of(round: &Round, role: Role) -> &Window {
    match role {
        Role::Control => &round.control,
        Role::Gateway => &round.gateway,
    }
}

/// Three significant digits or so, whatever the size.
fn interval(estimate: Estimate) -> String {
    let Estimate { median, low, high } = estimate;
    let digits = if median < 20.0 { 2 } else { usize::from(median < 200.0) };
    format!("{median:.digits$} [{low:.digits$}, {high:.digits$}]")
}

/// Which threads of the gateway its processor time went to.
fn threads(rounds: &Rounds) -> String {
    let names: BTreeSet<&String> = rounds
        .used()
        .flat_map(|round| round.gateway.thread_cpu_micros.keys())
        .collect();
    let cost = |name: &String| {
        let of = |round: &Round| {
            round.gateway.thread_cpu_micros.get(name).copied().unwrap_or(0.0) / whole(round.gateway.units)
        };
        median(&rounds.used().map(of).collect::<Vec<f64>>()).unwrap_or(0.0)
    };
    let mut costs: Vec<(f64, &String)> = names.into_iter().map(|name| (cost(name), name)).collect();
    costs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let parts: Vec<String> = costs.iter().map(|(cost, name)| format!("{name} {cost:.2}")).collect();
    format!(
        "{}: the gateway's us/{} by thread: {}",
        rounds.lane.name,
        rounds.lane.unit(),
        parts.join(", ")
    )
}

/// What else a reader should know of a lane: rounds, discards, and what the other side of the bench cost.
fn footnote(rounds: &Rounds, seed: u64) -> String {
    let middle = |read: fn(&Window) -> f64, role| {
        let values: Vec<f64> = rounds.used().map(|round| read(of(round, role))).collect();
        estimate(&values, seed).map_or(0.0, |estimate| estimate.median)
    };
    let per_unit = |role| {
        format!(
            "{:.1} mock + {:.1} loader",
            middle(|window| window.mock_cpu_micros / whole(window.units), role),
            middle(|window| window.loader_cpu_micros / whole(window.units), role)
        )
    };
    let share = |role| 100.0 * middle(|window| window.subject_core.busy, role);
    format!(
        "{}: {} rounds used, {}; us/{} beside the control {}, beside the gateway {}; core busy: control {:.0} %, gateway {:.0} %; \
         the gateway's CPU after the last answer {:.1} %; stolen {:.1} %; seed {seed}",
        rounds.lane.name,
        rounds.used().count(),
        discarded(rounds),
        rounds.lane.unit(),
        per_unit(Role::Control),
        per_unit(Role::Gateway),
        share(Role::Control),
        share(Role::Gateway),
        100.0 * middle(|window| window.deferred_cpu_micros / window.cpu_micros, Role::Gateway),
        100.0 * middle(|window| window.subject_core.stolen, Role::Gateway),
    )
}

/// How many rounds were discarded, and why.
pub(super) fn discarded(rounds: &Rounds) -> String {
    let count = |fault| rounds.all.iter().filter(|round| round.fault == Some(fault)).count();
    format!(
        "{} discarded (mock saturated {}, control disturbed {})",
        rounds.all.len() - rounds.used().count(),
        count(Fault::MockSaturated),
        count(Fault::ControlDisturbed)
    )
}

/// A line about the round just measured, for the person who waits.
pub(super) fn progress(lane: &Lane, rounds: &[Round]) {
    let Some(round) = rounds.last() else { return };
    let (gateway, control) = (cpu_per_unit(&round.gateway), cpu_per_unit(&round.control));
    let fault = round
        .fault
        .map_or_else(String::new, |fault| format!(" discarded: {fault:?}"));
    let told = format!(
        "{} round {}: gateway {gateway:.1}, control {control:.1} us/{}, ratio {:.2}{fault}",
        lane.name,
        rounds.len(),
        lane.unit(),
        gateway / control
    );
    // Nobody to tell is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{told}");
}

/// A line that is no figure.
pub(super) fn note(text: &str) {
    say(&format!("# {text}"));
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Everything that was measured.
pub(super) fn raw(options: &GatewayOptions, measured: &[Rounds]) -> Value {
    json!({
        "machine": machine::describe(),
        "seed": options.seed,
        "window_seconds": options.window,
        "max_ratio": options.max_ratio,
        "self_check": options.self_check,
        "lanes": measured,
    })
}
