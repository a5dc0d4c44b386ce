//! The other pods: where they are, and how they are asked. Each request is signed for the pod that it is for, and no answer is
//! believed that is not signed for that very request.
//!
//! Where they are is told with each heartbeat of the operator. While none comes, it is what the names of `--siblings` mean now.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use crds::fleet::{
    MAX_SNAPSHOT_BYTES, Refusal,
    key::FleetKeys,
    signature::{self, HEADER, Request, Verifier, sign},
};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use reqwest::Response;
use tokio::time::{Instant, timeout};

use super::unix_millis;

/// The header in which a pod tells its uid.
pub const UID_HEADER: &str = "route-switch-pod-uid";
/// Siblings that are known at once.
pub const MAX_SIBLINGS: usize = 256;
/// For how long a heartbeat's word is all there is to know; six of them may be lost.
const TOLD_FOR: Duration = Duration::from_secs(30);
/// How long a name server may take.
const RESOLVE: Duration = Duration::from_millis(500);
const CONNECT: Duration = Duration::from_millis(500);
/// Longest reason of a refusal that is passed on, in characters.
const MAX_REASON: usize = 512;

/// `HOST:PORT`; a host name means all its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    host: String,
    port: u16,
}

/// The text names no place.
#[derive(Debug, thiserror::Error)]
#[error("write a host and a port, for instance gateway-peers:9090 or 10.0.0.7:9090")]
pub struct NotAName;

