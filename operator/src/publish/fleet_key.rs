//! The fleet key, in one Secret: read as it changes, and made by the leader where there is none.
//!
//! To turn the key, a person moves `current` to `previous` and puts 32 new random bytes into `current`. A Secret that becomes
//! unreadable or is deleted changes nothing: what was read last stays in use.

use std::{
    collections::BTreeMap,
    fmt,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use crds::fleet::key::{self, FleetKey, FleetKeys};
use futures_util::{Stream, StreamExt};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use rand::{RngExt, rngs::StdRng};
use tokio::{sync::watch, time::sleep_until};

use crate::leader::Leadership;

const CURRENT: &str = "current";
const PREVIOUS: &str = "previous";
/// Who the Secret says that it is managed by, and the manager of its fields.
const MANAGER: &str = "route-switch-operator";
/// A watch is renewed so often, so that one that died silently is found.
const WATCH_SECONDS: u32 = 60;
/// Between two attempts to make the Secret.
const PAUSE: Duration = Duration::from_secs(5);

/// Where the fleet key is.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) api: Api<Secret>,
    pub(super) place: Place,
    /// Whether it is made where it is missing.
    pub(super) create: bool,
    /// How often it is listed anew, in case that a watch lost something.
    pub(super) resync: Duration,
}

/// The name of the Secret.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What is known of the fleet key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Unknown,
    /// There never was a readable one. The text says why, and what to do.
    Unreadable(String),
    Read(Arc<FleetKeys>),
}

/// A Secret that holds no fleet key.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("has no data key `{CURRENT}`; put {} random bytes there", key::BYTES)]
    NoCurrent,
    #[error("holds in `{field}` what is no fleet key: {source}")]
    NoKey { field: &'static str, source: key::Error },
}

/// Keeps `keys` as the Secret is.
pub(super) async fn watch(
    source: Source,
    mut leadership: watch::Receiver<Leadership>,
    keys: watch::Sender<State>,
    mut random: StdRng,
) {
    let mut events = pin!(events(&source));
    let mut list_at = Instant::now() + source.resync;
    let mut held = Held::default();
    let mut next_attempt = Instant::now();
    loop {
        let leads = matches!(*leadership.borrow_and_update(), Leadership::Leader { .. });
        let makes = leads && source.create && held.is_missing;
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => held.take(event, &source.place, &keys),
                Some(Err(error)) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the watch of the fleet key failed; it begins anew"
                ),
                None => events.set(self::events(&source)),
            },
            () = sleep_until(list_at.into()) => {
                list_at = Instant::now() + source.resync;
                events.set(self::events(&source));
            }
            () = sleep_until(next_attempt.into()), if makes => {
                next_attempt = Instant::now() + PAUSE;
                let secret = held.secret(&source.place, || random.random());
                make(&source, secret).await;
            }
            changed = leadership.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Begins with a list.
fn events(source: &Source) -> impl Stream<Item = watcher::Result<Event<Secret>>> + Send + use<> {
    let config = watcher::Config::default()
        .fields(&format!("metadata.name={}", source.place.name))
        .timeout(WATCH_SECONDS);
    watcher(source.api.clone(), config).default_backoff()
}

/// Created and not applied: where somebody else was faster, theirs is the key. The watch tells what there is then.
async fn make(source: &Source, secret: Secret) {
    let parameters = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    match source.api.create(&parameters, &secret).await {
        Ok(_) => tracing::info!("made the fleet key: {}", source.place),
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "failed to make the fleet key: {}",
            source.place
        ),
    }
}

/// What the events of the watch told.
#[derive(Debug, Default)]
struct Held {
    /// The content of the last readable Secret; one that is deleted is made again with it, since the pods go on using it.
    data: Option<BTreeMap<String, ByteString>>,
    /// There is no such Secret.
    is_missing: bool,
    is_listed: bool,
}

impl Held {
    fn take(&mut self, event: Event<Secret>, place: &Place, keys: &watch::Sender<State>) {
        match event {
            Event::Init => self.is_listed = false,
            Event::InitApply(secret) | Event::Apply(secret) => {
                self.is_listed = true;
                self.is_missing = false;
                self.read(secret, place, keys);
            }
            Event::InitDone if self.is_listed => {}
            Event::InitDone | Event::Delete(_) => {
                self.is_missing = true;
                fault(place, "does not exist", keys);
            }
        }
    }

