//! What a new leader does first: it asks every pod what it has, and reads the newest Snapshot back. Nothing is pushed before.
//!
//! From that Snapshot comes what a bad object last was when it was good, and its order is to be exceeded.

use std::{sync::Arc, time::Duration};

use crds::{
    fleet::{Heartbeat, digest, key::FleetKeys},
    snapshot::Snapshot,
};
use http::StatusCode;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

use super::{
    acknowledgement,
    client::{Answer, Question},
    lead::Reign,
    wave::Errand,
};

/// How long all pods may take to say what they have.
const ASK: Duration = Duration::from_secs(1);
/// How long reading the newest back may take.
const READ: Duration = Duration::from_secs(3);

impl Reign<'_> {
    /// The newest Snapshot that a pod holds, if any.
    pub(super) async fn take_over(&mut self) -> Option<Arc<Snapshot>> {
        let keys = self.keys.clone()?;
        let unbelieved = self.ask_all(self.wave.uids(), &keys).await;
        // They may hold the key before only: what was refused once is signed with that.
        self.ask_all(unbelieved, &keys).await;
        let snapshot = timeout(READ, self.read_newest(&keys)).await.ok().flatten();
        let revision = snapshot.as_ref().map(|snapshot| snapshot.revision.as_str());
        tracing::info!(revision, "took over what the gateways have");
        snapshot
    }

    /// Asks pods how they are. Those that do not believe the signature come back.
    async fn ask_all(&mut self, uids: Vec<String>, keys: &Arc<FleetKeys>) -> Vec<String> {
        let mut asked = JoinSet::new();
        for uid in uids {
            let siblings = self.wave.siblings(&uid);
            if let Some((receiver, signer)) = self.receiver(&uid, keys) {
                let client = self.client.clone();
                asked.spawn(async move {
                    let question = Question::Heartbeat(Heartbeat { siblings });
                    let answer = timeout(ASK, client.ask(&receiver, &signer, question)).await;
                    let late = |_| Answer::None(format!("no answer within {} s", ASK.as_secs()));
                    (uid, answer.unwrap_or_else(late))
                });
            }
        }
        let mut unbelieved = Vec::new();
        while let Some(Ok((uid, answer))) = asked.join_next().await {
            if matches!(answer, Answer::Refused(StatusCode::UNAUTHORIZED, _)) {
                unbelieved.push(uid.clone());
            }
            self.answered(&uid, Errand::Heartbeat, answer);
        }
        unbelieved
    }

    async fn read_newest(&mut self, keys: &Arc<FleetKeys>) -> Option<Arc<Snapshot>> {
        let holders = self.wave.held().into_values().flatten();
        for uid in holders.collect::<Vec<_>>() {
            let Some((receiver, signer)) = self.receiver(&uid, keys) else {
                continue;
            };
            if let Answer::Held(Some(push)) = self.client.ask(&receiver, &signer, Question::Read).await {
                let keys = keys.clone();
                let opened = spawn_blocking(move || {
                    let snapshot = acknowledgement::opened(&push, &keys);
                    let digests = digest::of(&snapshot);
                    (snapshot, digests)
                });
                let (snapshot, digests) = opened.await.ok()?;
                let digests = Arc::new(digests);
                self.wave.ledger.remember(&snapshot.revision, digests.clone());
                self.wave.relearn();
                self.baseline = Some(digests);
                return Some(Arc::new(snapshot));
            }
        }
        None
    }
}
