//! Waiting on conditions: asked again and again, with a deadline, so that no test sleeps for a time that it guessed.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(10);
/// Long enough for the busiest machine; nothing that works comes near it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until there is an answer; an error of the question itself ends the wait.
pub async fn until<T>(what: &str, question: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    within(PATIENCE, PAUSE, what, question).await
}

/// The same with a deadline and a pause of one's own.
pub async fn within<T>(
    limit: Duration,
    pause: Duration,
    what: &str,
    mut question: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = question().await? {
            return Ok(answer);
        }
        if began.elapsed() > limit {
            bail!("waited {limit:?} in vain for {what}");
        }
        sleep(pause).await;
    }
}
