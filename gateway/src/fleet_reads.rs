//! One answer for the fleet: the gateway that is asked asks its siblings for their parts, each of what it stored itself, and adds
//! them up. Any gateway can be asked, and none has to be there: what a sibling would have added is missing, and the answer says so.
//!
//! ```text
//! client -> GET /v1/system/analytics -> own store, and POST /fleet/analytics at each sibling -> sum -> {..., pods {answered, missing}}
//! ```
//!
//! What a caller may see is decided where the caller asks, and travels in the question.
//! **Invariant**: siblings are waited for on the runtime of the stores, never on a traffic thread.

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crds::fleet::PodIdentity;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

mod question;
mod roll;
mod siblings;
#[cfg(test)]
mod tests;

use crate::analytics::{
    self, generations, prompts,
    share::Part,
    system::{self, MAX_ROWS, Pods},
};
use crate::capture::{Forget, Queue};
pub use question::{Find, Found, Presence, Question, Removed};
pub(crate) use roll::FILE as ORDINALS_FILE;
use roll::Roll;

/// How long a sibling may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// The longest answer of a sibling.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Siblings that are asked; no fleet has more.
const MOST_SIBLINGS: usize = 256;
/// Questions that wait for siblings at once; others wait for their turn.
const ASKING: usize = 8;
/// Questions of siblings that are answered at once.
const ANSWERING: usize = 4;
/// Where siblings ask, in POSTs with signatures.
pub const PATHS: [&str; 6] = [
    system::Query::PATH,
    prompts::Asked::PATH,
    generations::Query::PATH,
    Find::PATH,
    Forget::PATH,
    Presence::PATH,
];
/// Between two looks for siblings of whom nothing is known.
const PRESENCE_INTERVAL: Duration = Duration::from_secs(5);

/// The way to the other gateways of the fleet.
pub trait Siblings: Send + Sync {
    /// The admin addresses of all that there should be; may hold our own.
    fn addresses(&self) -> BoxFuture<'_, Vec<SocketAddr>>;

