//! The gateway pods, by a watch: a Service leaves out those that are not ready, and a fresh pod is not ready before it has a Snapshot.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use tokio::{sync::watch, time::timeout};

/// Name of the container port where a gateway is administered.
const ADMIN_PORT: &str = "admin";
/// A watch is renewed so often, so that one that died silently is found.
const WATCH_SECONDS: u32 = 60;

/// How pods are found.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) selector: String,
    /// Of pods that do not name theirs.
    pub(super) admin_port: u16,
    pub(super) resync: Duration,
}

/// By the pod's name.
pub(super) type Gateways = BTreeMap<String, Gateway>;

/// A gateway's Pod, as far as pushes need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gateway {
    pub(super) name: String,
    pub(super) uid: String,
    /// The last number of its name.
    pub(super) ordinal: Option<u32>,
    /// None until it has an address.
    pub(super) admin: Option<SocketAddr>,
    pub(super) ready: bool,
    pub(super) terminating: bool,
}

impl Gateway {
    /// None for a pod that has ended, and will not come back.
    fn read(pod: &Pod, admin_port: u16) -> Option<Self> {
        let name = pod.metadata.name.clone()?;
        let status = pod.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return None;
        }
        let ports = pod.spec.iter().flat_map(|spec| &spec.containers);
        let named = ports
            .flat_map(|container| container.ports.iter().flatten())
            .find(|port| port.name.as_deref() == Some(ADMIN_PORT))
            .and_then(|port| u16::try_from(port.container_port).ok());
        let address = status.and_then(|status| status.pod_ip.as_deref()?.parse::<IpAddr>().ok());
        let conditions = status
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        Some(Self {
            ordinal: last_number(&name),
            name,
            uid: pod.metadata.uid.clone()?,
            admin: address.map(|address| SocketAddr::new(address, named.unwrap_or(admin_port))),
            ready: conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
            terminating: pod.metadata.deletion_timestamp.is_some(),
        })
    }

    pub(super) fn is_counted(&self) -> bool {
        self.ready && !self.terminating
    }

    pub(super) fn is_starting(&self) -> bool {
        !self.ready && !self.terminating
    }
}

/// Keeps `found` as the pods are; it stays empty-handed until they were listed once.
pub(super) async fn watch(api: Api<Pod>, search: Search, found: watch::Sender<Option<Arc<Gateways>>>) {
    let mut watched = Watched::default();
    loop {
        let config = watcher::Config::default()
            .labels(&search.selector)
            .timeout(WATCH_SECONDS);
        let mut events = pin!(watcher(api.clone(), config).default_backoff());
        let watching = async {
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => watched.take(event, search.admin_port, &found),
                    Err(error) => tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the watch of the gateway pods failed; it begins anew"
                    ),
                }
            }
        };
        // Its end is the time for a list.
        let _ = timeout(search.resync, watching).await;
    }
}

/// Pods as the events of a watch tell them.
#[derive(Debug, Default)]
struct Watched {
    gateways: Gateways,
    /// What a list has given so far.
    listed: Gateways,
}

impl Watched {
    fn take(&mut self, event: Event<Pod>, admin_port: u16, found: &watch::Sender<Option<Arc<Gateways>>>) {
        let is_whole = matches!(event, Event::InitDone);
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                if let Some(gateway) = Gateway::read(&pod, admin_port) {
                    self.listed.insert(gateway.name.clone(), gateway);
                }
            }
            Event::InitDone => self.gateways = std::mem::take(&mut self.listed),
            Event::Apply(pod) => match Gateway::read(&pod, admin_port) {
                Some(gateway) => drop(self.gateways.insert(gateway.name.clone(), gateway)),
                None => self.forget(&pod),
            },
            Event::Delete(pod) => self.forget(&pod),
        }
        found.send_if_modified(|found| {
            let changed = (is_whole || found.is_some()) && found.as_deref() != Some(&self.gateways);
            if changed {
                *found = Some(Arc::new(self.gateways.clone()));
            }
            changed
        });
    }

    /// Unless another pod has taken over its name.
    fn forget(&mut self, pod: &Pod) {
        if let Some(name) = &pod.metadata.name
            && self
                .gateways
                .get(name)
                .is_some_and(|gateway| pod.metadata.uid.as_ref() == Some(&gateway.uid))
        {
            self.gateways.remove(name);
        }
    }
}

