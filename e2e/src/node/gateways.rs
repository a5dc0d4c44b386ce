//! The gateways of the release as Pods, each with the clients that ask it alone, and the Service before them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::fleet::Push;
use serde_json::Value;

use super::ADMIN_KEY;
use crate::client::Client;
use crate::fleet::objects::Objects;
use crate::fleet::{FLEET_KEY, signed, statuses, text};
use crate::wait::within;

const TRAFFIC_PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9090;
const SERVICE: &str = "route-switch-gateway";
/// For a pod to drain, to be replaced and to be ready again, on two busy cores.
const LIMIT: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(100);

/// A gateway's Pod.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub name: String,
    pub ordinal: usize,
    pub uid: String,
    pub admin: SocketAddr,
    pub traffic: SocketAddr,
    /// With an Admin's key.
    pub client: Client,
}

/// What runs, in the order of its ordinals; none while any of them is not ready or is about to end.
async fn settled(objects: &Objects) -> anyhow::Result<Option<Vec<Gateway>>> {
    let mut gateways = Vec::new();
    for pod in objects.list("Pod").await? {
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] != "gateway" {
            continue;
        }
        if !pod["metadata"]["deletionTimestamp"].is_null() || !statuses::has(&pod, "Ready", "True") {
            return Ok(None);
        }
        gateways.push(Gateway::of(&pod)?);
    }
    gateways.sort_by_key(|gateway| gateway.ordinal);
    Ok(Some(gateways))
}

/// Waits until so many gateways are there, all of them ready.
pub async fn ready(objects: &Objects, count: usize) -> anyhow::Result<Vec<Gateway>> {
    within(LIMIT, PAUSE, &format!("{count} ready gateways"), async || {
        Ok(settled(objects).await?.filter(|gateways| gateways.len() == count))
    })
    .await
}

/// Where clients reach whichever gateway.
pub async fn service(objects: &Objects) -> anyhow::Result<SocketAddr> {
    let service = objects.existing("Service", SERVICE).await?;
    let address: IpAddr = text(&service, "/spec/clusterIP")?.parse()?;
    let port = service["spec"]["ports"][0]["port"].as_u64().context("no port")?;
    Ok(SocketAddr::new(address, u16::try_from(port)?))
}

/// What each of these serves from.
pub async fn snapshots(objects: &Objects, gateways: &[Gateway]) -> anyhow::Result<Vec<Push>> {
    let keys = signed::keys(&objects.existing("Secret", FLEET_KEY).await?)?;
    let mut pushes = Vec::new();
    for gateway in gateways {
        let push = signed::snapshot(&keys, gateway.admin, &gateway.uid).await?;
        pushes.push(push.with_context(|| format!("{} has no Snapshot", gateway.name))?);
    }
    Ok(pushes)
}

/// The ordinal in a generation's id.
pub fn ordinal_of(generation: &str) -> anyhow::Result<usize> {
    let ordinal = generation.strip_prefix("gen-").and_then(|rest| rest.split('-').next());
    let ordinal = ordinal.and_then(|ordinal| ordinal.parse().ok());
    ordinal.with_context(|| format!("{generation:?} is no generation's id"))
}

impl Gateway {
    fn of(pod: &Value) -> anyhow::Result<Self> {
        let name = text(pod, "/metadata/name")?.to_owned();
        let ordinal = name.rsplit('-').next().and_then(|ordinal| ordinal.parse().ok());
        let address: IpAddr = text(pod, "/status/podIP")?.parse()?;
        let traffic = SocketAddr::new(address, TRAFFIC_PORT);
        Ok(Self {
            ordinal: ordinal.with_context(|| format!("{name} has no ordinal"))?,
            name,
            uid: text(pod, "/metadata/uid")?.to_owned(),
            admin: SocketAddr::new(address, ADMIN_PORT),
            traffic,
            client: Client::new(traffic)?.with_key(ADMIN_KEY)?,
        })
    }

    /// Requests in its own store.
    pub async fn own_requests(&self) -> anyhow::Result<u64> {
        let answer = self.client.get_json("/v1/system/analytics?scope=pod").await?;
        answer["total_requests"].as_u64().context("no total")
    }

    /// The figures of the fleet, which must name exactly these as missing.
    pub async fn fleet_requests(&self, missing: &[&str]) -> anyhow::Result<u64> {
        let answer = self.client.get_json("/v1/system/analytics").await?;
        ensure!(
            answer["pods"]["missing"] == serde_json::json!(missing),
            "{:#}",
            answer["pods"]
        );
        answer["total_requests"].as_u64().context("no total")
    }
}
