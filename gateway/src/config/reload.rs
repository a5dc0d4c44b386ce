//! From a reading of the manifests to the configuration in use: compile, resolve, swap, report.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crds::{
    admission::forget_schemas,
    compiler::{Compiled, Reason, Settings, compile},
    object::{Kind, ObjectId},
    snapshot::Snapshot,
};

use jiff::Timestamp;

use super::{
    manifests::{FileFault, Reading, Source},
    resolved::Config,
    revisions::Revisions,
};
use crate::app::{App, ConfigFault};

/// The last configuration and what it came from.
pub struct Reload {
    settings: Settings,
    revisions: Revisions,
    config: Arc<Config>,
    faults: Vec<ConfigFault>,
    warnings: Vec<FileFault>,
}

impl Reload {
    /// The configuration that the gateway starts with.
    pub fn first(settings: Settings, mut revisions: Revisions, reading: Reading) -> Self {
        let Used {
            snapshot,
            faults,
            warnings,
        } = compiled(reading, &settings, &mut revisions, None);
        Self {
            config: Arc::new(Config::resolve(Arc::unwrap_or_clone(snapshot), None)),
            settings,
            revisions,
            faults,
            warnings,
        }
    }

    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    /// Tells the stores what is kept, logs what is wrong, and shows it in `/status`.
    pub fn report(&self, app: &App) {
        app.queue.limit(self.config.capture_limits());
        let before: BTreeSet<String> = app.faults.load().iter().map(line).collect();
        for fault in self.faults.iter().filter(|fault| !before.contains(&line(fault))) {
            tracing::warn!("{}", line(fault));
        }
        for warning in &self.warnings {
            tracing::warn!(
                "{}:{}: {}",
                warning.file.display(),
                warning.line.unwrap_or(1),
                warning.message
            );
        }
        app.faults.store(Arc::new(self.faults.clone()));
        let Snapshot {
            revision,
            providers,
            routes,
            prompts,
            keys,
            ..
        } = &self.config.snapshot;
        tracing::info!(
            snapshot = %revision, providers = providers.len(), routes = routes.len(), prompts = prompts.len(), keys = keys.len(),
            faults = self.faults.len(), "configuration in use"
        );
        if !self.config.has_keys() && !app.listen.ip().is_loopback() {
            tracing::warn!(
                "no client key is configured: callers from other machines get 401 (a key is a Secret with the label routeswitch.io/api-key: \"true\")"
            );
        }
    }

    fn apply(&mut self, reading: Reading, app: &App) {
        let previous = Some(&self.config.snapshot);
        let Used {
            snapshot,
            faults,
            warnings,
        } = compiled(reading, &self.settings, &mut self.revisions, previous);
        self.revisions.collect(&snapshot);
        self.faults = faults;
        self.warnings = warnings;
        if snapshot.revision != self.config.snapshot.revision {
            self.config = Arc::new(Config::resolve(Arc::unwrap_or_clone(snapshot), Some(&self.config)));
            app.config.store(Arc::clone(&self.config));
            app.metrics.config_reloads.inc();
            app.metrics.config_loaded_unix_seconds.set(Timestamp::now().as_second());
        }
        self.report(app);
    }
}

/// What of a reading is used on, once it is compiled.
struct Used {
    snapshot: Arc<Snapshot>,
    faults: Vec<ConfigFault>,
    warnings: Vec<FileFault>,
}

/// Compiles a reading. All that it took has been given back when this returns: what is made of the Snapshot fits into the same memory.
fn compiled(reading: Reading, settings: &Settings, revisions: &mut Revisions, previous: Option<&Snapshot>) -> Used {
    let Reading {
        mut resources,
        sources,
        faults,
        warnings,
        ..
    } = reading;
    revisions.add_to(&mut resources);
    let mut compiled = compile(&resources, settings, previous);
    revisions.keep(&mut compiled);
    let faults = all_faults(&compiled, &sources, &faults);
    // The next reading may be far off.
    forget_schemas();
    Used {
        snapshot: compiled.snapshot,
        faults,
        warnings,
    }
}

/// What to call with each new reading.
pub fn applier(app: Arc<App>, mut reload: Reload) -> impl FnMut(Reading) + Send + 'static {
    move |reading| reload.apply(reading, &app)
}

/// What the files are refused for, and what the compiler says beyond that.
fn all_faults(compiled: &Compiled, sources: &BTreeMap<Arc<ObjectId>, Source>, files: &[FileFault]) -> Vec<ConfigFault> {
    let from_files = files.iter().map(|fault| ConfigFault {
        file: Some(fault.file.display().to_string()),
        line: fault.line,
        object: fault.object.as_ref().map(ToString::to_string),
        field: fault.field.clone(),
        reason: format!("{:?}", Reason::Malformed),
        message: fault.message.clone(),
        serving_last_good: fault
            .object
            .as_ref()
            .is_none_or(|object| is_stale(&compiled.snapshot, object)),
    });
    let from_compiler = compiled.diagnostics.iter().flat_map(|(object, diagnostics)| {
        let source = sources.get(object);
        // Those are the files' own faults, which know their lines.
        diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.reason != Reason::Malformed)
            .map(move |diagnostic| ConfigFault {
                file: source.map(|source| source.file.display().to_string()),
                line: source.map(|source| source.line),
                object: Some(object.to_string()),
                field: diagnostic.field.clone(),
                reason: format!("{:?}", diagnostic.reason),
                message: match (diagnostic.line, diagnostic.column) {
                    (Some(line), Some(column)) => {
                        format!("{} (line {line}, column {column} of the text)", diagnostic.message)
                    }
                    _ => diagnostic.message.clone(),
                },
                serving_last_good: is_stale(&compiled.snapshot, object),
            })
    });
    from_files.chain(from_compiler).collect()
}

fn is_stale(snapshot: &Snapshot, object: &ObjectId) -> bool {
    let name = &object.name;
    match object.kind {
        Kind::Provider => snapshot.providers.get(name).is_some_and(|entry| entry.stale),
        Kind::Route => snapshot.routes.get(name).is_some_and(|entry| entry.stale),
        Kind::PromptTemplate => snapshot.prompts.get(name).is_some_and(|entry| entry.stale),
        Kind::PromptRevision => snapshot.revisions.get(name).is_some_and(|entry| entry.stale),
        Kind::Secret => snapshot.keys.get(name).is_some_and(|entry| entry.stale),
        Kind::ConfigMap => false,
    }
}

fn line(fault: &ConfigFault) -> String {
    let place = fault
        .file
        .as_ref()
        .map_or_else(String::new, |file| format!("{file}:{}: ", fault.line.unwrap_or(1)));
    let object = fault
        .object
        .as_ref()
        .map_or_else(String::new, |object| format!("{object}: "));
    let field = if fault.field.is_empty() {
        String::new()
    } else {
        format!("{}: ", fault.field)
    };
    let last_good = if fault.serving_last_good {
        "; what it said before keeps serving"
    } else {
        ""
    };
    format!("{place}{object}{field}{}{last_good}", fault.message)
}
