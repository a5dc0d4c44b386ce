//! What pods ask each other. Each question is answered by a pod from its own stores, off the threads of traffic.

use std::sync::Arc;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};
use tokio::task::spawn_blocking;

use super::Error;
use crate::analytics::{
    self, Analytics,
    generation::Sight,
    generations::{self, Listing},
    prompts::{self, PromptShare},
    share::{Part, Share},
    system,
};
use crate::capture::{Forget, Queue};

/// Something that is asked of each pod.
pub trait Question: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    type Part: Part;
    /// Where siblings ask it.
    const PATH: &'static str;

    /// What this pod knows of it, all that was recorded before included.
    fn answer(self, queue: Arc<Queue>) -> impl Future<Output = Result<Self::Part, Error>> + Send;
}

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Find {
    pub id: Box<str>,
    pub sight: Sight,
}

/// The request, if it is known and the caller may see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found(pub Option<Box<RawValue>>);

/// How much was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    pub examples: u64,
    pub requests: u64,
}

/// Who are you?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence;

impl Question for system::Query {
    type Part = Share;
    const PATH: &'static str = "/fleet/analytics";

    async fn answer(self, queue: Arc<Queue>) -> Result<Share, Error> {
        look(&queue, move |analytics| analytics.share(&self)).await
    }
}

impl Question for prompts::Asked {
    type Part = PromptShare;
    const PATH: &'static str = "/fleet/prompt";

    async fn answer(self, queue: Arc<Queue>) -> Result<PromptShare, Error> {
        look(&queue, move |analytics| analytics.prompt(&self)).await
    }
}

impl Question for generations::Query {
    type Part = Listing;
    const PATH: &'static str = "/fleet/generations";

    async fn answer(self, queue: Arc<Queue>) -> Result<Listing, Error> {
        look(&queue, move |analytics| analytics.generations(&self)).await
    }
}

impl Question for Find {
    type Part = Found;
    const PATH: &'static str = "/fleet/generation";

    async fn answer(self, queue: Arc<Queue>) -> Result<Found, Error> {
        look(&queue, move |analytics| {
            let found = analytics.generation(&self.id)?;
            let visible = found.filter(|generation| self.sight.shows(generation));
            Ok(Found(visible.as_ref().map(to_raw_value).transpose()?))
        })
        .await
    }
}

impl Question for Forget {
    type Part = Removed;
    const PATH: &'static str = "/fleet/forget";

    async fn answer(self, queue: Arc<Queue>) -> Result<Removed, Error> {
        let forgotten = queue.forget(self).await.ok_or(Error::Forget)?;
        match (forgotten.examples, forgotten.requests) {
            (Some(examples), Some(requests)) => Ok(Removed { examples, requests }),
            _ => Err(Error::Forget),
        }
    }
}

impl Question for Presence {
    type Part = Presence;
    const PATH: &'static str = "/fleet/presence";

    async fn answer(self, _: Arc<Queue>) -> Result<Self, Error> {
        Ok(self)
    }
}

impl Part for Found {
    fn add(&mut self, other: Self) -> Result<(), analytics::Error> {
        self.0 = self.0.take().or(other.0);
        Ok(())
    }
}

impl Part for Removed {
    fn add(&mut self, other: Self) -> Result<(), analytics::Error> {
        self.examples = self.examples.saturating_add(other.examples);
        self.requests = self.requests.saturating_add(other.requests);
        Ok(())
    }
}

impl Part for Presence {
    fn add(&mut self, _: Self) -> Result<(), analytics::Error> {
        Ok(())
    }
}

/// Asks the store of analytics on a thread that may block. What was recorded before is in it when it is asked.
async fn look<T: Send + 'static>(
    queue: &Queue,
    question: impl FnOnce(&Analytics) -> Result<T, analytics::Error> + Send + 'static,
) -> Result<T, Error> {
    queue.flush().await;
    let analytics = queue.analytics();
    let answer = spawn_blocking(move || question(&analytics)).await;
    Ok(answer.map_err(|_| Error::BrokenOff)??)
}
