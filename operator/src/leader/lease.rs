//! The Lease in the API server. It is replaced at the version that was seen, never applied: two candidates meet in a conflict.

use std::io;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use super::campaign::{LEASE, Record};

/// The Lease was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to reach the Lease {lease}")]
    Api { lease: String, source: Box<kube::Error> },
    /// Another version is there, or one where none was, or none where one was.
    #[error("the Lease was written by somebody else meanwhile")]
    Outrun,
    #[error("the API server took too long")]
    Late(#[source] io::Error),
}

pub(super) struct Leases {
    api: Api<Lease>,
    namespace: String,
    name: String,
    /// As it was last seen; what is ours to write is put into it.
    seen: Option<Lease>,
}

impl Leases {
    pub(super) fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            seen: None,
        }
    }

    /// `namespace/name`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    pub(super) async fn read(&mut self) -> Result<Option<Record>, Error> {
        self.seen = self.api.get_opt(&self.name).await.map_err(|error| self.failed(error))?;
        Ok(self.seen.as_ref().map(record))
    }

    pub(super) async fn create(&mut self, holder: &str, epoch: u64) -> Result<Record, Error> {
        let mut lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: None,
        };
        hold(&mut lease, Some(holder), epoch);
        let made = self.api.create(&PostParams::default(), &lease).await;
        self.keep(made)
    }

    /// Writes over what was last seen.
    pub(super) async fn write(&mut self, holder: &str, epoch: u64) -> Result<Record, Error> {
        self.replace(Some(holder), epoch).await
    }

    /// Takes `holder` out of the Lease, if it is in. It is read first: an answer to the last write may have been missed.
    pub(super) async fn hand_back(&mut self, holder: &str) -> Result<bool, Error> {
        match self.read().await? {
            Some(record) if record.holder.as_deref() == Some(holder) => {
                self.replace(None, record.epoch).await.map(|_| true)
            }
            _ => Ok(false),
        }
    }

    async fn replace(&mut self, holder: Option<&str>, epoch: u64) -> Result<Record, Error> {
        let Some(mut lease) = self.seen.clone() else {
            return Err(Error::Outrun);
        };
        hold(&mut lease, holder, epoch);
        let written = self.api.replace(&self.name, &PostParams::default(), &lease).await;
        self.keep(written)
    }

    fn keep(&mut self, written: Result<Lease, kube::Error>) -> Result<Record, Error> {
        match written {
            Ok(lease) => {
                let record = record(&lease);
                self.seen = Some(lease);
                Ok(record)
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Err(Error::Outrun),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, source: kube::Error) -> Error {
        Error::Api {
            lease: self.name(),
            source: Box::new(source),
        }
    }
}

fn hold(lease: &mut Lease, holder: Option<&str>, epoch: u64) {
    let now = Some(MicroTime(Timestamp::now()));
    let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
    if spec.holder_identity.as_deref() != holder {
        spec.acquire_time.clone_from(&now);
    }
    spec.holder_identity = holder.map(str::to_owned);
    spec.renew_time = now;
    spec.lease_duration_seconds = i32::try_from(LEASE.as_secs()).ok();
    spec.lease_transitions = i32::try_from(epoch).ok();
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.clone());
    Record {
        holder: holder.filter(|holder| !holder.is_empty()),
        epoch: spec
            .and_then(|spec| spec.lease_transitions)
            .and_then(|transitions| u64::try_from(transitions).ok())
            .unwrap_or(0),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
