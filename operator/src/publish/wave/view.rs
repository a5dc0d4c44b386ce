//! The fleet as others see it.

use std::{collections::BTreeMap, time::Instant};

use super::{Wave, member::Member};
use crate::publish::{Fleet, Pod, Removal};

impl Wave {
    /// `fault` is why nothing can be pushed at all; `held` the removal that the newest offer waits for.
    pub(in crate::publish) fn fleet(&self, fault: Option<&str>, held: Option<Removal>, now: Instant) -> Fleet {
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_by_key(|member| member.place());
        Fleet {
            desired: self.desired.as_ref().map(|desired| desired.order),
            settled: held.is_none() && (fault.is_some() || self.is_settled(now)),
            pods: members.into_iter().map(|member| self.pod(member, fault, now)).collect(),
            held,
        }
    }

    fn is_settled(&self, now: Instant) -> bool {
        let Some(desired) = &self.desired else { return false };
        let mut counted = self.members.values().filter(|member| member.gateway.is_counted());
        self.is_stopped() || counted.all(|member| member.is_settled(desired, now))
    }

    fn pod(&self, member: &Member, fault: Option<&str>, now: Instant) -> Pod {
        let wants = self.desired.as_ref().is_none_or(|desired| member.wants(desired));
        let held = member.held.as_ref();
        Pod {
            name: member.gateway.name.clone(),
            uid: member.gateway.uid.clone(),
            ordinal: member.gateway.ordinal,
            counted: member.gateway.is_counted(),
            starting: member.gateway.is_starting(),
            terminating: member.gateway.terminating,
            order: held.map(|held| held.order),
            digests: held.and_then(|held| held.digests.clone()).unwrap_or_default(),
            refused: member.refused.clone(),
            trouble: fault.map(str::to_owned).or_else(|| member.trouble(wants, now)),
        }
    }

    /// Pods that answer.
    pub(in crate::publish) fn connected(&self) -> usize {
        self.members.values().filter(|member| member.is_connected()).count()
    }

    /// When each pod wrote the Snapshot that it starts from, by pod.
    pub(in crate::publish) fn kept(&self) -> impl Iterator<Item = (&str, i64)> {
        let members = self.members.values();
        members.filter_map(|member| Some((member.gateway.name.as_str(), member.kept_unix_millis?)))
    }

    /// How many objects some pod refuses, by kind.
    pub(in crate::publish) fn refused_by_kind(&self) -> BTreeMap<String, usize> {
        let mut refused: Vec<_> = self.members.values().flat_map(|member| member.refused.keys()).collect();
        refused.sort_unstable();
        refused.dedup();
        let mut counts = BTreeMap::new();
        for object in refused {
            *counts.entry(object.kind.to_string()).or_default() += 1;
        }
        counts
    }
}
