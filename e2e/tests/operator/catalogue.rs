//! Routes and prompts whose edits can be told from an answer, and how long an edit takes to be in one.

use std::time::Duration;

use anyhow::ensure;
use e2e::client::Answer;
use e2e::fleet::Fleet;
use e2e::fleet::pod::Pod;
use e2e::fleet::traffic::{ask, edit_of, route_name, target_name};
use e2e::manifest::{prompt, route, target};
use e2e::wait::within;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Far longer than any edit that is not lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How exactly a time is taken.
const GRAIN: Duration = Duration::from_millis(4);

/// So many Routes, of which the first ones follow a prompt each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Catalogue {
    pub(crate) namespace: &'static str,
    pub(crate) routes: usize,
    pub(crate) prompts: usize,
}

/// An object in its so many-th edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Route(usize, u32),
    Prompt(usize, u32),
}

impl Catalogue {
    /// All of them, never edited.
    pub(crate) fn all(self) -> Vec<Value> {
        let prompts = (0..self.prompts).map(|number| Edit::Prompt(number, 0));
        let routes = (0..self.routes).map(|number| Edit::Route(number, 0));
        prompts.chain(routes).map(|edit| self.manifest(edit)).collect()
    }

    pub(crate) fn manifest(self, edit: Edit) -> Value {
        let full = format!("{}/{}", self.namespace, edit.name());
        match edit {
            Edit::Route(number, edit) => {
                let mut spec = json!({ "targets": [target(&target_name(number, edit), "sim", "sim-echo", 1)] });
                if number < self.prompts {
                    spec["promptRef"] = json!({ "name": Edit::Prompt(number, 0).name() });
                }
                route(&full, spec)
            }
            Edit::Prompt(number, edit) => {
                let content = text(number, edit);
                prompt(&full, json!({ "messages": [{ "role": "system", "content": content }] }))
            }
        }
    }
}

impl Edit {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Route(..) => "Route",
            Self::Prompt(..) => "PromptTemplate",
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Route(number, _) => route_name(number),
            Self::Prompt(number, _) => format!("prompt-{number}"),
        }
    }

    /// The Route whose answers show it.
    fn shown_by(self) -> usize {
        let (Self::Route(number, _) | Self::Prompt(number, _)) = self;
        number
    }

    fn is_in(self, answer: &Answer) -> anyhow::Result<bool> {
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        Ok(match self {
            Self::Route(number, edit) => edit_of(answer.header("x-route-switch-target"), number) == Some(edit),
            // The simulator repeats what it was sent.
            Self::Prompt(number, edit) => answer.content()?.contains(&text(number, edit)),
        })
    }
}

fn text(number: usize, edit: u32) -> String {
    format!("You are assistant {number} in edit {edit}.")
}

/// Asks a pod until it shows the edit.
pub(crate) async fn shown(pod: &Pod, edit: Edit, since: Instant) -> anyhow::Result<Duration> {
    let body = ask(edit.shown_by());
    within(PATIENCE, GRAIN, &format!("{edit:?} at {}", pod.name), async || {
        let answer = pod.client.chat(&body).await?;
        Ok(edit.is_in(&answer)?.then(|| since.elapsed()))
    })
    .await
}

/// Applies the edit; gives how long after the API server's answer each pod showed it.
pub(crate) async fn propagated(fleet: &Fleet, catalogue: Catalogue, edit: Edit) -> anyhow::Result<Vec<Duration>> {
    fleet.objects.apply(&catalogue.manifest(edit)).await?;
    let since = Instant::now();
    try_join_all(fleet.pods.iter().map(|pod| shown(pod, edit, since))).await
}

/// By nearest rank, of times in order; nothing of none.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}
