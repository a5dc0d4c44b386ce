//! What came in and how it ended, for tests to look at: the last requests, counts, and gates.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::sync::Semaphore;

/// Requests kept.
const MOST_REQUESTS: usize = 1000;
/// Bytes of request bodies kept.
const MOST_BODY_BYTES: usize = 32 * 1024 * 1024;
/// Send times kept of one request.
const MOST_TIMES: usize = 10_000;

/// All that is remembered.
#[derive(Default)]
pub(crate) struct Journal {
    kept: Mutex<Kept>,
    connections: AtomicU64,
    gates: Mutex<HashMap<u64, Arc<Semaphore>>>,
}

#[derive(Default)]
struct Kept {
    requests: VecDeque<Arc<Mutex<Request>>>,
    body_bytes: usize,
    /// Requests so far, and by model.
    number: u64,
    by_model: BTreeMap<String, u64>,
    by_model_and_status: BTreeMap<String, BTreeMap<String, u64>>,
}

/// One request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Request {
    /// Counts from 0.
    pub number: u64,
    /// When it came in, in microseconds since 1970.
    pub received_unix_micros: u64,
    /// Of the endpoint.
    pub path: &'static str,
    pub model: String,
    /// Without secrets.
    pub headers: BTreeMap<String, String>,
    /// Exactly as it came in.
    pub body: String,
    /// Null while there is no answer.
    pub status: Option<u16>,
    /// When each chunk of content was handed to the socket, in microseconds since 1970.
    pub sent_unix_micros: Vec<u64>,
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Not yet.
    Open,
    /// All was sent.
    Complete,
    /// The simulator broke it off, as it was told to.
    Broken,
    /// The client went before all was sent.
    ClientLeft,
}

/// Counts since the start.
#[derive(Debug, Serialize)]
pub(crate) struct Stats {
    pub requests: u64,
    /// Connections accepted.
    pub connections: u64,
    /// By model, then by HTTP status; "none" for requests that got no headers.
    pub models: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A request that is being answered. Dropped before its end, it says that the client left.
pub(crate) struct Entry {
    journal: Arc<Journal>,
    request: Arc<Mutex<Request>>,
    pub(crate) number: u64,
    /// Requests of the same model before this one.
    pub(crate) number_of_model: u64,
}

impl Journal {
    pub(crate) fn enter(
        self: &Arc<Self>,
        now: u64,
        path: &'static str,
        model: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Entry {
        let mut kept = locked(&self.kept);
        let number = kept.number;
        kept.number += 1;
        let of_model = kept.by_model.entry(model.to_owned()).or_default();
        let number_of_model = *of_model;
        *of_model += 1;
        let request = Arc::new(Mutex::new(Request {
            number,
            received_unix_micros: now,
            path,
            model: model.to_owned(),
            headers: without_secrets(headers),
            body: String::from_utf8_lossy(body).into_owned(),
            status: None,
            sent_unix_micros: Vec::new(),
            outcome: Outcome::Open,
        }));
        kept.body_bytes += body.len();
        kept.requests.push_back(Arc::clone(&request));
        while kept.requests.len() > MOST_REQUESTS || kept.body_bytes > MOST_BODY_BYTES {
            let Some(oldest) = kept.requests.pop_front() else { break };
            kept.body_bytes = kept.body_bytes.saturating_sub(locked(&oldest).body.len());
        }
        Entry {
            journal: Arc::clone(self),
            request,
            number,
            number_of_model,
        }
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// The last requests, oldest first.
    pub(crate) fn last(&self, count: usize) -> Vec<Request> {
        let kept = locked(&self.kept);
        let skipped = kept.requests.len().saturating_sub(count);
        kept.requests
            .iter()
            .skip(skipped)
            .map(|request| locked(request).clone())
            .collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        let kept = locked(&self.kept);
        let connections = self.connections.load(Ordering::Relaxed);
        Stats {
            requests: kept.number,
            connections,
            models: kept.by_model_and_status.clone(),
        }
    }

    /// The gate of this name: one permit lets one chunk through.
    pub(crate) fn gate(&self, id: u64) -> Arc<Semaphore> {
        Arc::clone(
            locked(&self.gates)
                .entry(id)
                .or_insert_with(|| Arc::new(Semaphore::new(0))),
        )
    }
}

impl Entry {
    /// The headers go out.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.count(status.as_str());
        locked(&self.request).status = Some(status.as_u16());
    }

    /// There will be no headers.
    pub(crate) fn unanswered(&self) {
        self.count("none");
    }

    /// A chunk of content goes out.
    pub(crate) fn sent(&self, now: u64) {
        let mut request = locked(&self.request);
        if request.sent_unix_micros.len() < MOST_TIMES {
            request.sent_unix_micros.push(now);
        }
    }

    pub(crate) fn ended(&self, outcome: Outcome) {
        locked(&self.request).outcome = outcome;
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    fn count(&self, status: &str) {
        let model = locked(&self.request).model.clone();
        let mut kept = locked(&self.journal.kept);
        *kept
            .by_model_and_status
            .entry(model)
            .or_default()
            .entry(status.to_owned())
            .or_default() += 1;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut request = locked(&self.request);
        if request.outcome == Outcome::Open {
            request.outcome = Outcome::ClientLeft;
        }
    }
}

/// The headers with every credential reduced to its last four characters.
pub(crate) fn without_secrets(headers: &HeaderMap) -> BTreeMap<String, String> {
    let shown = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let shown = match name.as_str() {
            "authorization" | "x-api-key" | "api-key" | "cookie" => {
                let start = value.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
                format!("...{}", &value[start..])
            }
            _ => value.into_owned(),
        };
        (name.as_str().to_owned(), shown)
    });
    shown.collect()
}

/// What a lock guards is whole at any time, so a panic of another holder leaves nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::{HeaderMap, StatusCode};

    use super::{Journal, MOST_REQUESTS, Outcome};

    #[test]
    fn only_the_last_requests_are_kept_and_all_are_counted() {
        let journal = Arc::new(Journal::default());
        for _ in 0..=MOST_REQUESTS {
            let entry = journal.enter(0, "/", "sim-fast", &HeaderMap::new(), b"{}");
            entry.answered(StatusCode::OK);
            entry.ended(Outcome::Complete);
        }
        drop(journal.enter(0, "/", "sim-hang", &HeaderMap::new(), b"{}"));
        let requests = journal.last(usize::MAX);
        assert_eq!((requests.len(), requests[0].number), (MOST_REQUESTS, 2));
        assert_eq!(
            requests.last().map(|request| request.outcome),
            Some(Outcome::ClientLeft)
        );
        assert_eq!(journal.stats().models["sim-fast"]["200"], 1001);
        assert_eq!(journal.last(1).len(), 1);
    }

    #[test]
    fn bodies_are_bounded_in_bytes() {
        let journal = Arc::new(Journal::default());
        for _ in 0..5 {
            journal
                .enter(0, "/", "sim-fast", &HeaderMap::new(), &vec![b' '; 10 * 1024 * 1024])
                .ended(Outcome::Complete);
        }
        assert_eq!(journal.last(usize::MAX).len(), 3);
    }
}
