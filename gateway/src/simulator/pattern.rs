//! A text that a regular expression accepts, for the `pattern` of a JSON schema.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::random::Random;

/// Tried first, in a rotation that chance picks, before whatever else a character class holds.
const FAMILIAR: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.@/: ";

/// A text of at least `shortest` and at most `longest` characters; none if the expression cannot be read or is never so long.
pub(crate) fn matching(pattern: &str, shortest: usize, longest: usize, random: &mut Random) -> Option<String> {
    let expression = regex_syntax::parse(pattern).ok()?;
    (0..64).find_map(|more| {
        let mut text = String::new();
        write(&expression, more, random, &mut text).then_some(())?;
        (shortest..=longest).contains(&text.chars().count()).then_some(text)
    })
}

/// Appends what the expression accepts, each repetition `more` times over its minimum; false if there is nothing that it accepts.
fn write(expression: &Hir, more: u32, random: &mut Random, text: &mut String) -> bool {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => str::from_utf8(&literal.0).map(|literal| text.push_str(literal)).is_ok(),
        HirKind::Class(class) => character(class, random).map(|character| text.push(character)).is_some(),
        HirKind::Repetition(repetition) => {
            let wished = repetition.min.saturating_add(more);
            let times = repetition.max.map_or(wished, |maximum| wished.min(maximum));
            (0..times).all(|_| write(&repetition.sub, more, random, text))
        }
        HirKind::Capture(capture) => write(&capture.sub, more, random, text),
        HirKind::Concat(parts) => parts.iter().all(|part| write(part, more, random, text)),
        HirKind::Alternation(branches) => {
            let chosen = random.below(branches.len());
            branches
                .get(chosen)
                .is_some_and(|branch| write(branch, more, random, text))
        }
    }
}

fn character(class: &Class, random: &mut Random) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .map(|range| (range.start(), range.end()))
            .collect(),
        Class::Bytes(class) => class
            .ranges()
            .iter()
            .map(|range| (range.start().into(), range.end().into()))
            .collect(),
    };
    let holds = |character: &char| ranges.iter().any(|(first, last)| (first..=last).contains(&character));
    let familiar: Vec<char> = FAMILIAR.chars().filter(holds).collect();
    familiar
        .get(random.below(familiar.len()))
        .copied()
        .or_else(|| ranges.first().map(|(first, _)| *first))
}

#[cfg(test)]
mod tests {
    use super::matching;
    use crate::simulator::random::Random;

    #[test]
    fn the_text_has_the_shape_and_the_length() {
        let text = |pattern, shortest, longest| matching(pattern, shortest, longest, &mut Random::of(1, &[]));
        let order = text("^ORD-[0-9]{4}$", 0, 99).unwrap();
        assert!(
            order.starts_with("ORD-") && order.len() == 8 && order[4..].bytes().all(|byte| byte.is_ascii_digit()),
            "{order}"
        );
        assert_eq!(text("^a+$", 5, 5).as_deref(), Some("aaaaa"));
        assert_eq!(text("^a{3}$", 4, 9), None);
        assert_eq!(text("(unclosed", 0, 9), None);
    }
}
