//! The cases of the table: every simulated fault, by when it comes, what the provider and the client speak, and how the Route is.

use e2e::manifest::{route, target};
use serde_json::{Value, json};

/// What a provider or a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAI,
    Anthropic,
}

pub(super) const DIALECTS: [Dialect; 2] = [Dialect::OpenAI, Dialect::Anthropic];

/// As what a fault is worth a further try at the same target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By default.
    Passing,
    /// Only where `retry.when` names Timeout.
    Timeout,
    /// Never.
    Lasting,
    /// Never, nor at another target: the request is at fault.
    ClientsOwn,
}

/// A fault: its words in the model's name, whole and streamed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub name: &'static str,
    words: [&'static str; 2],
    kinds: [Kind; 2],
    /// It comes after the first content, or in the middle of a body.
    pub is_midway: bool,
}

/// How the Route is that leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// Another target behind the one that fails.
    Backed,
    /// The same, and `retry.when` is Timeout alone.
    BackedOnTimeout,
    /// No other target.
    Alone,
}

pub(super) const SETTINGS: [Setting; 3] = [Setting::Backed, Setting::BackedOnTimeout, Setting::Alone];

#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub fault: Fault,
    pub setting: Setting,
    pub provider: Dialect,
    pub client: Dialect,
    pub streamed: bool,
    /// Makes the names of the Route and of the model its own.
    number: usize,
}

use Kind::{ClientsOwn, Lasting, Passing, Timeout};

const fn early(name: &'static str, words: &'static str, kind: Kind) -> Fault {
    fault(name, [words; 2], [kind; 2], false)
}

const fn midway(name: &'static str, words: &'static str, kind: Kind) -> Fault {
    fault(name, [words; 2], [kind; 2], true)
}

const fn fault(name: &'static str, words: [&'static str; 2], kinds: [Kind; 2], is_midway: bool) -> Fault {
    Fault {
        name,
        words,
        kinds,
        is_midway,
    }
}

/// The provider of `gone` is an address at which nobody listens.
pub(super) const FAULTS: &[Fault] = &[
    early("400", "400", ClientsOwn),
    early("401", "401", Lasting),
    early("403", "403", Lasting),
    early("404", "404", Lasting),
    early("413", "413", ClientsOwn),
    early("422", "422", ClientsOwn),
    early("429, retry after 1 s", "429-retry-1", Passing),
    early("429, retry after 9 s", "429-retry-9", Lasting),
    early("500", "500", Passing),
    early("503, retry after 9 s", "503-retry-9", Lasting),
    early("529", "529", Passing),
    early("gone", "fast", Passing),
    early("no head", "hang", Timeout),
    early("head, then nothing", "hang-0", Timeout),
    early("closed before the head", "cut", Timeout),
    early("closed after the head", "cut-0", Timeout),
    early("reset before the head", "reset", Timeout),
    early("reset after the head", "reset-0", Timeout),
    early("garbage", "garbage", Lasting),
    early("a web page", "html", Lasting),
    early("error event", "error", Passing),
    fault("oversized", ["oversized-65", "oversized-17"], [Lasting; 2], false),
    midway("nothing more", "hang-3", Timeout),
    midway("closed midway", "cut-3", Timeout),
    // Slow enough that a reset does not overtake the content before it.
    midway("reset midway", "gap-100-reset-3", Timeout),
    fault("garbage midway", ["garbage-3"; 2], [Lasting; 2], true),
    midway("error midway", "error-3", Passing),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for fault in FAULTS {
        for setting in SETTINGS {
            for streamed in [false, true] {
                for provider in DIALECTS {
                    for client in DIALECTS {
                        cases.push(Case {
                            fault: *fault,
                            setting,
                            provider,
                            client,
                            streamed,
                            number: cases.len(),
                        });
                    }
                }
            }
        }
    }
    cases
}

impl Case {
    pub(super) fn route(&self) -> String {
        format!("case-{}", self.number)
    }

    /// No other case asks for it: the number of words tells them apart, and matters to nobody.
    pub(super) fn model(&self) -> String {
        format!("sim-words-{}-{}", 30 + self.number, self.words())
    }

    fn words(&self) -> &'static str {
        self.fault.words[usize::from(self.streamed)]
    }

    fn kind(&self) -> Kind {
        self.fault.kinds[usize::from(self.streamed)]
    }

    /// The Provider that fails: an impatient one where the fault is silence, so that the others have time on a busy machine.
    fn provider(&self) -> String {
        let dialect = format!("{:?}", self.provider).to_lowercase();
        let manner = match self.words() {
            "fast" => "gone",
            words if words.starts_with("hang") => "silent",
            _ => "failing",
        };
        format!("{manner}-{dialect}")
    }

    pub(super) fn object(&self) -> Value {
        let mut targets = vec![target("first", &self.provider(), &self.model(), 1)];
        if self.setting != Setting::Alone {
            targets.push(target("second", "healthy", "sim-fast", 0));
        }
        let mut retry = json!({ "backoff": "1ms" });
        if self.setting == Setting::BackedOnTimeout {
            retry["when"] = json!(["Timeout"]);
        }
        route(&self.route(), json!({ "targets": targets, "retry": retry }))
    }

    /// Whether the client had been sent something when it happened.
    pub(super) fn is_committed(&self) -> bool {
        self.fault.is_midway && self.streamed
    }

    /// How often the first target must have been asked.
    pub(super) fn tries(&self) -> u64 {
        let is_worth_another = match self.kind() {
            Passing => self.setting != Setting::BackedOnTimeout,
            Timeout => self.setting == Setting::BackedOnTimeout,
            Lasting | ClientsOwn => false,
        };
        if is_worth_another && !self.is_committed() { 2 } else { 1 }
    }

    /// Whether another target must have answered.
    pub(super) fn is_saved(&self) -> bool {
        self.setting != Setting::Alone && !self.is_committed() && self.kind() != ClientsOwn
    }

    /// Nobody listens there, so nothing is known of how often it was asked.
    pub(super) fn is_heard(&self) -> bool {
        self.words() != "fast"
    }
}