/// `gateway-12` is 12.
fn last_number(name: &str) -> Option<u32> {
    let is_digit = |character: char| character.is_ascii_digit();
    let end = name.rfind(is_digit)? + 1;
    let start = name[..end]
        .rfind(|character| !is_digit(character))
        .map_or(0, |at| at + 1);
    name[start..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, uid: &str, status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "uid": uid},
            "spec": {"containers": [{"name": "gateway", "ports": [
                {"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 9191}
            ]}]},
            "status": status,
        }))
        .unwrap()
    }

    fn ready(address: &str) -> Value {
        json!({"podIP": address, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
    }

    #[test]
    fn a_pod_tells_its_admin_address_and_whether_it_counts() {
        let gateway = Gateway::read(&pod("gateway-2", "u", &ready("10.0.0.7")), 9090).unwrap();
        assert_eq!(gateway.admin, Some("10.0.0.7:9191".parse().unwrap()));
        assert!(gateway.is_counted() && !gateway.is_starting());
        assert_eq!(gateway.ordinal, Some(2));

        let mut unnamed = pod("gateway-2", "u", &ready("fd00::7"));
        unnamed.spec.as_mut().unwrap().containers[0].ports = None;
        let gateway = Gateway::read(&unnamed, 9090).unwrap();
        assert_eq!(gateway.admin, Some("[fd00::7]:9090".parse().unwrap()));

        let fresh = Gateway::read(&pod("gateway-2", "u", &json!({"phase": "Pending"})), 9090).unwrap();
        assert!(fresh.is_starting() && fresh.admin.is_none());

        let mut leaving = pod("gateway-2", "u", &ready("10.0.0.7"));
        leaving.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-11-25T12:00:00Z")).unwrap());
        let gateway = Gateway::read(&leaving, 9090).unwrap();
        assert!(!gateway.is_counted() && !gateway.is_starting());

        assert_eq!(
            Gateway::read(&pod("gateway-2", "u", &json!({"phase": "Failed"})), 9090),
            None
        );
    }

    #[test]
    fn the_ordinal_is_the_last_number_of_the_name() {
        assert_eq!(last_number("gateway-12"), Some(12));
        assert_eq!(last_number("gateway-7-canary"), Some(7));
        assert_eq!(last_number("a1-b2"), Some(2));
        assert_eq!(last_number("gateway"), None);
        assert_eq!(last_number("g-99999999999999"), None);
    }

    #[test]
    fn nothing_is_told_before_the_first_list_is_whole_and_a_name_may_pass_to_another_pod() {
        let (sender, receiver) = watch::channel(None);
        let mut watched = Watched::default();
        let mut take = |event| watched.take(event, 9090, &sender);
        let names = || {
            receiver
                .borrow()
                .as_ref()
                .map(|gateways| gateways.keys().cloned().collect::<Vec<_>>())
        };
        take(Event::Init);
        take(Event::InitApply(pod("gateway-0", "a", &ready("10.0.0.1"))));
        assert_eq!(names(), None);
        take(Event::InitDone);
        assert_eq!(names(), Some(vec!["gateway-0".to_owned()]));

        take(Event::Apply(pod("gateway-0", "b", &json!({}))));
        take(Event::Delete(pod("gateway-0", "a", &ready("10.0.0.1"))));
        let held = receiver.borrow().as_ref().unwrap()["gateway-0"].uid.clone();
        assert_eq!(held, "b", "the deletion of the pod before is late");

        take(Event::Init);
        take(Event::InitApply(pod("gateway-1", "c", &ready("10.0.0.2"))));
        assert_eq!(
            names(),
            Some(vec!["gateway-0".to_owned()]),
            "a list under way changes nothing"
        );
        take(Event::InitDone);
        assert_eq!(names(), Some(vec!["gateway-1".to_owned()]));
        take(Event::Apply(pod("gateway-1", "c", &json!({"phase": "Failed"}))));
        assert_eq!(names(), Some(Vec::new()));
    }
}
