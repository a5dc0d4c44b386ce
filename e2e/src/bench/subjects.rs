//! The stage of a lane: stand-in provider, control and gateway, each a process on its core.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use super::dress::{self, KEY, VARIABLES};
use super::lanes::Lane;
use super::options::GatewayOptions;
use crate::load::{ChatRequest, RequestTemplate, fetch};
use crate::process::{Process, free_address};

/// A program whose cost is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Control,
    Gateway,
}

/// A running program under test.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) address: SocketAddr,
    pub(super) process: Process,
    /// One for each Route.
    pub(super) requests: Vec<RequestTemplate>,
    /// The admin listener, if the program is the gateway.
    pub(super) admin: Option<SocketAddr>,
}

/// All that runs while a lane is measured.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) lane: &'static Lane,
    pub(super) mock: Process,
    pub(super) control: Subject,
    pub(super) gateway: Subject,
    /// Number of the next request, so that no two requests to this stage carry one mark.
    pub(super) next_number: u64,
    /// Requests to the gateway so far.
    pub(super) sent_to_gateway: u64,
    _directory: TempDir,
}

impl Stage {
    pub(super) async fn set(options: &GatewayOptions, lane: &'static Lane) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("route-switch-bench-").context("failed to make a directory")?;
        let cast = Cast {
            options,
            lane,
            directory: directory.path(),
        };
        let own = std::env::current_exe().context("failed to find this program")?;
        let (mock, upstream) = cast.mock(&own).await?;
        let control = cast.control(&own, upstream, Role::Control).await?;
        let gateway = if options.self_check {
            cast.control(&own, upstream, Role::Gateway).await?
        } else {
            let folder = options.programs.clone().or_else(|| own.parent().map(Path::to_path_buf));
            cast.gateway(&folder.unwrap_or_default().join("route-switch"), upstream)
                .await?
        };
        Ok(Self {
            lane,
            mock,
            control,
            gateway,
            next_number: 1,
            sent_to_gateway: 0,
            _directory: directory,
        })
    }

    pub(super) fn subject(&self, role: Role) -> &Subject {
        match role {
            Role::Control => &self.control,
            Role::Gateway => &self.gateway,
        }
    }
}

/// What is needed to start any of the programs.
struct Cast<'a> {
    options: &'a GatewayOptions,
    lane: &'static Lane,
    directory: &'a Path,
}

impl Cast<'_> {
    async fn mock(&self, own: &Path) -> anyhow::Result<(Process, SocketAddr)> {
        let streams = self.lane.streams();
        let arguments = [
            "mock".to_owned(),
            format!("--chunks={}", streams.chunks),
            format!("--gap-micros={}", streams.gap.as_micros()),
        ];
        let (log, path) = self.log("mock")?;
        let mut process = Process::start(self.options.loader_core, own, arguments, log)?;
        let address = process
            .announced_address()
            .await
            .with_context(|| said("the mock", &path))?;
        Ok((process, address))
    }

    async fn control(&self, own: &Path, upstream: SocketAddr, role: Role) -> anyhow::Result<Subject> {
        let (log, path) = self.log(if role == Role::Control {
            "control"
        } else {
            "second-control"
        })?;
        let arguments = ["control".to_owned(), format!("--upstream={upstream}")];
        let mut process = Process::start(self.options.subject_core, own, arguments, log)?;
        let address = process
            .announced_address()
            .await
            .with_context(|| said("the control", &path))?;
        Ok(Subject {
            address,
            process,
            requests: self.requests(address),
            admin: None,
        })
    }

    async fn gateway(&self, program: &Path, upstream: SocketAddr) -> anyhow::Result<Subject> {
        let (manifests, data) = (self.directory.join("manifests"), self.directory.join("data"));
        fs::create_dir(&manifests)
            .and_then(|()| fs::create_dir(&data))
            .context("failed to make a directory")?;
        dress::write_manifests(&manifests, upstream, self.lane)?;
        let (address, admin) = (free_address()?, free_address()?);
        let mut arguments: Vec<PathBuf> = vec!["serve".into(), "--manifests".into(), manifests, "--data".into(), data];
        for (name, value) in [
            ("--listen", address.to_string()),
            ("--admin", admin.to_string()),
            ("--threads", "1".to_owned()),
        ] {
            arguments.extend([name.into(), value.into()]);
        }
        let (log, path) = self.log("route-switch")?;
        let mut process = Process::start(self.options.subject_core, program, arguments, log)?;
        process
            .ready(admin, "/readyz")
            .await
            .with_context(|| said("route-switch serve", &path))?;
        let subject = Subject {
            address,
            process,
            requests: self.requests(address),
            admin: Some(admin),
        };
        check_dress(&subject, self.lane).await?;
        Ok(subject)
    }

    /// Both programs are sent the same bytes, the key included.
    fn requests(&self, address: SocketAddr) -> Vec<RequestTemplate> {
        let request = |model: &String| {
            RequestTemplate::chat(&ChatRequest {
                host: &address.to_string(),
                path: "/v1/chat/completions",
                key: Some(KEY),
                model,
                prompt_bytes: self.lane.prompt_bytes,
                variables: if self.lane.prompt { &VARIABLES[..] } else { &[] },
                expect: self.lane.expect(),
            })
        };
        self.lane.models().iter().map(request).collect()
    }

    fn log(&self, name: &str) -> anyhow::Result<(File, PathBuf)> {
        let path = self.directory.join(format!("{name}.log"));
        let file = File::create(&path).with_context(|| format!("failed to write {}", path.display()))?;
        Ok((file, path))
    }
}

/// A gateway that checks no keys, or has not got its Routes, would be measured without its dress.
async fn check_dress(gateway: &Subject, lane: &Lane) -> anyhow::Result<()> {
    for (key, status) in [(Some("sk-not-the-key"), 401), (Some(KEY), 200)] {
        let answer = fetch(gateway.address, "/v1/models", key)
            .await
            .context("GET /v1/models")?;
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(
            answer.status == status,
            "GET /v1/models answered {} in place of {status}: {told}",
            answer.status
        );
    }
    let models = lane.models();
    for model in models.first().into_iter().chain(models.last()) {
        let answer = fetch(gateway.address, &format!("/v1/models/{model}"), Some(KEY))
            .await
            .context("GET /v1/models/{id}")?;
        if answer.status != 200 {
            bail!("a Route did not come up: {}", String::from_utf8_lossy(&answer.body));
        }
    }
    Ok(())
}

/// The end of what a program wrote, for the person who wonders why it did not start.
fn said(name: &str, log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(10)..].join("\n");
    format!("{name} did not start; the end of its log:\n{tail}")
}
