//! The list of models: an excerpt, since any name of the grammar is a model.

use serde::Serialize;

/// The models that are listed.
const LISTED: [&str; 12] = [
    "sim-fast",
    "sim-slow",
    "sim-echo",
    "sim-tools",
    "sim-reasoning",
    "sim-nousage",
    "sim-401",
    "sim-429",
    "sim-500",
    "sim-503",
    "sim-hang",
    "sim-cut-3",
];
/// 2026-01-01, in seconds since 1970.
const CREATED: u64 = 1_767_225_600;

#[derive(Serialize)]
pub(crate) struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

pub(crate) fn list() -> List<'static> {
    List {
        object: "list",
        data: LISTED.into_iter().map(one).collect(),
    }
}

pub(crate) fn one(id: &str) -> Model<'_> {
    Model {
        id,
        object: "model",
        created: CREATED,
        owned_by: "simulator",
    }
}

#[cfg(test)]
mod tests {
    use super::LISTED;
    use crate::simulator::Behaviour;

    #[test]
    fn every_model_of_the_list_exists() {
        for id in LISTED {
            assert!(Behaviour::default().with_model(id).is_ok(), "{id}");
        }
    }
}
