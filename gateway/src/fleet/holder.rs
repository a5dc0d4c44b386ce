//! The thread that takes Snapshots, one at a time: order, credentials, composition, resolution, then one swap of what new requests
//! run on. Traffic never waits for it, and nothing here waits for a disk.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use crds::{
    fleet::{Push, key::FleetKeys},
    object::{Kind, ObjectId, ObjectName},
    prompt_content::PromptContent,
    snapshot::{RevisionEntry, Snapshot},
};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::{
    Fleet, NotTaken, VERSION,
    compose::{Before, Composed, Opened, Unopened, compose},
    file,
    held::{self, Head, Held},
    keeper::{Keep, Keeper},
    order::{Verdict, judge},
};
use crate::{
    app::{App, ConfigFault},
    config::resolved::Config,
    prompts::prompt::Prompt,
};

/// Refusals that one Snapshot puts into the log.
const MAX_TOLD: usize = 20;

/// What the thread is told.
pub enum Command {
    Take {
        body: Bytes,
        reply: oneshot::Sender<Result<(), NotTaken>>,
    },
    /// The keys of the fleet are others now.
    KeysChanged,
    Stop,
}

/// What a pod takes and where it keeps it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file of the last known good Snapshot.
    pub file: PathBuf,
    /// A prompt with more bytes of text is refused.
    pub max_prompt_bytes: Option<u64>,
}

/// The running thread.
pub struct Running {
    fleet: Arc<Fleet>,
    thread: JoinHandle<()>,
}

/// What the thread owns.
struct Holder {
    app: Arc<App>,
    fleet: Arc<Fleet>,
    max_prompt_bytes: Option<u64>,
    keeper: Keeper,
    /// Kept for one more Snapshot, so that its memory is given back here and not by the request that used it last.
    retired: Option<Arc<Config>>,
}

impl Running {
    /// Reads the file, puts what it holds into use, and starts the thread. From now on nothing below it is taken.
    pub fn start(
        app: Arc<App>,
        fleet: Arc<Fleet>,
        commands: mpsc::Receiver<Command>,
        settings: Settings,
    ) -> io::Result<Self> {
        let Settings { file, max_prompt_bytes } = settings;
        let mut holder = Holder {
            app,
            fleet: Arc::clone(&fleet),
            max_prompt_bytes,
            keeper: Keeper::start(Arc::clone(&fleet), file.clone())?,
            retired: None,
        };
        holder.read(&file);
        let thread = thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || holder.run(commands))?;
        Ok(Self { fleet, thread })
    }

    /// Takes nothing more, and returns when the file holds what was taken last.
    pub async fn stop(self) {
        let Self { fleet, thread } = self;
        let _ = fleet.commands.send(Command::Stop).await;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread that takes Snapshots had failed");
        }
    }
}

