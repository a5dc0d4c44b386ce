//! `route-switch prompt`: prompts as their owners work with them, from files or from a running gateway.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Subcommand};

use super::{remote, table::table};

mod check;
mod compare;
mod manifest;
mod source;
mod values;

use source::{Place, Source};

/// Writes, checks, shows, renders, compares and exports prompts.
///
/// A prompt is a `PromptTemplate`: messages in Jinja with typed variables. Each state of it is a revision, named by its content
/// (NAME-0123456789). Routes put a prompt in front of their requests with promptRef.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  route-switch prompt new support-triage > manifests/support-triage.yaml
  route-switch prompt check --manifests manifests                     what CI of a repository of prompts runs
  route-switch prompt render support-triage --manifests manifests --var message='Where is my parcel?'
  route-switch prompt list                                            of the gateway on this machine
  route-switch prompt show support-triage --url https://gateway.example.com --key rs-...
  route-switch prompt diff support-triage-3f9a1c0d2e support-triage   what has changed since
  route-switch prompt export --revision support-triage-3f9a1c0d2e     a manifest for Git, for instance to pin it")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented manifest to begin with
    New(New),
    /// List the prompts
    List(List),
    /// Show a prompt, or one revision of it
    Show(Show),
    /// Show the messages that a prompt makes of variables; no model is asked
    Render(Render),
    /// Show how two revisions differ
    Diff(Diff),
    /// Check the manifests of a directory: one line a fault, with file, line and column; status 1 if there is any
    Check(Check),
    /// Print the manifest of a revision
    Export(Export),
}

#[derive(Args, Debug)]
struct New {
    /// Name of the prompt: lower-case letters, digits and -
    name: String,
    /// Write it to this file, which must not exist yet, instead of the standard output
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    place: Place,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Show {
    /// NAME or NAMESPACE/NAME of the prompt, or the name of a revision
    name: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
struct Render {
    /// NAME or NAMESPACE/NAME of the prompt, or the name of a revision
    name: String,
    /// The value of a variable, read by its type; @FILE reads it from a file
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Diff {
    /// A revision; a prompt's name means its active one
    old: String,
    /// Another one
    new: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
struct Check {
    /// Directory of the manifests (*.yaml, *.yml, *.json)
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    manifests: PathBuf,
}

#[derive(Args, Debug)]
struct Export {
    /// The revision; a prompt's name means its active one
    #[arg(long, value_name = "NAME")]
    revision: String,
    #[command(flatten)]
    place: Place,
}

/// Why a command did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Remote(#[from] remote::Error),
    #[error(transparent)]
    Manifests(#[from] crate::config::manifests::Error),
    #[error("there is no prompt and no revision `{0}`; `route-switch prompt list` shows what there is")]
    Unknown(String),
    #[error("`{0}` is no name for a prompt: {1}")]
    Name(String, String),
    #[error("{0}")]
    Values(String),
    #[error("{0}")]
    Render(#[from] crate::prompts::prompt::Error),
    #[error("{faults} faults in {files} files")]
    Faults { faults: usize, files: usize },
    #[error("failed to write {}; a file that exists is not overwritten", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("failed to write to the standard output")]
    Output(#[from] io::Error),
    #[error("failed to write YAML")]
    Yaml(#[from] serde_yaml::Error),
}

pub fn run(arguments: Arguments) -> Result<(), Error> {
    match arguments.command {
        Command::New(new) => self::new(&new),
        Command::List(List { place, json }) => list(&place.open()?, json),
        Command::Show(Show { name, place }) => show(&place.open()?, &name),
        Command::Render(Render {
            name,
            variables,
            place,
            json,
        }) => render(&place.open()?, &name, &variables, json),
        Command::Diff(Diff { old, new, place }) => {
            let source = place.open()?;
            let (old, new) = (source.revision(&old)?, source.revision(&new)?);
            say(&compare::compare(&old, &new)?)
        }
        Command::Check(Check { manifests }) => check::check(&manifests),
        Command::Export(Export { revision, place }) => {
            let revision = place.open()?.revision(&revision)?;
            say(&manifest::of_revision(&revision)?)
        }
    }
}

fn new(arguments: &New) -> Result<(), Error> {
    let New { name, output } = arguments;
    let text = manifest::fresh(name).map_err(|problem| Error::Name(name.clone(), problem))?;
    let Some(path) = output else { return say(&text) };
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| Error::File {
        path: path.clone(),
        source,
    })
}

fn list(source: &Source, json: bool) -> Result<(), Error> {
    let prompts = source.prompts()?;
    if json {
        return say(&format!("{:#}\n", serde_json::json!(prompts)));
    }
    let rows = prompts.iter().map(|prompt| {
        vec![
            prompt.id.clone(),
            prompt.active_revision.clone(),
            prompt.pinned_revision.as_ref().map_or("", |_| "pinned").to_owned(),
            prompt.variables.join(", "),
            prompt.routes.join(", "),
        ]
    });
    let head = ["prompt", "active revision", "", "variables", "routes"];
    let lines = table(head.len(), &head, &rows.collect::<Vec<_>>());
    say(&(lines.join("\n") + "\n"))
}

fn show(source: &Source, name: &str) -> Result<(), Error> {
    let revision = source.revision(name)?;
    say(&manifest::in_words(&revision)?)
}

fn render(source: &Source, name: &str, given: &[String], json: bool) -> Result<(), Error> {
    let revision = source.revision(name)?;
    let values = values::read(&revision.spec.variables, given).map_err(Error::Values)?;
    let rendered = source::render(&revision, &values)?;
    if json {
        return say(&format!("{:#}\n", serde_json::json!({ "messages": rendered })));
    }
    for message in &rendered {
        say(&format!("--- {}\n{}\n", message.role, message.content))?;
    }
    Ok(())
}

fn say(text: &str) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}
