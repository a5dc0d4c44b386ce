//! What a query may consist of. Everything that is not listed here is refused: a node of the syntax tree, a table, a function,
//! a type to cast to.
//!
//! Left out on purpose are functions that reach outside the data (files, settings, sequences, other queries), table functions,
//! recursion, and whatever makes a long value of a short one (`repeat`, `lpad`, `format`, `replace`, `list`): the engine's
//! bound of memory does not count those.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Why a query is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(pub String);

const TABLES: [&str; 3] = ["attempts", "hours", "requests"];

/// Uses of `||`: each may double the length of a value.
const CONCATENATIONS: usize = 4;

const NODES: &[&str] = &[
    "ASCENDING",
    "BASE_TABLE",
    "CASE_EXPR",
    "COLLATE",
    "COLUMN_REF",
    "COMPARE_BETWEEN",
    "COMPARE_DISTINCT_FROM",
    "COMPARE_EQUAL",
    "COMPARE_GREATERTHAN",
    "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_IN",
    "COMPARE_LESSTHAN",
    "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_NOTEQUAL",
    "COMPARE_NOT_BETWEEN",
    "COMPARE_NOT_DISTINCT_FROM",
    "COMPARE_NOT_IN",
    "CONJUNCTION_AND",
    "CONJUNCTION_OR",
    "DECIMAL_TYPE_INFO",
    "DESCENDING",
    "DISTINCT_MODIFIER",
    "EMPTY",
    "EXPRESSION_LIST",
    "FUNCTION",
    "GROUPING_FUNCTION",
    "JOIN",
    "LIMIT_MODIFIER",
    "LIMIT_PERCENT_MODIFIER",
    "OPERATOR_CAST",
    "OPERATOR_COALESCE",
    "OPERATOR_IS_NOT_NULL",
    "OPERATOR_IS_NULL",
    "OPERATOR_NOT",
    "ORDER_DEFAULT",
    "ORDER_MODIFIER",
    "POSITIONAL_REFERENCE",
    "SELECT_NODE",
    "SET_OPERATION_NODE",
    "SHOW_REF",
    "STAR",
    "SUBQUERY",
    "VALUE_CONSTANT",
    "WINDOW_AGGREGATE",
    "WINDOW_CUME_DIST",
    "WINDOW_FIRST_VALUE",
    "WINDOW_LAG",
    "WINDOW_LAST_VALUE",
    "WINDOW_LEAD",
    "WINDOW_NTH_VALUE",
    "WINDOW_NTILE",
    "WINDOW_PERCENT_RANK",
    "WINDOW_RANK",
    "WINDOW_RANK_DENSE",
    "WINDOW_ROW_NUMBER",
];

const FUNCTIONS: &[&str] = &[
    // Operators.
    "%",
    "*",
    "**",
    "+",
    "-",
    "/",
    "//",
    "^",
    "||",
    "~~",
    "!~~",
    "~~*",
    "!~~*",
    "~~~",
    // Aggregates.
    "any_value",
    "approx_count_distinct",
    "approx_quantile",
    "arg_max",
    "arg_min",
    "avg",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "count_if",
    "count_star",
    "covar_pop",
    "covar_samp",
    "first",
    "kurtosis",
    "last",
    "mad",
    "max",
    "max_by",
    "mean",
    "median",
    "min",
    "min_by",
    "product",
    "quantile",
    "quantile_cont",
    "quantile_disc",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "skewness",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "sumif",
    "var_pop",
    "var_samp",
    "variance",
    // Windows.
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "rank_dense",
    "row_number",
    // Numbers.
    "abs",
    "ceil",
    "ceiling",
    "exp",
    "floor",
    "greatest",
    "least",
    "ln",
    "log",
    "log10",
    "log2",
    "mod",
    "pow",
    "power",
    "round",
    "sign",
    "sqrt",
    "trunc",
    "width_bucket",
    // Choices.
    "if",
    "ifnull",
    "nullif",
    // Texts, none of which make a longer one.
    "contains",
    "ends_with",
    "instr",
    "left",
    "length",
    "lower",
    "ltrim",
    "md5",
    "position",
    "prefix",
    "regexp_extract",
    "regexp_full_match",
    "regexp_matches",
    "right",
    "rtrim",
    "split_part",
    "starts_with",
    "strlen",
    "strpos",
    "substr",
    "substring",
    "suffix",
    "trim",
    "upper",
    // Times.
    "age",
    "current_date",
    "current_timestamp",
    "date_diff",
    "date_part",
    "date_sub",
    "date_trunc",
    "datediff",
    "datepart",
    "datesub",
    "datetrunc",
    "day",
    "dayname",
    "dayofweek",
    "dayofyear",
    "epoch",
    "epoch_ms",
    "epoch_us",
    "get_current_timestamp",
    "hour",
    "isodow",
    "last_day",
    "make_date",
    "make_timestamp",
    "minute",
    "month",
    "monthname",
    "now",
    "quarter",
    "second",
    "strftime",
    "time_bucket",
    "timezone",
    "to_days",
    "to_hours",
    "to_milliseconds",
    "to_minutes",
    "to_months",
    "to_seconds",
    "to_timestamp",
    "to_weeks",
    "to_years",
    "today",
    "week",
    "weekday",
    "year",
];

