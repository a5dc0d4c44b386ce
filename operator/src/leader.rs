//! Who of the replicas leads: the holder of a Lease. Every replica watches; only the leader compiles, pushes and writes.
//!
//! Its `leaseTransitions` is the epoch of Snapshots, by which pods refuse what an earlier leader still sends. What is written to the
//! API server is not fenced so: a leader that cannot renew stops well before anybody else may begin, and the program ends.

use std::{
    convert::Infallible,
    io,
    time::{Duration, Instant},
};

use kube::Client;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use campaign::{Action, Campaign, GIVE_UP};
use lease::Leases;

use crate::admin::Readiness;

mod campaign;
mod lease;

/// A candidate looks at the Lease so often, so that a Lease that was handed back is taken well within two seconds.
const LOOK: Duration = Duration::from_millis(500);
/// A leader that failed to renew tries again so soon.
const RETRY: Duration = Duration::from_millis(500);
/// What a replica that has not looked yet is not ready for.
const SUBJECT: &str = "Lease";
/// How long one call may take.
const CALL: Duration = Duration::from_secs(3);
/// How long the leader's work may take to stop before the Lease is handed back.
const HANDOVER: Duration = Duration::from_secs(1);
/// How often raising the epoch is tried when somebody else writes the Lease meanwhile.
const RAISES: usize = 3;
/// The highest epoch that a Lease can hold.
const HIGHEST_EPOCH: u64 = 0x7fff_ffff;

/// What this replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    Standby,
    Leader { epoch: u64 },
}

/// Why the program cannot go on as leader.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another replica has taken the Lease {lease} over; this one starts again as standby")]
    Lost { lease: String },
    #[error("failed to renew the Lease {lease} for {} s; this replica starts again as standby", GIVE_UP.as_secs())]
    NotRenewed { lease: String, source: Box<lease::Error> },
}

/// The epoch was not raised.
#[derive(Debug, thiserror::Error)]
pub enum NotRaised {
    #[error("this replica does not lead any more")]
    Standby,
    #[error("no epoch is above {0}; the files of the gateways are not of this world: delete them")]
    TooHigh(u64),
}

/// A handle on the leadership of this replica.
#[derive(Clone, Debug)]
pub struct Leader {
    leadership: watch::Receiver<Leadership>,
    raises: mpsc::Sender<Raise>,
}

/// Held by whatever only a leader does: its Lease is handed back when all are dropped.
#[derive(Clone, Debug)]
pub struct Work {
    _held: mpsc::Sender<Infallible>,
}

/// Takes part in the election until it is stopped, or has lost what it had.
pub struct Elector {
    leases: Leases,
    campaign: Campaign,
    leadership: watch::Sender<Leadership>,
    raises: mpsc::Receiver<Raise>,
    random: SmallRng,
    readiness: Readiness,
    last_error: Option<lease::Error>,
}

/// Somebody wants an epoch above `above`.
struct Raise {
    above: u64,
    answer: oneshot::Sender<u64>,
}

impl Leader {
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// Raises the epoch above `above`, if it is not, and gives the one that holds then.
    pub async fn raise_epoch_above(&self, above: u64) -> Result<u64, NotRaised> {
        if above >= HIGHEST_EPOCH {
            return Err(NotRaised::TooHigh(above));
        }
        let (answer, answered) = oneshot::channel();
        let sent = self.raises.send(Raise { above, answer }).await;
        sent.map_err(|_| NotRaised::Standby)?;
        answered.await.map_err(|_| NotRaised::Standby)
    }
}

/// A handle to share among what only a leader does, and what [`Elector::run`] waits on.
pub fn work() -> (Work, mpsc::Receiver<Infallible>) {
    let (held, waiting) = mpsc::channel(1);
    (Work { _held: held }, waiting)
}

/// Gets ready for the election. `seed` gives the identity of this process, and its looks their jitter.
///
/// Until it has looked at the Lease once it is not ready: one that knows of no Lease and sees none leads at once, so whoever waits for
/// it (a rollout) may count on it only from then on.
pub fn stand(
    client: Client,
    (namespace, lease): (&str, &str),
    pod_name: &str,
    seed: u64,
    readiness: Readiness,
) -> (Elector, Leader) {
    readiness.waits(SUBJECT, "not looked at yet");
    let mut random = SmallRng::seed_from_u64(seed);
    let identity = format!("{pod_name}_{:016x}", random.random::<u64>());
    let (leadership, receiver) = watch::channel(Leadership::Standby);
    let (raises, asked) = mpsc::channel(1);
    let elector = Elector {
        leases: Leases::new(client, namespace, lease),
        campaign: Campaign::new(identity),
        leadership,
        raises: asked,
        random,
        readiness,
        last_error: None,
    };
    let leader = Leader {
        leadership: receiver,
        raises,
    };
    (elector, leader)
}

