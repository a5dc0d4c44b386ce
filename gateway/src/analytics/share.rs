//! What one store knows of some requests, kept so that it adds up: whole sums, histograms and names, nothing divided or rounded.
//! The sum of the shares of several pods answers as one store would that holds all their rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::Serializer;
use serde::{Deserialize, Deserializer, Serialize};

use super::Error;
use super::measures::Sums;
use super::system::{MAX_ROWS, Pods, Query, Row, Scope, SystemAnalytics, rfc3339};

/// Something that each pod knows a part of.
pub trait Part: Serialize + for<'a> Deserialize<'a> + Send + 'static {
    /// Adds the part of another pod.
    fn add(&mut self, other: Self) -> Result<(), Error>;
}

/// A part of what `GET /system/analytics` tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Names of the prompts that the requests were rendered from.
    prompts: BTreeSet<String>,
    #[serde(serialize_with = "as_list", deserialize_with = "from_list")]
    groups: BTreeMap<Group, Sums>,
}

/// What the requests of a group have in common. The order is that of the answer: by time, then by key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Group {
    pub bucket_unix_micros: Option<i64>,
    /// In the order of the question's dimensions.
    pub keys: Vec<Key>,
}

/// A value of a dimension; null is a value as any other, and stands last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Key {
    Named(String),
    Null,
}

impl Share {
    pub(super) fn new(prompts: BTreeSet<String>, groups: impl IntoIterator<Item = (Group, Sums)>) -> Self {
        let mut share = Self {
            prompts,
            groups: BTreeMap::new(),
        };
        for (group, sums) in groups {
            share.add_group(group, &sums);
        }
        share
    }

    /// Of all groups together.
    pub(super) fn total(&self) -> Sums {
        let mut total = Sums::default();
        for sums in self.groups.values() {
            total.add(sums);
        }
        total
    }

    /// The answer to `query`, to which this is all that there is to know.
    pub fn answer(self, query: &Query, scope: Scope, pods: Pods) -> SystemAnalytics {
        let total = self.total();
        let prompts = self.prompts.len();
        let all = super::measures::Measures::from(&total);
        SystemAnalytics {
            total_prompts: u64::try_from(prompts).unwrap_or(u64::MAX),
            total_requests: all.requests,
            success_rate: all.success_rate,
            avg_latency_ms: all.avg_latency_ms,
            avg_cost: all.avg_cost,
            since: rfc3339(query.since_unix_micros),
            until: rfc3339(query.until_unix_micros),
            scope,
            pods,
            rows: self.into_rows(query),
        }
    }

    pub(super) fn into_rows(self, query: &Query) -> Vec<Row> {
        let dimensions = query.dimensions();
        let row = |(group, sums): (Group, Sums)| Row {
            keys: dimensions
                .iter()
                .copied()
                .zip(group.keys.into_iter().map(Option::from))
                .collect(),
            bucket_unix_micros: group.bucket_unix_micros,
            measures: (&sums).into(),
        };
        self.groups.into_iter().map(row).collect()
    }

    fn add_group(&mut self, group: Group, sums: &Sums) {
        self.groups.entry(group).or_default().add(sums);
    }
}

impl Part for Share {
    fn add(&mut self, other: Self) -> Result<(), Error> {
        self.prompts.extend(other.prompts);
        for (group, sums) in other.groups {
            self.add_group(group, &sums);
        }
        if self.groups.len() > MAX_ROWS {
            return Err(Error::TooManyRows { limit: MAX_ROWS });
        }
        Ok(())
    }
}

impl From<Option<String>> for Key {
    fn from(name: Option<String>) -> Self {
        name.map_or(Self::Null, Self::Named)
    }
}

impl From<Key> for Option<String> {
    fn from(key: Key) -> Self {
        match key {
            Key::Named(name) => Some(name),
            Key::Null => None,
        }
    }
}

/// A map of JSON has no keys but texts.
fn as_list<S: Serializer>(groups: &BTreeMap<Group, Sums>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(groups)
}

fn from_list<'a, D: Deserializer<'a>>(deserializer: D) -> Result<BTreeMap<Group, Sums>, D::Error> {
    let list: Vec<(Group, Sums)> = Vec::deserialize(deserializer)?;
    Ok(list.into_iter().collect())
}
