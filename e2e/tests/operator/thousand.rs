//! A thousand Routes and two hundred prompts in front of three gateways and two operators.

use e2e::fleet::Fleet;
use e2e::fleet::traffic::{route_name, target_name};
use e2e::manifest::{prompt, route, target};
use serde_json::{Value, json};

use crate::Suite;

pub(crate) const NAMESPACE: &str = "thousand";
pub(crate) const ROUTES: usize = 1000;
/// The first Routes follow one each.
pub(crate) const PROMPTS: usize = 200;

impl Suite {
    /// The fleet with the thousand Routes, all ready. The first scene that asks brings it up.
    pub(crate) async fn thousand(&mut self) -> anyhow::Result<&mut Fleet> {
        if self.thousand.is_none() {
            let fleet = self.fleet(NAMESPACE, 1, 2, 3).await?;
            fleet.objects.apply_all(&all()).await?;
            fleet.all_ready(&["Provider", "PromptTemplate", "Route"]).await?;
            self.thousand = Some(fleet);
        }
        self.thousand.as_mut().ok_or_else(|| anyhow::anyhow!("just made"))
    }
}

fn all() -> Vec<Value> {
    let prompts = (0..PROMPTS).map(|number| prompt_manifest(number, 0));
    prompts.chain((0..ROUTES).map(|number| route_manifest(number, 0))).collect()
}

/// A Route after so many edits: the name of its target tells them.
pub(crate) fn route_manifest(number: usize, edit: u32) -> Value {
    let mut spec = json!({ "targets": [target(&target_name(number, edit), "sim", "sim-echo", 1)] });
    if number < PROMPTS {
        spec["promptRef"] = json!({ "name": prompt_name(number) });
    }
    route(&format!("{NAMESPACE}/{}", route_name(number)), spec)
}

pub(crate) fn prompt_name(number: usize) -> String {
    format!("prompt-{number}")
}

/// A prompt after so many edits: its text tells them.
pub(crate) fn prompt_manifest(number: usize, edit: u32) -> Value {
    let content = prompt_text(number, edit);
    let spec = json!({ "messages": [{ "role": "system", "content": content }] });
    prompt(&format!("{NAMESPACE}/{}", prompt_name(number)), spec)
}

/// What the model reads, and the echo repeats.
pub(crate) fn prompt_text(number: usize, edit: u32) -> String {
    format!("You are assistant {number} in edit {edit}.")
}
