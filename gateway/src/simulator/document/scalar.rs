//! Numbers and texts that a JSON schema accepts.

use serde_json::{Map, Value, json};

use super::{Error, Walk, count, kind};
use crate::simulator::{pattern, words};

impl Walk<'_> {
    /// A number in its bounds, a multiple of `multipleOf` or else of `step`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a made-up number; its bounds are checked last"
    )]
    pub(super) fn number(&mut self, keywords: &Map<String, Value>, step: f64) -> Result<Value, Error> {
        let bound = |name: &str| keywords.get(name).and_then(Value::as_f64);
        let mut step = bound("multipleOf").unwrap_or(step);
        if kind(keywords) == "integer" && step.fract() != 0.0 {
            step = 1.0;
        }
        let (minimum, above) = (bound("minimum"), bound("exclusiveMinimum"));
        let (maximum, below) = (bound("maximum"), bound("exclusiveMaximum"));
        let fits = |value: f64| {
            minimum.is_none_or(|bound| value >= bound)
                && above.is_none_or(|bound| value > bound)
                && maximum.is_none_or(|bound| value <= bound)
                && below.is_none_or(|bound| value < bound)
        };
        let low = minimum.into_iter().chain(above).reduce(f64::max);
        let high = maximum.into_iter().chain(below).reduce(f64::min);
        let low = low.unwrap_or_else(|| high.map_or(0.0, |high| (high - 100.0).min(0.0)));
        let first = (low / step).ceil();
        let span = high.map_or(100.0, |high| ((high - low) / step).clamp(0.0, 1000.0)) as usize;
        let start = self.random.below(span + 1);
        let found = (0..=span + 1)
            .map(|offset| (first + ((start + offset) % (span + 2)) as f64) * step)
            .find(|value| fits(*value));
        match found.or_else(|| Some(low).filter(|low| fits(*low) && kind(keywords) == "number")) {
            Some(value) if kind(keywords) == "integer" => Ok(json!(value as i64)),
            Some(value) if step < 1.0 && bound("multipleOf").is_none() => Ok(json!((value * 100.0).round() / 100.0)),
            Some(value) => Ok(json!(value)),
            None => Err(Error::Unsatisfiable),
        }
    }

    pub(super) fn string(&mut self, keywords: &Map<String, Value>) -> Result<Value, Error> {
        let shortest = count(keywords, "minLength").unwrap_or(0);
        let longest = count(keywords, "maxLength").unwrap_or(usize::MAX);
        if let Some(Value::String(expression)) = keywords.get("pattern") {
            let text = pattern::matching(expression, shortest, longest, self.random);
            return text
                .map(Value::String)
                .ok_or_else(|| Error::Pattern(expression.clone()));
        }
        if let Some(text) = keywords
            .get("format")
            .and_then(Value::as_str)
            .and_then(|format| self.formatted(format))
        {
            return Ok(Value::String(text));
        }
        let mut text = self.text(2);
        while text.chars().count() < shortest {
            text.push(' ');
            text.push_str(self.random.pick(words::LIST));
        }
        Ok(Value::String(text.chars().take(longest).collect()))
    }

    fn formatted(&mut self, format: &str) -> Option<String> {
        let mut digits = |bound| self.random.below(bound);
        let (day, hour, minute) = (1 + digits(28), digits(24), digits(60));
        Some(match format {
            "date" => format!("2026-11-{day:02}"),
            "time" => format!("{hour:02}:{minute:02}:00Z"),
            "date-time" => format!("2026-11-{day:02}T{hour:02}:{minute:02}:00Z"),
            "duration" => format!("PT{}M", minute + 1),
            "email" => format!("{}@example.com", self.random.pick(words::LIST)),
            "hostname" => format!("{}.example.com", self.random.pick(words::LIST)),
            "uri" | "url" => format!("https://example.com/{}", self.random.pick(words::LIST)),
            "ipv4" => format!("192.0.2.{day}"),
            "ipv6" => format!("2001:db8::{day:x}"),
            "uuid" => {
                let hex = self.random.hex(32);
                format!(
                    "{}-{}-4{}-8{}-{}",
                    &hex[..8],
                    &hex[8..12],
                    &hex[13..16],
                    &hex[17..20],
                    &hex[20..]
                )
            }
            _ => return None,
        })
    }

    pub(super) fn text(&mut self, number: usize) -> String {
        (0..number)
            .map(|_| self.random.pick(words::LIST))
            .collect::<Vec<_>>()
            .join(" ")
    }
}
