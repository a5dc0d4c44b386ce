//! The calls of the API server: server-side apply under our own field managers, and Events.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crds::{
    admission::API_VERSION,
    object::{Kind, ObjectId, ObjectName},
    prompt_revision::PromptRevision,
    prompt_template::PromptTemplate,
    provider::Provider,
    route::Route,
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    core::PartialObjectMeta,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use serde_json::{Value, json};

use crate::controllers::{
    ledger::{Applied, Ledger},
    notice::Notice,
    prompt_revision::OPERATOR,
    write::{self, About, StatusWrite, Write},
};

/// Of statuses.
const STATUS_MANAGER: &str = "route-switch-operator-status";

/// Who reports Events.
#[derive(Clone, Debug)]
pub struct Identity {
    pub namespace: String,
    pub pod_name: String,
}

/// It was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done;

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("failed to call the API server")]
    Call(#[from] kube::Error),
    #[error("the API server took too long")]
    Late,
    #[error("{0} has no status")]
    NoStatus(Kind),
}

/// Makes calls, and notes in the ledger what came of them.
pub(super) struct Caller {
    client: Client,
    recorder: Recorder,
    identity: Identity,
    ledger: Arc<Mutex<Ledger>>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Caller")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Caller {
    pub(super) fn new(client: Client, identity: Identity, ledger: Arc<Mutex<Ledger>>) -> Self {
        let reporter = Reporter {
            controller: OPERATOR.to_owned(),
            instance: Some(identity.pod_name.clone()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            identity,
            ledger,
        }
    }

    pub(super) async fn call(&self, write: &Write) -> Result<Done, Error> {
        match write {
            Write::Status(write) => self.status(write).await?,
            Write::Keep(revision) => self.keep(revision).await?,
            Write::Collect { name, uid, version } => self.collect(name, uid, version).await?,
            Write::Tell { about, notice } => {
                self.tell(about, notice).await?;
                let id = about.id().cloned();
                self.note(|ledger| drop(ledger.noticed.insert(id, notice.note.clone())));
            }
        }
        Ok(Done)
    }

    async fn status(&self, write: &StatusWrite) -> Result<(), Error> {
        let name = &write.id.name;
        let patch = Patch::Apply(status_patch(write));
        let params = PatchParams::apply(STATUS_MANAGER).force();
        let metadata = match write.id.kind {
            Kind::Provider => {
                self.of::<Provider>(name)
                    .patch_status(&name.name, &params, &patch)
                    .await?
                    .metadata
            }
            Kind::PromptTemplate => {
                self.of::<PromptTemplate>(name)
                    .patch_status(&name.name, &params, &patch)
                    .await?
                    .metadata
            }
            Kind::Route => {
                self.of::<Route>(name)
                    .patch_status(&name.name, &params, &patch)
                    .await?
                    .metadata
            }
            kind @ (Kind::PromptRevision | Kind::Secret | Kind::ConfigMap) => return Err(Error::NoStatus(kind)),
        };
        let applied = Applied {
            base: write.base.clone(),
            version: metadata.resource_version.unwrap_or_default(),
            status: write.status.clone(),
        };
        self.note(|ledger| drop(ledger.statuses.insert(write.id.clone(), applied)));
        let about = About::Object {
            id: write.id.clone(),
            uid: write.uid.clone(),
        };
        for notice in &write.notices {
            // The status says it as well.
            if let Err(error) = self.tell(&about, notice).await {
                tracing::debug!(about = %write.id, error = &error as &dyn std::error::Error, "failed to write an Event");
            }
        }
        Ok(())
    }

    /// Not by force: what somebody else has made meanwhile under the name is theirs.
    async fn keep(&self, revision: &PromptRevision) -> Result<(), Error> {
        let name = write::name(revision);
        let api: Api<PromptRevision> = Api::namespaced(self.client.clone(), &name.namespace);
        api.patch(&name.name, &PatchParams::apply(OPERATOR), &Patch::Apply(revision))
            .await?;
        self.note(|ledger| {
            ledger.kept.insert(name, Instant::now());
        });
        Ok(())
    }

    async fn collect(&self, name: &ObjectName, uid: &str, version: &str) -> Result<(), Error> {
        let api: Api<PromptRevision> = Api::namespaced(self.client.clone(), &name.namespace);
        let preconditions = Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: Some(version.to_owned()),
        };
        let params = DeleteParams::default().preconditions(preconditions);
        match api.delete(&name.name, &params).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        self.note(|ledger| drop(ledger.collected.insert(name.clone(), uid.to_owned())));
        Ok(())
    }

    async fn tell(&self, about: &About, notice: &Notice) -> Result<(), kube::Error> {
        let event = Event {
            type_: EventType::Warning,
            reason: notice.reason.clone(),
            note: Some(notice.note.clone()),
            action: notice.action.to_owned(),
            secondary: None,
        };
        self.recorder.publish(&event, &self.regarding(about)).await
    }

    fn regarding(&self, about: &About) -> ObjectReference {
        match about {
            About::Object { id, uid } => ObjectReference {
                api_version: Some(api_version(id).to_owned()),
                kind: Some(id.kind.to_string()),
                namespace: Some(id.name.namespace.to_string()),
                name: Some(id.name.name.to_string()),
                uid: uid.clone(),
                ..ObjectReference::default()
            },
            About::Operator => ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(self.identity.namespace.clone()),
                name: Some(self.identity.pod_name.clone()),
                ..ObjectReference::default()
            },
        }
    }

    /// Only the metadata of what comes back is read: an object that cannot be read has a status too.
    fn of<K>(&self, name: &ObjectName) -> Api<PartialObjectMeta<K>>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &name.namespace)
    }

    fn note(&self, note: impl FnOnce(&mut Ledger)) {
        note(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn status_patch(write: &StatusWrite) -> Value {
    let StatusWrite { id, status, .. } = write;
    json!({
        "apiVersion": api_version(id),
        "kind": id.kind.to_string(),
        "metadata": { "name": id.name.name, "namespace": id.name.namespace },
        "status": status,
    })
}

fn api_version(id: &ObjectId) -> &'static str {
    match id.kind {
        Kind::Provider | Kind::PromptTemplate | Kind::PromptRevision | Kind::Route => API_VERSION,
        Kind::Secret | Kind::ConfigMap => "v1",
    }
}
