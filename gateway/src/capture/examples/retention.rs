//! Examples that are too many, too old, or somebody's who wants to be forgotten.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::Examples;
use crate::capture::policy::{Limits, LimitsByRoute};
use crate::capture::store::{Forget, Size};

/// Rows that are deleted in one go, so that batches do not wait for long.
const ROWS: u64 = 4096;
/// Between two looks for what is too old.
const EXPIRE_INTERVAL_MICROS: i64 = 60_000_000;

/// By how much a Route may have too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tolerance {
    None,
    /// Deleting many at once costs little more than deleting one.
    AnEighth,
}

/// `namespace/name`.
type Route = Option<Arc<str>>;

/// How many examples there are of each Route. Which Routes have too many is noted when one comes to have them: with thousands of Routes,
/// looking at all of them for each batch would cost more than the batch.
pub(super) struct Counts {
    by_route: HashMap<Route, Count>,
    /// Those that have more than they may.
    crowded: HashSet<Route>,
    /// What `most` was taken from.
    limits: Arc<LimitsByRoute>,
}

struct Count {
    stored: u64,
    most: u64,
}

/// Files of before it was thought of cannot give back pages until they are written anew, once.
pub(super) fn make_shrinkable(connection: &Connection) -> rusqlite::Result<()> {
    const INCREMENTAL: u32 = 2;
    let mode: u32 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if mode != INCREMENTAL {
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")?;
    }
    Ok(())
}

impl Counts {
    pub(super) fn read(connection: &Connection, limits: &Arc<LimitsByRoute>) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT route, count(*) FROM examples GROUP BY route")?;
        let counted = statement.query_map([], |row| {
            let route: Route = row.get::<_, Option<String>>(0)?.map(Into::into);
            let (stored, most) = (row.get::<_, i64>(1)?.cast_unsigned(), 0);
            Ok((route, Count { stored, most }))
        })?;
        let mut counts = Self {
            by_route: counted.collect::<rusqlite::Result<_>>()?,
            crowded: HashSet::new(),
            limits: Arc::clone(limits),
        };
        counts.look_at_all();
        Ok(counts)
    }

    /// Holds all Routes against these limits, if they are others than before.
    pub(super) fn follow(&mut self, limits: &Arc<LimitsByRoute>) {
        if !Arc::ptr_eq(&self.limits, limits) {
            self.limits = Arc::clone(limits);
            self.look_at_all();
        }
    }

    fn look_at_all(&mut self) {
        self.crowded.clear();
        for (route, count) in &mut self.by_route {
            count.most = limits_of(&self.limits, route.as_deref()).max_examples;
            if count.stored > count.most {
                self.crowded.insert(route.clone());
            }
        }
    }

    /// Counts one more.
    pub(super) fn add(&mut self, route: &Route) {
        let limits = &self.limits;
        let count = self.by_route.entry(route.clone()).or_insert_with(|| Count {
            stored: 0,
            most: limits_of(limits, route.as_deref()).max_examples,
        });
        count.stored += 1;
        if count.stored == count.most + 1 {
            self.crowded.insert(route.clone());
        }
    }

    /// Deletes the oldest examples of each Route that has more than it may.
    pub(super) fn trim(&mut self, connection: &Connection, tolerance: Tolerance) -> rusqlite::Result<()> {
        for route in &self.crowded {
            let Some(Count { stored, most }) = self.by_route.get_mut(route) else {
                continue;
            };
            let tolerated = match tolerance {
                Tolerance::None => 0,
                Tolerance::AnEighth => *most / 8,
            };
            if *stored > *most + tolerated {
                let oldest = "DELETE FROM examples WHERE rowid IN
                    (SELECT rowid FROM examples WHERE route IS ?1 ORDER BY created_unix_micros LIMIT ?2)";
                let mut delete = connection.prepare_cached(oldest)?;
                *stored -= delete.execute(params![route.as_deref(), (*stored - *most).cast_signed()])? as u64;
            }
        }
        let by_route = &self.by_route;
        self.crowded
            .retain(|route| by_route.get(route).is_some_and(|count| count.stored > count.most));
        Ok(())
    }
}

fn limits_of(limits: &LimitsByRoute, route: Option<&str>) -> Limits {
    route.and_then(|route| limits.get(route)).copied().unwrap_or_default()
}

