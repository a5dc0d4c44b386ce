//! What runs beside the publishing task: requests to pods, and questions to the rest of the program.

use std::time::Duration;

use crds::fleet::digest::Digests;
use futures_util::future::BoxFuture;
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    acknowledgement,
    client::{Answer, Client, Question, Receiver, Signer},
    wave::Errand,
};

/// Where the epoch was not raised, it is asked for again after this.
const RAISE_AGAIN: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    Answered {
        uid: String,
        errand: Errand,
        answer: Box<Answer>,
        /// Of what was read back, by its revision.
        digests: Option<(String, Digests)>,
    },
    /// The number of the question, and the answer.
    Confirmed(u64, bool),
    /// Or not: the epoch says.
    Raised,
}

pub(super) async fn run(
    client: Client,
    receiver: Receiver,
    signer: Signer,
    errand: Errand,
    question: Question,
) -> Done {
    let answer = client.ask(&receiver, &signer, question).await;
    let (answer, digests) = match answer {
        Answer::Held(Some(push)) => {
            let revision = push.snapshot.revision.clone();
            let computed = spawn_blocking(move || acknowledgement::digests(&push, &signer.keys)).await;
            (Answer::Held(None), computed.ok().map(|digests| (revision, digests)))
        }
        answer => (answer, None),
    };
    Done::Answered {
        uid: receiver.uid,
        errand,
        answer: Box::new(answer),
        digests,
    }
}

pub(super) async fn confirm(number: u64, question: BoxFuture<'static, bool>, patience: Duration) -> Done {
    Done::Confirmed(number, timeout(patience, question).await.unwrap_or(false))
}

pub(super) async fn raise(question: BoxFuture<'static, ()>) -> Done {
    question.await;
    sleep(RAISE_AGAIN).await;
    Done::Raised
}
