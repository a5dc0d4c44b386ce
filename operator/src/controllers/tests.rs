//! What is said of objects, from manifests as people write them: a small API server, the real compiler, and pods that do as they are told.

mod broken;
mod good;
mod pods;
mod properties;
mod revisions;
mod told;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crds::{
    admission::{Admitted, admit},
    compiler::{self, Compiled, Resources, Submitted},
    fleet::{
        Order,
        digest::{self, Digests},
    },
    object::{Kind, ObjectId, ObjectName},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Unreadable, View,
    difference::Urgency,
    ledger::{Applied, Ledger},
    plan::Planner,
    write::{self, StatusWrite, Write},
};
use crate::publish::{Fleet, Pod};

/// A cluster as far as the controllers see it.
pub(super) struct Scene {
    /// By kind and name; what the API server has.
    objects: BTreeMap<(String, String), Value>,
    pub(super) fleet: Fleet,
    compiled: Compiled,
    digests: Arc<Digests>,
    planner: Planner,
    ledger: Arc<Mutex<Ledger>>,
    began: Instant,
    changed: Instant,
    pub(super) elapsed: Duration,
    version: u64,
}

impl Scene {
    /// With `pods` gateway pods.
    pub(super) fn new(pods: usize) -> Self {
        let ledger = Arc::default();
        let began = Instant::now();
        Self {
            objects: BTreeMap::new(),
            fleet: Fleet {
                desired: Some(Order { epoch: 1, sequence: 1 }),
                settled: true,
                pods: (0..pods).map(pod).collect(),
                held: None,
            },
            compiled: Compiled::default(),
            digests: Arc::default(),
            planner: Planner::new(Arc::clone(&ledger)),
            ledger,
            began,
            changed: began,
            elapsed: Duration::ZERO,
            version: 1,
        }
    }

    /// Another process takes over.
    pub(super) fn restart(&mut self) {
        self.ledger = Arc::default();
        self.planner = Planner::new(Arc::clone(&self.ledger));
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.elapsed += Duration::from_millis(millis);
    }

    /// As `kubectl apply` does it.
    pub(super) fn apply(&mut self, mut object: Value) {
        self.version += 1;
        let key = key(&object);
        let before = self.objects.remove(&key);
        let before = before.unwrap_or_else(|| {
            let seconds = i64::try_from(self.version).unwrap();
            let created = Timestamp::from_second(seconds).unwrap().to_string();
            let metadata =
                json!({"uid": format!("uid-{}", self.version), "generation": 0, "creationTimestamp": created});
            json!({ "metadata": metadata })
        });
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.entry("namespace").or_insert_with(|| "default".into());
        for kept in ["uid", "generation", "creationTimestamp"] {
            metadata.insert(kept.to_owned(), before["metadata"][kept].clone());
        }
        metadata.insert("resourceVersion".to_owned(), self.version.to_string().into());
        if before["spec"] != object["spec"] {
            object["metadata"]["generation"] = (before["metadata"]["generation"].as_i64().unwrap() + 1).into();
        }
        if let Some(status) = before.get("status") {
            object["status"] = status.clone();
        }
        self.objects.insert(key, object);
        self.changed = self.began + self.elapsed;
    }

    pub(super) fn delete(&mut self, kind: &str, name: &str) {
        let found = self.objects.remove(&(kind.to_owned(), qualified(name)));
        assert!(found.is_some(), "there is no {kind} {name}");
        self.changed = self.began + self.elapsed;
    }

    pub(super) fn names(&self, kind: &str) -> Vec<String> {
        let found = self.objects.keys().filter(|(found, _)| found == kind);
        found.map(|(_, name)| name.clone()).collect()
    }

