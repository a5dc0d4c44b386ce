//! Publishing to pods that are played by a small server, over real connections.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crds::{
    fleet::{
        PodReport, digest,
        key::{FleetKey, FleetKeys},
    },
    object::{Kind, ObjectName},
    provider::{Dialect, Vendor},
    snapshot::{AuthEntry, Credential, CredentialEntry, ProviderEntry, ProviderTimeouts, VERSION},
};
use prometheus::Registry;
use tokio::{task::JoinHandle, time::timeout};

use super::{pods::Gateways, *};
use crate::leader::{self, Leadership};
use pod::{FakePod, Manner};

mod pod;

/// Long enough for the busiest machine.
const PATIENCE: Duration = Duration::from_secs(30);
const SECRET: &str = "sk-very-secret";

fn keys(current: u8, previous: Option<u8>) -> FleetKeys {
    let key = |byte| FleetKey::new(&[byte; 32]).unwrap();
    FleetKeys {
        current: key(current),
        previous: previous.map(key),
    }
}

fn order(epoch: u64, sequence: u64) -> Order {
    Order { epoch, sequence }
}

fn id(index: usize) -> ObjectId {
    ObjectId {
        kind: Kind::Provider,
        name: ObjectName::new("default", format!("provider-{index}")),
    }
}

/// So many Providers, each with a credential and a header of so many bytes.
fn snapshot(revision: &str, providers: usize, header_bytes: usize) -> Snapshot {
    let provider = ProviderEntry {
        stale: false,
        vendor: Vendor::OpenAI,
        dialect: Dialect::OpenAI,
        base_url: "https://api.openai.com/v1".to_owned(),
        auth: AuthEntry::None,
        credentials: vec![CredentialEntry {
            name: "secret/key".to_owned(),
            weight: 1,
            credential: Credential::new(SECRET),
        }],
        models: BTreeMap::new(),
        max_concurrent: None,
        timeouts: ProviderTimeouts::default(),
        headers: [("x-filler".to_owned(), "x".repeat(header_bytes))].into(),
        allowed_namespaces: Vec::new(),
    };
    Snapshot {
        version: VERSION,
        revision: revision.to_owned(),
        providers: (0..providers).map(|index| (id(index).name, provider.clone())).collect(),
        ..Snapshot::default()
    }
}

fn offer(snapshot: Snapshot) -> Offer {
    Offer {
        digests: Arc::new(digest::of(&snapshot)),
        snapshot: Arc::new(snapshot),
        changed: Instant::now(),
    }
}

/// A publisher that leads, and the pods.
struct Stage {
    pods: Vec<FakePod>,
    publisher: Publisher,
    fleet: watch::Receiver<Arc<Fleet>>,
    leadership: watch::Sender<Leadership>,
    keys: watch::Sender<fleet_key::State>,
    gateways: watch::Sender<Option<Arc<Gateways>>>,
    registry: Registry,
    removal_is_real: Arc<AtomicBool>,
    /// How often it was asked whether a removal is real.
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Stage {
    /// Leads with epoch 1. All hold the same key.
    async fn new(pods: usize) -> Self {
        let mut fakes = Vec::new();
        for index in 0..pods {
            fakes.push(FakePod::start(index, keys(1, None)).await);
        }
        Self::with(fakes, keys(1, None))
    }

    fn with(pods: Vec<FakePod>, keys: FleetKeys) -> Self {
        let (leadership, leads) = watch::channel(Leadership::Leader { epoch: 1 });
        let found: Gateways = pods
            .iter()
            .map(|pod| (pod.gateway.name.clone(), pod.gateway.clone()))
            .collect();
        let (gateways, found) = watch::channel(Some(Arc::new(found)));
        let (keys, read) = watch::channel(fleet_key::State::Read(Arc::new(keys)));
        let registry = Registry::new();
        let removal_is_real = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicUsize::new(0));
        let (answer, count, raise) = (removal_is_real.clone(), asked.clone(), leadership.clone());
        let (publisher, task) = Publisher::with(lead::Inputs {
            client: Client::new(jiff::Timestamp::now),
            leadership: leads,
            work: leader::work().0,
            gateways: found,
            keys: read,
            raise_epoch_above: Box::new(move |above| {
                raise.send_replace(Leadership::Leader { epoch: above + 1 });
                Box::pin(std::future::ready(()))
            }),
            confirm_removal: Box::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
                Box::pin(std::future::ready(answer.load(Ordering::SeqCst)))
            }),
            metrics: Metrics::new(&registry).unwrap(),
            random: StdRng::seed_from_u64(1),
        });
        Self {
            fleet: publisher.fleet(),
            publisher,
            pods,
            leadership,
            keys,
            gateways,
            registry,
            removal_is_real,
            asked,
            task: tokio::spawn(task),
        }
    }

    async fn until(&mut self, what: &str, condition: impl Fn(&Fleet) -> bool) -> Arc<Fleet> {
        let fleet = timeout(PATIENCE, self.fleet.wait_for(|fleet| condition(fleet))).await;
        let Ok(fleet) = fleet else {
            panic!("waited in vain until {what}: {:#?}", self.publisher.fleet().borrow());
        };
        fleet.unwrap().clone()
    }

    /// Offers, and waits until the wave is over.
    async fn offer(&mut self, snapshot: Snapshot) -> Arc<Fleet> {
        self.publisher.offer(offer(snapshot));
        self.until("the wave is over", |fleet| fleet.settled).await
    }

    /// A change of readiness makes the publisher ask at once.
    fn set_ready(&self, name: &str, ready: bool) {
        let mut gateways = Gateways::clone(self.gateways.borrow().as_deref().unwrap());
        gateways.get_mut(name).unwrap().ready = ready;
        self.gateways.send_replace(Some(Arc::new(gateways)));
    }

    async fn previous(&self) -> Option<Arc<Snapshot>> {
        timeout(PATIENCE, self.publisher.previous()).await.unwrap()
    }

    fn metric(&self, line: &str) -> bool {
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap();
        text.lines()
            .any(|found| found.strip_prefix("route_switch_operator_") == Some(line))
    }
}

