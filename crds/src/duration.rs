//! Durations as people write them in resources: `500ms`, `30s`, `1m30s`, `90d`.

use std::time::Duration;

/// A text that is no duration, or one that does not fit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("`{0}` is not a duration; write for instance 500ms, 30s or 1m30s")]
    Malformed(String),
    #[error("`{0}` is too long a duration")]
    TooLong(String),
}

/// Reads a duration: numbers, each followed by `ms`, `s`, `m`, `h` or `d`, added up.
pub fn parse(text: &str) -> Result<Duration, ParseError> {
    let malformed = || ParseError::Malformed(text.to_owned());
    let too_long = || ParseError::TooLong(text.to_owned());
    let mut rest = text;
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = match digits {
            0 => return Err(malformed()),
            _ => rest[..digits].parse().map_err(|_| too_long())?,
        };
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit: u64 = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(malformed()),
        };
        rest = &rest[letters..];
        milliseconds = number
            .checked_mul(unit)
            .and_then(|part| milliseconds.checked_add(part))
            .ok_or_else(too_long)?;
    }
    if text.is_empty() {
        Err(malformed())
    } else {
        Ok(Duration::from_millis(milliseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "s", "-1s", "1.5s", "1w", "1 s", "1s "] {
            assert_eq!(parse(text), Err(ParseError::Malformed(text.to_owned())), "{text}");
        }
        assert!(matches!(parse("99999999999999999999s"), Err(ParseError::TooLong(_))));
        assert!(matches!(parse("9999999999999999d"), Err(ParseError::TooLong(_))));
    }
}
