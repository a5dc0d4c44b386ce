//! Every command of every guide in `deploy/`, run from a guide's beginning to its end as a reader would: the guides themselves say what
//! has to come out, and fail where it does not.

use anyhow::Context as _;
use e2e::node::command::run;
use e2e::node::release::{CHART, Helm};
use e2e::node::{gateways, tidy};
use tokio::time::Instant;

use crate::{GATEWAYS, Suite, install, tell};

/// In the order in which they are run: each leaves the release as the next one may find it, and the last takes it away.
const GUIDES: [&str; 5] = [
    "deploy/gitops/example/README.md",
    "deploy/guides/key-rotation.md",
    "deploy/guides/drain.md",
    "deploy/guides/backup-restore.md",
    "deploy/guides/upgrade.md",
];
/// Gateways are replaced often, and nobody asks them meanwhile.
const SHORT_DELAY: [&str; 2] = ["--set", "gateway.drainDelay=1s"];

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    tidy::all(&suite.objects).await?;
    Helm::Four.install(CHART, &SHORT_DELAY).await?;
    install::demo().await?;
    gateways::ready(&suite.objects, GATEWAYS).await?;
    let mut took = Vec::new();
    for guide in GUIDES {
        let began = Instant::now();
        run("e2e/guide", &[guide]).await.context(guide)?;
        took.push(format!("{guide} {:.0} s", began.elapsed().as_secs_f64()));
    }
    tell(&format!(
        "for the reader: guides, every command of them: {}",
        took.join(", ")
    ));
    tidy::all(&suite.objects).await
}