fn all_hold(order: Order) -> impl Fn(&Fleet) -> bool {
    move |fleet| fleet.settled && fleet.pods.iter().all(|pod| pod.order == Some(order))
}

#[tokio::test]
async fn an_offer_reaches_every_pod_sealed_and_once() {
    let mut stage = Stage::new(3).await;
    assert_eq!(stage.previous().await, None);
    let first = snapshot("one", 2, 10);
    let digests = digest::of(&first);
    let fleet = stage.offer(first.clone()).await;
    assert_eq!(fleet.desired, Some(order(1, 1)));
    for pod in &fleet.pods {
        assert_eq!((pod.order, &*pod.digests), (Some(order(1, 1)), &digests));
        assert!(pod.counted && pod.trouble.is_none() && pod.refused.is_empty());
    }
    let name = id(0).name;
    for pod in &stage.pods {
        let seen = pod.seen();
        assert!(!seen.bodies[0].contains(SECRET), "{}", seen.bodies[0]);
        let opened = seen.held.as_ref().unwrap().open(&name, &keys(1, None)).unwrap();
        assert_eq!(opened[0].credential.expose(), SECRET);
    }
    stage.offer(first).await;
    assert_eq!(stage.offer(snapshot("two", 2, 10)).await.desired, Some(order(1, 2)));
    for pod in &stage.pods {
        assert_eq!(
            pod.seen().pushed,
            [order(1, 1), order(1, 2)],
            "what is the same is not pushed again"
        );
    }
    assert!(stage.metric("pushes_total{outcome=\"taken\"} 6"));
    assert!(stage.metric("propagation_seconds_count 2"));
    assert!(stage.metric("connected_pods 3"));
}

#[tokio::test]
async fn a_silent_first_pod_does_not_hold_up_the_others() {
    let mut stage = Stage::new(3).await;
    stage.previous().await;
    stage.pods[0].set(Manner::Silent);
    let began = Instant::now();
    stage.publisher.offer(offer(snapshot("one", 1, 10)));
    let others = |fleet: &Fleet| fleet.pods[1..].iter().all(|pod| pod.order == Some(order(1, 1)));
    stage.until("the others have it", others).await;
    assert!(began.elapsed() >= wave::FIRST_ANSWER, "the first one has its time");
    stage.until("the silent one is given up", |fleet| fleet.settled).await;
    stage.pods[0].set(Manner::Takes);
    // Nobody waits for the end of the push that hangs: a restart ends it.
    stage.pods[0].hang_up();
    stage.until("it is back", all_hold(order(1, 1))).await;
}

