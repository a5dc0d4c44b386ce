//! One connection's share of a load: take a number, send, read, check, write it down.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::answer::{self, Expect, StreamCheck};
use super::connection::{Connection, Head};
use super::ledger::{Entry, Ledger, Outcome};
use super::{Plan, RequestTemplate, Schedule};

const EXCERPT: usize = 300;

pub(super) struct Worker {
    plan: Arc<Plan>,
    schedule: Arc<Schedule>,
    requests: Vec<RequestTemplate>,
    connection: Option<Connection>,
    body: Vec<u8>,
    ledger: Ledger,
}

/// What is known of an exchange that came to an end.
struct Exchange {
    outcome: Outcome,
    generation: Option<String>,
    first_content: Option<Instant>,
    chunks: usize,
    /// The connection can carry another request.
    reusable: bool,
}

impl Worker {
    pub(super) fn new(plan: Arc<Plan>, schedule: Arc<Schedule>) -> Self {
        let requests = plan.requests.clone();
        Self {
            plan,
            schedule,
            requests,
            connection: None,
            body: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    pub(super) async fn run(mut self) -> Ledger {
        while let Some((place, due)) = self.schedule.take() {
            if let Some(due) = due {
                sleep_until(due).await;
            }
            let number = self.plan.first_number + place;
            let sent = due.unwrap_or_else(Instant::now);
            let patience = self.plan.patience;
            let exchange = match timeout(patience, self.exchange(number)).await {
                Ok(Ok(exchange)) => exchange,
                Ok(Err(error)) => Exchange::broken(error.to_string()),
                Err(_) => Exchange::broken(format!("no whole answer within {patience:?}")),
            };
            if !exchange.reusable {
                self.connection = None;
            }
            self.record(number, sent, exchange);
        }
        self.ledger
    }

    fn record(&mut self, number: u64, sent: Instant, exchange: Exchange) {
        let ended = Instant::now();
        let Exchange {
            outcome,
            generation,
            first_content,
            chunks,
            reusable: _,
        } = exchange;
        let since_sent = |at: Instant| at.duration_since(sent).max(Duration::ZERO);
        let (latency, first_content) = (since_sent(ended), first_content.map(since_sent));
        let entry = Entry {
            number,
            outcome,
            generation,
            latency,
            first_content,
            ended,
        };
        self.ledger.record(entry, chunks, self.plan.keep);
    }

    async fn exchange(&mut self, number: u64) -> io::Result<Exchange> {
        let place = usize::try_from(number % self.requests.len() as u64).expect("a remainder of a length is an index");
        let request = &mut self.requests[place];
        let expect = request.expect;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.plan.target).await?,
        };
        connection.send(request.marked(number)).await?;
        let mut head = connection.head().await?;
        self.body.clear();
        let exchange = match expect {
            Expect::Stream { echoed_chunks } if head.status == 200 => {
                let check = StreamCheck::new(echoed_chunks.map(|chunks| (number, chunks)));
                read_stream(&mut connection, &mut head, &mut self.body, check).await?
            }
            _ => read_whole(&mut connection, &mut head, &mut self.body, number, expect).await?,
        };
        self.connection = Some(connection);
        Ok(Exchange {
            reusable: !head.close,
            generation: head.generation,
            ..exchange
        })
    }
}

impl Exchange {
    fn broken(why: String) -> Self {
        Self::ended(Outcome::Broken(why))
    }

    fn ended(outcome: Outcome) -> Self {
        Self {
            outcome,
            generation: None,
            first_content: None,
            chunks: 0,
            reusable: false,
        }
    }
}

async fn read_whole(
    connection: &mut Connection,
    head: &mut Head,
    body: &mut Vec<u8>,
    number: u64,
    expect: Expect,
) -> io::Result<Exchange> {
    while connection.body(head, body).await? {}
    if head.status != 200 {
        let excerpt = String::from_utf8_lossy(&body[..body.len().min(EXCERPT)]).into_owned();
        return Ok(Exchange::ended(Outcome::Status(head.status, excerpt)));
    }
    let echo = matches!(expect, Expect::Completion { echo: true }).then_some(number);
    let outcome = answer::check_completion(body, echo).map_or_else(Outcome::Wrong, |()| Outcome::Ok);
    Ok(Exchange::ended(outcome))
}

async fn read_stream(
    connection: &mut Connection,
    head: &mut Head,
    body: &mut Vec<u8>,
    mut check: StreamCheck,
) -> io::Result<Exchange> {
    let mut first_content = None;
    let mut wrong = None;
    loop {
        let more = connection.body(head, body).await?;
        let mut taken = 0;
        while let Some(length) = memchr::memmem::find(&body[taken..], b"\n\n") {
            if let Err(why) = check.event(&body[taken..taken + length]) {
                wrong.get_or_insert(why);
            }
            taken += length + 2;
        }
        body.drain(..taken);
        if first_content.is_none() && check.chunks() > 0 {
            first_content = Some(Instant::now());
        }
        if !more {
            break;
        }
    }
    if !body.is_empty() {
        wrong.get_or_insert_with(|| "the stream ends within an event".to_owned());
    }
    let chunks = check.chunks();
    let outcome = wrong.map_or_else(|| check.end(), Outcome::Wrong);
    Ok(Exchange {
        first_content,
        chunks,
        ..Exchange::ended(outcome)
    })
}
