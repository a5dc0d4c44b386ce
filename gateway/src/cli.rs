//! The command line. Arguments and the environment are read here and nowhere else.

use std::{io, sync::LazyLock};

use clap::{CommandFactory, Parser, Subcommand};

pub mod backup;
pub mod demo;
pub mod prompt;
mod remote;
pub mod restore;
pub mod serve;
pub mod simulate;
pub mod sql;
pub mod stats;
pub mod status;
mod table;

/// A self-hosted LLM gateway that closes the loop between traffic and prompt quality.
///
/// Applications talk to it as they talk to OpenAI. What it serves are Kubernetes manifests (Provider, Route, `PromptTemplate`, and
/// Secrets for keys), read from a directory here and from the API server in a cluster.
#[derive(Debug, Parser)]
#[command(name = "route-switch", version = version(), max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the Routes of the manifests in a directory
    Serve(serve::Arguments),
    /// Show the gateway at work on simulated providers, then keep it running
    Demo(demo::Arguments),
    /// Run a simulated provider that speaks OpenAI's and Anthropic's wire formats, with faults on demand
    Simulate(simulate::Arguments),
    /// Show how a running gateway does; needs no key
    Status(status::Arguments),
    /// Show figures of the requests so far: by Route, model, prompt, key...
    Stats(stats::Arguments),
    /// Ask the store of analytics in SQL, read-only
    Sql(sql::Arguments),
    /// Write all that a running gateway keeps, its stores included, to the standard output as a tar
    Backup(backup::Arguments),
    /// Put a backup, read from the standard input, into an empty directory for a gateway to start on
    Restore(restore::Arguments),
    /// Write, check, show, render, compare and export prompts
    Prompt(prompt::Arguments),
    /// Print the completion script of a shell, for instance: route-switch completion bash > /etc/bash_completion.d/route-switch
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Cli {
    pub fn run(self) -> anyhow::Result<()> {
        // Both this and the choice of features keep one TLS implementation in the program.
        let _ = rustls::crypto::ring::default_provider().install_default();
        match self.command {
            Command::Serve(arguments) => Ok(serve::run(arguments)?),
            Command::Demo(arguments) => Ok(demo::run(arguments)?),
            Command::Backup(arguments) => Ok(backup::run(&arguments)?),
            Command::Restore(arguments) => Ok(restore::run(&arguments)?),
            Command::Prompt(arguments) => Ok(prompt::run(arguments)?),
            Command::Simulate(arguments) => Ok(simulate::run(arguments)?),
            Command::Status(arguments) => Ok(status::run(arguments)?),
            Command::Stats(arguments) => Ok(stats::run(arguments)?),
            Command::Sql(arguments) => Ok(sql::run(arguments)?),
            Command::Completion { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "route-switch", &mut io::stdout().lock());
                Ok(())
            }
        }
    }
}

fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{} (DuckDB {})",
            env!("CARGO_PKG_VERSION"),
            crate::analytics::engine_version()
        )
    });
    &VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
