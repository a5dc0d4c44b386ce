//! Names of providers to addresses: one question at a time for a name, and no address that providers may not have.
//!
//! A gateway that opens two hundred connections at once must not ask two hundred times: a cluster's DNS then drops questions, and the
//! system's resolver waits five seconds before it repeats one, which is as long as a connection may take.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tokio::sync::OnceCell;
use tower::Service;

use super::client::Reach;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// What the system says of a name, once it does.
type Lookup = OnceCell<Result<Vec<SocketAddr>, Arc<io::Error>>>;

/// Name resolution of one client.
#[derive(Clone)]
pub struct Resolver {
    system: GaiResolver,
    reach: Reach,
    under_way: UnderWay,
}

/// Questions without an answer yet, by name: as many as there are names of providers.
#[derive(Clone, Default)]
struct UnderWay(Arc<Mutex<HashMap<String, Arc<Lookup>>>>);

/// The address is one that is never connected to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Forbidden {
    #[error("{0} is a link-local address, which providers may not have")]
    LinkLocal(IpAddr),
    #[error("{0} is a loopback address, which providers of a gateway in a fleet may not have")]
    Loopback(IpAddr),
}

/// The system has no address for the name. Many may have asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Unknown(Arc<io::Error>);

impl Resolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            system: GaiResolver::new(),
            reach,
            under_way: UnderWay::default(),
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.system.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (mut system, reach, under_way) = (self.system.clone(), self.reach, self.under_way.clone());
        let text = name.as_str().to_owned();
        let lookup = under_way.join(&text);
        Box::pin(async move {
            // Whoever is first asks; if it gives up, the next one does.
            let answer = lookup
                .get_or_init(|| async move {
                    let found = system.call(name).await.map_err(Arc::new)?;
                    Ok(found.collect())
                })
                .await;
            under_way.leave(&text, &lookup);
            allowed(reach, answer.as_ref().map_err(|error| Unknown(Arc::clone(error)))?)
        })
    }
}

/// Those that may be connected to.
fn allowed(reach: Reach, found: &[SocketAddr]) -> Result<std::vec::IntoIter<SocketAddr>, BoxError> {
    let mut allowed = Vec::new();
    let mut forbidden = None;
    for address in found {
        match reach.forbids(address.ip()) {
            None => allowed.push(*address),
            why => forbidden = why,
        }
    }
    match forbidden {
        Some(forbidden) if allowed.is_empty() => Err(forbidden.into()),
        _ => Ok(allowed.into_iter()),
    }
}

impl UnderWay {
    fn join(&self, name: &str) -> Arc<Lookup> {
        let mut lookups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lookups.entry(name.to_owned()).or_default())
    }

    /// The next question is a new one.
    fn leave(&self, name: &str, lookup: &Arc<Lookup>) {
        let mut lookups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lookups.get(name).is_some_and(|known| Arc::ptr_eq(known, lookup)) {
            lookups.remove(name);
        }
    }
}

impl Reach {
    pub(super) fn forbids(self, address: IpAddr) -> Option<Forbidden> {
        let is_link_local = match address.to_canonical() {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        // To connect to the unspecified address is to connect to this machine.
        let canonical = address.to_canonical();
        let is_own = canonical.is_loopback() || canonical.is_unspecified();
        match self {
            _ if is_link_local => Some(Forbidden::LinkLocal(address)),
            Self::Remote if is_own => Some(Forbidden::Loopback(address)),
            Self::Local | Self::Remote => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn many_connections_to_one_name_ask_once() {
        let mut resolver = Resolver::new(Reach::Local);
        let mut answers = tokio::task::JoinSet::new();
        for _ in 0..50 {
            answers.spawn(resolver.call("localhost".parse().unwrap()));
        }
        let lookup = resolver.under_way.join("localhost");
        assert_eq!(Arc::strong_count(&lookup), 52, "one each, the list's, and ours");
        while let Some(answer) = answers.join_next().await {
            assert!(answer.unwrap().unwrap().all(|address| address.ip().is_loopback()));
        }
        assert!(
            resolver.under_way.0.lock().unwrap().is_empty(),
            "the next question is a new one"
        );
    }

    #[tokio::test]
    async fn a_question_that_is_given_up_is_taken_over() {
        let mut resolver = Resolver::new(Reach::Local);
        let (first, second) = (
            resolver.call("localhost".parse().unwrap()),
            resolver.call("localhost".parse().unwrap()),
        );
        drop(first.now_or_never());
        assert_ne!(second.await.unwrap().count(), 0);
    }
}