const TYPES: &[&str] = &[
    "BIGINT",
    "BOOLEAN",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "HUGEINT",
    "INTEGER",
    "INTERVAL",
    "SMALLINT",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
    "TINYINT",
    "UBIGINT",
    "UHUGEINT",
    "UINTEGER",
    "USMALLINT",
    "UTINYINT",
    "VARCHAR",
];

/// Checks the syntax tree that `json_serialize_sql` made.
pub(super) fn check(tree: &str) -> Result<(), Refused> {
    // What is nested more deeply than this reads is refused.
    let tree: Value = serde_json::from_str(tree).map_err(|_| Refused("the query is nested too deeply".to_owned()))?;
    if tree["error"] != false {
        let message = tree["error_message"].as_str().unwrap_or("it could not be read");
        return Err(Refused(format!("the query must be one SELECT: {message}")));
    }
    let statements = tree["statements"].as_array().map_or(&[][..], Vec::as_slice);
    let [statement] = statements else {
        return Err(Refused(format!(
            "the query must be one SELECT, these are {}",
            statements.len()
        )));
    };
    let mut names = BTreeSet::new();
    collect_names(statement, &mut names)?;
    let mut check = Check {
        names,
        concatenations: 0,
    };
    check.value(statement)
}

/// Names that the query gives to parts of itself.
fn collect_names(value: &Value, names: &mut BTreeSet<String>) -> Result<(), Refused> {
    match value {
        Value::Object(object) => {
            let parts = object.get("cte_map").and_then(|map| map["map"].as_array());
            for part in parts.into_iter().flatten() {
                let name = part["key"].as_str().unwrap_or_default().to_lowercase();
                let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                // Names of the engine's own tables must not come to mean them outside of where the query gave them.
                let is_engines = [
                    "duckdb_",
                    "pg_",
                    "sqlite_",
                    "pragma_",
                    "names",
                    "request_rows",
                    "request_facts",
                    "old_request_rows",
                    "request_kinds",
                    "attempt_rows",
                    "all_attempt_rows",
                    "hourly_rows",
                    "schema_version",
                ];
                if !is_plain || name.is_empty() || is_engines.iter().any(|engines| name.starts_with(engines)) {
                    return Err(Refused(format!(
                        "`{name}` is no name for a part of a query: use letters, digits and _"
                    )));
                }
                names.insert(name);
            }
            object.values().try_for_each(|value| collect_names(value, names))
        }
        Value::Array(values) => values.iter().try_for_each(|value| collect_names(value, names)),
        _ => Ok(()),
    }
}

struct Check {
    names: BTreeSet<String>,
    concatenations: usize,
}

impl Check {
    fn value(&mut self, value: &Value) -> Result<(), Refused> {
        match value {
            Value::Object(object) => {
                self.object(object)?;
                object.values().try_for_each(|value| self.value(value))
            }
            Value::Array(values) => values.iter().try_for_each(|value| self.value(value)),
            _ => Ok(()),
        }
    }

    fn object(&mut self, object: &Map<String, Value>) -> Result<(), Refused> {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let Some(node) = text("type") else { return Ok(()) };
        match node {
            "TABLE_FUNCTION" => {
                let name = object
                    .get("function")
                    .and_then(|function| function["function_name"].as_str());
                return Err(refuse("the table function", name.unwrap_or_default()));
            }
            "RECURSIVE_CTE_NODE" => return Err(refuse("what is", "WITH RECURSIVE")),
            "VALUE_PARAMETER" => return Err(refuse("what is", "a parameter")),
            _ if !NODES.contains(&node) => return Err(refuse("what the engine calls", node)),
            "BASE_TABLE" => {
                let name = text("table_name").unwrap_or_default();
                let lower = name.to_lowercase();
                let is_qualified = [text("schema_name"), text("catalog_name")]
                    .iter()
                    .any(|part| *part != Some(""));
                if is_qualified || !TABLES.contains(&lower.as_str()) && !self.names.contains(&lower) {
                    return Err(Refused(format!(
                        "there is no table `{name}`; there are {}",
                        TABLES.join(", ")
                    )));
                }
            }
            "SHOW_REF" if text("show_type") != Some("DESCRIBE") || object.get("query").is_none_or(Value::is_null) => {
                return Err(refuse("what is", "SHOW or SUMMARIZE (DESCRIBE is allowed)"));
            }
            "OPERATOR_CAST" => {
                let wanted = object
                    .get("cast_type")
                    .and_then(|wanted| wanted["id"].as_str())
                    .unwrap_or_default();
                if !TYPES.contains(&wanted) {
                    return Err(refuse("the type", wanted));
                }
            }
            _ => {}
        }
        if let Some(name) = text("function_name") {
            self.function(object, name)?;
        }
        Ok(())
    }

    fn function(&mut self, object: &Map<String, Value>, name: &str) -> Result<(), Refused> {
        let is_own = |part: &str| {
            let place = object.get(part).and_then(Value::as_str).unwrap_or_default();
            place.is_empty() || place == "main"
        };
        let lower = name.to_lowercase();
        if !FUNCTIONS.contains(&lower.as_str()) || !is_own("schema") || !is_own("catalog") {
            return Err(refuse("the function", name));
        }
        self.concatenations += usize::from(lower == "||");
        if self.concatenations > CONCATENATIONS {
            return Err(Refused(format!("|| may be used {CONCATENATIONS} times")));
        }
        Ok(())
    }
}

fn refuse(what: &str, name: &str) -> Refused {
    let name: String = name.chars().take(100).collect();
    Refused(format!("{what} `{name}` is not allowed here"))
}
