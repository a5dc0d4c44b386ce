//! Variables of prompts: values are texts that are read by the variable's type.

use serde_json::Value;

use crate::prompt_template::{Variable, VariableType};

/// Names that the template language keeps for itself.
const RESERVED: [&str; 18] = [
    "and", "caller", "else", "false", "for", "if", "in", "is", "loop", "none", "not", "or", "self", "true", "False",
    "None", "True", "super",
];

/// A text that is no value of its variable's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not {0}")]
pub struct NotOfType(&'static str);

/// One thing that is wrong with the declaration of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Within the variable, for instance `default` or `enum[2]`.
    pub field: String,
    pub message: String,
}

/// Reads `text` as a value of type `type_`.
pub fn read(type_: VariableType, text: &str) -> Result<Value, NotOfType> {
    match type_ {
        VariableType::String => Ok(Value::from(text)),
        VariableType::Number => match text.parse::<f64>() {
            Ok(number) if number.is_finite() && !text.starts_with('+') => Ok(Value::from(number)),
            _ => Err(NotOfType("a number")),
        },
        VariableType::Integer => match text.parse::<i64>() {
            Ok(integer) if !text.starts_with('+') => Ok(Value::from(integer)),
            _ => Err(NotOfType("an integer of 64 bits")),
        },
        VariableType::Boolean => text
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| NotOfType("true or false")),
        VariableType::Json => serde_json::from_str(text).map_err(|_| NotOfType("JSON")),
    }
}

/// Checks one declaration: its name, and that its default and allowed values fit its type, its length and each other.
pub fn check(variable: &Variable) -> Vec<Problem> {
    let Variable {
        name,
        type_,
        default,
        allowed,
        max_length,
        description: _,
    } = variable;
    let mut problems = Vec::new();
    let mut problem = |field: String, message: String| problems.push(Problem { field, message });
    if RESERVED.contains(&name.as_str()) {
        problem(
            "name".to_owned(),
            format!("`{name}` is a word of the template language"),
        );
    }
    let mut values = Vec::new();
    for (index, text) in allowed.iter().enumerate() {
        match fits(*type_, *max_length, text) {
            Ok(value) => values.push(value),
            Err(message) => problem(format!("enum[{index}]"), message),
        }
    }
    if let Some(text) = default {
        match fits(*type_, *max_length, text) {
            Ok(value) if allowed.is_empty() || values.contains(&value) => {}
            Ok(_) => problem("default".to_owned(), "is not one of enum".to_owned()),
            Err(message) => problem("default".to_owned(), message),
        }
    }
    problems
}

fn fits(type_: VariableType, max_length: Option<i64>, text: &str) -> Result<Value, String> {
    let value = read(type_, text).map_err(|error| error.to_string())?;
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    match max_length {
        Some(longest) if length > longest => Err(format!(
            "is longer than maxLength ({length} characters, {longest} allowed)"
        )),
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(type_: VariableType, default: Option<&str>, allowed: &[&str], max_length: Option<i64>) -> Variable {
        Variable {
            name: "tone".to_owned(),
            type_,
            default: default.map(str::to_owned),
            allowed: allowed.iter().map(|&text| text.to_owned()).collect(),
            max_length,
            description: None,
        }
    }

    #[test]
    fn values_are_read_by_type() {
        for (type_, text) in [
            (VariableType::String, ""),
            (VariableType::Number, "-1.5e3"),
            (VariableType::Integer, "-9223372036854775808"),
            (VariableType::Boolean, "true"),
            (VariableType::Json, r#"{"a":[1,null]}"#),
        ] {
            assert!(read(type_, text).is_ok(), "{type_:?} {text}");
        }
        for (type_, text) in [
            (VariableType::Number, "NaN"),
            (VariableType::Number, "inf"),
            (VariableType::Number, "1,5"),
            (VariableType::Integer, "1.0"),
            (VariableType::Integer, "9223372036854775808"),
            (VariableType::Boolean, "yes"),
            (VariableType::Json, "{"),
        ] {
            assert!(read(type_, text).is_err(), "{type_:?} {text}");
        }
    }

    #[test]
    fn default_and_enum_must_fit_the_type_the_length_and_each_other() {
        let good = [
            variable(VariableType::String, Some("a"), &["a", "b"], Some(1)),
            variable(VariableType::Number, Some("1"), &["1.0", "2"], None),
            variable(VariableType::Json, Some(r#"{"a": 1}"#), &[r#"{"a":1}"#], None),
        ];
        for variable in good {
            assert_eq!(check(&variable), [], "{variable:?}");
        }
        for (variable, field) in [
            (variable(VariableType::Integer, Some("x"), &[], None), "default"),
            (variable(VariableType::Integer, None, &["1", "x"], None), "enum[1]"),
            (variable(VariableType::String, Some("c"), &["a", "b"], None), "default"),
            (variable(VariableType::String, Some("abc"), &[], Some(2)), "default"),
            (variable(VariableType::String, None, &["abc"], Some(2)), "enum[0]"),
            (
                Variable {
                    name: "loop".to_owned(),
                    ..variable(VariableType::String, None, &[], None)
                },
                "name",
            ),
        ] {
            let fields: Vec<String> = check(&variable).into_iter().map(|problem| problem.field).collect();
            assert_eq!(fields, [field], "{variable:?}");
        }
    }
}