impl Holder {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            match command {
                Command::Take { body, reply } => {
                    // Whoever sent it may have left.
                    let _ = reply.send(self.take(body));
                }
                Command::KeysChanged => {
                    if let Err(error) = self.open_again() {
                        tracing::error!(%error, "failed to open the Snapshot in use with the new fleet keys");
                    }
                }
                Command::Stop => break,
            }
        }
        self.keeper.stop();
    }

    /// Starts from the file, if there is one to start from.
    fn read(&mut self, path: &Path) {
        let shown = path.display();
        let stored = match file::read(path) {
            Ok(stored) => stored,
            Err(file::Error::Missing) => {
                tracing::info!(file = %shown, "no last known good Snapshot is kept yet");
                self.fleet.waits_for(format!("there is no file {shown}"));
                return;
            }
            Err(error) => return self.cannot_start_from(path, &error.to_string()),
        };
        let keys = self.fleet.keys();
        let good = kept(&stored.kept, &keys);
        let push = Head::read(&stored.push).and_then(|_| held::read(&stored.push));
        match push {
            Ok(push) => {
                self.fleet.has_kept(stored.unix_millis);
                let opened = open(&push, &keys);
                let before = Before {
                    snapshot: &good,
                    partial: &BTreeSet::new(),
                };
                self.put(push, stored.push, opened, before);
            }
            Err(error) => self.cannot_start_from(path, &error.to_string()),
        }
    }

    fn cannot_start_from(&self, path: &Path, problem: &str) {
        let shown = path.display();
        tracing::error!(file = %shown, problem, "the last known good Snapshot is not used");
        self.fleet.waits_for(format!("the file {shown} is not used: {problem}"));
    }

    fn take(&mut self, body: Bytes) -> Result<(), NotTaken> {
        let Head { order, snapshot } = Head::read(&body)?;
        let has = self.fleet.held();
        let known = has.as_deref().map(|held| (held.order, &*held.revision));
        let verdict = judge(known, (order, &snapshot.revision));
        let (mut push, has) = match (verdict, has) {
            (Verdict::Refuse, Some(has)) => {
                let (has, sent) = (has.order, order);
                return Err(NotTaken::NotAbove { has, sent });
            }
            (Verdict::Same, Some(has)) if order <= has.order && has.refused.is_empty() => return Ok(()),
            (_, has) => (held::read(&body)?, has),
        };
        // The same Snapshot may come under another key than before, and from an operator that counts lower.
        let body = match &has {
            Some(has) if has.order > order => {
                push.order = has.order;
                held::write(&push)?
            }
            _ => body,
        };
        let config = self.app.config.load_full();
        let opened = open(&push, &self.fleet.keys());
        let none = BTreeSet::new();
        let before = Before {
            snapshot: &config.snapshot,
            partial: has.as_deref().map_or(&none, |has| &has.partial),
        };
        self.put(push, body, opened, before);
        Ok(())
    }

    /// Opens with the new keys what did not open before. What others are given, and what is kept, is sealed anew where the key that it
    /// is sealed under is gone.
    fn open_again(&mut self) -> Result<(), NotTaken> {
        let Some(held) = self.fleet.held() else { return Ok(()) };
        let (config, keys) = (self.app.config.load_full(), self.fleet.keys());
        let push = held::read(&held.body)?;
        let mut opened = open(&push, &keys);
        for (name, opened) in &mut opened {
            if let Some(entry) = config.snapshot.providers.get(name).filter(|_| !held.refuses(name)) {
                *opened = Ok(entry.credentials.clone());
            }
        }
        let before = Before {
            snapshot: &config.snapshot,
            partial: &held.partial,
        };
        self.put(push, held.body.clone(), opened, before);
        let Some(held) = self.fleet.held() else { return Ok(()) };
        if held.sealed_under.iter().any(|key| keys.get(key).is_none()) {
            let push = held.sealed_anew(&self.app.config.load().snapshot, &keys)?;
            self.hold(Held {
                order: held.order,
                revision: Arc::clone(&held.revision),
                body: held::write(&push)?,
                sealed_under: held::sealed_under(&push),
                refused: held.refused.clone(),
                kept: Arc::clone(&held.kept),
                partial: held.partial.clone(),
            });
        }
        Ok(())
    }

    /// Puts a Snapshot into use: one swap.
    fn put(&mut self, push: Push, body: Bytes, opened: Opened, served: Before<'_>) {
        let began = Instant::now();
        let before = self.app.config.load_full();
        let sealed_under = held::sealed_under(&push);
        let Push { order, snapshot, .. } = push;
        let judge = |name: &ObjectName, entry: &RevisionEntry| self.judge(&before, name, entry);
        let Composed {
            snapshot,
            refused,
            kept,
            partial,
        } = compose(snapshot, opened, served, judge);
        let mut config = Config::resolve(snapshot, Some(&before));
        config.trusts_this_machine = false;
        let revision = Arc::clone(&config.revision);
        self.app.config.store(Arc::new(config));
        let swapped = began.elapsed();
        drop(self.retired.replace(before));
        self.hold(Held {
            order,
            revision,
            body,
            sealed_under,
            refused,
            kept: Arc::new(kept),
            partial,
        });
        self.tell(swapped);
    }

    /// Whether this gateway can serve a revision of a prompt.
    fn judge(&self, before: &Config, name: &ObjectName, entry: &RevisionEntry) -> Result<(), String> {
        let bytes = text_bytes(&entry.content);
        if let Some(most) = self.max_prompt_bytes.filter(|most| bytes > *most) {
            return Err(format!(
                "its text has {bytes} bytes, and this pod takes {most} at most (--max-prompt-bytes): shorten the prompt, or start the gateways with a higher limit"
            ));
        }
        let known = before.library.revision(name);
        if known.is_some_and(|known| *known.digest == *entry.digest) {
            return Ok(());
        }
        let problem = Prompt::compile(name, entry).err();
        problem.map_or(Ok(()), |problem| {
            Err(format!("this gateway ({VERSION}) cannot compile it: {problem}"))
        })
    }

    /// Shows what the pod has, and has it kept.
    fn hold(&self, held: Held) {
        let held = Arc::new(held);
        self.fleet.held.send_replace(Some(Arc::clone(&held)));
        self.keeper.keep(Keep {
            held,
            config: self.app.config.load_full(),
            keys: self.fleet.keys(),
        });
    }

    /// Tells stores, metrics, log and `/status` of the Snapshot in use.
    fn tell(&self, swapped: Duration) {
        let (app, config) = (&self.app, self.app.config.load_full());
        let Some(held) = self.fleet.held() else { return };
        app.queue.limit(config.capture_limits());
        app.metrics.config_reloads.inc();
        app.metrics.config_loaded_unix_seconds.set(Timestamp::now().as_second());
        let known = app.faults.load_full();
        let faults: Vec<ConfigFault> = held.refused.iter().map(|refused| fault(&held.kept, refused)).collect();
        for fault in faults.iter().filter(|fault| !known.contains(fault)).take(MAX_TOLD) {
            let object = fault.object.as_deref().unwrap_or_default();
            tracing::warn!(object, "refused: {}", fault.message);
        }
        app.faults.store(Arc::new(faults));
        let Snapshot {
            providers,
            routes,
            prompts,
            keys,
            ..
        } = &config.snapshot;
        tracing::info!(
            snapshot = %held.revision, epoch = held.order.epoch, sequence = held.order.sequence, providers = providers.len(),
            routes = routes.len(), prompts = prompts.len(), keys = keys.len(), refused = held.refused.len(), ?swapped,
            "configuration in use"
        );
    }
}

