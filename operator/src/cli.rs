//! The command line. Arguments and the environment are read here and nowhere else.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use clap::{CommandFactory, Parser, Subcommand};
use crds::duration;

use crate::{
    logs, program,
    settings::{Gateways, Namespaces, Settings},
};

/// Runs Route-Switch in a cluster: compiles Providers, `PromptTemplates`, `PromptRevisions`, Routes and the Secrets they need, writes the
/// result into every gateway pod, and says in the status of each object what the pods made of it.
///
/// Run two replicas: one leads, by a Lease, and the other is ready to take over. Gateways go on serving without any.
#[derive(Debug, Parser)]
#[command(
    name = "route-switch-operator",
    version,
    max_term_width = 110,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  route-switch-operator                                          # in a pod: all is found in its environment
  route-switch-operator --namespace llm --watch-namespaces llm,team-a --secret-namespaces llm
  KUBECONFIG=~/.kube/config route-switch-operator --namespace llm --simulator http://simulator.llm.svc:9999

The cluster is the one of KUBECONFIG, of ~/.kube/config, or of the pod's service account, in this order. What the service account
must be allowed is in deploy/operator/."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    arguments: Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the completion script of a shell, for instance: route-switch-operator completion bash > /etc/bash_completion.d/route-switch-operator
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(clap::Args, Debug)]
struct Arguments {
    /// Namespace of the operator: of its Lease and the fleet key [default: the one of the cluster's configuration]
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE")]
    namespace: Option<String>,
    /// Name of this replica, for the Lease and Events
    #[arg(long, value_name = "NAME", env = "POD_NAME", default_value = "route-switch-operator")]
    pod_name: String,
    /// Namespaces of Providers, `PromptTemplates`, `PromptRevisions`, Routes and `ConfigMaps`; * for all, which needs a `ClusterRole` [default: the operator's own]
    #[arg(long, value_name = "NAMESPACE[,...]", value_parser = Namespaces::parse)]
    watch_namespaces: Option<Namespaces>,
    /// Namespaces of Secrets with credentials and client keys; * for all, which needs a `ClusterRole` [default: the operator's own]
    #[arg(long, value_name = "NAMESPACE[,...]", value_parser = Namespaces::parse)]
    secret_namespaces: Option<Namespaces>,
    /// Namespace of the gateway pods [default: the operator's own]
    #[arg(long, value_name = "NAMESPACE")]
    gateway_namespace: Option<String>,
    /// Labels of the gateway pods
    #[arg(long, value_name = "SELECTOR", default_value = "app.kubernetes.io/component=gateway")]
    gateway_selector: String,
    /// Admin port of gateway pods without a container port named admin
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    gateway_admin_port: u16,
    /// Secret with the fleet key, in the operator's namespace
    #[arg(long, value_name = "NAME", default_value = "route-switch-fleet-key")]
    fleet_key_secret: String,
    /// Wait for somebody else to make the Secret with the fleet key; else the operator makes it where there is none
    #[arg(long)]
    existing_fleet_key: bool,
    /// Lease by which replicas agree on who leads, in the operator's namespace
    #[arg(long, value_name = "NAME", default_value = "route-switch-operator")]
    lease: String,
    /// Root URL of the simulator that Providers of vendor Simulated use; gateway pods must reach it
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    simulator: Option<String>,
    /// How often everything is listed anew, in case that a watch lost something
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = resync)]
    resync: Duration,
    /// Where probes (/healthz, /readyz) and /metrics are served
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:9091")]
    listen: SocketAddr,
    /// How log lines are written
    #[arg(long, value_enum, default_value_t = logs::Format::Text)]
    log_format: logs::Format,
    /// What is logged, for instance debug, or operator=debug,warn
    #[arg(long, value_name = "FILTER", default_value = "info", env = "ROUTE_SWITCH_LOG")]
    log: String,
}

impl Cli {
    pub fn run(self) -> anyhow::Result<()> {
        if let Some(Command::Completion { shell }) = self.command {
            clap_complete::generate(
                shell,
                &mut Self::command(),
                "route-switch-operator",
                &mut io::stdout().lock(),
            );
            return Ok(());
        }
        logs::start(self.arguments.log_format, &self.arguments.log);
        // Both this and the choice of features keep one TLS implementation in the program.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("failed to start the runtime")?;
        runtime.block_on(async {
            let client = kube::Client::try_default().await.context(
                "failed to find a cluster; set KUBECONFIG to a file that kubectl can use, or run in a pod with a service account",
            )?;
            let settings = self.arguments.settings(client.default_namespace());
            Ok(program::run(client, settings).await?)
        })
    }
}

impl Arguments {
    /// `inferred` is the namespace of the cluster's configuration.
    fn settings(self, inferred: &str) -> Settings {
        let own = self.namespace.unwrap_or_else(|| inferred.to_owned());
        let named = |namespaces: Option<Namespaces>| namespaces.unwrap_or_else(|| Namespaces::one(&own));
        Settings {
            pod_name: self.pod_name,
            watched: named(self.watch_namespaces),
            secrets: named(self.secret_namespaces),
            gateways: Gateways {
                namespace: self.gateway_namespace.unwrap_or_else(|| own.clone()),
                selector: self.gateway_selector,
                admin_port: self.gateway_admin_port,
            },
            fleet_key_secret: self.fleet_key_secret,
            makes_fleet_key: !self.existing_fleet_key,
            lease: self.lease,
            simulator: self.simulator,
            resync: self.resync,
            listen: self.listen,
            namespace: own,
        }
    }
}

/// Not so often that the API server would do little else.
fn resync(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(every) if every < Duration::from_secs(1) => Err("must be at least 1s".to_owned()),
        Ok(every) if every > Duration::from_hours(24) => Err("must be at most 24h".to_owned()),
        Ok(every) => Ok(every),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn everything_is_in_the_operators_own_namespace_unless_it_is_said() {
        let settings = |arguments: &[&str]| {
            let all = std::iter::once(&"route-switch-operator").chain(arguments);
            Cli::try_parse_from(all).unwrap().arguments.settings("inferred")
        };
        let own = settings(&["--namespace", "llm"]);
        assert_eq!(own.watched, Namespaces::one("llm"));
        assert_eq!(own.secrets, Namespaces::one("llm"));
        assert_eq!(own.gateways.namespace, "llm");
        let all = settings(&["--namespace", "llm", "--watch-namespaces", "*"]);
        assert_eq!(all.watched, Namespaces::All);
        assert_eq!(all.secrets, Namespaces::one("llm"));
    }

    #[test]
    fn what_cannot_be_a_namespace_or_an_interval_is_refused() {
        for arguments in [
            ["--watch-namespaces", "a,*"],
            ["--watch-namespaces", ""],
            ["--secret-namespaces", "a,,b"],
            ["--secret-namespaces", "Upper"],
            ["--resync", "10ms"],
            ["--resync", "often"],
        ] {
            let all = std::iter::once("route-switch-operator").chain(arguments);
            assert!(Cli::try_parse_from(all).is_err(), "{arguments:?}");
        }
    }
}
