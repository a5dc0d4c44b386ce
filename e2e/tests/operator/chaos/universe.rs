//! A few objects that refer to one another, each of which is good, or bad in some way, or gone.

use e2e::fleet::objects::Objects;
use e2e::manifest::{credential, key, prompt, provider, route, target};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

const PROVIDERS: usize = 3;
const SECRETS: usize = 3;
const PROMPTS: usize = 4;
const ROUTES: usize = 8;

/// Makes objects of a namespace.
pub(super) struct Universe {
    namespace: &'static str,
}

impl Universe {
    pub(super) fn new(namespace: &'static str) -> Self {
        Self { namespace }
    }

    /// Applies or deletes one object.
    pub(super) async fn step(&self, objects: &Objects, random: &mut SmallRng) -> anyhow::Result<()> {
        let object = match random.random_range(0..16_u8) {
            0..=2 => self.provider(random),
            3..=4 => self.credential(random),
            5 => self.key(random),
            6..=9 => self.prompt(random),
            _ => self.route(random),
        };
        if random.random_range(0..4_u8) == 0 {
            let (kind, name) = (object["kind"].as_str(), object["metadata"]["name"].as_str());
            return objects.delete(kind.unwrap_or_default(), name.unwrap_or_default()).await;
        }
        objects.apply(&object).await?;
        Ok(())
    }

    fn provider(&self, random: &mut SmallRng) -> Value {
        let mut spec =
            json!({ "vendor": "Simulated", "headers": { "x-edit": random.random_range(0..1000).to_string() } });
        if random.random_bool(0.5) {
            let secret = json!({ "name": format!("secret-{}", random.random_range(0..SECRETS)), "key": "key" });
            spec["auth"] = json!({ "keys": [{ "secretRef": secret }] });
        }
        provider(&self.full("provider", random.random_range(0..PROVIDERS)), spec)
    }

    fn credential(&self, random: &mut SmallRng) -> Value {
        let name = self.full("secret", random.random_range(0..SECRETS));
        let mut secret = credential(&name, &format!("sk-chaos-{}", random.random_range(0..1000)));
        match random.random_range(0..4_u8) {
            0 => secret["stringData"] = json!({ "other": "sk-chaos-other" }),
            1 => secret["metadata"]["labels"] = json!({}),
            _ => {}
        }
        secret
    }

    fn key(&self, random: &mut SmallRng) -> Value {
        let role = ["User", "Viewer", "King"][random.random_range(0..3)];
        let fields = json!({ "key": format!("rs-chaos-{}", random.random_range(0..1000)), "role": role });
        key(&self.full("key", random.random_range(0..2)), fields)
    }

    fn prompt(&self, random: &mut SmallRng) -> Value {
        let text = match random.random_range(0..4_u8) {
            0 => "Hello {{".to_owned(),
            _ => format!("Hello {}.", random.random_range(0..1000)),
        };
        let spec = json!({ "messages": [{ "role": "system", "content": text }] });
        prompt(&self.full("prompt", random.random_range(0..PROMPTS)), spec)
    }

    fn route(&self, random: &mut SmallRng) -> Value {
        let targets: Vec<Value> = (0..random.random_range(1..3_usize))
            .map(|number| {
                // One more than there are: nobody's.
                let provider = format!("provider-{}", random.random_range(0..=PROVIDERS));
                target(
                    &format!("t-{number}"),
                    &provider,
                    "sim-fast",
                    random.random_range(1..10),
                )
            })
            .collect();
        let mut spec = json!({ "targets": targets });
        if random.random_bool(0.5) {
            spec["promptRef"] = json!({ "name": format!("prompt-{}", random.random_range(0..=PROMPTS)) });
        }
        if random.random_range(0..6_u8) == 0 {
            spec["capture"] = json!({ "redact": [{ "regex": "(" }] });
        }
        let mut route = route(&self.full("route", random.random_range(0..ROUTES)), spec);
        if random.random_range(0..6_u8) == 0 {
            route["spec"]["model"] = json!(format!("route-{}", random.random_range(0..ROUTES)));
        }
        route
    }

    fn full(&self, kind: &str, number: usize) -> String {
        format!("{}/{kind}-{number}", self.namespace)
    }
}
