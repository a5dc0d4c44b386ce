//! The list of models.

use serde::Serialize;

use crate::simulator::catalog::{CREATED_UNIX_SECONDS, LISTED};

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
        created: CREATED_UNIX_SECONDS,
        owned_by: "simulator",
    }
}
