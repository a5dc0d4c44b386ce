//! Records as traffic makes them, in all their variety, from a seed. For tests only.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::record::{Answer, Attempt, Content, Deltas, Outcome, Record, Usage};
use super::{Queue, Settings};

/// 2026-03-01 00:00 UTC.
pub(crate) const BEGIN_UNIX_MICROS: i64 = 1_772_323_200_000_000;
pub(crate) const HOUR_MICROS: i64 = 3_600_000_000;

/// A source of records over two days.
pub(crate) struct Traffic {
    random: StdRng,
}

impl Traffic {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
        }
    }

    pub(crate) fn records(&mut self, count: usize) -> Vec<Record> {
        (0..count).map(|_| self.record()).collect()
    }

    pub(crate) fn record(&mut self) -> Record {
        let started_unix_micros = BEGIN_UNIX_MICROS + self.random.random_range(0..48 * HOUR_MICROS);
        let outcome = if self.chance(60) {
            Outcome::Ok
        } else {
            self.pick(&Outcome::ALL)
        };
        let attempts: Vec<Attempt> = (0..self.random.random_range(0..4)).map(|_| self.attempt()).collect();
        let latency_micros = self.random.random_range(0..30_000_000);
        Record {
            id: self.id(started_unix_micros),
            started_unix_micros,
            route: self.name(&["default/chat", "default/support", "default-2/chat", "team/chat"]),
            requested_model: self.pick(&["chat", "support", "", "naïve 😀"]).into(),
            key: self.name(&["default/app", "default/it's \"quoted\"", "team/app"]),
            user: self.maybe(|traffic| traffic.pick(&["u1", "u2"]).into()),
            snapshot_revision: Arc::from(self.pick(&["0a1b2c3d4e", "5f60718293"])),
            streamed: self.chance(50),
            outcome,
            status: self.pick(&[200, 400, 429, 499, 502]),
            error: self.maybe(|_| "the provider's answer broke off".into()),
            finish_reason: self
                .maybe(|traffic| traffic.pick(&["stop", "length", "tool_calls", "a vendor's own"]).into()),
            latency_micros,
            first_token_micros: self.maybe(|traffic| traffic.random.random_range(0..=latency_micros)),
            overhead_micros: self.random.random_range(20..300),
            usage: self.maybe(Self::usage),
            cost_pico_usd: self.maybe(|traffic| traffic.random.random_range(0..1 << 50)),
            attempts,
            content: self.maybe(Self::content),
            is_thinned: false,
            redactions: None,
        }
    }

    pub(crate) fn attempt(&mut self) -> Attempt {
        Attempt {
            target: Arc::from(self.pick(&["primary", "fallback"])),
            provider: Arc::from(self.pick(&["default/openai", "team/local"])),
            model: Arc::from(self.pick(&["sim-fast", "sim-slow", "a-model-with-a-rather-long-name"])),
            prompt: self.name(&["default/support", "team/greeting"]),
            revision: self.name(&["support-0a1b2c3d4e", "support-5f60718293", "greeting-0a1b2c3d4e"]),
            outcome: self.pick(&Outcome::ALL),
            status: self.maybe(|traffic| traffic.pick(&[200, 429, 500])),
            error: self.maybe(|_| "reset".into()),
            latency_micros: self.random.random_range(0..10_000_000),
            first_token_micros: self.maybe(|traffic| traffic.random.random_range(0..10_000)),
            usage: self.maybe(Self::usage),
            cost_pico_usd: self.maybe(|traffic| traffic.random.random_range(0..1 << 50)),
            upstream_id: self.maybe(|traffic| format!("chatcmpl-{:x}", traffic.random.random::<u64>()).into()),
        }
    }

    fn usage(&mut self) -> Usage {
        let (prompt_tokens, completion_tokens) = (self.random.random_range(0..5000), self.random.random_range(0..5000));
        let cached_tokens = self.random.random_range(0..=prompt_tokens);
        Usage {
            prompt_tokens,
            cached_tokens,
            cache_write_tokens: self.random.random_range(0..=prompt_tokens - cached_tokens),
            completion_tokens,
            reasoning_tokens: self.random.random_range(0..=completion_tokens),
            estimated: self.chance(20),
        }
    }

    fn content(&mut self) -> Content {
        let request: Vec<u8> = (0..self.random.random_range(0..2000))
            .map(|_| self.random.random())
            .collect();
        let answer = match self.random.random_range(0..3) {
            0 => Answer::None,
            1 => Answer::Message(Bytes::from_static(
                br#"{"role":"assistant","content":"hi \ud83d\ude00"}"#,
            )),
            _ => Answer::Deltas(Deltas {
                content: br"one\ntwo \u00e9".to_vec(),
                tool_calls: vec![
                    br#"[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]"#
                        .as_slice()
                        .into(),
                    br#"[{"index":0,"function":{"arguments":"}"}}]"#.as_slice().into(),
                ],
            }),
        };
        Content {
            request: Bytes::from(request),
            answer,
        }
    }

    fn id(&mut self, unix_micros: i64) -> Box<str> {
        const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let millis = u128::from((unix_micros / 1000).unsigned_abs());
        let ulid = millis << 80 | self.random.random::<u128>() >> 48;
        let digits = (0..26)
            .rev()
            .map(|digit| char::from(DIGITS[(ulid >> (5 * digit) & 31) as usize]));
        format!("gen-0-{}", digits.collect::<String>()).into()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.random.random_range(0..values.len())]
    }

    fn name(&mut self, names: &[&str]) -> Option<Arc<str>> {
        self.maybe(|traffic| Arc::from(traffic.pick(names)))
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(80).then(|| value(self))
    }
}

/// A queue that tries again at once, and writes a batch only when asked to or when it is full.
pub(crate) fn settings(directory: &Path) -> Settings {
    Settings {
        interval: Duration::from_hours(1),
        tend_interval: Duration::ZERO,
        retry_pause: Duration::ZERO,
        ..Settings::new(directory.to_owned(), || BEGIN_UNIX_MICROS)
    }
}

/// A closed store of these records, all with their content.
pub(crate) fn store(directory: &Path, records: &[Record]) {
    let queue = Queue::open(Settings {
        capacity_bytes: 1 << 30,
        ..settings(directory)
    })
    .unwrap();
    for record in records {
        queue.record(record.clone());
    }
    queue.close();
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        std::thread::yield_now();
    }
}
