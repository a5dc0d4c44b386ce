//! The lanes: which load each figure is taken under.

use std::time::Duration;

use anyhow::bail;

use crate::load::Expect;
use crate::mock::Streams;

/// One kind of load.
#[derive(Debug, serde::Serialize)]
pub(super) struct Lane {
    pub(super) name: &'static str,
    pub(super) connections: usize,
    pub(super) prompt_bytes: usize,
    /// Chunks with content in each answer; none if answers are not streamed.
    pub(super) chunks: Option<usize>,
    /// The Routes have a prompt, whose variables the requests fill.
    pub(super) prompt: bool,
    /// Routes that the requests are spread over, in turn.
    pub(super) routes: usize,
    /// Of the aimed length of a window: what 100 KB prompts put on the disk in whole windows is gigabytes.
    pub(super) window_share: f64,
    /// Run when no lane is named.
    by_default: bool,
    /// How many times the control's CPU it may take.
    pub(super) max_ratio: Option<f64>,
    /// Its records may be more than the stores keep up with; in the others, one that is dropped fails.
    pub(super) may_drop: bool,
}

/// What the others differ from.
const PLAIN: Lane = Lane {
    name: "plain",
    connections: 8,
    prompt_bytes: 150,
    chunks: None,
    prompt: false,
    routes: 1,
    window_share: 1.0,
    by_default: true,
    max_ratio: Some(2.2),
    may_drop: false,
};

const LANES: [Lane; 7] = [
    PLAIN,
    Lane {
        name: "prompt",
        prompt: true,
        max_ratio: Some(3.0),
        ..PLAIN
    },
    Lane {
        name: "long",
        prompt_bytes: 100_000,
        window_share: 0.3,
        max_ratio: Some(1.5),
        may_drop: true,
        ..PLAIN
    },
    Lane {
        name: "stream",
        connections: 32,
        chunks: Some(200),
        max_ratio: Some(1.4),
        ..PLAIN
    },
    Lane {
        name: "routes",
        routes: 5000,
        ..PLAIN
    },
    Lane {
        name: "single",
        connections: 1,
        by_default: false,
        max_ratio: None,
        ..PLAIN
    },
    Lane {
        name: "wide",
        connections: 64,
        by_default: false,
        max_ratio: None,
        ..PLAIN
    },
];
const GAP: Duration = Duration::from_millis(2);

impl Lane {
    /// The named lanes, in the order of the table.
    pub(super) fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Self>> {
        if let Some(unknown) = names
            .iter()
            .find(|name| LANES.iter().all(|lane| lane.name != name.as_str()))
        {
            let known: Vec<&str> = LANES.iter().map(|lane| lane.name).collect();
            bail!("no lane is called {unknown}; there are {}", known.join(", "));
        }
        let wanted = |lane: &&Self| {
            if names.is_empty() {
                lane.by_default
            } else {
                names.iter().any(|name| name == lane.name)
            }
        };
        Ok(LANES.iter().filter(wanted).collect())
    }

    pub(super) fn expect(&self) -> Expect {
        match self.chunks {
            None => Expect::Completion { echo: true },
            Some(chunks) => Expect::Stream {
                echoed_chunks: Some(chunks),
            },
        }
    }

    pub(super) fn streams(&self) -> Streams {
        Streams {
            chunks: self.chunks.unwrap_or(0),
            gap: GAP,
        }
    }

    /// What clients send as `model`, one name a Route.
    pub(super) fn models(&self) -> Vec<String> {
        (0..self.routes).map(|number| format!("bench-{number}")).collect()
    }

    /// What processor time is divided by.
    pub(super) fn unit(&self) -> &'static str {
        if self.chunks.is_some() { "chunk" } else { "request" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_lane_is_refused_with_the_names_that_exist() {
        let error = Lane::chosen(&["plane".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("plane") && error.contains("plain, prompt, long"),
            "{error}"
        );
    }

    #[test]
    fn without_names_the_lanes_run_that_have_a_bound() {
        let lanes = Lane::chosen(&[]).unwrap();
        let names: Vec<&str> = lanes.iter().map(|lane| lane.name).collect();
        assert_eq!(names, ["plain", "prompt", "long", "stream", "routes"]);
        assert!(LANES.iter().all(|lane| lane.by_default == lane.max_ratio.is_some()));
    }
}
