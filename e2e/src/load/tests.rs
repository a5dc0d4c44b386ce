use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::mock::{self, Streams};

const CHUNKS: usize = 5;

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn mock() -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(mock::serve(
        listener,
        Streams {
            chunks: CHUNKS,
            gap: Duration::ZERO,
        },
    ));
    address
}

/// Answers every request with the same bytes.
async fn parrot(answer: String) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

fn plan(target: SocketAddr, expects: &[Expect], count: u64) -> Plan {
    let request = |expect: &Expect| {
        let chat = ChatRequest {
            host: "h",
            path: "/v1/x",
            key: None,
            model: "m",
            prompt_bytes: 10,
            variables: &[],
            expect: *expect,
        };
        RequestTemplate::chat(&chat)
    };
    Plan {
        target,
        connections: 3,
        until: Until::Count(count),
        pace: Pace::Closed,
        requests: expects.iter().map(request).collect(),
        first_number: 1,
        patience: Duration::from_secs(10),
        keep: Keep::All,
    }
}

const PLAIN: Expect = Expect::Completion { echo: true };
const STREAM: Expect = Expect::Stream {
    echoed_chunks: Some(CHUNKS),
};

#[tokio::test]
async fn a_closed_loop_of_both_kinds_of_request_is_answered_right() {
    let ledger = run(plan(mock().await, &[PLAIN, STREAM], 40)).await;
    assert_eq!(
        (ledger.ok, ledger.failed, ledger.chunks),
        (40, 0, 20 * CHUNKS as u64),
        "{:?}",
        ledger.failures()
    );
    let mut numbers: Vec<u64> = ledger.entries.iter().map(|entry| entry.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<u64>>());
}

#[tokio::test]
async fn an_open_loop_sends_all_that_is_due() {
    let pace = Pace::Open {
        per_second: 2000.0,
        seed: 5,
    };
    let ledger = run(Plan {
        pace,
        ..plan(mock().await, &[PLAIN], 100)
    })
    .await;
    assert_eq!((ledger.ok, ledger.failed, ledger.latency.len()), (100, 0, 100));
}

#[tokio::test]
async fn a_load_ends_when_it_is_told() {
    let told = Arc::new(AtomicBool::new(true));
    let ledger = run(Plan {
        until: Until::Told(told),
        ..plan(mock().await, &[PLAIN], 0)
    })
    .await;
    assert_eq!(ledger.ok + ledger.failed, 0);
}

#[tokio::test]
async fn the_answer_to_one_request_is_wrong_for_all_others() {
    let body = r#"{"choices":[{"message":{"content":"[[0000000000000001]]"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
    let target = parrot(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let ledger = run(plan(target, &[PLAIN], 10)).await;
    assert_eq!((ledger.ok, ledger.failed), (1, 9));
    assert!(
        ledger
            .entries
            .iter()
            .all(|entry| entry.number == 1 || matches!(entry.outcome, Outcome::Wrong(_)))
    );
}

#[tokio::test]
async fn an_error_status_and_a_refused_connection_are_told_apart() {
    let target = parrot("HTTP/1.1 429 Slow\r\ncontent-length: 2\r\n\r\nno".to_owned()).await;
    let ledger = run(plan(target, &[STREAM], 2)).await;
    assert_eq!(ledger.entries[0].outcome, Outcome::Status(429, "no".to_owned()));

    let (listener, address) = listener().await;
    drop(listener);
    let ledger = run(plan(address, &[PLAIN], 2)).await;
    assert!(
        ledger
            .entries
            .iter()
            .all(|entry| matches!(entry.outcome, Outcome::Broken(_))),
        "{:?}",
        ledger.failures()
    );
}
