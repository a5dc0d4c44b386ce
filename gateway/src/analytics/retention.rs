//! Rows that are too old, too many, or somebody's who wants to be forgotten. Their sums by the hour stay: rows are added to
//! `hourly_rows` and deleted in one transaction, so that figures never change by it.

use std::sync::Arc;

use duckdb::types::Value;
use duckdb::{Connection, ToSql};

use super::database::{Error, FILE, Writer};
use super::measures::{FIRST_TOKEN_STEPS, LATENCY_STEPS};
use super::names::Book;
use super::numbers::Numbers;
use super::tables::NAMED;
use crate::capture::policy::{Limits, LimitsByRoute};
use crate::capture::{Forget, Size, Store as _};

/// Between two looks for what is too old.
const EXPIRE_INTERVAL_MICROS: i64 = 60_000_000;
/// Hours of rows that are rolled up at one look.
const HOURS: usize = 24;
/// Requests that are shed at once. Space is free again when all rows of a group are deleted.
const LEAST_SHED: u64 = 5_000;
const MOST_SHED: u64 = 250_000;
/// Names past which it is looked which are still in use, whenever rows were deleted.
const MANY_NAMES: usize = 10_000;
/// The same of kinds.
const MANY_KINDS: usize = 50_000;

/// Rows to delete.
struct Doomed {
    /// A condition over the columns of `request_rows`.
    requests: String,
    /// The same for their attempts, which have the same parameters.
    attempts: String,
    parameters: Vec<Value>,
}

impl Doomed {
    /// A condition over `created` and `route_name`, which both tables have.
    fn of_both(condition: String, parameter: Value) -> Self {
        Self {
            attempts: condition.clone(),
            requests: condition,
            parameters: vec![parameter],
        }
    }
}

impl Writer {
    /// Deletes what is older than its Route allows, in whole hours.
    pub(super) fn expire(&mut self, now_unix_micros: i64) -> Result<(), Error> {
        let is_due = self
            .expired_unix_micros
            .is_none_or(|last| (now_unix_micros - last).abs() >= EXPIRE_INTERVAL_MICROS);
        if !is_due {
            return Ok(());
        }
        let database = Arc::clone(&self.database);
        let _memory = database.questions.borrow(&self.connection)?;
        let limits = self.limits.load_full();
        let old = too_old(&Book::read(&self.connection)?, &limits, now_unix_micros);
        let mut deleted = 0;
        for _ in 0..HOURS {
            let first = format!("SELECT date_trunc('hour', min(created)) FROM request_rows WHERE {old}");
            let Some(hour) = self
                .connection
                .query_row(&first, [], |row| row.get::<_, Option<Value>>(0))?
            else {
                self.expired_unix_micros = Some(now_unix_micros);
                break;
            };
            let in_this_hour = format!("({old}) AND created < CAST(? AS TIMESTAMP) + INTERVAL 1 HOUR");
            deleted += self.roll_up(&Doomed::of_both(in_this_hour, hour))?;
        }
        if deleted > 0 {
            self.prune_names()?;
            self.checkpoint();
        }
        Ok(())
    }

