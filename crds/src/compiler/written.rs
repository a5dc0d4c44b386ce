//! Good objects as text. Between two compilations nobody looks at them, and as text thousands take a tenth of the memory.

use std::{fmt, sync::Arc};

use kube::Resource;
use serde::{Serialize, de::DeserializeOwned};

use crate::object::ObjectName;

/// Stands where the object's own name does. JSON never holds it: it escapes control characters.
const NAME: &str = "\0";

/// A good object as JSON with its own name left out, so that objects that differ in their name only, as those of one template do, are
/// one text. Not printable: it may hold secrets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Written(Arc<str>);

impl Written {
    /// The object called `name` as text. None where it is to be kept as it is: if the text would not tell all of it, or if it has a time
    /// of creation, which the compiler asks for often.
    pub fn of<K>(name: &ObjectName, object: &K) -> Option<Self>
    where
        K: Resource + Serialize + DeserializeOwned + PartialEq,
    {
        if object.meta().creation_timestamp.is_some() || name.name.is_empty() {
            return None;
        }
        let text = serde_json::to_string(object).ok()?;
        let written = Self(text.replace(&*name.name, NAME).into());
        let same = serde_json::from_str::<K>(&written.text(name)).ok()?;
        (same == *object).then_some(written)
    }

    /// The object again. It must be of the name and the kind that it was written down from.
    pub fn read<K: DeserializeOwned>(&self, name: &ObjectName) -> K {
        serde_json::from_str(&self.text(name)).expect("what is written down was read back before")
    }

    /// Whether someone else holds the same text.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn text(&self, name: &ObjectName) -> String {
        self.0.replace(NAME, &name.name)
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Written")
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::*;
    use crate::{
        admission::{Admitted, admit},
        route::Route,
    };

    fn route(name: &str, model: &str) -> (ObjectName, Arc<Route>) {
        let document = json!({
            "apiVersion": "routeswitch.io/v1alpha1",
            "kind": "Route",
            "metadata": { "name": name, "annotations": { "a": "\u{0}\"\\" } },
            "spec": {
                "model": model,
                "targets": [{ "name": "only", "providerRef": { "name": "p" }, "model": "m" }],
                "retry": { "backoff": "1s" },
            },
        });
        let Ok(Admitted::Route(route)) = admit(&document) else {
            panic!("{:?}", admit(&document))
        };
        (ObjectName::new("default", name), route)
    }

    #[test]
    fn objects_that_differ_in_their_name_only_are_one_text_and_come_back_as_they_were() {
        let (one, other) = (route("route-1", "route-1"), route("route-22", "route-22"));
        let written = Written::of(&one.0, &*one.1).unwrap();
        assert_eq!(written, Written::of(&other.0, &*other.1).unwrap());
        assert_eq!(written.read::<Route>(&one.0), *one.1);
        assert_eq!(written.read::<Route>(&other.0), *other.1);
        let differs = route("route-1", "other");
        assert_ne!(written, Written::of(&differs.0, &*differs.1).unwrap());
    }

    #[test]
    fn a_name_that_is_part_of_everything_changes_nothing() {
        for name in ["e", "m", "a", "0", "only", "route", "metadata"] {
            let (name, object) = route(name, "some-model");
            let written = Written::of(&name, &*object).unwrap();
            assert_eq!(written.read::<Route>(&name), *object, "{name}");
        }
    }

    #[test]
    fn what_has_a_time_of_creation_is_not_written_down() {
        let (name, route) = route("a", "a");
        let mut route = Arc::unwrap_or_clone(route);
        route.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert!(Written::of(&name, &route).is_none());
    }
}
