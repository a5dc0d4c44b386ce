//! Configurations made by the whole way from manifests. For tests only.

use std::sync::Arc;

use crds::{
    compiler::{Settings, compile},
    object::ObjectName,
};

use super::{
    manifests::Loader,
    resolved::{Config, Route},
};

/// The configuration of Routes, each a name with its targets as `name:model`.
pub(crate) fn config(routes: &[(&str, &[&str])], previous: Option<&Config>) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let provider = "{apiVersion: routeswitch.io/v1alpha1, kind: Provider, metadata: {name: sim}, spec: {vendor: Simulated, baseUrl: 'http://127.0.0.1:1/v1', allowInsecure: true}}";
    let routes = routes.iter().map(|(name, targets)| {
        let targets: Vec<String> = targets
            .iter()
            .map(|target| {
                let (name, model) = target.split_once(':').unwrap();
                format!("{{name: {name}, providerRef: {{name: sim}}, model: {model}}}")
            })
            .collect();
        format!(
            "{{apiVersion: routeswitch.io/v1alpha1, kind: Route, metadata: {{name: {name}}}, spec: {{model: {name}, targets: [{}]}}}}",
            targets.join(", ")
        )
    });
    let documents: Vec<String> = [provider.to_owned()].into_iter().chain(routes).collect();
    std::fs::write(directory.path().join("all.yaml"), documents.join("\n---\n")).unwrap();
    let reading = Loader::new(directory.path()).unwrap().read();
    let compiled = compile(&reading.resources, &Settings::default(), None);
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    Config::resolve(Arc::unwrap_or_clone(compiled.snapshot), previous)
}

pub(crate) fn route(config: &Config, name: &str) -> Arc<Route> {
    let object = ObjectName::new("default", name);
    let found = config.all_routes().into_iter().find(|route| route.is(&object));
    Arc::clone(found.unwrap())
}
