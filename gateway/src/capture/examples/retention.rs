//! Examples that are too many, too old, or somebody's who wants to be forgotten.

use std::collections::HashMap;
use std::path::Path;

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

type Counts = HashMap<Option<Box<str>>, u64>;

/// Files of before it was thought of cannot give back pages until they are written anew, once.
pub(super) fn make_shrinkable(connection: &Connection) -> rusqlite::Result<()> {
    const INCREMENTAL: u32 = 2;
    let mode: u32 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if mode != INCREMENTAL {
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")?;
    }
    Ok(())
}

pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Counts> {
    let mut statement = connection.prepare("SELECT route, count(*) FROM examples GROUP BY route")?;
    let counts = statement.query_map([], |row| {
        Ok((
            row.get::<_, Option<String>>(0)?.map(Into::into),
            row.get::<_, i64>(1)?.cast_unsigned(),
        ))
    })?;
    counts.collect()
}

/// Deletes the oldest examples of each Route that has more than it may.
pub(super) fn trim(
    connection: &Connection,
    counts: &mut Counts,
    limits: &LimitsByRoute,
    tolerance: Tolerance,
) -> rusqlite::Result<()> {
    for (route, count) in counts {
        let most = limits_of(limits, route.as_deref()).max_examples;
        let tolerated = match tolerance {
            Tolerance::None => 0,
            Tolerance::AnEighth => most / 8,
        };
        if *count > most + tolerated {
            let oldest = "DELETE FROM examples WHERE rowid IN
                (SELECT rowid FROM examples WHERE route IS ?1 ORDER BY created_unix_micros LIMIT ?2)";
            let mut delete = connection.prepare_cached(oldest)?;
            *count -= delete.execute(params![route.as_deref(), (*count - most).cast_signed()])? as u64;
        }
    }
    Ok(())
}

fn limits_of(limits: &LimitsByRoute, route: Option<&str>) -> Limits {
    route.and_then(|route| limits.get(route)).copied().unwrap_or_default()
}

impl Examples {
    pub(super) fn tend_at(&mut self, now_unix_micros: i64) -> rusqlite::Result<()> {
        let limits = self.limits.load_full();
        let is_trimmed = self
            .counts
            .iter()
            .all(|(route, count)| *count <= limits_of(&limits, route.as_deref()).max_examples);
        if !is_trimmed {
            let transaction = self.connection.transaction()?;
            trim(&transaction, &mut self.counts, &limits, Tolerance::None)?;
            transaction.commit()?;
        }
        let is_due = self
            .expired_unix_micros
            .is_none_or(|last| (now_unix_micros - last).abs() >= EXPIRE_INTERVAL_MICROS);
        if is_due && self.expire(now_unix_micros, &limits)? {
            self.expired_unix_micros = Some(now_unix_micros);
        }
        Ok(())
    }

    /// Deletes what is too old; false when there may be more.
    fn expire(&mut self, now_unix_micros: i64, limits: &LimitsByRoute) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction()?;
        let mut is_all = true;
        for (route, count) in &mut self.counts {
            let route = route.as_deref();
            let since = now_unix_micros.saturating_sub(limits_of(limits, route).max_age_micros);
            let old = "DELETE FROM examples WHERE rowid IN
                (SELECT rowid FROM examples WHERE route IS ?1 AND created_unix_micros < ?2 LIMIT ?3)";
            let deleted = transaction
                .prepare_cached(old)?
                .execute(params![route, since, ROWS.cast_signed()])? as u64;
            *count -= deleted;
            is_all &= deleted < ROWS;
        }
        self.counts.retain(|_, count| *count > 0);
        transaction.commit()?;
        Ok(is_all)
    }

    pub(super) fn measure(&self) -> rusqlite::Result<Size> {
        let free: i64 = self
            .connection
            .pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        let with_suffix = |suffix: &str| {
            let mut name = self.file.clone().into_os_string();
            name.push(suffix);
            length(Path::new(&name))
        };
        Ok(Size {
            disk_bytes: length(&self.file) + with_suffix("-wal") + with_suffix("-shm"),
            reusable_bytes: (free.cast_unsigned() * self.page_bytes).min(length(&self.file)),
        })
    }

    pub(super) fn shed_oldest(&mut self, bytes: u64) -> rusqlite::Result<()> {
        let all: u64 = self.counts.values().sum();
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
                if let Some(count) = self.counts.get_mut(&route.map(Into::into)) {
                    *count -= row.get::<_, i64>(1)?.cast_unsigned();
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
        self.counts = counts(&self.connection)?;
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