impl Examples {
    pub(super) fn tend_at(&mut self, now_unix_micros: i64) -> rusqlite::Result<()> {
        self.counts.follow(&self.limits.load());
        if !self.counts.crowded.is_empty() {
            let transaction = self.connection.transaction()?;
            self.counts.trim(&transaction, Tolerance::None)?;
            transaction.commit()?;
        }
        let is_due = self
            .expired_unix_micros
            .is_none_or(|last| (now_unix_micros - last).abs() >= EXPIRE_INTERVAL_MICROS);
        if is_due && self.expire(now_unix_micros)? {
            self.expired_unix_micros = Some(now_unix_micros);
        }
        Ok(())
    }

    /// Deletes what is too old; false when there may be more.
    fn expire(&mut self, now_unix_micros: i64) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction()?;
        let mut is_all = true;
        let Counts { by_route, limits, .. } = &mut self.counts;
        for (route, count) in &mut *by_route {
            let route = route.as_deref();
            let since = now_unix_micros.saturating_sub(limits_of(limits, route).max_age_micros);
            let old = "DELETE FROM examples WHERE rowid IN
                (SELECT rowid FROM examples WHERE route IS ?1 AND created_unix_micros < ?2 LIMIT ?3)";
            let deleted = transaction
                .prepare_cached(old)?
                .execute(params![route, since, ROWS.cast_signed()])? as u64;
            count.stored -= deleted;
            is_all &= deleted < ROWS;
        }
        by_route.retain(|_, count| count.stored > 0);
        transaction.commit()?;
        Ok(is_all)
    }

    /// With the log.
    pub(super) fn length_of_files(&self) -> u64 {
        let with_suffix = |suffix: &str| {
            let mut name = self.file.clone().into_os_string();
            name.push(suffix);
            length(Path::new(&name))
        };
        length(&self.file) + with_suffix("-wal") + with_suffix("-shm")
    }

    pub(super) fn measure(&self) -> rusqlite::Result<Size> {
        let free: i64 = self
            .connection
            .pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        Ok(Size {
            disk_bytes: self.length_of_files(),
            reusable_bytes: (free.cast_unsigned() * self.page_bytes).min(length(&self.file)),
        })
    }

    pub(super) fn shed_oldest(&mut self, bytes: u64) -> rusqlite::Result<()> {
        let all: u64 = self.counts.by_route.values().map(|count| count.stored).sum();
        let size = self.measure()?;
        let live = (size.disk_bytes - size.reusable_bytes).max(1);
        let share = u128::from(bytes) * u128::from(all) / u128::from(live);
        let rows = u64::try_from(share).unwrap_or(ROWS).clamp(1, ROWS);
        let transaction = self.connection.transaction()?;
        {
            let oldest =
                "SELECT route, count(*) FROM (SELECT route FROM examples ORDER BY rowid LIMIT ?1) GROUP BY route";
            let mut oldest = transaction.prepare_cached(oldest)?;
            let mut shed = oldest.query([rows.cast_signed()])?;
            while let Some(row) = shed.next()? {
                let route: Option<String> = row.get(0)?;
                if let Some(count) = self.counts.by_route.get_mut(&route.map(Into::into)) {
                    count.stored -= row.get::<_, i64>(1)?.cast_unsigned();
                }
            }
            let delete = "DELETE FROM examples WHERE rowid IN (SELECT rowid FROM examples ORDER BY rowid LIMIT ?1)";
            transaction.prepare_cached(delete)?.execute([rows.cast_signed()])?;
        }
        transaction.commit()?;
        self.give_back_pages()
    }

    /// Forgets for good: what is deleted is overwritten, and the log with it.
    pub(super) fn forget_user(&mut self, forget: &Forget) -> rusqlite::Result<u64> {
        let Forget { user, namespace } = forget;
        self.connection.pragma_update(None, "secure_delete", true)?;
        let inside = namespace.as_ref().map(|namespace| format!("{namespace}/"));
        let theirs = "DELETE FROM examples WHERE external_user = ?1
            AND (?2 IS NULL OR substr(route, 1, length(?2)) = ?2 OR substr(key, 1, length(?2)) = ?2)";
        let deleted = self.connection.execute(theirs, params![&**user, inside])?;
        self.give_back_pages()?;
        self.connection.pragma_update(None, "secure_delete", "FAST")?;
        self.counts = Counts::read(&self.connection, &self.limits.load())?;
        Ok(deleted as u64)
    }

    /// Makes the file as short as what it holds.
    fn give_back_pages(&self) -> rusqlite::Result<()> {
        for pragma in ["PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            let mut statement = self.connection.prepare(pragma)?;
            let mut steps = statement.query([])?;
            while steps.next()?.is_some() {}
        }
        Ok(())
    }
}

/// Of a file; 0 when there is none.
fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}
