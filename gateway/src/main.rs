//! The `route-switch` program.

use std::process::ExitCode;

use clap::Parser;
use gateway::cli::Cli;

/// Requests are many short-lived allocations on threads of their own, which this allocator serves with a third of glibc's work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("route-switch: {error:#}");
            ExitCode::FAILURE
        }
    }
}
