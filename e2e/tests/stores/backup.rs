//! `route-switch backup` of a gateway at work, and `route-switch restore` into a place of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use e2e::client::{CHAT, Client};
use e2e::manifest::{file, prompt, route, target};
use e2e::program::route_switch;
use e2e::stage::{Gateway, Stage};
use e2e::stores;
use e2e::wait::until;
use e2e::work::{self, Work};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{ask, capturing, worked};

const REQUESTS: usize = 3_000;
/// Answered before the backup is asked for.
const BEFORE: usize = 1_000;
const WORKERS: usize = 4;

/// Backs up to a file. In the background, so that the load goes on.
pub(crate) async fn back_up(gateway: &Gateway, to: &Path) -> anyhow::Result<Output> {
    let (program, output) = (route_switch()?, File::create(to)?);
    let admin = gateway.admin_address.to_string();
    let backup = move || {
        let arguments = ["backup", "--admin", &*admin];
        Command::new(program).args(arguments).stdout(output).output()
    };
    Ok(tokio::task::spawn_blocking(backup).await??)
}

fn restore(from: &Path, to: &Path) -> anyhow::Result<Output> {
    let mut command = Command::new(route_switch()?);
    command.args(["restore", "--data"]).arg(to);
    Ok(command.stdin(File::open(from)?).output()?)
}

pub(crate) fn succeeded(output: &Output) -> anyhow::Result<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}: {said}", output.status);
    Ok(said)
}

pub(crate) fn failed(output: &Output) -> anyhow::Result<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "succeeded: {said}");
    Ok(said)
}

/// The files below a directory, by path.
fn files(directory: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.insert(path.display().to_string(), fs::read(&path)?);
        }
    }
    let own = format!("{}/", directory.display());
    let relative = |(path, bytes): (String, _)| (path.trim_start_matches(&own).to_owned(), bytes);
    Ok(files.into_iter().map(relative).collect())
}

fn greeting(text: &str) -> Vec<Value> {
    let messages = [json!({ "role": "system", "content": text })];
    let targets = [target("only", "sim", "sim-words-2", 1)];
    vec![
        prompt("greeting", json!({ "messages": messages })),
        route(
            "greeting",
            json!({ "targets": targets, "promptRef": { "name": "greeting" } }),
        ),
    ]
}

