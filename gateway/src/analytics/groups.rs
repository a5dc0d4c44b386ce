//! Sums by group: of the requests that are there one by one, and of the hours that are left of those deleted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use duckdb::types::Value;
use duckdb::{Connection, Row};

use super::Error;
use super::database::timestamp;
use super::measures::{Histogram, Sums, selected, selected_of_hours};
use super::names::Book;
use super::share::Group;
use super::system::{Dimension, MAX_ROWS, Query, only};

/// What the requests of a group have in common, in this store's numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Numbers {
    /// Of names, in the order of the dimensions.
    keys: Vec<Option<i32>>,
    bucket_unix_micros: Option<i64>,
}

/// The parts that the statements of one question share.
struct Question<'a> {
    connection: &'a Connection,
    query: &'a Query,
    dimensions: Vec<Dimension>,
    only: String,
}

/// An hour belongs wholly to the time in which it begins: what was in it is not known more closely.
pub(super) fn read(connection: &Connection, book: &Book, query: &Query) -> Result<Vec<(Group, Sums)>, Error> {
    let question = Question {
        connection,
        query,
        dimensions: query.dimensions(),
        only: only(book, query),
    };
    let mut groups = HashMap::new();
    question.ask("request_rows", "created", &selected(book), |group, row, first| {
        groups.insert(group, Sums::read(row, first)?);
        Ok(())
    })?;
    let has_hours = "SELECT EXISTS (SELECT 1 FROM hourly_rows WHERE hour >= ? AND hour < ?)";
    if connection.query_row(has_hours, question.times(), |row| row.get(0))? {
        question.add_hours(book, &mut groups)?;
    }
    if groups.len() > MAX_ROWS {
        return Err(Error::TooManyRows { limit: MAX_ROWS });
    }
    let named = |(numbers, sums): (Numbers, Sums)| {
        let keys = numbers.keys.into_iter().map(|id| book.name(id).into());
        let group = Group {
            bucket_unix_micros: numbers.bucket_unix_micros,
            keys: keys.collect(),
        };
        (group, sums)
    };
    Ok(groups.into_iter().map(named).collect())
}

impl Question<'_> {
    fn times(&self) -> [Value; 2] {
        [
            timestamp(self.query.since_unix_micros),
            timestamp(self.query.until_unix_micros),
        ]
    }

    /// Names of the columns that a group consists of.
    fn columns(&self, time: &str) -> String {
        let columns = self
            .dimensions
            .iter()
            .map(|dimension| format!("{}_name", dimension.name()));
        let bucket = self.query.granularity.bucket(time);
        columns
            .chain([format!("{bucket} AS bucket")])
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn ask(
        &self,
        table: &str,
        time: &str,
        selected: &str,
        mut take: impl FnMut(Numbers, &Row, usize) -> duckdb::Result<()>,
    ) -> Result<(), Error> {
        let only = &self.only;
        let places: Vec<String> = (1..=self.dimensions.len() + 1).map(|place| place.to_string()).collect();
        let sql = format!(
            "SELECT {}, {selected} FROM {table} WHERE {time} >= ? AND {time} < ?{only} GROUP BY {} LIMIT {}",
            self.columns(time),
            places.join(", "),
            MAX_ROWS + 1,
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut found = statement.query(self.times())?;
        let mut count = 0;
        while let Some(row) = found.next()? {
            count += 1;
            if count > MAX_ROWS {
                return Err(Error::TooManyRows { limit: MAX_ROWS });
            }
            take(self.numbers(row)?, row, self.dimensions.len() + 1)?;
        }
        Ok(())
    }

    fn numbers(&self, row: &Row) -> duckdb::Result<Numbers> {
        let keys = (0..self.dimensions.len()).map(|column| row.get(column));
        Ok(Numbers {
            keys: keys.collect::<duckdb::Result<_>>()?,
            bucket_unix_micros: row.get(self.dimensions.len())?,
        })
    }

    fn add_hours(&self, book: &Book, groups: &mut HashMap<Numbers, Sums>) -> Result<(), Error> {
        self.ask("hourly_rows", "hour", &selected_of_hours(book), |group, row, first| {
            let sums = Sums::read_hours(row, first)?;
            match groups.entry(group) {
                Entry::Occupied(mut known) => known.get_mut().add(&sums),
                Entry::Vacant(place) => {
                    place.insert(sums);
                }
            }
            Ok(())
        })?;
        self.add_steps("latency_steps", |sums, steps| sums.latencies.add(&steps), groups)?;
        self.add_steps("first_token_steps", |sums, steps| sums.first_tokens.add(&steps), groups)
    }

    /// Adds up the histograms of the hours, step by step.
    fn add_steps(
        &self,
        column: &str,
        add: impl Fn(&mut Sums, Histogram),
        groups: &mut HashMap<Numbers, Sums>,
    ) -> Result<(), Error> {
        let keys: String = self
            .dimensions
            .iter()
            .fold(String::new(), |keys, dimension| keys + dimension.name() + "_name, ");
        let (columns, only) = (self.columns("hour"), &self.only);
        let sql = format!(
            "SELECT {keys}bucket, map(list(step), list(number)) FROM (
                SELECT {keys}bucket, step, CAST(sum(number) AS UBIGINT) AS number FROM (
                    SELECT {columns}, unnest(map_keys({column})) AS step, unnest(map_values({column})) AS number
                    FROM hourly_rows WHERE hour >= ? AND hour < ?{only})
                GROUP BY {keys}bucket, step)
             GROUP BY {keys}bucket"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut found = statement.query(self.times())?;
        while let Some(row) = found.next()? {
            if let Some(sums) = groups.get_mut(&self.numbers(row)?) {
                add(sums, Histogram::from(row.get::<_, Value>(self.dimensions.len() + 1)?));
            }
        }
        Ok(())
    }
}
