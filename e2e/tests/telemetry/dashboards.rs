//! The dashboards and alerts of `deploy/`, at a real Prometheus that scrapes a gateway on the demo's manifests: no panel stays
//! empty, and every alert can be evaluated. There is no operator here: what it would tell must read as none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use e2e::demo;
use e2e::stage::Stage;

use e2e::prometheus::Prometheus;

/// A key of the samples.
const APP_KEY: &str = "rs-demo-app-key";

#[tokio::test]
async fn every_panel_has_data_after_the_traffic_of_the_demo_and_every_alert_is_evaluated() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no root")?;
    let stage = Stage::new().await?;
    for sample in fs::read_dir(root.join("deploy/samples"))? {
        let sample = sample?;
        stage.write(
            &sample.file_name().to_string_lossy(),
            &fs::read_to_string(sample.path())?,
        )?;
    }
    let gateway = stage.gateway(&["--data-max-bytes", "1GB"]).await?;
    let rules = root.join("deploy/prometheus/rules.yaml");
    let prometheus = Prometheus::with_rules(gateway.admin_address, &rules).await?;
    let asking = tokio::spawn(demo::traffic(gateway.client.with_key(APP_KEY)?));
    let said = tokio::task::spawn_blocking(look(root, prometheus.url(), rules)).await??;
    ensure!(!asking.is_finished(), "the traffic broke off: {:?}", asking.await);
    asking.abort();
    ensure!(said.ends_with("all have data\n"), "{said}");
    Ok(())
}

/// Asks as Grafana would; gives what is said of it.
fn look(root: &Path, url: String, rules: PathBuf) -> impl FnOnce() -> anyhow::Result<String> + Send + 'static {
    let root = root.to_owned();
    move || {
        let said = Command::new("python3")
            .arg(root.join("e2e/test.d/dashboards"))
            .arg(url)
            .arg(root.join("deploy/grafana"))
            .arg("--rules")
            .arg(rules)
            .args(["--since", "60", "--interval", "5", "--wait", "60"])
            .output()
            .context("failed to run python3")?;
        Ok(String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned())
    }
}
