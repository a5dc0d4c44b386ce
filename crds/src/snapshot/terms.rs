//! What Routes have in common, once.

use std::{cell::RefCell, collections::HashSet, sync::Arc};

use super::{RouteEntry, RouteTerms, Snapshot};

/// The terms of the Routes so far.
#[derive(Default)]
pub struct Terms(RefCell<HashSet<Arc<RouteTerms>>>);

impl Terms {
    /// The terms in use in `snapshot`.
    pub fn of(snapshot: &Snapshot) -> Self {
        let terms = Self::default();
        let known = snapshot.routes.values().map(|route| Arc::clone(&route.terms));
        terms.0.borrow_mut().extend(known);
        terms
    }

    /// Lets a Route have the terms that an equal one has.
    pub fn share(&self, route: &mut RouteEntry) {
        let mut known = self.0.borrow_mut();
        match known.get(&route.terms) {
            Some(terms) => route.terms = Arc::clone(terms),
            None => drop(known.insert(Arc::clone(&route.terms))),
        }
    }
}

impl Snapshot {
    /// Lets equal Routes share their terms, which a document cannot say.
    pub fn share_terms(&mut self) {
        let terms = Terms::default();
        self.routes.values_mut().for_each(|route| terms.share(route));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        admission::{Admitted, admit},
        compiler::{Resources, Settings, Submitted, compile},
        object::ObjectName,
    };

    fn snapshot(routes: &[&str], previous: Option<&Snapshot>) -> Snapshot {
        let mut resources = Resources::default();
        let mut put = |object: Value| match admit(&object).unwrap() {
            Admitted::Route(object) => {
                let name = ObjectName::new("default", object.metadata.name.clone().unwrap());
                drop(resources.routes.insert(name, Submitted::WellFormed(object)));
            }
            Admitted::Provider(object) => {
                let name = ObjectName::new("default", object.metadata.name.clone().unwrap());
                drop(resources.providers.insert(name, Submitted::WellFormed(object)));
            }
            other => panic!("{other:?}"),
        };
        let object = |kind: &str, name: &str, spec: Value| json!({ "apiVersion": "routeswitch.io/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
        put(object(
            "Provider",
            "p",
            json!({ "vendor": "OpenAICompatible", "baseUrl": "https://p", "auth": { "none": {} } }),
        ));
        for name in routes {
            let target = json!({ "name": "only", "providerRef": { "name": "p" }, "model": "m" });
            put(object("Route", name, json!({ "model": name, "targets": [target] })));
        }
        let compiled = compile(&resources, &Settings::default(), previous);
        assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
        Arc::unwrap_or_clone(compiled.snapshot)
    }

    fn terms(snapshot: &Snapshot) -> Vec<Arc<RouteTerms>> {
        let routes = snapshot.routes.values();
        routes.map(|route| Arc::clone(&route.terms)).collect()
    }

    #[test]
    fn equal_routes_share_their_terms_with_each_other_and_with_those_before() {
        let first = snapshot(&["a", "b"], None);
        let second = snapshot(&["b", "c"], Some(&first));
        let all = [terms(&first), terms(&second)].concat();
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|terms| Arc::ptr_eq(terms, &all[0])));
        assert!(all[0].targets[0].resolved);
    }

    #[test]
    fn a_document_has_the_terms_as_fields_of_each_route() {
        let before = snapshot(&["a", "b"], None);
        let text = serde_json::to_string(&before).unwrap();
        let start = r#""default/a":{"stale":false,"names":["a"],"strategy":"Weighted","targets":[{"name":"only","#;
        assert!(text.contains(start), "{text}");
        let mut read: Snapshot = serde_json::from_str(&text).unwrap();
        assert_eq!(read, before);
        let [a, b] = &terms(&read)[..] else { panic!("{text}") };
        assert!(!Arc::ptr_eq(a, b));
        read.share_terms();
        let [a, b] = &terms(&read)[..] else { panic!("{text}") };
        assert!(Arc::ptr_eq(a, b) && read == before);
    }
}
