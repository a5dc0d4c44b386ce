//! The variables of one request: read from its JSON by the prompt's declarations.

use crds::{
    prompt_template::{Variable, VariableType},
    variable,
};
use minijinja::{Value, value::Serde};
use serde_json::Value as Json;

use super::{
    prompt::{Error, Fault},
    request::Variables,
};
use crate::providers::json;

/// Longest name that an error repeats, in characters.
const SHOWN: usize = 64;

/// A variable as requests are checked against it.
#[derive(Debug)]
pub(super) struct Declared {
    name: Box<str>,
    type_: VariableType,
    default: Option<Value>,
    allowed: Box<[Json]>,
    /// In characters.
    max_length: Option<usize>,
}

impl Declared {
    /// None when a text of it cannot be read by its type, which the compiler of manifests has ruled out.
    pub(super) fn of(declaration: &Variable) -> Option<Self> {
        let Variable {
            name,
            type_,
            default,
            allowed,
            max_length,
            description: _,
        } = declaration;
        let read = |text: &String| variable::read(*type_, text).ok();
        Some(Self {
            name: name.as_str().into(),
            type_: *type_,
            default: match default {
                Some(text) => Some(Value::from(Serde(read(text)?))),
                None => None,
            },
            allowed: allowed.iter().map(read).collect::<Option<_>>()?,
            max_length: max_length.and_then(|length| usize::try_from(length).ok()),
        })
    }
}

/// The values of all declared variables, by name.
pub(super) fn read<'a>(declared: &'a [Declared], given: Option<&Variables>) -> Result<Vec<(&'a str, Value)>, Error> {
    let place = given.map_or("variables", |given| given.place);
    let fault = |name: &str, fault| Error::Variable {
        field: format!("{place}.{}", name.chars().take(SHOWN).collect::<String>()).into(),
        fault,
    };
    let mut found: Vec<Option<Value>> = vec![None; declared.len()];
    if let Some(given) = given {
        let malformed = |_| Error::NotAnObject(place);
        for member in json::members(&given.json, 0).map_err(malformed)? {
            let member = member.map_err(malformed)?;
            let name: String = serde_json::from_slice(&given.json[member.start..=member.start + 1 + member.key.len()])
                .map_err(|_| Error::NotAnObject(place))?;
            let index = declared.iter().position(|known| *known.name == *name);
            let index = index.ok_or_else(|| fault(&name, Fault::Unknown))?;
            let raw = &given.json[member.value];
            found[index] = declared[index].read(raw).map_err(|problem| fault(&name, problem))?;
        }
    }
    let values = declared.iter().zip(found).map(|(known, value)| {
        let value = value.or_else(|| known.default.clone());
        let value = value.ok_or_else(|| fault(&known.name, Fault::Missing))?;
        Ok((&*known.name, value))
    });
    values.collect()
}

impl Declared {
    /// A value of the request; none for a `null`, which is as good as nothing but where any JSON will do.
    fn read(&self, raw: &[u8]) -> Result<Option<Value>, Fault> {
        let value: Json = serde_json::from_slice(raw).map_err(|_| Fault::NotJson)?;
        let value = match (self.type_, value) {
            (VariableType::Json, value) => value,
            (_, Json::Null) => return Ok(None),
            (VariableType::String, Json::String(text)) => {
                // Bytes are never fewer than characters, and need no counting.
                let longest = self
                    .max_length
                    .filter(|&most| text.len() > most && text.chars().count() > most);
                if let Some(most) = longest {
                    return Err(Fault::TooLong(most));
                }
                if self.allowed.is_empty() {
                    return Ok(Some(Value::from(text)));
                }
                Json::String(text)
            }
            (VariableType::Number, number @ Json::Number(_)) => number,
            (VariableType::Integer, Json::Number(number)) if number.is_i64() => Json::Number(number),
            (VariableType::Boolean, truth @ Json::Bool(_)) => truth,
            (VariableType::String, _) => return Err(Fault::NotOfType("a string")),
            (VariableType::Number, _) => return Err(Fault::NotOfType("a number")),
            (VariableType::Integer, _) => return Err(Fault::NotOfType("an integer of 64 bits")),
            (VariableType::Boolean, _) => return Err(Fault::NotOfType("true or false")),
        };
        if self.allowed.is_empty() || self.allows(&value) {
            Ok(Some(Value::from(Serde(value))))
        } else {
            Err(Fault::NotAllowed(self.allowed_words()))
        }
    }

    /// Declared numbers were read as floats, so that 1 and 1.0 are one value.
    fn allows(&self, value: &Json) -> bool {
        match (self.type_, value.as_f64()) {
            (VariableType::Number, Some(number)) => self.allowed.contains(&Json::from(number)),
            _ => self.allowed.contains(value),
        }
    }

    fn allowed_words(&self) -> Box<str> {
        let words: Vec<String> = self.allowed.iter().map(Json::to_string).collect();
        words.join(", ").into()
    }
}