    /// Sums by the hour go when there is nothing else, in either store: they take little, and tell what the rest no more does.
    pub(super) fn oldest_row(&self) -> duckdb::Result<Option<i64>> {
        let oldest = "SELECT coalesce((SELECT epoch_us(min(created)) FROM request_rows),
            CASE WHEN EXISTS (SELECT 1 FROM hourly_rows) THEN 9223372036854775807 END)";
        let _memory = self.database.questions.borrow(&self.connection)?;
        self.connection.query_row(oldest, [], |row| row.get(0))
    }

    /// Deletes the oldest requests, about as many as take `bytes`; where there are none, the oldest hours.
    pub(super) fn shed_oldest(&mut self, bytes: u64) -> Result<(), Error> {
        let database = Arc::clone(&self.database);
        let _memory = database.questions.borrow(&self.connection)?;
        let rows: u64 = self
            .connection
            .query_row("SELECT count(*) FROM request_rows", [], |row| row.get(0))?;
        if rows == 0 {
            let hours = "DELETE FROM hourly_rows WHERE hour <= (SELECT quantile_disc(hour, 0.125) FROM hourly_rows)";
            self.connection.execute(hours, [])?;
            self.connection.execute("DELETE FROM attempt_rows", [])?;
        } else {
            let size = self.measure()?;
            let live = (size.disk_bytes - size.reusable_bytes).max(1);
            let share = u128::from(bytes) * u128::from(rows) / u128::from(live);
            let count = u64::try_from(share)
                .unwrap_or(MOST_SHED)
                .clamp(LEAST_SHED, MOST_SHED)
                .min(rows);
            // A whole number of hours where that is not nothing: an hour that is rolled up in parts takes a row for each.
            let bound = "SELECT CASE WHEN date_trunc('hour', last) > first THEN date_trunc('hour', last) ELSE last + INTERVAL 1 MICROSECOND END
                FROM (SELECT min(created) AS first, max(created) AS last FROM (SELECT created FROM request_rows ORDER BY created LIMIT ?))";
            let bound: Value = self.connection.query_row(bound, [count], |row| row.get(0))?;
            self.roll_up(&Doomed::of_both("created < ?".to_owned(), bound))?;
        }
        self.prune_names()?;
        self.checkpoint();
        Ok(())
    }

    pub(super) fn forget_user(&mut self, forget: &Forget) -> Result<u64, Error> {
        let Forget { user, namespace } = forget;
        let mut requests = "external_user = ?".to_owned();
        if let Some(namespace) = namespace {
            let inside = format!("{namespace}/");
            let ids: Vec<String> = Book::read(&self.connection)?
                .ids(|name| name.starts_with(&inside))
                .iter()
                .map(ToString::to_string)
                .collect();
            // No row has the number -1.
            let ids = [vec!["-1".to_owned()], ids].concat().join(", ");
            requests = format!("{requests} AND (route_name IN ({ids}) OR key_name IN ({ids}))");
        }
        let deleted = self.roll_up(&Doomed {
            attempts: format!("request_id IN (SELECT id FROM request_rows WHERE {requests})"),
            requests,
            parameters: vec![Value::Text(user.to_string())],
        })?;
        self.checkpoint();
        Ok(deleted)
    }

    /// Adds rows to the sums of their hours and deletes them, with their attempts.
    fn roll_up(&mut self, doomed: &Doomed) -> Result<u64, Error> {
        let Doomed {
            requests,
            attempts,
            parameters,
        } = doomed;
        let database = Arc::clone(&self.database);
        let _memory = database.questions.borrow(&self.connection)?;
        let transaction = self.connection.transaction()?;
        let add = format!(
            "INSERT INTO hourly_rows SELECT date_trunc('hour', created), route_name, target_name, provider_name, model_name,
                prompt_name, revision_name, key_name, outcome_name, count(*), sum(latency_micros), {LATENCY_STEPS},
                {FIRST_TOKEN_STEPS}, coalesce(sum(prompt_tokens), 0), coalesce(sum(cached_tokens), 0),
                coalesce(sum(cache_write_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(reasoning_tokens), 0),
                coalesce(sum(cost_pico_usd), 0), count(cost_pico_usd)
             FROM request_rows WHERE {requests} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"
        );
        execute(&transaction, &add, parameters)?;
        execute(
            &transaction,
            &format!("DELETE FROM attempt_rows WHERE {attempts}"),
            parameters,
        )?;
        let mut deleted = 0;
        for rows in [
            "request_facts USING request_kinds WHERE number = kind AND",
            "old_request_rows WHERE",
        ] {
            deleted += execute(&transaction, &format!("DELETE FROM {rows} ({requests})"), parameters)?;
        }
        transaction.commit()?;
        Ok(deleted as u64)
    }

    /// Deletes kinds and names that no row has any more: once an hour, or when there are many.
    fn prune_names(&mut self) -> Result<(), Error> {
        let is_due = self.pruned.is_none_or(|pruned| pruned.elapsed().as_secs() >= 3600);
        if !is_due && self.numbers.names.len() < MANY_NAMES && self.numbers.kinds.len() < MANY_KINDS {
            return Ok(());
        }
        self.pruned = Some(std::time::Instant::now());
        let database = Arc::clone(&self.database);
        let _memory = database.questions.borrow(&self.connection)?;
        let used: Vec<String> = NAMED
            .iter()
            .flat_map(|(table, columns)| {
                columns
                    .iter()
                    .map(move |column| format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL"))
            })
            .collect();
        let unused = format!("DELETE FROM names WHERE id NOT IN ({})", used.join(" UNION "));
        let kinds = "DELETE FROM request_kinds WHERE number NOT IN (SELECT kind FROM request_facts)";
        self.connection.execute(kinds, [])?;
        self.connection.execute(&unused, [])?;
        self.numbers = Numbers::stored(&self.connection)?;
        Ok(())
    }

    /// Makes the space of deleted rows free. It has to wait while a query runs.
    fn checkpoint(&self) {
        let folded = self
            .database
            .questions
            .borrow(&self.connection)
            .and_then(|_memory| self.connection.execute_batch("CHECKPOINT"));
        if let Err(error) = folded {
            tracing::debug!(%error, "the file of analytics is brought up to date later");
        }
    }

    pub(super) fn measure(&self) -> duckdb::Result<Size> {
        let free = "SELECT coalesce(sum(free_blocks * block_size), 0)::UBIGINT FROM pragma_database_size()";
        let free: u64 = self.connection.query_row(free, [], |row| row.get(0))?;
        Ok(Size {
            disk_bytes: self.disk_bytes(),
            reusable_bytes: free.min(self.length(FILE)),
        })
    }

    /// Of a file; 0 when there is none.
    pub(super) fn length(&self, name: &str) -> u64 {
        std::fs::metadata(self.directory.join(name)).map_or(0, |file| file.len())
    }
}

/// A condition for rows that are older than their Route allows. The end of what goes is that of an hour.
fn too_old(book: &Book, limits: &LimitsByRoute, now_unix_micros: i64) -> String {
    const HOUR_MICROS: i64 = 3_600_000_000;
    let before = |limits: Limits| {
        let since = now_unix_micros.saturating_sub(limits.max_age_micros);
        let hour = since.div_euclid(HOUR_MICROS).saturating_mul(HOUR_MICROS);
        format!("created < make_timestamp({hour})")
    };
    let usual = Limits::default();
    let mut special = Vec::new();
    let mut conditions = Vec::new();
    for (route, limits) in limits
        .iter()
        .filter(|(_, limits)| limits.max_age_micros != usual.max_age_micros)
    {
        for id in book.ids(|name| name == &**route) {
            conditions.push(format!("(route_name = {id} AND {})", before(*limits)));
            special.push(id.to_string());
        }
    }
    let others = if special.is_empty() {
        before(usual)
    } else {
        let special = special.join(", ");
        format!(
            "((route_name IS NULL OR route_name NOT IN ({special})) AND {})",
            before(usual)
        )
    };
    conditions.push(others);
    conditions.join(" OR ")
}

fn execute(connection: &Connection, sql: &str, parameters: &[Value]) -> duckdb::Result<usize> {
    let parameters: Vec<&dyn ToSql> = parameters.iter().map(|value| value as &dyn ToSql).collect();
    connection.execute(sql, parameters.as_slice())
}
