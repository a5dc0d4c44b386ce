//! Texts of others, made fit for a status: bounded, and without characters that would act on a terminal.

use std::{borrow::Cow, fmt::Write};

/// `text` in at most `most` bytes, on one line.
pub(super) fn bounded(text: &str, most: usize) -> Cow<'_, str> {
    const CUT: &str = "...";
    let text = if text.contains(char::is_control) {
        Cow::Owned(text.replace(char::is_control, " "))
    } else {
        Cow::Borrowed(text)
    };
    if text.len() <= most {
        return text;
    }
    let end = text.floor_char_boundary(most.saturating_sub(CUT.len()));
    Cow::Owned(format!("{}{CUT}", &text[..end]))
}

/// Joins texts with `; ` in at most `most` bytes, and says how many did not fit.
pub(super) fn joined(texts: impl IntoIterator<Item = String>, most: usize) -> String {
    const ROOM: usize = 32;
    let mut joined = String::new();
    let mut left_out = 0;
    for text in texts {
        let text = bounded(&text, most - ROOM);
        if joined.is_empty() {
            joined.push_str(&text);
        } else if left_out == 0 && joined.len() + 2 + text.len() <= most - ROOM {
            joined.push_str("; ");
            joined.push_str(&text);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        // Writing to a String cannot fail.
        let _ = write!(joined, " (and {left_out} more)");
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(bounded("short", 5), "short");
        assert_eq!(bounded("shorter", 6), "sho...");
        assert_eq!(bounded("äöüäöü", 8), "äö...");
    }

    #[test]
    fn nothing_in_a_text_moves_the_cursor() {
        assert_eq!(bounded("a\x1b[2Jb\nc", 64), "a [2Jb c");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let texts = || (0..100).map(|index| format!("fault number {index}"));
        let text = joined(texts(), 128);
        assert!(
            text.len() <= 128 && text.starts_with("fault number 0; fault number 1; "),
            "{text}"
        );
        assert!(text.ends_with(" more)"), "{text}");
        assert_eq!(joined(["a".to_owned(), "b".to_owned()], 128), "a; b");
        assert!(joined(["x".repeat(500)], 128).len() <= 128);
    }
}
