//! What a process has cost so far: processor time, waits and memory, as the kernel counts them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

/// The kernel's unit of `/proc/PID/stat`: `USER_HZ` is 100 on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);
/// Both times of `/proc/PID/stat` are rounded down to a tick, before and after.
const STAT_ERROR: Duration = Duration::from_millis(40);

/// Clocks of a process at one moment.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// Time on a processor of the threads that are alive, to the nanosecond, summed by the threads' names.
    threads: BTreeMap<String, Duration>,
    /// Time that they were ready to run and did not, because something else had the core.
    waited: Duration,
    /// User and system time of the whole process, ended threads included, in ticks of 10 ms.
    process: Duration,
}

/// What a process used between two moments.
#[derive(Clone, Debug)]
pub struct Used {
    /// Of all threads.
    pub processor: Duration,
    /// Of the threads that are alive, by name.
    pub by_thread: BTreeMap<String, Duration>,
    pub waited: Duration,
    /// The same as `processor` by the coarse clock: a cross-check.
    pub by_stat: Duration,
}

impl Clocks {
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let (mut threads, mut waited) = (BTreeMap::new(), Duration::ZERO);
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))?;
        for task in tasks.filter_map(Result::ok) {
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let mut fields = text.split_ascii_whitespace().map_while(|field| field.parse().ok());
            let (Some(on), Some(off)) = (fields.next(), fields.next()) else {
                continue;
            };
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            *threads.entry(family(&name)).or_default() += Duration::from_nanos(on);
            waited += Duration::from_nanos(off);
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
        let process = TICK * ticks(&stat).context("/proc/PID/stat has no times")?;
        Ok(Self {
            threads,
            waited,
            process,
        })
    }

    /// What was used since `before`. Threads that ended in between are missing from the fine clock; where the coarse one
    /// shows that there were some, it is believed.
    pub fn since(&self, before: &Self) -> Used {
        let spent = |(name, now): (&String, &Duration)| {
            let then = before.threads.get(name).copied().unwrap_or_default();
            (name.clone(), now.saturating_sub(then))
        };
        let by_thread: BTreeMap<String, Duration> = self.threads.iter().map(spent).collect();
        let fine = by_thread.values().sum();
        let by_stat = self.process.saturating_sub(before.process);
        let processor = if by_stat > fine + STAT_ERROR { by_stat } else { fine };
        Used {
            processor,
            by_thread,
            waited: self.waited.saturating_sub(before.waited),
            by_stat,
        }
    }
}

/// A thread's name without its number, so that the threads of a pool are one.
fn family(name: &str) -> String {
    name.trim()
        .trim_end_matches(|end: char| end.is_ascii_digit() || end == '-')
        .to_owned()
}

/// utime + stime: fields 14 and 15, counted behind the command's closing bracket.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields
        .split_ascii_whitespace()
        .skip(11)
        .map_while(|field| field.parse::<u32>().ok());
    times.next()?.checked_add(times.next()?)
}

/// Resident memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    /// The part that belongs to no file: heap and stacks.
    pub anonymous: u64,
}

impl Memory {
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let path = PathBuf::from(format!("/proc/{pid}/smaps_rollup"));
        let text = fs::read_to_string(&path).with_context(|| format!("process {pid} is gone"))?;
        let field = |name| kibibytes(&text, name).with_context(|| format!("{} has no {name}", path.display()));
        Ok(Self {
            resident: field("Rss:")?,
            anonymous: field("Anonymous:")?,
        })
    }

    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            resident: self.resident.max(other.resident),
            anonymous: self.anonymous.max(other.anonymous),
        }
    }
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_brackets_and_blanks_does_not_shift_the_times() {
        let stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 1 0 5";
        assert_eq!(ticks(stat), Some(100));
    }

    #[test]
    fn the_coarse_clock_is_believed_only_when_threads_ended() {
        let clocks = |threads, process| Clocks {
            threads: BTreeMap::from([("traffic".to_owned(), Duration::from_millis(threads))]),
            waited: Duration::ZERO,
            process: Duration::from_millis(process),
        };
        assert_eq!(
            clocks(1500, 1520).since(&clocks(500, 500)).processor,
            Duration::from_secs(1)
        );
        assert_eq!(
            clocks(1500, 1900).since(&clocks(500, 500)).processor,
            Duration::from_millis(1400)
        );
    }

    #[test]
    fn the_threads_of_a_pool_are_one() {
        assert_eq!(family("traffic-0\n"), family("traffic-12\n"));
        assert_eq!(family("tokio-runtime-w"), "tokio-runtime-w");
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "Rss:                2048 kB\nPss: 1 kB\nAnonymous:           4 kB\nLazyFree: 0 kB\n";
        assert_eq!(
            (kibibytes(text, "Rss:"), kibibytes(text, "Anonymous:")),
            (Some(2 << 20), Some(4096))
        );
    }

    #[test]
    fn the_clocks_of_this_very_process_run() {
        let pid = std::process::id();
        let before = Clocks::of(pid).unwrap();
        let mut spun = 0_u64;
        while Clocks::of(pid).unwrap().since(&before).processor < Duration::from_millis(2) {
            spun += 1;
        }
        assert!(spun > 0 && Memory::of(pid).unwrap().resident > 0);
    }
}
