//! Whole fleets in one process: pods with stores of their own that ask each other by function call.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use serde_json::value::to_raw_value;
use tempfile::TempDir;

use super::*;
use crate::analytics::generation::Sight;
use crate::analytics::system::{Granularity, Query};
use crate::capture::record::Record;
use crate::capture::sample::{BEGIN_UNIX_MICROS, HOUR_MICROS, Traffic, settings};

/// Whoever is asked there finds that it is the asking pod.
const ITSELF: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 9000);

/// Who is at which address, and how often it was asked.
#[derive(Default)]
struct Hall {
    pods: Mutex<BTreeMap<SocketAddr, Option<Arc<FleetReads>>>>,
    asked: Mutex<Vec<SocketAddr>>,
}

impl Hall {
    fn put(&self, address: SocketAddr, pod: Option<Arc<FleetReads>>) {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.insert(address, pod);
    }

    fn take_asked(&self) -> Vec<SocketAddr> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Siblings for Hall {
    fn addresses(&self) -> BoxFuture<'_, Vec<SocketAddr>> {
        let addresses = self.pods.lock().unwrap().keys().copied().collect();
        Box::pin(async { addresses })
    }

    fn ask(
        &self,
        address: SocketAddr,
        path: &'static str,
        body: Bytes,
    ) -> BoxFuture<'_, Result<Option<Bytes>, String>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(address);
            let pod = self.pods.lock().unwrap()[&address].clone();
            let pod = pod.ok_or("nobody listens")?;
            let answer = pod.answer(path, &body).await.ok_or("no such path")?;
            let answer = answer.map_err(|error| error.to_string())?;
            Ok((address != ITSELF).then_some(answer.into()))
        })
    }
}

struct Fleet {
    hall: Arc<Hall>,
    data: Vec<TempDir>,
    pods: Vec<Arc<FleetReads>>,
}

impl Fleet {
    fn new(size: u32) -> Self {
        let mut fleet = Self {
            hall: Arc::default(),
            data: Vec::new(),
            pods: Vec::new(),
        };
        for ordinal in 0..size {
            fleet.data.push(TempDir::new().unwrap());
            let pod = fleet.start(ordinal);
            fleet.pods.push(pod);
        }
        fleet
    }

    /// A pod on the data of its ordinal, reached at its address.
    fn start(&self, ordinal: u32) -> Arc<FleetReads> {
        let data = self.data[ordinal as usize].path();
        let pod = Arc::new(FleetReads::new(
            PodIdentity {
                name: format!("pod-{ordinal}"),
                uid: format!("uid-{ordinal}"),
            },
            ordinal,
            Arc::new(Queue::open(settings(data)).unwrap()),
            Arc::clone(&self.hall) as Arc<dyn Siblings>,
            data,
            Handle::current(),
        ));
        self.hall.put(reached_at(ordinal), Some(Arc::clone(&pod)));
        pod
    }

    /// Ends a pod as if it were killed after all was stored.
    fn stop(&mut self, ordinal: u32) {
        self.hall.put(reached_at(ordinal), None);
        self.pods[ordinal as usize].queue.close();
    }

    fn restart(&mut self, ordinal: u32) {
        self.pods[ordinal as usize] = self.start(ordinal);
    }

    /// Gives each pod some records, with ids of its own.
    fn fill(&self, records_each: usize) -> Vec<Record> {
        let mut traffic = Traffic::new(41);
        let mut all = Vec::new();
        for pod in &self.pods {
            for mut record in traffic.records(records_each) {
                record.id = record.id.replacen("gen-0-", &format!("gen-{}-", pod.ordinal), 1).into();
                pod.queue.record(record.clone());
                all.push(record);
            }
        }
        all
    }

