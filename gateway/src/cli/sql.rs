//! `route-switch sql`: a read-only query, of a running gateway or of the files of a stopped one.

use std::io::{self, Read, Write};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    remote::{self, Answering, Source},
    table::{print, table},
};
use crate::analytics::sql::Answer;

/// Asks the store of analytics in SQL (DuckDB's), read-only: one SELECT at a time.
#[derive(Args, Debug)]
#[command(after_help = "\
Views
  requests   one row a request: created, route, model, provider, prompt, revision, key, external_user, outcome, status,
             latency_micros, first_token_micros, prompt_tokens, completion_tokens, cost_pico_usd (10^-12 USD), ...
  attempts   one row a try at one target: request_id, position, target, provider, outcome, status, error, ...
  hours      sums by the hour of requests that were deleted because of their age or the size of the files

Examples
  route-switch sql \"SELECT route, outcome, count(*) FROM requests GROUP BY ALL ORDER BY 3 DESC\"
  route-switch sql \"SELECT date_trunc('hour', created) AS hour, sum(cost_pico_usd) / 1e12 AS usd FROM requests GROUP BY hour\"
  route-switch sql --data route-switch-data \"DESCRIBE requests\"
  route-switch sql < query.sql

Only an Admin may ask. What reads files, changes anything or grows without bound is refused; a query may take 10 seconds.")]
pub struct Arguments {
    /// The query; without it, it is read from the standard input
    sql: Option<String>,
    #[command(flatten)]
    source: Source,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read the query from the standard input")]
    Input(#[source] io::Error),
    #[error(transparent)]
    Source(#[from] remote::Error),
    #[error("failed to write to the standard output")]
    Output(#[source] io::Error),
}

pub fn run(arguments: Arguments) -> Result<(), Error> {
    let Arguments { sql, source, format } = arguments;
    let sql = match sql {
        Some(sql) => sql,
        None => io::read_to_string(io::stdin().take(1 << 20)).map_err(Error::Input)?,
    };
    let answer = match source.open()? {
        Answering::Gateway(gateway) => gateway.post("/v1/system/sql", &json!({ "sql": sql }))?,
        Answering::Files(analytics) => analytics.sql(&sql, None).map_err(remote::Error::from)?,
    };
    print(lines(&answer, format)).map_err(Error::Output)?;
    if answer.truncated {
        let _ = writeln!(io::stderr(), "there are more rows: add a LIMIT, or group by something");
    }
    Ok(())
}

fn lines(answer: &Answer, format: Format) -> Vec<String> {
    if format == Format::Json {
        return vec![json!(answer).to_string()];
    }
    let head: Vec<&str> = answer.columns.iter().map(String::as_str).collect();
    let is_name = |column: usize| {
        answer
            .rows
            .iter()
            .all(|row| matches!(row[column], Value::String(_) | Value::Null))
    };
    let names = (0..head.len()).take_while(|&column| is_name(column)).count();
    let rows: Vec<Vec<String>> = answer.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    table(names, &head, &rows)
}

/// A value on one line, as text that cannot steer a terminal.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text
            .chars()
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_table_that_cannot_steer_a_terminal() {
        let answer = Answer {
            columns: vec!["route".to_owned(), "n".to_owned()],
            rows: vec![vec![json!("a\u{1b}[2J"), json!(12)], vec![Value::Null, json!(1.5)]],
            truncated: false,
        };
        assert_eq!(
            lines(&answer, Format::Table),
            ["route    n", "a [2J   12", "-      1.5"]
        );
        assert_eq!(lines(&answer, Format::Json).len(), 1);
    }
}