    pub(super) fn object(&mut self, kind: &str, name: &str) -> &mut Value {
        let found = self.objects.get_mut(&(kind.to_owned(), qualified(name)));
        found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    pub(super) fn status(&mut self, kind: &str, name: &str) -> Value {
        self.object(kind, name)["status"].clone()
    }

    /// `status/reason` of a condition.
    pub(super) fn condition(&mut self, kind: &str, name: &str, type_: &str) -> String {
        let condition = self.whole_condition(kind, name, type_);
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        match condition {
            Value::Null => "none".to_owned(),
            _ => format!("{}/{}", text("status"), text("reason")),
        }
    }

    pub(super) fn whole_condition(&mut self, kind: &str, name: &str, type_: &str) -> Value {
        let status = self.status(kind, name);
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.into_iter().find(|condition| condition["type"] == type_);
        found.unwrap_or(Value::Null)
    }

    /// Compiles what there is.
    pub(super) fn compile(&mut self) {
        let (resources, _) = self.read();
        let settings = compiler::Settings {
            simulator_url: Some("http://127.0.0.1:9999".to_owned()),
            ..compiler::Settings::default()
        };
        self.compiled = compiler::compile(&resources, &settings, Some(&self.compiled.snapshot));
        self.digests = Arc::new(digest::of(&self.compiled.snapshot));
    }

    /// Every pod that is not in trouble takes what was compiled.
    pub(super) fn spread(&mut self) {
        for pod in &mut self.fleet.pods {
            if pod.trouble.is_none() {
                pod.digests = Arc::clone(&self.digests);
            }
        }
    }

    pub(super) fn plan(&mut self) -> Vec<Arc<Write>> {
        let (resources, unreadable) = self.read();
        self.plan_of(&resources, &unreadable)
    }

    fn plan_of(&mut self, resources: &Resources, unreadable: &BTreeMap<ObjectId, Unreadable>) -> Vec<Arc<Write>> {
        self.planner.plan(&View {
            resources,
            unreadable,
            compiled: &self.compiled,
            digests: &self.digests,
            fleet: &self.fleet,
            changed: self.changed,
            at: self.began + self.elapsed,
            now: Timestamp::from_second(1_800_000_000 + i64::try_from(self.elapsed.as_secs()).unwrap()).unwrap(),
        })
    }

    /// As the API server and the writer do it, and the watch brings it back at once.
    pub(super) fn write(&mut self, plan: &[Arc<Write>]) {
        for write in plan {
            self.version += 1;
            match &**write {
                Write::Status(write) => self.write_status(write),
                Write::Keep(revision) => {
                    let mut object = serde_json::to_value(revision).unwrap();
                    object["metadata"]["managedFields"] = json!([{"manager": "route-switch-operator"}]);
                    self.apply(object);
                    self.ledger
                        .lock()
                        .unwrap()
                        .kept
                        .insert(write::name(revision), self.began + self.elapsed);
                }
                Write::Collect { name, uid, .. } => {
                    self.delete("PromptRevision", &name.to_string());
                    self.ledger.lock().unwrap().collected.insert(name.clone(), uid.clone());
                }
                Write::Tell { about, notice } => {
                    let id = about.id().cloned();
                    self.ledger.lock().unwrap().noticed.insert(id, notice.note.clone());
                }
            }
        }
    }

    fn write_status(&mut self, write: &StatusWrite) {
        let version = self.version.to_string();
        let name = write.id.name.to_string();
        let object = self.object(&write.id.kind.to_string(), &name);
        assert_eq!(object["metadata"]["uid"].as_str(), write.uid.as_deref());
        object["status"] = serde_json::to_value(&write.status).unwrap();
        object["metadata"]["resourceVersion"] = version.clone().into();
        let applied = Applied {
            base: write.base.clone(),
            version,
            status: write.status.clone(),
        };
        self.ledger.lock().unwrap().statuses.insert(write.id.clone(), applied);
    }

    /// Until there is nothing more to do; says how many statuses were written of each object.
    pub(super) fn settle(&mut self) -> BTreeMap<ObjectId, usize> {
        let mut written = BTreeMap::new();
        for _ in 0..10 {
            self.compile();
            self.spread();
            let plan = self.plan();
            if plan.is_empty() {
                return written;
            }
            for write in &plan {
                if let Write::Status(write) = &**write {
                    *written.entry(write.id.clone()).or_default() += 1;
                }
            }
            self.write(&plan);
        }
        panic!("there is always something more to write: {:#?}", self.plan());
    }

    fn read(&self) -> (Resources, BTreeMap<ObjectId, Unreadable>) {
        let mut resources = Resources::default();
        let mut unreadable = BTreeMap::new();
        for object in self.objects.values() {
            read(object, &mut resources, &mut unreadable);
        }
        (resources, unreadable)
    }
}

/// As the operator's stores do it.
fn read(object: &Value, resources: &mut Resources, unreadable: &mut BTreeMap<ObjectId, Unreadable>) {
    let status = object.get("status").cloned();
    let mut without_status = object.clone();
    without_status.as_object_mut().unwrap().remove("status");
    match admit(&without_status) {
        Ok(admitted) => {
            let name = admitted.id().name;
            match admitted {
                Admitted::Provider(mut object) => {
                    Arc::make_mut(&mut object).status = status.map(|status| serde_json::from_value(status).unwrap());
                    resources.providers.insert(name, Submitted::WellFormed(object));
                }
                Admitted::Route(mut object) => {
                    Arc::make_mut(&mut object).status = status.map(|status| serde_json::from_value(status).unwrap());
                    resources.routes.insert(name, Submitted::WellFormed(object));
                }
                Admitted::PromptTemplate(mut object) => {
                    Arc::make_mut(&mut object).status = status.map(|status| serde_json::from_value(status).unwrap());
                    resources.prompt_templates.insert(name, Submitted::WellFormed(object));
                }
                Admitted::PromptRevision(object) => {
                    resources.prompt_revisions.insert(name, Submitted::WellFormed(object));
                }
                Admitted::Secret(object) => drop(resources.secrets.insert(name, object)),
                Admitted::ConfigMap(object) => drop(resources.config_maps.insert(name, object)),
            }
        }
        Err(refused) => {
            let id = refused.id.clone().unwrap();
            let metadata = serde_json::from_value(object["metadata"].clone()).unwrap();
            unreadable.insert(id.clone(), Unreadable { metadata, status });
            let name = id.name;
            match id.kind {
                Kind::Provider => drop(resources.providers.insert(name, refused.submitted())),
                Kind::Route => drop(resources.routes.insert(name, refused.submitted())),
                Kind::PromptTemplate => drop(resources.prompt_templates.insert(name, refused.submitted())),
                Kind::PromptRevision => drop(resources.prompt_revisions.insert(name, refused.submitted())),
                Kind::Secret | Kind::ConfigMap => panic!("{refused:?}"),
            }
        }
    }
}

fn key(object: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or("default").to_owned();
    let metadata = &object["metadata"];
    let name = format!("{}/{}", text(&metadata["namespace"]), text(&metadata["name"]));
    (text(&object["kind"]), name)
}

fn qualified(name: &str) -> String {
    if name.contains('/') {
        name.to_owned()
    } else {
        format!("default/{name}")
    }
}

fn pod(index: usize) -> Pod {
    Pod {
        name: format!("gateway-{index}"),
        uid: format!("pod-{index}"),
        ordinal: u32::try_from(index).ok(),
        counted: true,
        starting: false,
        terminating: false,
        order: Some(Order { epoch: 1, sequence: 1 }),
        digests: Arc::default(),
        refused: Arc::default(),
        trouble: None,
    }
}

fn id(kind: Kind, name: &str) -> ObjectId {
    ObjectId {
        kind,
        name: ObjectName::new("default", name),
    }
}

/// The statuses in a plan.
fn statuses(plan: &[Arc<Write>]) -> Vec<&StatusWrite> {
    let mut statuses = Vec::new();
    for write in plan {
        if let Write::Status(write) = &**write {
            statuses.push(&**write);
        }
    }
    statuses
}

/// How soon each status of a plan is to be written.
fn urgencies(plan: &[Arc<Write>]) -> BTreeMap<String, Urgency> {
    let statuses = statuses(plan).into_iter();
    statuses.map(|write| (write.id.to_string(), write.urgency)).collect()
}

// === manifests ===

fn object(kind: &str, name: &str, spec: Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    let mut object = json!({"apiVersion": "routeswitch.io/v1alpha1", "kind": kind});
    object["metadata"] = json!({"name": name, "namespace": namespace});
    object["spec"] = spec;
    object
}

fn provider(name: &str) -> Value {
    let models = json!([{"name": "m"}]);
    object(
        "Provider",
        name,
        json!({"vendor": "Simulated", "models": models, "allowedNamespaces": ["*"]}),
    )
}

/// With its credential in the Secret `keys`, under the key `key`.
fn keyed_provider(name: &str) -> Value {
    let keys = json!([{"secretRef": {"name": "keys", "key": "key"}}]);
    object("Provider", name, json!({"vendor": "OpenAI", "auth": {"keys": keys}}))
}

fn secret(name: &str, label: &str, key: &str) -> Value {
    let mut labels = serde_json::Map::new();
    labels.insert(label.to_owned(), "true".into());
    let mut data = serde_json::Map::new();
    data.insert(key.to_owned(), "sk-do-not-show-4711".into());
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": name, "namespace": "default", "labels": labels}, "stringData": data,
    })
}

/// To the model `m` of each Provider.
fn route(name: &str, providers: &[&str]) -> Value {
    let target = |provider: &&str| json!({"name": provider, "providerRef": {"name": provider}, "model": "m"});
    let targets: Vec<_> = providers.iter().map(target).collect();
    object("Route", name, json!({"model": name, "targets": targets}))
}

fn prompted_route(name: &str, provider: &str, prompt: &str) -> Value {
    let mut route = route(name, &[provider]);
    route["spec"]["promptRef"] = json!({ "name": prompt });
    route
}

fn template(name: &str, text: &str) -> Value {
    object(
        "PromptTemplate",
        name,
        json!({"messages": [{"role": "system", "content": text}]}),
    )
}
