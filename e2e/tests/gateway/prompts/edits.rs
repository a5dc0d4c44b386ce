//! Edits of a prompt under load: each is live at once, and what an answer says of its revision is what the provider got.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use e2e::client::Client;
use e2e::manifest::file;
use e2e::stage::Stage;
use e2e::wait::until;
use tokio::task::JoinSet;

use super::{REVISION, echo, greeting, heard, named};
use crate::worked;

const EDITS: usize = 60;
const CONNECTIONS: usize = 4;

struct Load {
    client: Client,
    over: AtomicBool,
    /// The newest edit that an answer has shown.
    newest: AtomicUsize,
}

/// The edit that each revision was seen with.
type Seen = BTreeMap<String, usize>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_edit_under_load_is_live_and_the_revision_is_that_of_what_was_sent() -> anyhow::Result<()> {
    let (stage, gateway) = Stage::playing(&[echo(), greeting("edit 0 for {{ name }}")]).await?;
    let load = Arc::new(Load {
        client: gateway.client.clone(),
        over: AtomicBool::new(false),
        newest: AtomicUsize::new(0),
    });
    let mut connections: JoinSet<_> = (0..CONNECTIONS)
        .map(|number| keep_asking(Arc::clone(&load), number))
        .collect();
    for edit in 1..=EDITS {
        let text = format!("edit {edit} for {{{{ name }}}}");
        stage.write("objects.yaml", &file(&[echo(), greeting(&text)]))?;
        until(&format!("edit {edit} in an answer"), async || {
            if let Some(failed) = connections.try_join_next() {
                failed??;
            }
            Ok((load.newest.load(Ordering::Relaxed) >= edit).then_some(()))
        })
        .await?;
    }
    load.over.store(true, Ordering::Relaxed);
    let mut all = Seen::new();
    while let Some(seen) = connections.join_next().await {
        for (revision, edit) in seen?? {
            let known = *all.entry(revision.clone()).or_insert(edit);
            ensure!(known == edit, "{revision} was seen with the edits {known} and {edit}");
        }
    }
    ensure!(all.len() > EDITS, "{} revisions of {EDITS} edits were seen", all.len());
    // The collector leaves as many as nothing uses, and the active one.
    let told = gateway.client.get_json("/v1/prompts/greeting/revisions").await?;
    let kept = told["data"].as_array().context("data")?.len();
    ensure!((11..=12).contains(&kept), "{kept} revisions are kept");
    Ok(())
}

async fn keep_asking(load: Arc<Load>, number: usize) -> anyhow::Result<Seen> {
    let mut seen = Seen::new();
    let name = format!("client {number}");
    while !load.over.load(Ordering::Relaxed) {
        let answer = worked(load.client.chat(&named(&name)?).await?)?;
        let messages = heard(&answer)?["messages"].clone();
        let text = messages[0]["content"].as_str().context("a text")?;
        let edit = text
            .strip_prefix("edit ")
            .and_then(|rest| rest.strip_suffix(&format!(" for {name}")))
            .with_context(|| format!("not the text of an edit: {text}"))?;
        let edit: usize = edit.parse()?;
        let revision = answer.header(REVISION).to_owned();
        let known = *seen.entry(revision.clone()).or_insert(edit);
        ensure!(known == edit, "{revision} was sent as the edits {known} and {edit}");
        load.newest.fetch_max(edit, Ordering::Relaxed);
    }
    Ok(seen)
}
