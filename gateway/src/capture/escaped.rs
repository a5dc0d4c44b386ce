//! Text out of the inside of a JSON string. Streams are kept as they came, still escaped, because a surrogate pair may be
//! split between two chunks: only the whole can be decoded.

const HIGH_SURROGATES: std::ops::Range<u32> = 0xD800..0xDC00;
const LOW_SURROGATES: std::ops::Range<u32> = 0xDC00..0xE000;

/// Decodes what stood between the quotes. What no JSON string can hold becomes U+FFFD: an answer that broke off must still
/// be readable.
pub(crate) fn unescape(escaped: &[u8]) -> String {
    let Some(first) = memchr::memchr(b'\\', escaped) else {
        return String::from_utf8_lossy(escaped).into_owned();
    };
    let mut text = Vec::with_capacity(escaped.len());
    let (plain, mut rest) = escaped.split_at(first);
    text.extend_from_slice(plain);
    while !rest.is_empty() {
        rest = push_escape(rest, &mut text);
        let (plain, next) = rest.split_at(memchr::memchr(b'\\', rest).unwrap_or(rest.len()));
        text.extend_from_slice(plain);
        rest = next;
    }
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Decodes the escape that `rest` begins with; returns what follows it.
fn push_escape<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let plain = match rest.get(1) {
        Some(b'u') => return push_unicode(rest, text),
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 0x08,
        Some(b'f') => 0x0C,
        Some(&quoted @ (b'"' | b'\\' | b'/')) => quoted,
        _ => {
            push_char(char::REPLACEMENT_CHARACTER, text);
            return &rest[1..];
        }
    };
    text.push(plain);
    &rest[2..]
}

fn push_unicode<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let Some(first) = code_unit(rest) else {
        push_char(char::REPLACEMENT_CHARACTER, text);
        return &rest[2..];
    };
    let after = &rest[6..];
    if HIGH_SURROGATES.contains(&first)
        && let Some(second) = code_unit(after)
        && LOW_SURROGATES.contains(&second)
    {
        let code = 0x1_0000 + ((first - HIGH_SURROGATES.start) << 10) + (second - LOW_SURROGATES.start);
        push_char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), text);
        return &after[6..];
    }
    push_char(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), text);
    after
}

/// The UTF-16 unit of a `\uXXXX` that `bytes` begins with.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..6)?.strip_prefix(b"\\u")?;
    digits
        .iter()
        .try_fold(0, |unit, &digit| Some(unit * 16 + char::from(digit).to_digit(16)?))
}

fn push_char(character: char, text: &mut Vec<u8>) {
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::unescape;

    /// Every way in which a writer may escape one character.
    fn escape(character: char, style: u8) -> Vec<String> {
        let units = |digits: fn(u16) -> String| {
            character
                .encode_utf16(&mut [0; 2])
                .iter()
                .copied()
                .map(digits)
                .collect()
        };
        let must = matches!(character, '"' | '\\') || character < ' ';
        match style % 4 {
            0 => units(|unit| format!("\\u{unit:04x}")),
            1 => units(|unit| format!("\\u{unit:04X}")),
            2 if character == '/' => vec!["\\/".to_owned()],
            2 | 3 if must => {
                let quoted = serde_json::to_string(&character).unwrap();
                vec![quoted[1..quoted.len() - 1].to_owned()]
            }
            _ => vec![character.to_string()],
        }
    }

    proptest! {
        #[test]
        fn any_text_escaped_in_any_way_and_split_anywhere_decodes_to_itself(
            characters in prop::collection::vec((any::<char>(), any::<u8>()), 0..80),
            cuts in prop::collection::vec(any::<bool>(), 0..200),
        ) {
            let text: String = characters.iter().map(|(character, _)| *character).collect();
            let pieces = characters.iter().flat_map(|(character, style)| escape(*character, *style));
            let mut fragments = vec![Vec::new()];
            for (position, piece) in pieces.enumerate() {
                if cuts.get(position).copied().unwrap_or_default() {
                    fragments.push(Vec::new());
                }
                fragments.last_mut().unwrap().extend_from_slice(piece.as_bytes());
            }
            prop_assert_eq!(unescape(&fragments.concat()), text);
        }

        #[test]
        fn any_bytes_decode_to_something(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            unescape(&bytes);
        }

        #[test]
        fn what_serde_writes_decodes_to_itself(text in any::<String>()) {
            let quoted = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(unescape(&quoted.as_bytes()[1..quoted.len() - 1]), text);
        }
    }

    #[test]
    fn what_is_no_text_becomes_the_replacement_character() {
        for (escaped, text) in [
            (r"a\ud83d", "a\u{FFFD}"),
            (r"\ude00b", "\u{FFFD}b"),
            (r"\ud83dx\ude00", "\u{FFFD}x\u{FFFD}"),
            (r"\ud83d\ud83d\ude00", "\u{FFFD}😀"),
            (r"cut \u12", "cut \u{FFFD}12"),
            (r"cut \", "cut \u{FFFD}"),
            (r"\x", "\u{FFFD}x"),
        ] {
            assert_eq!(unescape(escaped.as_bytes()), text, "{escaped}");
        }
    }
}
