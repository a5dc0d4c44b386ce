//! Whether the compiler could tell two states of the cluster apart.

use std::{collections::BTreeMap, sync::Arc};

use crds::{compiler::Resources, object::ObjectName};

use super::{Holdings, kinds::are_same_input, store::Kept};

impl Holdings {
    /// Whether the compiler makes of these what it made of `other`.
    pub fn are_same_input(&self, other: &Self) -> bool {
        let Resources {
            providers,
            routes,
            prompt_templates,
            prompt_revisions,
            secrets,
            config_maps,
        } = &self.resources;
        let other = &other.resources;
        are_same(providers, &other.providers, are_same_input)
            && are_same(routes, &other.routes, are_same_input)
            && are_same(prompt_templates, &other.prompt_templates, are_same_input)
            && are_same(prompt_revisions, &other.prompt_revisions, are_same_input)
            && are_same(secrets, &other.secrets, are_shared_or_same)
            && are_same(config_maps, &other.config_maps, are_shared_or_same)
    }
}

fn are_same<V>(
    one: &BTreeMap<ObjectName, V>,
    other: &BTreeMap<ObjectName, V>,
    is_same: impl Fn(&V, &V) -> bool,
) -> bool {
    let mut pairs = one.iter().zip(other);
    one.len() == other.len() && pairs.all(|(one, other)| one.0 == other.0 && is_same(one.1, other.1))
}

fn are_shared_or_same<V>(one: &Arc<V>, other: &Arc<V>) -> bool
where
    Arc<V>: Kept,
{
    Arc::ptr_eq(one, other) || one.is_same_input(other)
}

#[cfg(test)]
mod tests {
    use crds::{compiler::Submitted, provider::Provider, status::ProviderStatus};
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn with(generation: i64, models: i32) -> Holdings {
        let provider = json!({
            "metadata": {"name": "one", "namespace": "default", "uid": "1", "generation": generation},
            "spec": {"vendor": "Simulated"},
        });
        let mut provider: Provider = serde_json::from_value(provider).unwrap();
        provider.status = Some(ProviderStatus {
            models: Some(models),
            ..ProviderStatus::default()
        });
        let mut holdings = Holdings::default();
        let name = ObjectName::new("default", "one");
        let submitted = Submitted::WellFormed(Arc::new(provider));
        holdings.resources.providers.insert(name, submitted);
        holdings
    }

    #[test]
    fn a_status_is_no_input_and_a_generation_is() {
        assert!(with(1, 1).are_same_input(&with(1, 2)));
        assert!(!with(1, 1).are_same_input(&with(2, 1)));
        assert!(!with(1, 1).are_same_input(&Holdings::default()));
    }

    #[test]
    fn config_maps_count_by_what_they_hold() {
        let with = |text: &str| {
            let mut holdings = Holdings::default();
            let config_map = ConfigMap {
                data: Some([("key".to_owned(), text.to_owned())].into()),
                ..ConfigMap::default()
            };
            let name = ObjectName::new("default", "one");
            holdings.resources.config_maps.insert(name, Arc::new(config_map));
            holdings
        };
        assert!(with("a").are_same_input(&with("a")) && !with("a").are_same_input(&with("b")));
    }
}