    /// Sends a signed POST to one of them: the answer's body, or why there is none. Nothing comes of asking ourselves.
    fn ask(&self, address: SocketAddr, path: &'static str, body: Bytes)
    -> BoxFuture<'_, Result<Option<Bytes>, String>>;
}

/// This gateway as one of a fleet.
pub struct FleetReads {
    pod: PodIdentity,
    ordinal: u32,
    queue: Arc<Queue>,
    siblings: Arc<dyn Siblings>,
    roll: Roll,
    runtime: Handle,
    asking: Semaphore,
    answering: Semaphore,
}

/// What the siblings said.
#[derive(Debug)]
pub struct Heard<P> {
    /// The sum of their parts; none when no sibling answered.
    pub others: Option<P>,
    /// Who answered, we ourselves among them.
    pub pods: Pods,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] analytics::Error),
    #[error("the stores cannot delete now")]
    Forget,
    #[error("failed to read the question of a sibling")]
    Question(#[source] serde_json::Error),
    #[error("failed to write an answer as JSON")]
    Answer(#[source] serde_json::Error),
    #[error("the question was broken off")]
    BrokenOff,
}

/// A question on its way, with what the asking pod knows of the fleet.
#[derive(Deserialize, Serialize)]
struct Asking<Q> {
    ordinal: u32,
    highest_ordinal: Option<u32>,
    question: Q,
}

/// An answer on its way.
#[derive(Deserialize, Serialize)]
struct Answer<P> {
    /// Of the pod. One that is reached at two addresses counts once.
    uid: String,
    ordinal: u32,
    highest_ordinal: Option<u32>,
    part: Told<P>,
}

#[derive(Deserialize, Serialize)]
enum Told<P> {
    Known(P),
    /// The client has to ask for less.
    TooManyRows,
}

impl FleetReads {
    /// `data` is the directory of the stores; siblings are asked on `runtime`.
    pub fn new(
        pod: PodIdentity,
        ordinal: u32,
        queue: Arc<Queue>,
        siblings: Arc<dyn Siblings>,
        data: &Path,
        runtime: Handle,
    ) -> Self {
        Self {
            pod,
            ordinal,
            queue,
            siblings,
            roll: Roll::open(data, ordinal),
            runtime,
            asking: Semaphore::new(ASKING),
            answering: Semaphore::new(ANSWERING),
        }
    }

    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// Asks all siblings, or those alone that may have an ordinal.
    pub async fn gather<Q: Question>(
        self: &Arc<Self>,
        question: Q,
        with: Option<u32>,
    ) -> Result<Heard<Q::Part>, Error> {
        let reads = Arc::clone(self);
        let gathered = self.runtime.spawn(async move { reads.ask(question, with).await });
        gathered.await.map_err(|_| Error::BrokenOff)?
    }

    async fn ask<Q: Question>(&self, question: Q, with: Option<u32>) -> Result<Heard<Q::Part>, Error> {
        let _turn = self.asking.acquire().await.map_err(|_| Error::BrokenOff)?;
        let body = serde_json::to_vec(&Asking {
            ordinal: self.ordinal,
            highest_ordinal: self.roll.highest(),
            question,
        });
        let body = Bytes::from(body.map_err(Error::Answer)?);
        let mut asked = self.send(Q::PATH, &body, with).await;
        let mut sum = Sum {
            others: None,
            uids: HashSet::from([self.pod.uid.clone()]),
        };
        let mut answered = BTreeSet::from([self.ordinal]);
        let mut failed = Vec::new();
        while let Some(sent) = asked.join_next().await {
            let (address, said) = sent.map_err(|_| Error::BrokenOff)?;
            let taken = match said {
                Ok(None) => continue,
                Ok(Some(body)) => {
                    let taken = spawn_blocking(move || sum.take(&body)).await;
                    let (kept, taken) = taken.map_err(|_| Error::BrokenOff)?;
                    sum = kept;
                    taken
                }
                Err(why) => Err(Untaken::Failed(why)),
            };
            match taken {
                Ok(told) => {
                    answered.insert(told.ordinal);
                    self.saw(Some(address), told.ordinal, told.highest_ordinal).await;
                }
                Err(Untaken::Store(error)) => return Err(error.into()),
                Err(Untaken::Failed(why)) => {
                    tracing::debug!(%address, path = Q::PATH, %why, "a sibling did not answer for the fleet");
                    failed.push(address);
                }
            }
        }
        Ok(Heard {
            others: sum.others,
            pods: self.roll.pods(&answered, &failed),
        })
    }

    async fn send(&self, path: &'static str, body: &Bytes, with: Option<u32>) -> JoinSet<Sent> {
        let addresses = timeout(DEADLINE, self.siblings.addresses()).await.unwrap_or_default();
        self.roll.keep_only(&addresses);
        let mut asked = JoinSet::new();
        let may_have = |address: &SocketAddr| {
            with.is_none_or(|ordinal| self.roll.ordinal(*address).is_none_or(|known| known == ordinal))
        };
        for address in addresses.into_iter().filter(may_have).take(MOST_SIBLINGS) {
            let (siblings, body) = (Arc::clone(&self.siblings), body.clone());
            asked.spawn(async move {
                let said = timeout(DEADLINE, siblings.ask(address, path, body)).await;
                let said = said.unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}")));
                (address, said)
            });
        }
        asked
    }

    /// Answers a sibling, whose signature was checked; none when nothing is asked at this path.
    pub async fn answer(&self, path: &str, body: &[u8]) -> Option<Result<Vec<u8>, Error>> {
        Some(match path {
            system::Query::PATH => self.answer_to::<system::Query>(body).await,
            prompts::Asked::PATH => self.answer_to::<prompts::Asked>(body).await,
            generations::Query::PATH => self.answer_to::<generations::Query>(body).await,
            Find::PATH => self.answer_to::<Find>(body).await,
            Forget::PATH => self.answer_to::<Forget>(body).await,
            Presence::PATH => self.answer_to::<Presence>(body).await,
            _ => return None,
        })
    }

    async fn answer_to<Q: Question>(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let asking: Asking<Q> = serde_json::from_slice(body).map_err(Error::Question)?;
        self.saw(None, asking.ordinal, asking.highest_ordinal).await;
        let _turn = self.answering.acquire().await.map_err(|_| Error::BrokenOff)?;
        let told = match asking.question.answer(Arc::clone(&self.queue)).await {
            Ok(part) => Told::Known(part),
            Err(Error::Store(analytics::Error::TooManyRows { .. })) => Told::TooManyRows,
            Err(error) => return Err(error),
        };
        let answer = Answer {
            uid: self.pod.uid.clone(),
            ordinal: self.ordinal,
            highest_ordinal: self.roll.highest(),
            part: told,
        };
        let written = spawn_blocking(move || answer.write()).await;
        written.map_err(|_| Error::BrokenOff)?.map_err(Error::Answer)
    }

    async fn saw(&self, address: Option<SocketAddr>, ordinal: u32, highest: Option<u32>) {
        if let Some(file) = self.roll.saw(address, ordinal, highest) {
            // An error means that the process ends.
            let _ = spawn_blocking(move || file.write()).await;
        }
    }

    /// Learns the ordinals of siblings that come, so that one that goes before anybody asked is known to be missing.
    pub async fn watch(self: Arc<Self>) {
        let mut interval = tokio::time::interval(PRESENCE_INTERVAL);
        loop {
            interval.tick().await;
            let addresses = timeout(DEADLINE, self.siblings.addresses()).await.unwrap_or_default();
            if addresses.iter().all(|address| self.roll.ordinal(*address).is_some()) {
                continue;
            }
            if let Err(error) = self.ask(Presence, None).await {
                tracing::debug!(%error, "the siblings were not asked who they are");
            }
        }
    }
}

