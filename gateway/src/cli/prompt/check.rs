//! `prompt check`: what the gateway would say of the manifests, a line a fault.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use crds::{
    compiler::{Condition, Reason, Settings, compile},
    object::Kind,
};

use super::Error;
use crate::config::manifests::{Loader, Reading, line_of};

/// Prints every fault as `file:line: object: field: message`. What only a gateway knows (its simulator, credentials of its
/// environment) is not asked for, and Secrets need not stand beside prompts.
pub(super) fn check(directory: &Path) -> Result<(), Error> {
    let Reading {
        resources,
        sources,
        faults,
        ..
    } = Loader::new(directory)?.read();
    let mut lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let mut files: BTreeSet<Arc<Path>> = faults.iter().map(|fault| fault.file.as_path().into()).collect();
    let settings = Settings {
        simulator_url: Some("http://127.0.0.1".to_owned()),
        ..Settings::default()
    };
    let compiled = compile(&resources, &settings, None);
    for (object, diagnostics) in &compiled.diagnostics {
        let Some(source) = sources.get(object) else { continue };
        for diagnostic in diagnostics {
            let is_elsewhere = object.kind == Kind::Provider && diagnostic.condition == Condition::ResolvedRefs
                || diagnostic.reason == Reason::ProviderNotUsable
                || diagnostic.reason == Reason::ProviderNotFound;
            // Malformed objects are among the files' own faults, which know their lines.
            if is_elsewhere || diagnostic.reason == Reason::Malformed {
                continue;
            }
            let place = match (diagnostic.line, diagnostic.column) {
                (Some(line), Some(column)) => format!(" (line {line}, column {column} of the text)"),
                _ => String::new(),
            };
            let line = line_of(&source.file, source.line, &diagnostic.field).unwrap_or(source.line);
            let file = source.file.display();
            lines.push(format!(
                "{file}:{line}: {object}: {}: {}{place}",
                diagnostic.field, diagnostic.message
            ));
            files.insert(source.file.clone());
        }
    }
    let mut output = io::stdout().lock();
    for line in &lines {
        writeln!(output, "{line}")?;
    }
    if lines.is_empty() {
        let (prompts, revisions) = (compiled.snapshot.prompts.len(), compiled.snapshot.revisions.len());
        writeln!(output, "{prompts} prompts, {revisions} revisions: nothing is wrong")?;
        return Ok(());
    }
    Err(Error::Faults {
        faults: lines.len(),
        files: files.len(),
    })
}
