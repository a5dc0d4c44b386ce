//! What kubelet does for a Pod: it asks the readiness probe and writes what it hears into the Pod's status.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::objects::Objects;
use crate::load::fetch;

/// Far quicker than a real one.
const PERIOD: Duration = Duration::from_millis(100);

/// Probes until it is dropped.
#[derive(Debug)]
pub(super) struct Kubelet(AbortHandle);

impl Kubelet {
    pub(super) fn start(objects: Objects, pod: String, admin: SocketAddr) -> Self {
        let task = tokio::spawn(async move {
            let mut written = None;
            loop {
                let answer = fetch(admin, "/readyz", None).await;
                let ready = answer.is_ok_and(|answer| answer.status == 200);
                // Without an API server it tries again.
                if written != Some(ready) && write(&objects, &pod, admin, ready).await.is_ok() {
                    written = Some(ready);
                }
                sleep(PERIOD).await;
            }
        });
        Self(task.abort_handle())
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn write(objects: &Objects, pod: &str, admin: SocketAddr, ready: bool) -> kube::Result<()> {
    let now = jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default();
    let ready = if ready { "True" } else { "False" };
    let status = json!({
        "phase": "Running",
        "podIP": admin.ip(),
        "podIPs": [{ "ip": admin.ip() }],
        "conditions": [{ "type": "Ready", "status": ready, "lastTransitionTime": now }],
    });
    let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": pod }, "status": status });
    objects.apply_status("test-kubelet", &object).await.map(drop)
}
