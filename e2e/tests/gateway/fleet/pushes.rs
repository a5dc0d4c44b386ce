//! Snapshots as an operator would push them.

use crds::{
    admission::{Admitted, admit},
    compiler::{Resources, Settings, Submitted, compile},
    fleet::{
        Order, Push,
        key::{FleetKey, FleetKeys},
    },
    snapshot::Snapshot,
};
use e2e::manifest;
use serde_json::{Value, json};

pub(super) const FIRST_SECRET: u8 = 1;
pub(super) const CLIENT_KEY: &str = "rs-client-40b1c7e29f63";
pub(super) const CREDENTIAL: &str = "sk-provider-9d2e6a01c4b8";

/// The fleet key whose bytes are all this.
pub(super) fn key(secret: u8) -> FleetKeys {
    FleetKeys {
        current: FleetKey::new(&[secret; 32]).expect("32 bytes are a key"),
        previous: None,
    }
}

/// The same with the one before it.
pub(super) fn keys(current: u8, previous: u8) -> FleetKeys {
    FleetKeys {
        previous: Some(key(previous).current),
        ..key(current)
    }
}

pub(super) fn order(epoch: u64, sequence: u64) -> Order {
    Order { epoch, sequence }
}

/// A Provider with a credential, a Route of this name to it, an Admin's client key, and more.
pub(super) fn objects(route: &str, more: &[Value]) -> Vec<Value> {
    let auth = json!({ "keys": [{ "secretRef": { "name": "credential", "key": "key" } }] });
    let mut objects = vec![
        manifest::credential("credential", CREDENTIAL),
        manifest::provider("sim", json!({ "vendor": "Simulated", "auth": auth })),
        manifest::route(
            route,
            json!({ "targets": [manifest::target("only", "sim", "sim-fast", 1)] }),
        ),
        manifest::key("client", json!({ "key": CLIENT_KEY, "role": "Admin" })),
    ];
    objects.extend_from_slice(more);
    objects
}

pub(super) fn prompt(name: &str, text: &str) -> Value {
    manifest::prompt(name, json!({ "messages": [{ "role": "system", "content": text }] }))
}

/// What the compiler makes of good objects.
pub(super) fn snapshot(objects: &[Value]) -> Snapshot {
    let mut resources = Resources::default();
    for object in objects {
        let admitted = admit(object).expect("the objects are good");
        let name = admitted.id().name;
        match admitted {
            Admitted::Provider(object) => drop(resources.providers.insert(name, Submitted::WellFormed(object))),
            Admitted::Route(object) => drop(resources.routes.insert(name, Submitted::WellFormed(object))),
            Admitted::PromptTemplate(object) => {
                drop(resources.prompt_templates.insert(name, Submitted::WellFormed(object)));
            }
            Admitted::PromptRevision(object) => {
                drop(resources.prompt_revisions.insert(name, Submitted::WellFormed(object)));
            }
            Admitted::Secret(object) => drop(resources.secrets.insert(name, object)),
            Admitted::ConfigMap(object) => drop(resources.config_maps.insert(name, object)),
        }
    }
    let settings = Settings {
        simulator_url: Some("http://127.0.0.1:9".to_owned()),
        ..Settings::default()
    };
    let compiled = compile(&resources, &settings, None);
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    std::sync::Arc::unwrap_or_clone(compiled.snapshot)
}

/// A push of good objects, sealed under the newest of `keys`.
pub(super) fn push(objects: &[Value], order: Order, keys: &FleetKeys) -> Push {
    Push::seal(order, snapshot(objects), keys, keys.current.id(), rand::random).expect("the key is held")
}
