//! The admin port of a pod, asked as the operator asks it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::fleet::key::{FleetKey, FleetKeys};
use crds::fleet::signature::{self, Request};
use crds::fleet::{Push, SNAPSHOT_PATH};
use k8s_openapi::ByteString;
use serde_json::Value;

use super::volume;

const PATIENCE: Duration = Duration::from_secs(10);

/// The keys in the fleet key's Secret.
pub fn keys(secret: &Value) -> anyhow::Result<FleetKeys> {
    let data = volume::data(secret)?;
    let key = |ByteString(bytes): &ByteString| FleetKey::new(bytes);
    Ok(FleetKeys {
        current: key(data.get("current").context("the Secret has no current key")?)?,
        previous: data.get("previous").map(key).transpose()?,
    })
}

/// What the pod serves from; none when it has nothing, or is not there.
pub async fn snapshot(keys: &FleetKeys, admin: SocketAddr, uid: &str) -> anyhow::Result<Option<Push>> {
    let (status, body) = match ask(keys, ("GET", SNAPSHOT_PATH, b""), admin, uid).await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() || error.is_request() => return Ok(None),
        Err(error) => return Err(error).context("GET of a pod's Snapshot"),
    };
    if status == 404 {
        return Ok(None);
    }
    ensure!(
        status == 200,
        "{admin} answers {status}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(Some(serde_json::from_slice(&body)?))
}

/// Sends a signed request; gives status and body.
pub async fn ask(
    keys: &FleetKeys,
    (method, path, body): (&str, &str, &[u8]),
    admin: SocketAddr,
    uid: &str,
) -> reqwest::Result<(u16, Vec<u8>)> {
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let request = Request {
        method,
        path,
        body,
        receiver: uid,
    };
    let now = jiff::Timestamp::now().as_millisecond();
    let header = signature::sign(keys, keys.current.id(), request, now, rand::random());
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap_or_default();
    let request = http.request(method, format!("http://{admin}{path}"));
    let request = request.header(signature::HEADER, header).body(body.to_vec());
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.bytes().await?.to_vec()))
}
