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
    /// Of the aimed length of a window: what 100 KB prompts put on the disk in whole windows is gigabytes.
    pub(super) window_share: f64,
    /// Run when no lane is named.
    by_default: bool,
    /// Subject to `--max-ratio`.
    pub(super) bounded: bool,
}

const LANES: [Lane; 5] = [
    Lane {
        name: "plain",
        connections: 8,
        prompt_bytes: 150,
        chunks: None,
        window_share: 1.0,
        by_default: true,
        bounded: true,
    },
    Lane {
        name: "long",
        connections: 8,
        prompt_bytes: 100_000,
        chunks: None,
        window_share: 0.3,
        by_default: true,
        bounded: false,
    },
    Lane {
        name: "stream",
        connections: 32,
        prompt_bytes: 150,
        chunks: Some(64),
        window_share: 1.0,
        by_default: true,
        bounded: false,
    },
    Lane {
        name: "single",
        connections: 1,
        prompt_bytes: 150,
        chunks: None,
        window_share: 1.0,
        by_default: false,
        bounded: false,
    },
    Lane {
        name: "wide",
        connections: 64,
        prompt_bytes: 150,
        chunks: None,
        window_share: 1.0,
        by_default: false,
        bounded: false,
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
            error.contains("plane") && error.contains("plain, long, stream"),
            "{error}"
        );
    }

    #[test]
    fn without_names_the_default_lanes_run_and_one_has_the_bound() {
        let lanes = Lane::chosen(&[]).unwrap();
        let names: Vec<&str> = lanes.iter().map(|lane| lane.name).collect();
        assert_eq!(names, ["plain", "long", "stream"]);
        assert_eq!(LANES.iter().filter(|lane| lane.bounded).count(), 1);
    }
}
