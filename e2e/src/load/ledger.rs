//! What the clients saw: one outcome a request, counted, timed and, where asked for, kept.

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

/// Failures that are kept with their reasons when entries are not asked for.
const KEPT_FAILURES: usize = 20;
const LONGEST_MICROS: u64 = 3_600_000_000;

/// How a request ended for its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The expected answer, whole.
    Ok,
    /// A status other than 200, with the start of the body.
    Status(u16, String),
    /// A stream that ended with a typed error after its 200.
    StreamError(String),
    /// An answer that is not the one to this request.
    Wrong(String),
    /// No answer, or not all of it: the connection failed, ended, or patience did.
    Broken(String),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place in the order of the load, from the plan's first number.
    pub number: u64,
    pub outcome: Outcome,
    /// `x-generation-id`, where the answer had one.
    pub generation: Option<String>,
    /// From its scheduled time (open loop) or its sending (closed loop) to the end of the answer.
    pub latency: Duration,
    /// To the first content of a stream.
    pub first_content: Option<Duration>,
    pub ended: Instant,
}

/// All requests of one load.
#[derive(Debug)]
pub struct Ledger {
    pub ok: u64,
    pub failed: u64,
    /// Chunks with content, over all streams.
    pub chunks: u64,
    /// Of the requests that ended well, in microseconds.
    pub latency: Histogram<u64>,
    /// Of the streams that ended well, in microseconds.
    pub first_content: Histogram<u64>,
    /// Every request, or some of the failed ones, by the plan's `keep`.
    pub entries: Vec<Entry>,
    /// The request that ended well last.
    pub last: Option<Entry>,
    pub elapsed: Duration,
}

impl Default for Ledger {
    fn default() -> Self {
        let histogram =
            || Histogram::new_with_max(LONGEST_MICROS, 3).expect("an hour at three digits is a valid range");
        Self {
            ok: 0,
            failed: 0,
            chunks: 0,
            latency: histogram(),
            first_content: histogram(),
            entries: Vec::new(),
            last: None,
            elapsed: Duration::ZERO,
        }
    }
}

impl Ledger {
    pub(super) fn record(&mut self, entry: Entry, chunks: usize, keep: super::Keep) {
        let ended_well = entry.outcome == Outcome::Ok;
        if ended_well {
            self.ok += 1;
            self.chunks += chunks as u64;
            record_micros(&mut self.latency, entry.latency);
            if let Some(first_content) = entry.first_content {
                record_micros(&mut self.first_content, first_content);
            }
        } else {
            self.failed += 1;
        }
        if keep == super::Keep::All || (!ended_well && self.entries.len() < KEPT_FAILURES) {
            self.entries.push(entry.clone());
        }
        if ended_well {
            self.last = Some(entry);
        }
    }

    pub(super) fn merge(&mut self, part: Self) {
        let Self {
            ok,
            failed,
            chunks,
            latency,
            first_content,
            entries,
            last,
            elapsed: _,
        } = part;
        self.ok += ok;
        self.failed += failed;
        self.chunks += chunks;
        self.latency.add(latency).expect("all ledgers have one range");
        self.first_content
            .add(first_content)
            .expect("all ledgers have one range");
        self.entries.extend(entries);
        self.last = [self.last.take(), last]
            .into_iter()
            .flatten()
            .max_by_key(|entry| entry.ended);
    }

    /// The first failures, one line each.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.entries.iter().filter(|entry| entry.outcome != Outcome::Ok);
        failed
            .take(KEPT_FAILURES)
            .map(|entry| format!("request {}: {:?}", entry.number, entry.outcome))
            .collect()
    }
}

fn record_micros(histogram: &mut Histogram<u64>, duration: Duration) {
    histogram.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(LONGEST_MICROS));
}
