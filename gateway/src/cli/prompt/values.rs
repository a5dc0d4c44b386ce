//! `--var NAME=VALUE`: texts that are read by the types of the variables.

use std::fs;

use crds::{prompt_template::Variable, variable};
use serde_json::{Map, Value};

/// The values as a request would send them. What is wrong is said in words.
pub(super) fn read(declared: &[Variable], given: &[String]) -> Result<Value, String> {
    let mut values = Map::new();
    for text in given {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("--var {text}: write NAME=VALUE"))?;
        let known = declared.iter().find(|variable| variable.name == name).ok_or_else(|| {
            let names: Vec<&str> = declared.iter().map(|variable| &*variable.name).collect();
            format!(
                "--var {name}: the prompt has no such variable; it has: {}",
                names.join(", ")
            )
        })?;
        let value = match value.strip_prefix('@') {
            Some(path) => {
                fs::read_to_string(path).map_err(|error| format!("--var {name}: failed to read {path}: {error}"))?
            }
            None => value.to_owned(),
        };
        let value =
            variable::read(known.type_, &value).map_err(|problem| format!("--var {name}: `{value}` {problem}"))?;
        values.insert(name.to_owned(), value);
    }
    Ok(Value::Object(values))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_by_type_and_faults_name_the_variable() {
        let declared: Vec<Variable> = serde_json::from_value(json!([
            { "name": "text", "type": "String" }, { "name": "count", "type": "Integer" }, { "name": "list", "type": "Json" },
        ]))
        .unwrap();
        let read = |given: &[&str]| {
            super::read(
                &declared,
                &given.iter().map(|&text| text.to_owned()).collect::<Vec<_>>(),
            )
        };
        let values = read(&["text=a=b", "count=3", "list=[1]"]).unwrap();
        assert_eq!(values, json!({ "text": "a=b", "count": 3, "list": [1] }));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value");
        fs::write(&path, "from a file").unwrap();
        assert_eq!(
            read(&[&format!("text=@{}", path.display())]).unwrap()["text"],
            "from a file"
        );
        for (given, part) in [
            ("text", "write NAME=VALUE"),
            ("who=1", "it has: text, count, list"),
            ("count=many", "`many` is not an integer"),
            ("text=@/none/such", "failed to read"),
        ] {
            assert!(read(&[given]).unwrap_err().contains(part), "{given}");
        }
    }
}
