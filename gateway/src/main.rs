//! The `route-switch` program.

use std::process::ExitCode;

use clap::Parser;
use gateway::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("route-switch: {error:#}");
            ExitCode::FAILURE
        }
    }
}
