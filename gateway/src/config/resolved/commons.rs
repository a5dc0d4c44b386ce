//! What Routes have in common, put together once for a whole configuration.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crds::{
    snapshot::{RouteTimeouts, TargetEntry},
    vendor,
};

use super::{
    Config, Models, Surroundings,
    route::{Route, Settings},
    target::{Common, Timeouts},
    words::Words,
};
use crate::{
    prompts::parameters::Defaults,
    providers::price::Price,
    telemetry::metrics::{ModelLabels, ModelMetrics},
};

/// What the Routes so far have in common.
#[derive(Default)]
pub(super) struct Commons {
    words: Words,
    targets: HashMap<(TargetEntry, RouteTimeouts), Arc<Common>>,
    settings: HashSet<Arc<Settings>>,
    pub(super) models: Models,
}

impl Commons {
    /// None when the compiler let something through that no request can be made of.
    pub(super) fn target(
        &mut self,
        entry: &TargetEntry,
        timeouts: &RouteTimeouts,
        surroundings: &Surroundings<'_>,
    ) -> Option<Arc<Common>> {
        let key = (entry.clone(), *timeouts);
        if let Some(known) = self.targets.get(&key) {
            return Some(Arc::clone(known));
        }
        let common = Arc::new(self.new_target(entry, timeouts, surroundings)?);
        self.targets.insert(key, Arc::clone(&common));
        Some(common)
    }

    fn new_target(
        &mut self,
        entry: &TargetEntry,
        over: &RouteTimeouts,
        surroundings: &Surroundings<'_>,
    ) -> Option<Common> {
        let prompt = match &entry.prompt {
            Some(used) => Some(Arc::clone(surroundings.library.revision(used.revision.as_ref()?)?)),
            None => None,
        };
        let provider = surroundings.snapshot.providers.get(&entry.provider)?;
        let destination = surroundings.destinations.get(&entry.provider)?;
        let account = surroundings.accounts.get(&entry.provider)?;
        let model = provider.models.get(&entry.model);
        let own = &provider.timeouts;
        let (name, named_model) = (self.words.of(&entry.name), self.words.of(&entry.model));
        let model_metrics = self.model(
            ModelLabels {
                provider: self.words.of(&entry.provider.to_string()).text,
                vendor: vendor::row(provider.vendor).gen_ai_name,
                model: named_model.text,
            },
            surroundings.previous,
        );
        let labels = model_metrics.labels();
        Some(Common {
            name: name.text,
            header: name.header,
            name_json: name.json,
            provider: Arc::clone(&labels.provider),
            provider_json: self.words.of(&entry.provider.name).json,
            model: Arc::clone(&labels.model),
            model_json: named_model.json,
            destination: Arc::clone(destination),
            account: Arc::clone(account),
            dialect: provider.dialect,
            timeouts: Timeouts {
                connect: over.connect.unwrap_or(own.connect),
                first_token: over.first_token.unwrap_or(own.first_token),
                idle: over.idle.unwrap_or(own.idle),
                total: over.total.unwrap_or(own.total),
            },
            price: model.and_then(Price::of),
            max_output_tokens: model.and_then(|model| model.max_output_tokens),
            prompt,
            defaults: Defaults::of(&entry.parameters, None),
            output_limit_field: vendor::row(provider.vendor).output_limit_field,
            model_metrics,
        })
    }

    /// What is counted for a model; it goes on from before.
    fn model(&mut self, labels: ModelLabels, previous: Option<&Config>) -> ModelMetrics {
        let key = (Arc::clone(&labels.provider), Arc::clone(&labels.model));
        let known = previous.and_then(|config| config.models.get(&key));
        let known = known.filter(|model| *model.labels() == labels).cloned();
        self.models
            .entry(key)
            .or_insert_with(|| known.unwrap_or_else(|| ModelMetrics::new(labels)))
            .clone()
    }

    /// Lets the models of a Route that stays as it is count on.
    pub(super) fn go_on_counting(&mut self, route: &Route) {
        for target in &route.targets {
            let labels = target.model_metrics.labels();
            let key = (Arc::clone(&labels.provider), Arc::clone(&labels.model));
            self.models.entry(key).or_insert_with(|| target.model_metrics.clone());
        }
    }

    /// These settings, as the Routes before have them.
    pub(super) fn settings(&mut self, settings: Settings) -> Arc<Settings> {
        if let Some(known) = self.settings.get(&settings) {
            return Arc::clone(known);
        }
        let settings = Arc::new(settings);
        self.settings.insert(Arc::clone(&settings));
        settings
    }
}

#[cfg(test)]
mod tests {
    use std::{ptr, sync::Arc, time::Duration};

    use serde_json::json;

    use crate::config::{
        example::{config, provider, route},
        resolved::Route,
    };

    #[test]
    fn routes_made_from_one_template_share_all_but_their_names_and_counts() {
        let spec = || json!({ "retry": { "attempts": 2 } });
        let other = json!({ "retry": { "attempts": 2 }, "timeouts": { "idle": "1s" } });
        let config = config(&[provider("p"), route("a", spec()), route("b", spec()), route("c", other)]);
        let routes = config.all_routes();
        let [a, b, c] = routes[..] else { panic!("three Routes") };
        let is_same = |one: &Route, other: &Route| {
            let settings = Arc::ptr_eq(&one.settings, &other.settings);
            (
                settings,
                ptr::eq(&raw const *one.targets[0], &raw const *other.targets[0]),
            )
        };
        assert_eq!((is_same(a, b), is_same(a, c)), ((true, true), (true, false)));
        assert!(!Arc::ptr_eq(&a.targets[0].health, &b.targets[0].health));
        assert_eq!(c.targets[0].timeouts.idle, Duration::from_secs(1));
        assert_eq!(
            (&*a.name, &*a.model, a.header().to_str().unwrap()),
            ("default/a", "a", "default/a")
        );
    }
}