#[tokio::test]
async fn two_that_refuse_it_whole_stop_the_wave() {
    let mut stage = Stage::new(3).await;
    stage.previous().await;
    for pod in &stage.pods[..2] {
        pod.set(Manner::RefusesWhole);
    }
    let fleet = stage.offer(snapshot("one", 1, 10)).await;
    let trouble: Vec<_> = fleet.pods.iter().map(|pod| pod.trouble.as_deref()).collect();
    assert_eq!(trouble, [Some("not like this"), Some("not like this"), None]);
    assert_eq!(stage.pods[2].seen().pushed, []);
    for pod in &stage.pods[..2] {
        pod.set(Manner::Takes);
    }
    stage.offer(snapshot("two", 1, 10)).await;
    stage.until("all have the next one", all_hold(order(1, 2))).await;
}

#[tokio::test]
async fn an_object_that_a_pod_refuses_is_told_with_its_words() {
    let mut stage = Stage::new(2).await;
    stage.pods[1].set(Manner::RefusesObject(id(0).to_string(), "é".repeat(1_000)));
    let fleet = stage.offer(snapshot("one", 2, 10)).await;
    assert_eq!(fleet.pods[0].refused.len(), 0);
    assert_eq!(fleet.pods[1].refused[&id(0)], "é".repeat(256), "within bounds");
    assert!(stage.metric("refused_objects{kind=\"Provider\"} 1"));
    stage.pods[1].set(Manner::Takes);
    let healed = |fleet: &Fleet| fleet.pods[1].refused.is_empty();
    stage.until("a heartbeat tells that it takes it now", healed).await;
    assert_eq!(stage.pods[1].seen().pushed, [order(1, 1)]);
}

#[tokio::test]
async fn a_new_leader_begins_with_what_the_pods_have_and_above_it() {
    let mut pods = Vec::new();
    for index in 0..3 {
        pods.push(FakePod::start(index, keys(1, None)).await);
    }
    pods[0].hold(order(4, 9), snapshot("old", 1, 10));
    pods[1].hold(order(7, 2), snapshot("newest", 2, 10));
    let mut stage = Stage::with(pods, keys(1, None));
    let previous = stage.previous().await.unwrap();
    assert_eq!(*previous, snapshot("newest", 2, 10), "with its credentials");
    stage.offer(snapshot("newest", 2, 10)).await;
    let fleet = stage
        .until("all have it under the new epoch", all_hold(order(8, 1)))
        .await;
    assert_eq!(fleet.desired, Some(order(8, 1)));
    for pod in &stage.pods {
        assert_eq!(
            pod.seen().pushed,
            [order(8, 1)],
            "nothing was pushed under the epoch that was too low"
        );
    }
}

#[tokio::test]
async fn a_pod_from_another_age_raises_the_epoch_for_all() {
    let mut stage = Stage::new(2).await;
    stage.offer(snapshot("one", 1, 10)).await;
    stage.pods[1].hold(order(30, 5), snapshot("stray", 1, 10));
    stage.publisher.offer(offer(snapshot("two", 1, 10)));
    stage.until("all have it above that", all_hold(order(31, 1))).await;
    assert!(stage.pods[1].seen().held.as_ref().unwrap().snapshot.revision == "two");
    assert!(stage.metric("pushes_total{outcome=\"conflict\"} 1"));
    assert!(stage.metric("epoch 31"));
}

#[tokio::test]
async fn a_snapshot_of_many_mebibytes_passes() {
    let mut stage = Stage::new(2).await;
    stage.offer(snapshot("one", 100, 60_000)).await;
    let fleet = stage.until("all have it", all_hold(order(1, 1))).await;
    assert_eq!(fleet.pods[1].digests.len(), 100);
    assert!(stage.pods[0].seen().bodies[0].len() > 5 * 1024 * 1024);
    // And is read back by the next leader.
    let next = Stage::with(std::mem::take(&mut stage.pods), keys(1, None));
    assert_eq!(next.previous().await.unwrap().providers.len(), 100);
}

#[tokio::test]
async fn a_turning_key_is_used_when_all_counted_pods_have_it() {
    let mut stage = Stage::new(2).await;
    stage.offer(snapshot("one", 1, 10)).await;
    let sealed_with = |stage: &Stage| {
        let held = stage.pods[0].seen().held.clone().unwrap();
        held.credentials[&id(0).name][0].sealed.key_id.clone()
    };
    let [old, new] = [keys(1, None), keys(2, Some(1))];
    stage.keys.send_replace(fleet_key::State::Read(Arc::new(new.clone())));
    stage.offer(snapshot("two", 1, 10)).await;
    stage.until("all have it", all_hold(order(1, 2))).await;
    assert_eq!(sealed_with(&stage), *old.current.id());
    for pod in &stage.pods {
        pod.set_keys(new.clone());
        // The second heartbeat begins when the answer to the first has arrived.
        for ready in [false, true] {
            let told = pod.seen().heartbeats;
            stage.set_ready(&pod.gateway.name, ready);
            timeout(PATIENCE, pod.heard(told + 1)).await.unwrap();
        }
    }
    stage.offer(snapshot("three", 1, 10)).await;
    stage.until("all have it", all_hold(order(1, 3))).await;
    assert_eq!(sealed_with(&stage), *new.current.id());
}

