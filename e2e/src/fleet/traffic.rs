//! Load on a fleet, as a Service would spread it: an open loop over the gateways that are ready, every answer checked for whose it is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::CLIENT_KEY;
use crate::client::Client;

/// Faults that are kept with their words.
const KEPT: usize = 20;

/// A gateway that requests may go to.
pub struct Door {
    client: Client,
    open: AtomicBool,
    /// How often it was killed.
    life: AtomicU32,
    pub requests: AtomicU64,
    /// By route: the newest edit that an answer has shown.
    shown: Vec<AtomicU32>,
}

/// What is asked for and what came of it.
pub struct Traffic {
    pub doors: Vec<Arc<Door>>,
    over: Arc<AtomicBool>,
    faults: Arc<Faults>,
    task: JoinHandle<()>,
}

/// What went wrong.
#[derive(Default)]
struct Faults {
    failed: Mutex<Vec<String>>,
    misrouted: Mutex<Vec<String>>,
    /// On connections of a process that was killed meanwhile.
    of_killed: AtomicU64,
}

/// The end of a load.
#[derive(Debug)]
pub struct Report {
    pub requests: u64,
    pub failed: Vec<String>,
    pub misrouted: Vec<String>,
    pub of_killed: u64,
}

/// What a Route of the load is called.
pub fn route_name(route: usize) -> String {
    format!("route-{route}")
}

/// What its target is called, after so many edits.
pub fn target_name(route: usize, edit: u32) -> String {
    format!("t-{route}-{edit}")
}

/// The edit that the name of a Route's target tells; none when it is another Route's.
pub fn edit_of(target: &str, route: usize) -> Option<u32> {
    target.strip_prefix(&format!("t-{route}-"))?.parse().ok()
}

/// A request for a chat.
pub fn ask(route: usize) -> Value {
    json!({ "model": route_name(route), "messages": [{ "role": "user", "content": "Tell me about rivers." }] })
}

impl Door {
    /// Takes it out of the load for good and for all: it is about to be killed.
    pub fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        self.life.fetch_add(1, Ordering::SeqCst);
    }

    pub fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

impl Traffic {
    /// So many requests a second to these gateways, for the first `routes` Routes.
    pub fn start(gateways: &[SocketAddr], routes: usize, per_second: u32, seed: u64) -> anyhow::Result<Self> {
        let door = |address: &SocketAddr| {
            anyhow::Ok(Arc::new(Door {
                client: Client::new(*address)?.with_key(CLIENT_KEY)?,
                open: AtomicBool::new(true),
                life: AtomicU32::new(0),
                requests: AtomicU64::new(0),
                shown: (0..routes).map(|_| AtomicU32::new(0)).collect(),
            }))
        };
        let doors: Vec<Arc<Door>> = gateways.iter().map(door).collect::<Result<_, _>>()?;
        let (over, faults) = (Arc::new(AtomicBool::new(false)), Arc::new(Faults::default()));
        let task = tokio::spawn(keep_asking(
            doors.clone(),
            Arc::clone(&over),
            Arc::clone(&faults),
            per_second,
            seed,
        ));
        Ok(Self {
            doors,
            over,
            faults,
            task,
        })
    }

    /// Ends the load and waits for what is under way.
    pub async fn stop(self) -> anyhow::Result<Report> {
        self.over.store(true, Ordering::SeqCst);
        self.task.await?;
        let take = |list: &Mutex<Vec<String>>| std::mem::take(&mut *list.lock().expect("no holder of the lock panics"));
        Ok(Report {
            requests: self.doors.iter().map(|door| door.requests.load(Ordering::SeqCst)).sum(),
            failed: take(&self.faults.failed),
            misrouted: take(&self.faults.misrouted),
            of_killed: self.faults.of_killed.load(Ordering::SeqCst),
        })
    }
}

async fn keep_asking(doors: Vec<Arc<Door>>, over: Arc<AtomicBool>, faults: Arc<Faults>, per_second: u32, seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut clock = interval(Duration::from_secs(1) / per_second);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    while !over.load(Ordering::SeqCst) {
        clock.tick().await;
        while under_way.try_join_next().is_some() {}
        let open: Vec<&Arc<Door>> = doors.iter().filter(|door| door.open.load(Ordering::SeqCst)).collect();
        let Some(door) = open.get(random.random_range(0..open.len().max(1))) else {
            continue;
        };
        let route = random.random_range(0..door.shown.len());
        under_way.spawn(one(Arc::clone(door), route, Arc::clone(&faults)));
    }
    while under_way.join_next().await.is_some() {}
}

async fn one(door: Arc<Door>, route: usize, faults: Arc<Faults>) {
    let life = door.life.load(Ordering::SeqCst);
    // What an answer must not fall behind: what was shown before the request was sent.
    let shown = door.shown[route].load(Ordering::SeqCst);
    door.requests.fetch_add(1, Ordering::SeqCst);
    let answer = match door.client.chat(&ask(route)).await {
        Ok(answer) if answer.status == 200 && answer.broken.is_none() => answer,
        _ if door.life.load(Ordering::SeqCst) != life => {
            faults.of_killed.fetch_add(1, Ordering::SeqCst);
            return;
        }
        Ok(answer) => {
            return note(
                &faults.failed,
                format!("{} {:?}: {}", answer.status, answer.broken, answer.text()),
            );
        }
        Err(error) => return note(&faults.failed, format!("{error:?}")),
    };
    let target = answer.header("x-route-switch-target");
    let named = answer
        .header("x-route-switch-route")
        .rsplit('/')
        .next()
        .unwrap_or_default();
    match edit_of(target, route) {
        Some(edit) if edit >= shown && named == route_name(route) => {
            door.shown[route].fetch_max(edit, Ordering::SeqCst);
        }
        _ => note(
            &faults.misrouted,
            format!(
                "{named} by {target} where {} was asked for, and edit {shown} shown before",
                route_name(route)
            ),
        ),
    }
}

fn note(list: &Mutex<Vec<String>>, what: String) {
    let mut list = list.lock().expect("no holder of the lock panics");
    if list.len() < KEPT {
        list.push(what);
    }
}
