//! The list of models, in pages.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::simulator::catalog::{CREATED, LISTED};

const DEFAULT_LIMIT: usize = 20;
const MOST_LIMIT: usize = 1000;

/// Which part of the list is wanted.
#[derive(Default, Deserialize)]
pub(crate) struct Page {
    limit: Option<usize>,
    after_id: Option<String>,
    before_id: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct List {
    data: Vec<Model<'static>>,
    has_more: bool,
    first_id: Option<&'static str>,
    last_id: Option<&'static str>,
}

#[derive(Serialize)]
pub(crate) struct Model<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: &'static str,
    lifecycle: &'static str,
}

pub(crate) fn list(page: &Page) -> Result<List, Refusal> {
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST_LIMIT).contains(&limit) {
        let message = format!("Input should be between 1 and {MOST_LIMIT}");
        return Err(Refusal::at("limit", &message));
    }
    let place = |id: &Option<String>| id.as_ref().and_then(|id| LISTED.iter().position(|listed| listed == id));
    let (shown, has_more) = if let Some(before) = place(&page.before_id) {
        let start = before.saturating_sub(limit);
        (&LISTED[start..before], start > 0)
    } else {
        let start = place(&page.after_id).map_or(0, |after| after + 1);
        let end = LISTED.len().min(start + limit);
        (&LISTED[start..end], end < LISTED.len())
    };
    Ok(List {
        data: shown.iter().map(|id| one(id)).collect(),
        has_more,
        first_id: shown.first().copied(),
        last_id: shown.last().copied(),
    })
}

pub(crate) fn one(id: &str) -> Model<'_> {
    Model {
        kind: "model",
        id,
        display_name: id,
        created_at: CREATED,
        lifecycle: "active",
    }
}