#[tokio::test]
async fn a_pod_that_holds_neither_key_says_so_and_the_others_go_on() {
    let mut stage = Stage::new(2).await;
    stage.pods[0].set_keys(keys(9, None));
    let fleet = stage.offer(snapshot("one", 1, 10)).await;
    let words = fleet.pods[0].trouble.clone().unwrap();
    assert!(words.starts_with("signed with the fleet key"), "{words}");
    assert_eq!(fleet.pods[1].order, Some(order(1, 1)));
    stage.pods[0].set_keys(keys(1, None));
    let fleet = stage.until("it has it", all_hold(order(1, 1))).await;
    assert_eq!(fleet.pods[0].trouble, None);
}

#[tokio::test]
async fn a_pod_that_comes_up_with_less_gets_the_current_one() {
    let mut stage = Stage::new(2).await;
    stage.offer(snapshot("one", 1, 10)).await;
    stage.offer(snapshot("two", 1, 10)).await;
    stage.until("all have it", all_hold(order(1, 2))).await;
    stage.pods[1].forget();
    // Its container restarted: it is not ready, and then it is.
    for ready in [false, true] {
        stage.set_ready("gateway-1", ready);
    }
    timeout(PATIENCE, stage.pods[1].pushed(3)).await.unwrap();
    stage.until("it has it again", all_hold(order(1, 2))).await;
    let siblings = stage.pods[1].seen().siblings.clone();
    assert_eq!(siblings, [stage.pods[0].gateway.admin.unwrap().to_string()]);
}

#[tokio::test]
async fn a_mass_removal_waits_until_a_fresh_list_confirms_it() {
    let mut stage = Stage::new(1).await;
    stage.offer(snapshot("one", 30, 10)).await;
    stage.publisher.offer(offer(snapshot("gone", 14, 10)));
    let held = Some(Removal { dropped: 16, of: 30 });
    let fleet = stage.until("it is held", |fleet| fleet.held == held).await;
    assert!(!fleet.settled);
    assert_eq!(fleet.desired, Some(order(1, 1)));
    // What comes next and drops less needs no question.
    stage.offer(snapshot("some", 15, 10)).await;
    stage.until("that passes", all_hold(order(1, 2))).await;
    stage.removal_is_real.store(true, Ordering::SeqCst);
    stage.publisher.offer(offer(snapshot("none", 0, 10)));
    stage.until("a real one passes", all_hold(order(1, 3))).await;
    assert_eq!(stage.asked.load(Ordering::SeqCst), 2);
    assert!(stage.metric("held_removals_total 2"));
    assert!(!stage.pods[0].seen().bodies.iter().any(|body| body.contains("\"gone\"")));
}

#[tokio::test]
async fn when_another_leads_what_is_on_its_way_is_cut_off() {
    let mut stage = Stage::new(1).await;
    stage.previous().await;
    stage.pods[0].set(Manner::Silent);
    stage.publisher.offer(offer(snapshot("one", 1, 10)));
    timeout(PATIENCE, stage.pods[0].pushed(1)).await.unwrap();
    stage.leadership.send_replace(Leadership::Standby);
    timeout(PATIENCE, stage.pods[0].cut_off()).await.unwrap();
    timeout(PATIENCE, &mut stage.task).await.unwrap().unwrap();
    assert_eq!(**stage.fleet.borrow(), Fleet::default());
    assert!(stage.metric("epoch 0"));
}

#[tokio::test]
async fn without_a_fleet_key_every_pod_says_what_is_missing() {
    let mut stage = Stage::new(1).await;
    stage.previous().await;
    stage
        .keys
        .send_replace(fleet_key::State::Unreadable("the Secret is empty".to_owned()));
    let words = "nothing can be sent to it: the Secret is empty";
    stage
        .until("it is told", |fleet| fleet.pods[0].trouble.as_deref() == Some(words))
        .await;
    stage.keys.send_replace(fleet_key::State::Read(Arc::new(keys(1, None))));
    stage.offer(snapshot("one", 1, 10)).await;
    stage.until("all is well", all_hold(order(1, 1))).await;
}