    /// What the pod of this ordinal says for the fleet: requests, who answered, who is missing.
    async fn count(&self, ordinal: usize) -> (u64, String, String) {
        let pod = &self.pods[ordinal];
        let mut share = query().answer(Arc::clone(&pod.queue)).await.unwrap();
        let heard = pod.gather(query(), None).await.unwrap();
        if let Some(others) = heard.others {
            share.add(others).unwrap();
        }
        let Pods { answered, missing } = heard.pods.clone();
        let answer = share.answer(&query(), system::Scope::Fleet, heard.pods);
        (answer.total_requests, answered.join(" "), missing.join(" "))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // The pods know the hall and the hall the pods.
        self.hall.pods.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Where the pod of this ordinal is.
fn reached_at(ordinal: u32) -> SocketAddr {
    SocketAddr::new(
        Ipv4Addr::new(10, 0, 0, 1).into(),
        9000 + u16::try_from(ordinal).unwrap(),
    )
}

fn query() -> Query {
    Query {
        since_unix_micros: BEGIN_UNIX_MICROS,
        until_unix_micros: BEGIN_UNIX_MICROS + 48 * HOUR_MICROS,
        group_by: Vec::new(),
        granularity: Granularity::None,
        namespace: None,
        key: None,
        prompt: None,
    }
}

fn told(requests: u64, answered: &str, missing: &str) -> (u64, String, String) {
    (requests, answered.to_owned(), missing.to_owned())
}

#[tokio::test]
async fn any_pod_answers_for_all_and_one_that_is_gone_is_missing_until_it_is_back() {
    let mut fleet = Fleet::new(3);
    fleet.fill(20);
    for ordinal in 0..3 {
        assert_eq!(fleet.count(ordinal).await, told(60, "0 1 2", ""));
    }
    fleet.stop(2);
    assert_eq!(fleet.count(0).await, told(40, "0 1", "2"));
    // A pod that starts meanwhile knows it from before.
    fleet.stop(1);
    fleet.restart(1);
    assert_eq!(fleet.count(1).await, told(40, "0 1", "2"));
    // Also when nothing is at its address any more.
    fleet.hall.pods.lock().unwrap().remove(&reached_at(2));
    assert_eq!(fleet.count(1).await, told(40, "0 1", "2"));
    fleet.restart(2);
    for ordinal in 0..3 {
        assert_eq!(fleet.count(ordinal).await, told(60, "0 1 2", ""));
    }
}

#[tokio::test]
async fn a_pod_that_is_reached_twice_counts_once() {
    let fleet = Fleet::new(2);
    fleet.fill(10);
    fleet.hall.put(reached_at(7), Some(Arc::clone(&fleet.pods[1])));
    assert_eq!(fleet.count(0).await, told(20, "0 1", ""));
    assert_eq!(fleet.count(1).await, told(20, "0 1", ""));
    // One that turns out to be the asking pod itself is nobody.
    fleet.hall.put(ITSELF, Some(Arc::clone(&fleet.pods[0])));
    assert_eq!(fleet.count(0).await, told(20, "0 1", ""));
}

#[tokio::test]
async fn a_request_is_found_at_the_pod_of_its_id_which_alone_is_asked() {
    let fleet = Fleet::new(3);
    let records = fleet.fill(5);
    fleet.count(0).await;
    fleet.hall.take_asked();
    let wanted = records.iter().find(|record| record.id.starts_with("gen-2-")).unwrap();
    let find = |sight| Find {
        id: wanted.id.clone(),
        sight,
    };
    let heard = fleet.pods[0].gather(find(Sight::All), Some(2)).await.unwrap();
    let found = heard.others.unwrap().0.unwrap();
    assert!(found.get().contains(&*wanted.id));
    assert_eq!(fleet.hall.take_asked(), [reached_at(2)]);
    let heard = fleet.pods[0]
        .gather(find(Sight::Key("default/nobody".into())), Some(2))
        .await
        .unwrap();
    assert!(heard.others.unwrap().0.is_none(), "a stranger sees nothing");
}

#[tokio::test]
async fn a_pod_that_came_to_the_address_of_another_is_known_as_what_it_is() {
    let fleet = Fleet::new(3);
    fleet.fill(5);
    fleet.count(0).await;
    fleet.hall.pods.lock().unwrap().remove(&reached_at(2));
    fleet.hall.put(reached_at(1), Some(Arc::clone(&fleet.pods[2])));
    assert_eq!(fleet.count(0).await, told(10, "0 2", "1"));
    fleet.hall.take_asked();
    fleet.pods[0].gather(Presence, Some(2)).await.unwrap();
    assert_eq!(fleet.hall.take_asked(), [reached_at(1)]);
}

#[tokio::test]
async fn what_is_forgotten_is_forgotten_by_all() {
    let fleet = Fleet::new(3);
    let records = fleet.fill(30);
    let of_somebody = records
        .iter()
        .filter(|record| record.user.as_deref() == Some("u1"))
        .count();
    let forget = Forget {
        user: "u1".into(),
        namespace: None,
    };
    let mut removed = forget.clone().answer(Arc::clone(&fleet.pods[1].queue)).await.unwrap();
    let heard = fleet.pods[1].gather(forget, None).await.unwrap();
    removed.add(heard.others.unwrap()).unwrap();
    assert_eq!(removed.requests, of_somebody as u64);
    let list = generations::Query {
        since_unix_micros: BEGIN_UNIX_MICROS,
        until_unix_micros: BEGIN_UNIX_MICROS + 48 * HOUR_MICROS,
        limit: 500,
        ..generations::Query::default()
    };
    let mut left = list.clone().answer(Arc::clone(&fleet.pods[0].queue)).await.unwrap();
    left.add(fleet.pods[0].gather(list, None).await.unwrap().others.unwrap())
        .unwrap();
    assert_eq!(left.page().data.len(), records.len() - of_somebody);
}

#[tokio::test]
async fn who_says_what_nobody_understands_is_missing() {
    let fleet = Fleet::new(1);
    let pod = &fleet.pods[0];
    assert!(matches!(
        pod.answer(Find::PATH, b"{}").await,
        Some(Err(Error::Question(_)))
    ));
    assert!(pod.answer("/fleet/else", b"{}").await.is_none());
    let mut sum = Sum::<Found> {
        others: None,
        uids: HashSet::new(),
    };
    assert!(matches!(sum.add(b"{\"uid\":\"a\"}"), Err(Untaken::Failed(_))));
    assert!(sum.others.is_none());
}

#[test]
fn an_answer_that_is_too_long_is_one_of_too_many_rows() {
    let answer = |bytes: usize| Answer {
        uid: "a".to_owned(),
        ordinal: 0,
        highest_ordinal: None,
        part: Told::Known(Found(Some(to_raw_value(&"x".repeat(bytes)).unwrap()))),
    };
    let mut sum = Sum::<Found> {
        others: None,
        uids: HashSet::new(),
    };
    assert!(sum.add(&answer(MAX_ANSWER_BYTES / 2).write().unwrap()).is_ok());
    let long = answer(MAX_ANSWER_BYTES).write().unwrap();
    assert!(long.len() < 1000);
    let refused = sum.add(&long);
    assert!(matches!(
        refused,
        Err(Untaken::Store(analytics::Error::TooManyRows { .. }))
    ));
}
