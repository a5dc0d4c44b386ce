//! When nothing changes, nothing is written.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::sleep;

use crate::{Suite, tell};

const SETTLED: Duration = Duration::from_secs(3);
const MINUTE: Duration = Duration::from_mins(1);
const FIVE_MINUTES: Duration = Duration::from_mins(5);

/// The only wait for a time in this suite: it is what is shown.
pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let time = suite.lasting(MINUTE, FIVE_MINUTES);
    let fleet = suite.thousand().await?;
    fleet.quiet(SETTLED).await?;
    sleep(time).await;
    let writes = fleet.audit.new_writes()?;
    let user = &fleet.account.user;
    let (leases, others): (Vec<_>, Vec<_>) = writes
        .iter()
        .filter(|write| write.user == *user)
        .partition(|write| write.resource == "leases");
    // Else the log would not have been read, or the operators would have been dead.
    ensure!(!leases.is_empty(), "no Lease was renewed in {time:?}");
    ensure!(others.is_empty(), "{} writes, for instance {}", others.len(), others[0]);
    tell(&format!(
        "for the reader: quiet: 0 writes in {time:?} over 1,200 objects"
    ));
    Ok(())
}