    fn read(&mut self, secret: Secret, place: &Place, keys: &watch::Sender<State>) {
        let data = secret.data.unwrap_or_default();
        match read(&data) {
            Ok(read) => {
                self.data = Some(data);
                keys.send_if_modified(|state| {
                    let next = State::Read(Arc::new(read));
                    let changed = *state != next;
                    if changed {
                        tracing::info!("read the fleet key: {place}");
                        *state = next;
                    }
                    changed
                });
            }
            Err(error) => fault(place, &error.to_string(), keys),
        }
    }

    fn secret(&self, place: &Place, random: impl FnOnce() -> [u8; key::BYTES]) -> Secret {
        let fresh = || BTreeMap::from([(CURRENT.to_owned(), ByteString(random().to_vec()))]);
        Secret {
            metadata: ObjectMeta {
                name: Some(place.name.clone()),
                namespace: Some(place.namespace.clone()),
                labels: Some(BTreeMap::from([(
                    "app.kubernetes.io/managed-by".to_owned(),
                    MANAGER.to_owned(),
                )])),
                ..ObjectMeta::default()
            },
            data: Some(self.data.clone().unwrap_or_else(fresh)),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        }
    }
}

fn fault(place: &Place, what: &str, keys: &watch::Sender<State>) {
    let text = format!("{place} {what}");
    let is_used = matches!(*keys.borrow(), State::Read(_));
    if is_used {
        tracing::error!("{text}; the key that was read before stays in use");
        return;
    }
    keys.send_if_modified(|state| {
        let next = State::Unreadable(text);
        let changed = *state != next;
        if changed {
            tracing::warn!("{next}");
            *state = next;
        }
        changed
    });
}

fn read(data: &BTreeMap<String, ByteString>) -> Result<FleetKeys, Error> {
    let read = |field: &'static str| {
        data.get(field)
            .map(|bytes| FleetKey::new(&bytes.0).map_err(|source| Error::NoKey { field, source }))
            .transpose()
    };
    Ok(FleetKeys {
        current: read(CURRENT)?.ok_or(Error::NoCurrent)?,
        previous: read(PREVIOUS)?,
    })
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the Secret {}/{} of the fleet key",
            self.namespace, self.name
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("the fleet key was not read yet"),
            Self::Unreadable(text) => formatter.write_str(text),
            Self::Read(_) => formatter.write_str("the fleet key is read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(fields: &[(&str, usize)]) -> BTreeMap<String, ByteString> {
        let field = |&(name, length): &(&str, usize)| (name.to_owned(), ByteString(vec![7; length]));
        fields.iter().map(field).collect()
    }

    #[test]
    fn a_secret_without_a_key_says_what_to_do() {
        let words = |fields: &[(&str, usize)]| read(&data(fields)).unwrap_err().to_string();
        assert_eq!(words(&[]), "has no data key `current`; put 32 random bytes there");
        assert_eq!(
            words(&[("current", 32), ("previous", 44)]),
            "holds in `previous` what is no fleet key: a fleet key has 32 bytes; this one has 44"
        );
        assert!(
            read(&data(&[("current", 32), ("previous", 32)]))
                .unwrap()
                .previous
                .is_some()
        );
    }

    #[test]
    fn the_key_that_was_read_last_stays_in_use_and_is_what_a_deleted_secret_is_made_again_with() {
        let place = Place {
            namespace: "llm".to_owned(),
            name: "fleet-key".to_owned(),
        };
        let secret = |fields: &[(&str, usize)]| Secret {
            data: Some(data(fields)),
            ..Secret::default()
        };
        let (sender, receiver) = watch::channel(State::Unknown);
        let mut held = Held::default();
        let fresh = || [9; key::BYTES];
        for event in [Event::Init, Event::InitDone] {
            held.take(event, &place, &sender);
        }
        assert_eq!(
            receiver.borrow().to_string(),
            "the Secret llm/fleet-key of the fleet key does not exist"
        );
        assert!(held.is_missing);
        assert_eq!(held.secret(&place, fresh).data.unwrap()[CURRENT].0, [9; 32]);

        held.take(Event::Apply(secret(&[("current", 32)])), &place, &sender);
        let read = receiver.borrow().clone();
        assert!(matches!(read, State::Read(_)) && !held.is_missing);
        for event in [Event::Apply(secret(&[("current", 5)])), Event::Delete(secret(&[]))] {
            held.take(event, &place, &sender);
            assert_eq!(*receiver.borrow(), read);
        }
        assert!(held.is_missing);
        assert_eq!(held.secret(&place, fresh).data.unwrap()[CURRENT].0, [7; 32]);
    }
}