/// Sends the whole work, and tells the id of each answer.
fn load(client: &Client) -> (JoinSet<anyhow::Result<()>>, mpsc::UnboundedReceiver<String>) {
    let work = Arc::new(Work::new(REQUESTS));
    let (answered, ids) = mpsc::unbounded_channel();
    let run = |client: Client, work: Arc<Work>, answered: mpsc::UnboundedSender<String>| async move {
        while let Some(job) = work.take() {
            let answer = client.open(CHAT, job.body.clone()).await?.whole().await;
            answered.send(job.check(&answer)?.id)?;
        }
        Ok(())
    };
    let workers = (0..WORKERS).map(|_| run(client.clone(), Arc::clone(&work), answered.clone()));
    (workers.collect(), ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_whole_and_a_gateway_serves_from_it_elsewhere() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.write("work.yaml", &file(&work::objects()))?;
    stage.write("greeting.yaml", &file(&greeting("Greet in one sentence.")))?;
    let mut gateway = stage.gateway(&[]).await?;
    let first = gateway.snapshot().await?;
    stage.write("greeting.yaml", &file(&greeting("Greet in verse.")))?;
    gateway.snapshot_after(&first).await?;

    let (workers, mut ids) = load(&gateway.client);
    let mut before = Vec::new();
    while before.len() < BEFORE {
        before.push(ids.recv().await.context("the load ended")?);
    }
    let tar = stage.path().join("backup.tar");
    let said = succeeded(&back_up(&gateway, &tar).await?)?;
    let bytes = fs::metadata(&tar)?.len();
    ensure!(said.trim() == format!("a backup of {bytes} bytes"), "{said}");
    let during = ids.len();
    workers.join_all().await.into_iter().collect::<anyhow::Result<()>>()?;
    let capture = gateway.client.get_json("/status").await?["capture"].take();
    ensure!(
        capture["dropped_records"] == 0 && capture["dropped_contents"] == 0,
        "{capture}"
    );
    gateway.stop().await?;
    ensure!(!stage.data().join("backup.draft").exists(), "copies were left");

    let other = Stage::new().await?;
    let said = succeeded(&restore(&tar, &other.data())?)?;
    ensure!(said.contains("restored") && said.contains("by route-switch"), "{said}");
    let (there, here) = (stores::requests(&stage.data())?, stores::requests(&other.data())?);
    ensure!(there.len() == REQUESTS && here.iter().all(|(id, row)| there[id] == *row));
    let (examples, restored) = (stores::examples(&stage.data())?, stores::examples(&other.data())?);
    ensure!(
        restored
            .iter()
            .all(|(id, row)| examples[id] == *row && here.contains_key(id))
    );
    for id in &before {
        ensure!(here.contains_key(id), "{id} is not in the backup");
        ensure!(
            examples.contains_key(id) == restored.contains_key(id),
            "{id}: its example"
        );
    }
    let revisions = files(&stage.data().join("revisions"))?;
    ensure!(
        revisions.len() == 2 && revisions == files(&other.data().join("revisions"))?,
        "{revisions:?}"
    );
    eprintln!(
        "for the reader: {bytes} bytes with {} requests and {} examples, made while {during} requests were answered",
        here.len(),
        restored.len()
    );

    other.write("work.yaml", &file(&work::objects()))?;
    other.write("greeting.yaml", &file(&greeting("Greet in verse.")))?;
    let gateway = other.gateway(&[]).await?;
    let generation = gateway.client.generation(&before[0]).await?;
    ensure!(generation["id"] == *before[0], "{generation}");
    let known = gateway.client.get("/v1/prompts/greeting/revisions").await?.text();
    for path in revisions.keys() {
        let name = path.trim_start_matches("default/").trim_end_matches(".json");
        ensure!(known.contains(name), "{name} is not in {known}");
    }
    worked(
        gateway
            .client
            .chat(&json!({ "model": "greeting", "messages": [{ "role": "user", "content": "Ada" }] }))
            .await?,
    )?;
    let total = gateway.client.get_json("/v1/system/analytics").await?["total_requests"].take();
    ensure!(total == here.len() + 1, "{total}");
    Ok(())
}

/// A gateway with some megabytes of examples.
async fn filled(stage: &Stage) -> anyhow::Result<Gateway> {
    let objects = [
        e2e::manifest::provider("sim", json!({ "vendor": "Simulated" })),
        capturing("kept", "sim-words-2", &json!({ "content": true })),
    ];
    stage.write("objects.yaml", &file(&objects))?;
    let gateway = stage.gateway(&[]).await?;
    for number in 0..20 {
        let body = ask("kept", &format!("{number} {}", "x".repeat(1 << 20)));
        worked(gateway.client.chat(&body).await?)?;
    }
    Ok(gateway)
}

/// Asks for a backup, and takes no more of it than its head.
async fn stalled(gateway: &Gateway) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let mut connection = socket.connect(gateway.admin_address).await?;
    let request = "POST /backup HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    connection.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    connection.read_exact(&mut head).await?;
    ensure!(head == *b"HTTP/1.1 200", "{}", String::from_utf8_lossy(&head));
    Ok(connection)
}

#[tokio::test]
async fn one_backup_is_made_at_a_time_and_none_outlives_who_asked_or_the_gateway() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    let mut gateway = filled(&stage).await?;
    let tar = stage.path().join("backup.tar");
    let copies = stage.data().join("backup.draft");
    let taking = stalled(&gateway).await?;
    ensure!(copies.exists());
    let said = failed(&back_up(&gateway, &tar).await?)?;
    ensure!(said.contains("(409)") && said.contains("one at a time"), "{said}");
    drop(taking);
    until(
        "the copies to be removed",
        async || Ok((!copies.exists()).then_some(())),
    )
    .await?;
    until("another backup", async || {
        Ok(back_up(&gateway, &tar).await?.status.success().then_some(()))
    })
    .await?;

    let cut = stage.path().join("cut.tar");
    let whole = fs::read(&tar)?;
    fs::write(&cut, &whole[..whole.len() / 2])?;
    let place = stage.path().join("restored");
    let said = failed(&restore(&cut, &place)?)?;
    ensure!(
        said.contains("breaks off") && said.contains("Nothing was restored"),
        "{said}"
    );
    ensure!(files(&place)?.is_empty(), "something is left of it");
    succeeded(&restore(&tar, &place)?)?;
    let said = failed(&restore(&tar, &place)?)?;
    ensure!(said.contains("is not empty"), "{said}");

    let _taking = stalled(&gateway).await?;
    gateway.stop().await?;
    ensure!(!copies.exists(), "copies were left");
    ensure!(stores::requests(&stage.data())?.len() == 20);
    ensure!(stores::examples(&stage.data())? == stores::examples(&place)?);
    Ok(())
}

#[tokio::test]
async fn whoever_has_no_gateway_is_told_what_to_do() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let address = e2e::process::free_address()?.to_string();
    let program = route_switch()?;
    let output = Command::new(program).args(["backup", "--admin", &address]).output()?;
    let said = failed(&output)?;
    ensure!(said.contains(&address) && said.contains("copy the directory"), "{said}");
    let tar = directory.path().join("no.tar");
    fs::write(&tar, "no tar")?;
    let said = failed(&restore(&tar, &directory.path().join("data"))?)?;
    ensure!(said.contains("backup"), "{said}");
    Ok(())
}