impl<P: Serialize> Answer<P> {
    /// What would be too long for the one who asks has too many rows.
    fn write(mut self) -> serde_json::Result<Vec<u8>> {
        let text = serde_json::to_vec(&self)?;
        if text.len() <= MAX_ANSWER_BYTES {
            return Ok(text);
        }
        self.part = Told::TooManyRows;
        serde_json::to_vec(&self)
    }
}

/// What came of asking an address.
type Sent = (SocketAddr, Result<Option<Bytes>, String>);

/// The parts so far.
struct Sum<P> {
    others: Option<P>,
    uids: HashSet<String>,
}

/// Who told a part.
struct Teller {
    ordinal: u32,
    highest_ordinal: Option<u32>,
}

/// Why a part was not taken.
enum Untaken {
    /// The whole answer is none.
    Store(analytics::Error),
    /// This sibling is missing.
    Failed(String),
}

impl<P: Part> Sum<P> {
    /// Adds what a sibling answered. Blocks for as long as reading takes.
    fn take(mut self, body: &[u8]) -> (Self, Result<Teller, Untaken>) {
        let taken = self.add(body);
        (self, taken)
    }

    fn add(&mut self, body: &[u8]) -> Result<Teller, Untaken> {
        let answer: Answer<P> =
            serde_json::from_slice(body).map_err(|error| Untaken::Failed(format!("it is not understood: {error}")))?;
        let Answer {
            uid,
            ordinal,
            highest_ordinal,
            part,
        } = answer;
        let teller = Teller {
            ordinal,
            highest_ordinal,
        };
        let Told::Known(part) = part else {
            return Err(Untaken::Store(analytics::Error::TooManyRows { limit: MAX_ROWS }));
        };
        if self.uids.insert(uid) {
            match &mut self.others {
                Some(others) => others.add(part).map_err(Untaken::Store)?,
                none => *none = Some(part),
            }
        }
        Ok(teller)
    }
}
