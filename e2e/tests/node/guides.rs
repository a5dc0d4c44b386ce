//! The guides of `deploy/` and the worked example, command by command (`e2e/guide`), each on an installation that is whole.

use e2e::node::command::run;
use tokio::time::Instant;

use crate::{Suite, tell};

/// The last one ends with the release taken away.
const GUIDES: [&str; 5] = [
    "deploy/gitops/example/README.md",
    "deploy/guides/drain.md",
    "deploy/guides/key-rotation.md",
    "deploy/guides/backup-restore.md",
    "deploy/guides/upgrade.md",
];

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    for guide in GUIDES {
        suite.installed().await?;
        let began = Instant::now();
        run("e2e/guide", &[guide]).await?;
        tell(&format!(
            "for the reader: every command of {guide} was run, in {:.0} s",
            began.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}
