//! What a pod starts with: the highest of its own file and of what its siblings answer within a second. Where there is neither, it is
//! not ready, and asks again until a push or a sibling gives it one.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use crds::fleet::SNAPSHOT_PATH;
use futures_util::{StreamExt, stream};
use http::Method;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Fleet,
    siblings::{AskError, MAX_SIBLINGS},
};

/// How long siblings may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Before they are asked again.
const PAUSE: Duration = Duration::from_secs(3);
/// Siblings that are asked at once.
const AT_ONCE: usize = 4;
/// Siblings that are named in a reason.
const MAX_NAMED: usize = 3;

/// Returns when the pod has a Snapshot, and the siblings were asked for a higher one.
pub async fn ready(fleet: &Fleet) {
    let own = fleet.waiting();
    let mut held = fleet.follow();
    loop {
        let answers = ask_all(fleet).await;
        if fleet.held().is_some() {
            return;
        }
        fleet.waits_for(format!("{own}; {answers}; it waits for a push of the operator"));
        // A push, or time to ask again.
        tokio::select! {
            _ = held.wait_for(Option::is_some) => {}
            () = sleep(PAUSE) => {}
        }
    }
}

/// Takes the highest that the siblings have, if it is above what the pod has; says what became of asking.
async fn ask_all(fleet: &Fleet) -> String {
    let until = Instant::now() + PATIENCE;
    let Ok(addresses) = timeout_at(until, fleet.siblings.addresses()).await else {
        return "no address of a sibling was to be had in time".to_owned();
    };
    if addresses.is_empty() {
        return "no sibling is known".to_owned();
    }
    let asked: Vec<_> = addresses
        .into_iter()
        .take(MAX_SIBLINGS)
        .map(|address| ask(fleet, address, until))
        .collect();
    let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut problems = Vec::new();
    while let Some(answer) = answers.next().await {
        // Each is judged by its order as it comes, so that the highest is in use in the end.
        let problem = match answer {
            Ok(push) => fleet.take(push).await.err().map(|error| error.to_string()),
            Err(AskError::Itself { .. }) => None,
            Err(error) => Some(error.to_string()),
        };
        problems.extend(problem);
    }
    if problems.is_empty() {
        return "no sibling answered".to_owned();
    }
    let more = problems.len().saturating_sub(MAX_NAMED);
    problems.truncate(MAX_NAMED);
    let told = problems.join("; ");
    if more > 0 {
        format!("{told}; and {more} more")
    } else {
        told
    }
}

async fn ask(fleet: &Fleet, address: SocketAddr, until: Instant) -> Result<Bytes, AskError> {
    let within = until.saturating_duration_since(Instant::now());
    let asked = fleet
        .siblings
        .ask(address, Method::GET, SNAPSHOT_PATH, Bytes::new(), within);
    asked.await
}
