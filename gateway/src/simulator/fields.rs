//! The fields of a request as a table: type, range, and whether null stands for absent. Each vendor has a table of its own and words
//! of its own for what is wrong.

use serde_json::{Map, Value};

/// One field.
pub(crate) struct Field {
    pub name: &'static str,
    pub nullable: bool,
    pub shape: Shape,
}

/// What a field may hold.
pub(crate) enum Shape {
    Text,
    Boolean,
    Integer {
        least: i64,
        most: i64,
    },
    Decimal {
        least: f64,
        most: f64,
    },
    OneOf(&'static [&'static str]),
    Object,
    /// Any number of texts.
    Texts,
    /// One text or up to four.
    Stop,
    /// Text only: sound is not imitated.
    Modalities,
    /// Checked where it is read.
    Elsewhere,
    /// Known to the vendor, not imitated here.
    Unsupported,
}

/// What is wrong with a value.
pub(crate) enum Wrong<'a> {
    Unknown,
    Unsupported,
    /// One of its items is not imitated.
    UnsupportedItem(usize),
    /// The value is none of those that are supported.
    Value(&'a str, &'static [&'static str]),
    Type,
    Below(String),
    Above(String),
    /// More items than so many.
    Long(usize, usize),
}

/// Finds what is wrong with each field by itself. `lenient` lets pass what is unknown or not imitated.
pub(crate) fn check<E>(
    table: &[Field],
    fields: &Map<String, Value>,
    lenient: bool,
    refuse: impl Fn(&str, Option<&Shape>, &Value, Wrong<'_>) -> E,
) -> Result<(), E> {
    for (name, value) in fields {
        let Some(field) = table.iter().find(|field| field.name == name) else {
            if lenient {
                continue;
            }
            return Err(refuse(name, None, value, Wrong::Unknown));
        };
        if !field.passes(value, lenient)
            && let Some(wrong) = field.shape.wrong(value)
        {
            return Err(refuse(name, Some(&field.shape), value, wrong));
        }
    }
    Ok(())
}

pub(crate) const fn required(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        nullable: false,
        shape,
    }
}

pub(crate) const fn nullable(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        nullable: true,
        shape,
    }
}

impl Field {
    /// Whether the value needs no look.
    fn passes(&self, value: &Value, lenient: bool) -> bool {
        (self.nullable && value.is_null()) || (lenient && matches!(self.shape, Shape::Unsupported))
    }
}

impl Shape {
    fn wrong<'a>(&self, value: &'a Value) -> Option<Wrong<'a>> {
        match (self, value) {
            (Self::Text | Self::Stop, Value::String(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::Object, Value::Object(_))
            | (Self::Elsewhere, _) => None,
            (Self::Unsupported, _) => Some(Wrong::Unsupported),
            (Self::Integer { least, most }, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                outside(&number.as_i64().unwrap_or(i64::MAX), least, most)
            }
            (Self::Decimal { least, most }, Value::Number(number)) => {
                outside(&number.as_f64().unwrap_or(f64::MAX), least, most)
            }
            (Self::OneOf(supported), Value::String(found)) => {
                (!supported.contains(&found.as_str())).then_some(Wrong::Value(found, supported))
            }
            (Self::Stop, Value::Array(texts)) if texts.iter().all(Value::is_string) => {
                (texts.len() > 4).then_some(Wrong::Long(4, texts.len()))
            }
            (Self::Texts, Value::Array(texts)) if texts.iter().all(Value::is_string) => None,
            (Self::Modalities, Value::Array(kinds)) => {
                let other = kinds.iter().position(|kind| kind != "text");
                other.map(Wrong::UnsupportedItem)
            }
            _ => Some(Wrong::Type),
        }
    }
}

fn outside<T: PartialOrd + ToString>(found: &T, least: &T, most: &T) -> Option<Wrong<'static>> {
    if found < least {
        return Some(Wrong::Below(least.to_string()));
    }
    (found > most).then(|| Wrong::Above(most.to_string()))
}