impl Elector {
    /// Runs until `stop`. Then, or when leadership is lost, everything that follows it is told at once; a Lease that is held is handed
    /// back when the leader's `work` has stopped.
    pub async fn run(mut self, stop: CancellationToken, mut work: mpsc::Receiver<Infallible>) -> Result<(), Error> {
        loop {
            let turn = async {
                self.turn().await?;
                self.pause().await;
                Ok(())
            };
            let ended = tokio::select! {
                ended = turn => ended,
                () = stop.cancelled() => break,
            };
            if let Err(error) = ended {
                self.leadership.send_replace(Leadership::Standby);
                return Err(error);
            }
        }
        self.leadership.send_replace(Leadership::Standby);
        let has_led = self.campaign.good_until().is_some();
        if has_led && timeout(HANDOVER, work.recv()).await.is_err() {
            tracing::warn!("what the leader does took too long to stop; the Lease is handed back all the same");
        }
        self.hand_back().await;
        Ok(())
    }

    /// Looks, decides, acts, once.
    async fn turn(&mut self) -> Result<(), Error> {
        let outcome = match self.campaign.good_until() {
            // Past that time nothing may be believed, so that no answer is waited for.
            Some(end) => timeout_at(end.into(), self.step()).await,
            None => Ok(self.step().await),
        };
        if let Ok(Err(error)) = outcome {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to look after the Lease"
            );
            self.last_error = Some(error);
        }
        self.tell()
    }

    async fn step(&mut self) -> Result<(), lease::Error> {
        let mut action = self.campaign.decide(Instant::now());
        if action == Action::Look {
            self.act(action).await?;
            action = self.campaign.decide(Instant::now());
        }
        self.act(action).await
    }

    async fn act(&mut self, action: Action) -> Result<(), lease::Error> {
        let identity = self.campaign.identity().to_owned();
        let sent = Instant::now();
        let written = match action {
            Action::Wait => return Ok(()),
            Action::Look => {
                self.look().await?;
                return Ok(());
            }
            Action::Create { epoch } => within(self.leases.create(&identity, epoch)).await,
            Action::Write { epoch } => within(self.leases.write(&identity, epoch)).await,
        };
        match written {
            Ok(record) => {
                self.campaign.wrote(record, sent, Instant::now());
                self.last_error = None;
                Ok(())
            }
            Err(lease::Error::Outrun) => {
                // Somebody was faster; what there is now decides.
                self.look().await
            }
            Err(error) => Err(error),
        }
    }

    async fn look(&mut self) -> Result<(), lease::Error> {
        let seen = within(self.leases.read()).await?;
        self.campaign.saw(seen, Instant::now());
        self.readiness.is_there(SUBJECT);
        self.last_error = None;
        Ok(())
    }

    /// Says what this replica is now.
    fn tell(&mut self) -> Result<(), Error> {
        let now = match self.campaign.epoch(Instant::now()) {
            Some(epoch) => Leadership::Leader { epoch },
            None => Leadership::Standby,
        };
        let before = *self.leadership.borrow();
        if now == before {
            return Ok(());
        }
        match (before, now) {
            (Leadership::Leader { .. }, Leadership::Standby) => {
                let lease = self.leases.name();
                return Err(match self.last_error.take() {
                    Some(source) if !self.campaign.is_overtaken() => Error::NotRenewed {
                        lease,
                        source: Box::new(source),
                    },
                    _ => Error::Lost { lease },
                });
            }
            (_, Leadership::Leader { epoch }) => tracing::info!(epoch, "this replica leads"),
            (Leadership::Standby, Leadership::Standby) => {}
        }
        self.leadership.send_replace(now);
        Ok(())
    }

    /// Waits for the next turn. A leader who is asked for a higher epoch has it next.
    async fn pause(&mut self) {
        let wait = match self.campaign.next_at(Instant::now()) {
            _ if self.last_error.is_some() => RETRY,
            Some(at) => at.saturating_duration_since(Instant::now()),
            None => LOOK.mul_f64(self.random.random_range(0.9..1.1)),
        };
        tokio::select! {
            () = sleep(wait) => {}
            Some(Raise { above, answer }) = self.raises.recv() => self.raise(above, answer).await,
        }
    }

    async fn raise(&mut self, above: u64, answer: oneshot::Sender<u64>) {
        // Whoever asks reads from a dropped answer that it was not raised.
        for _ in 0..RAISES {
            let (Some(held), Some(end)) = (self.campaign.epoch(Instant::now()), self.campaign.good_until()) else {
                return;
            };
            if held > above {
                self.leadership.send_replace(Leadership::Leader { epoch: held });
                let _ = answer.send(held);
                return;
            }
            let action = self.campaign.raise_above(above);
            if let Ok(Err(error)) = timeout_at(end.into(), self.act(action)).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to raise the epoch");
                self.last_error = Some(error);
                return;
            }
        }
    }

    async fn hand_back(&mut self) {
        let identity = self.campaign.identity().to_owned();
        match timeout(HANDOVER, self.leases.hand_back(&identity)).await {
            Ok(Ok(true)) => tracing::info!("the Lease is handed back"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to hand the Lease back; it runs out by itself"
            ),
            Err(_) => tracing::warn!("handing the Lease back took too long; it runs out by itself"),
        }
    }
}

/// A call of the API server that takes too long has failed.
async fn within<T>(call: impl Future<Output = Result<T, lease::Error>>) -> Result<T, lease::Error> {
    let late = || lease::Error::Late(io::ErrorKind::TimedOut.into());
    timeout(CALL, call).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests;
