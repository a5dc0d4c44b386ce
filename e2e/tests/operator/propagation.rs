//! How long an edit takes to be served, and what it costs: no request, and one status write.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use e2e::fleet::Fleet;
use e2e::fleet::audit::Write;
use e2e::fleet::traffic::Traffic;

use crate::catalogue::{Edit, percentile, propagated};
use crate::thousand::THOUSAND;
use crate::{Suite, tell};

const EDITS: usize = 200;
const REQUESTS_A_SECOND: u32 = 300;
/// Coprime to the numbers of Routes and of prompts, so that each edit is of another object.
const STRIDE: usize = 7;
const SETTLED: Duration = Duration::from_secs(2);
const MEDIAN: Duration = Duration::from_millis(200);
const SLOWEST_HUNDREDTH: Duration = Duration::from_secs(1);

/// Three edits of a Route, then one of a prompt.
fn edit(number: usize) -> Edit {
    if number % 4 == 3 {
        Edit::Prompt(number * STRIDE % THOUSAND.prompts, 1)
    } else {
        Edit::Route(number * STRIDE % THOUSAND.routes, 1)
    }
}

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let fleet = suite.thousand().await?;
    fleet.quiet(SETTLED).await?;
    let doors: Vec<SocketAddr> = fleet.pods.iter().map(|pod| pod.traffic).collect();
    let traffic = Traffic::start(&doors, THOUSAND.routes, REQUESTS_A_SECOND, 9)?;
    let mut taken = Vec::with_capacity(EDITS * doors.len());
    for number in 0..EDITS {
        taken.extend(propagated(fleet, THOUSAND, edit(number)).await?);
    }
    let report = traffic.stop().await?;
    fleet.all_ready(&["Provider", "PromptTemplate", "Route"]).await?;
    taken.sort_unstable();
    let (median, hundredth) = (percentile(&taken, 50), percentile(&taken, 99));
    tell(&format!(
        "for the reader: {EDITS} edits on {} gateways under {REQUESTS_A_SECOND} requests/s: p50 {median:.0?}, p99 {hundredth:.0?}, \
         slowest {:.0?}; {} requests, {} failed, {} misrouted",
        doors.len(),
        taken.last().copied().unwrap_or_default(),
        report.requests,
        report.failed.len(),
        report.misrouted.len(),
    ));
    ensure!(report.failed.is_empty() && report.misrouted.is_empty(), "{report:#?}");
    writes(fleet).await?;
    ensure!(median <= MEDIAN, "p50 is {median:?}");
    ensure!(hundredth <= SLOWEST_HUNDREDTH, "p99 is {hundredth:?}");
    Ok(())
}

/// At most one status write an object and edit, counting the edits of what it names.
async fn writes(fleet: &mut Fleet) -> anyhow::Result<()> {
    let mut before = fleet.audit.clone();
    fleet.quiet(SETTLED).await?;
    let writes = before.new_writes()?;
    let of_operators = writes.iter().filter(|write| write.user == fleet.account.user);
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for Write { resource, name, .. } in of_operators.filter(|write| write.part == "status") {
        *counts.entry((resource, name)).or_default() += 1;
    }
    let mut due: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for edit in (0..EDITS).map(edit) {
        let mut count = |resource, edit: Edit| *due.entry((resource, edit.name())).or_default() += 1;
        match edit {
            Edit::Route(..) => count("routes", edit),
            Edit::Prompt(number, _) => {
                count("prompttemplates", edit);
                // It follows the prompt.
                count("routes", Edit::Route(number, 0));
            }
        }
    }
    let more = counts.iter().filter(|((resource, name), count)| {
        **count > due.get(&(*resource, (*name).to_owned())).copied().unwrap_or_default()
    });
    let more: Vec<_> = more.collect();
    ensure!(more.is_empty(), "more status writes than edits: {more:?}");
    // Else the writes would not have been seen.
    ensure!(counts.len() >= EDITS, "{} objects were written", counts.len());
    Ok(())
}
