//! Neither a fleet key, nor a provider's credential, nor a client's key is to be found anywhere.

use std::path::Path;

use anyhow::ensure;

use super::{
    pod::Pod,
    pushes::{CLIENT_KEY, CREDENTIAL, key, objects, order, push},
};
use crate::ask;

#[tokio::test]
async fn a_pod_writes_and_tells_no_credential() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let mut pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    pod.push(&push(&objects("one", &[]), order(1, 1), &key(1))).await?;
    pod.becomes_ready().await?;
    // One that does not open, and one that no header can carry: both are talked about.
    let answer = pod
        .push_with(&push(&objects("two", &[]), order(1, 2), &key(2)), &key(1))
        .await?;
    let client = pod.client()?.with_key(CLIENT_KEY)?;
    let mut told = vec![answer, client.chat(&ask("one")).await?, client.get("/status").await?];
    told.push(pod.read().await?);
    told.push(pod.ask("GET", "/config", b"", &key(1)).await?);
    told.push(pod.admin.get("/metrics").await?);
    pod.keeps(order(1, 2)).await?;
    pod.program.terminate()?;
    ensure!(pod.program.ended().await?.success());
    for answer in &told {
        search(&answer.body, "an answer")?;
    }
    let data = Pod::data(fleet.path(), "gateway-0");
    let mut searched = 0;
    search_all(&data, &mut searched)?;
    ensure!(searched >= 3, "the data are not where they are looked for");
    search(&std::fs::read(fleet.path().join("gateway-0.log"))?, "the log")
}

fn search_all(directory: &Path, searched: &mut usize) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            search_all(&path, searched)?;
        } else {
            search(&std::fs::read(&path)?, &path.display().to_string())?;
            *searched += 1;
        }
    }
    Ok(())
}

fn search(bytes: &[u8], place: &str) -> anyhow::Result<()> {
    for secret in [CREDENTIAL.as_bytes(), CLIENT_KEY.as_bytes(), &[1; 32], &[2; 32]] {
        let tail = &secret[secret.len() - 12..];
        let is_run = secret[0] == secret[1];
        let sought = if is_run { secret } else { tail };
        ensure!(memchr::memmem::find(bytes, sought).is_none(), "a secret is in {place}");
    }
    Ok(())
}