/// There is no client.
#[derive(Debug, thiserror::Error)]
#[error("failed to make the client for siblings")]
pub struct Error(#[from] reqwest::Error);

/// The other pods.
pub struct Siblings {
    /// This pod's own uid.
    uid: String,
    names: Vec<Name>,
    keys: Arc<ArcSwap<FleetKeys>>,
    http: reqwest::Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    told: Option<(Instant, Vec<SocketAddr>)>,
    /// Who was at an address when it was last asked.
    uids: HashMap<SocketAddr, String>,
}

/// Why a sibling gave no answer to go on with.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("{address} is this pod itself")]
    Itself { address: SocketAddr },
    #[error("{address} did not answer within {within:?}")]
    Silent { address: SocketAddr, within: Duration },
    #[error("{address} cannot be reached: {source}")]
    Unreachable {
        address: SocketAddr,
        source: reqwest::Error,
    },
    #[error("what answers at {address} is no pod of a fleet: its /readyz tells no pod uid")]
    NoPod { address: SocketAddr },
    #[error("{address} refused ({status}): {reason}")]
    Refused {
        address: SocketAddr,
        status: StatusCode,
        reason: String,
    },
    #[error("the answer of {address} is not believed: {source}")]
    NotBelieved {
        address: SocketAddr,
        source: signature::Error,
    },
    #[error("the answer of {address} is longer than {MAX_SNAPSHOT_BYTES} bytes")]
    TooLong { address: SocketAddr },
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAName)?;
        let port = port.parse().map_err(|_| NotAName)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|host| host.parse::<IpAddr>().is_ok()),
            None => Some(host).filter(|host| !host.contains([':', '/', ' '])),
        };
        match host {
            Some(host) if !host.is_empty() => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(NotAName),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

impl Siblings {
    pub(super) fn new(uid: String, names: Vec<Name>, keys: Arc<ArcSwap<FleetKeys>>) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self {
            uid,
            names,
            keys,
            http,
            known: Mutex::default(),
        })
    }

    /// Notes what a heartbeat tells.
    pub fn told(&self, addresses: Vec<SocketAddr>) {
        self.known().told = Some((Instant::now(), addresses));
    }

    /// Where the other pods are, as far as this one knows.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses_at(Instant::now()).await
    }

    async fn addresses_at(&self, now: Instant) -> Vec<SocketAddr> {
        let told = self.known().told.clone();
        let mut addresses: BTreeSet<SocketAddr> = BTreeSet::new();
        let mut is_fresh = false;
        if let Some((when, told)) = told {
            is_fresh = now.saturating_duration_since(when) < TOLD_FOR;
            addresses.extend(told);
        }
        if !is_fresh {
            let resolved = join_all(self.names.iter().map(resolve)).await;
            addresses.extend(resolved.into_iter().flatten());
        }
        let known = self.known();
        let is_other = |address: &SocketAddr| known.uids.get(address).is_none_or(|uid| *uid != self.uid);
        addresses.into_iter().filter(is_other).take(MAX_SIBLINGS).collect()
    }

    /// Those that the last heartbeat told, however long ago.
    pub fn last_told(&self) -> Vec<SocketAddr> {
        self.known()
            .told
            .as_ref()
            .map_or_else(Vec::new, |(_, told)| told.clone())
    }

    /// Asks the pod at `address`, and gives the body of its answer.
    pub async fn ask(
        &self,
        address: SocketAddr,
        method: Method,
        path: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, AskError> {
        let asking = async {
            let known = self.known().uids.get(&address).cloned();
            let was_known = known.is_some();
            let uid = match known {
                Some(uid) => uid,
                None => self.meet(address).await?,
            };
            match self.ask_pod((address, &uid), method.clone(), path, body.clone()).await {
                // Another pod may have got the address meanwhile.
                Err(AskError::Refused { status, .. }) if status == StatusCode::UNAUTHORIZED && was_known => {
                    let uid = self.meet(address).await?;
                    self.ask_pod((address, &uid), method, path, body).await
                }
                answer => answer,
            }
        };
        let answer = timeout(within, asking).await;
        answer.unwrap_or(Err(AskError::Silent { address, within }))
    }

    /// Learns who is at an address.
    async fn meet(&self, address: SocketAddr) -> Result<String, AskError> {
        let unreachable = |source| AskError::Unreachable { address, source };
        let asked = self.http.get(format!("http://{address}/readyz")).send().await;
        let answer = asked.map_err(unreachable)?;
        let uid = answer.headers().get(UID_HEADER).and_then(|uid| uid.to_str().ok());
        let uid = uid.filter(|uid| !uid.is_empty()).ok_or(AskError::NoPod { address })?;
        {
            let mut known = self.known();
            if known.uids.len() >= 4 * MAX_SIBLINGS {
                known.uids.clear();
            }
            known.uids.insert(address, uid.to_owned());
        }
        if uid == self.uid {
            return Err(AskError::Itself { address });
        }
        Ok(uid.to_owned())
    }

    async fn ask_pod(
        &self,
        (address, uid): (SocketAddr, &str),
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, AskError> {
        if uid == self.uid {
            return Err(AskError::Itself { address });
        }
        let unreachable = |source| AskError::Unreachable { address, source };
        let keys = self.keys.load_full();
        let request = Request {
            method: method.as_str(),
            path,
            body: &body,
            receiver: uid,
        };
        let asked = sign(&keys, keys.current.id(), request, unix_millis(), rand::random());
        let request = self
            .http
            .request(method, format!("http://{address}{path}"))
            .header(HEADER, &asked)
            .body(body);
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let signed = answer.headers().get(HEADER).and_then(|header| header.to_str().ok());
        let signed = signed.map(str::to_owned);
        let body = read(address, answer).await?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(refused(address, status, &body));
        }
        let answer = signature::answer(status.as_str(), path, &body, &asked);
        let believed = Verifier::default().verify(&keys, signed.as_deref(), answer, unix_millis());
        believed.map_err(|source| AskError::NotBelieved { address, source })?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(refused(address, status, &body))
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn resolve(name: &Name) -> Vec<SocketAddr> {
    let found = timeout(RESOLVE, tokio::net::lookup_host((&*name.host, name.port))).await;
    match found {
        Ok(Ok(addresses)) => addresses.take(MAX_SIBLINGS).collect(),
        Ok(Err(error)) => {
            tracing::debug!(%name, %error, "no address of siblings is known by this name");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

async fn read(address: SocketAddr, mut answer: Response) -> Result<Bytes, AskError> {
    let mut body = BytesMut::new();
    let unreachable = |source| AskError::Unreachable { address, source };
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_SNAPSHOT_BYTES {
            return Err(AskError::TooLong { address });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn refused(address: SocketAddr, status: StatusCode, body: &[u8]) -> AskError {
    let said: Result<Refusal, _> = serde_json::from_slice(body);
    let reason = said.map_or_else(|_| "without a reason".to_owned(), |refusal| refusal.message);
    AskError::Refused {
        address,
        status,
        reason: reason.chars().take(MAX_REASON).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sibling_is_named_by_host_and_port() {
        for (text, shown) in [
            ("gateway-peers:9090", "gateway-peers:9090"),
            ("10.0.0.7:1", "10.0.0.7:1"),
            ("[fd00::1]:9090", "[fd00::1]:9090"),
        ] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "gateway",
            "gateway:",
            ":9090",
            "gateway:70000",
            "fd00::1:9090",
            "[gateway]:1",
            "http://a:1",
        ] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_heartbeat_says_where_siblings_are_and_names_do_while_none_comes() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let keys = FleetKeys {
            current: crds::fleet::key::FleetKey::new(&[1; 32]).unwrap(),
            previous: None,
        };
        let names = vec!["127.0.0.1:1".parse().unwrap()];
        let siblings = Siblings::new("uid".to_owned(), names, Arc::new(ArcSwap::from_pointee(keys))).unwrap();
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(siblings.addresses().await, [address("127.0.0.1:1")]);
        siblings.told(vec![address("127.0.0.1:2")]);
        assert_eq!(siblings.addresses().await, [address("127.0.0.1:2")]);
        let later = Instant::now() + TOLD_FOR;
        assert_eq!(
            siblings.addresses_at(later).await,
            [address("127.0.0.1:1"), address("127.0.0.1:2")]
        );
        siblings.known().uids.insert(address("127.0.0.1:1"), "uid".to_owned());
        let others = siblings.addresses_at(later).await;
        assert_eq!(others, [address("127.0.0.1:2")], "not itself");
    }
}
