//! The `route-switch-operator` program.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use operator::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed as well, there is nobody left to tell.
            let _ = writeln!(io::stderr(), "route-switch-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
