//! The machine that a figure was measured on, and who else used it meanwhile.

use std::fs;

use anyhow::Context as _;

/// Times of one core since boot, in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoreClock {
    busy: u64,
    stolen: u64,
    all: u64,
}

/// How one core spent the time between two moments, as shares of 1.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct CoreUse {
    pub busy: f64,
    /// Taken by the hypervisor.
    pub stolen: f64,
}

impl CoreClock {
    pub fn of(core: usize) -> anyhow::Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("failed to read /proc/stat")?;
        parse(&text, core).with_context(|| format!("/proc/stat has no core {core}"))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "ticks of a window of seconds are far below 2^52"
    )]
    pub fn since(self, before: Self) -> CoreUse {
        let all = self.all.saturating_sub(before.all).max(1) as f64;
        let share = |now: u64, then: u64| now.saturating_sub(then) as f64 / all;
        CoreUse {
            busy: share(self.busy, before.busy),
            stolen: share(self.stolen, before.stolen),
        }
    }
}

/// user nice system idle iowait irq softirq steal; guest times are within user's.
fn parse(text: &str, core: usize) -> Option<CoreClock> {
    let name = format!("cpu{core}");
    let line = text
        .lines()
        .find(|line| line.split_ascii_whitespace().next() == Some(name.as_str()))?;
    let fields: Vec<u64> = line
        .split_ascii_whitespace()
        .skip(1)
        .map_while(|field| field.parse().ok())
        .collect();
    let all = fields.get(..8)?.iter().sum();
    Some(CoreClock {
        busy: all - fields[3] - fields[4] - fields[7],
        stolen: fields[7],
        all,
    })
}

/// The 1-minute load average.
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()
}

/// One line about the hardware and the kernel.
pub fn describe() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .max(count_cores(&processors));
    format!(
        "{cores} cores, {}, Linux {}",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim()
    )
}

fn count_cores(processors: &str) -> usize {
    processors.lines().filter(|line| line.starts_with("processor")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_busy_when_neither_idle_nor_waiting_nor_stolen() {
        let text = "cpu  1 1 1 1 1 1 1 1 0 0\ncpu0 10 0 20 60 5 0 3 2 0 0\ncpu1 0 0 0 100 0 0 0 0 0 0\n";
        let used = parse(text, 0).unwrap().since(CoreClock::default());
        assert!(
            (used.busy - 0.33).abs() < 1e-9 && (used.stolen - 0.02).abs() < 1e-9,
            "{used:?}"
        );
        assert!(parse(text, 2).is_none());
    }
}