/// Opens the credentials of all Providers.
fn open(push: &Push, keys: &FleetKeys) -> Opened {
    let open = |name: &ObjectName| {
        push.open(name, keys).map_err(|error| Unopened {
            names: push.credentials.get(name).map_or_else(Vec::new, |sealed| {
                sealed.iter().map(|credential| credential.name.clone()).collect()
            }),
            words: format!(
                "{error}. This pod has the fleet key {}: give it the one that the operator has (the Secret of --fleet-key)",
                shown(keys)
            ),
        })
    };
    let names = push.snapshot.providers.keys();
    names.map(|name| (name.clone(), open(name))).collect()
}

fn shown(keys: &FleetKeys) -> String {
    let ids: Vec<_> = keys.iter().map(|key| key.id().as_str()).collect();
    ids.join(" and ")
}

/// What was served in the place of refused objects, as the file has it. What does not open, or is not understood, is not there.
fn kept(part: &[u8], keys: &FleetKeys) -> Snapshot {
    let Some(push) = Some(part)
        .filter(|part| !part.is_empty())
        .and_then(|part| held::read(part).ok())
    else {
        return Snapshot::default();
    };
    let mut opened = open(&push, keys);
    let mut snapshot = push.snapshot;
    snapshot.providers.retain(|name, entry| match opened.remove(name) {
        Some(Ok(credentials)) => {
            entry.credentials = credentials;
            true
        }
        _ => false,
    });
    snapshot
}

/// What a person wrote of a prompt, in bytes.
fn text_bytes(content: &PromptContent) -> u64 {
    let messages = content.messages.iter().map(|message| message.content.len());
    let pairs = content
        .demonstrations
        .iter()
        .map(|pair| pair.input.len() + pair.output.len());
    messages.chain(pairs).map(|bytes| bytes as u64).sum()
}

fn fault(kept: &Snapshot, (object, words): (&ObjectId, &String)) -> ConfigFault {
    let name = &object.name;
    ConfigFault {
        file: None,
        line: None,
        object: Some(object.to_string()),
        field: String::new(),
        reason: "Refused".to_owned(),
        message: words.clone(),
        serving_last_good: match object.kind {
            Kind::Provider => kept.providers.contains_key(name),
            Kind::Route => kept.routes.contains_key(name),
            Kind::PromptTemplate => kept.prompts.contains_key(name),
            Kind::PromptRevision | Kind::Secret | Kind::ConfigMap => false,
        },
    }
}
