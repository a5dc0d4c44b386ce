//! Writes the custom resource definitions: `crdgen` prints them, `crdgen DIR` writes one file a kind, `crdgen --check DIR` compares.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use crds::definition::{definitions, file_name, manifest};

const USAGE: &str = "usage: crdgen [[--check] DIR]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => print(),
        ["--check", directory] if !directory.starts_with('-') => check(Path::new(directory)),
        [directory] if !directory.starts_with('-') => write(Path::new(directory)),
        _ => Err(io::Error::other(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crdgen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for definition in definitions() {
        write!(output, "---\n{}", manifest(&definition))?;
    }
    output.flush()
}

fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for definition in definitions() {
        fs::write(directory.join(file_name(&definition)), manifest(&definition))?;
    }
    Ok(())
}

/// Fails when a file differs from what would be written, or when one is there that would not be.
fn check(directory: &Path) -> io::Result<()> {
    let mut stale = Vec::new();
    let mut expected = Vec::new();
    for definition in definitions() {
        let name = file_name(&definition);
        match fs::read_to_string(directory.join(&name)) {
            Ok(text) if text == manifest(&definition) => {}
            _ => stale.push(name.clone()),
        }
        expected.push(name);
    }
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !expected.contains(&name) {
            stale.push(format!("{name} (belongs to no kind: delete it)"));
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    let directory = directory.display();
    Err(io::Error::other(format!(
        "stale in {directory}: {}\nrun: cargo run --release -p crds --bin crdgen -- {directory}",
        stale.join(", ")
    )))
}
