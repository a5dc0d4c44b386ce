//! The vocabulary of made-up answers, and how text is cut into tokens.

use super::random::Random;

/// The words that made-up text consists of.
pub(crate) const LIST: &[&str] = &[
    "amber", "anchor", "answer", "apple", "arrow", "autumn", "beacon", "birch", "bridge", "canal", "candle", "cedar",
    "circle", "cloud", "copper", "coral", "cotton", "delta", "ember", "engine", "fable", "feather", "field", "forest",
    "garden", "glacier", "granite", "harbor", "hazel", "hollow", "island", "ivory", "jasmine", "lantern", "ledger",
    "lemon", "linen", "maple", "marble", "meadow", "mirror", "morning", "mountain", "north", "ocean", "olive",
    "orchard", "paper", "pebble", "pepper", "pilot", "quartz", "quiet", "river", "saffron", "signal", "silver",
    "sparrow", "stone", "summer", "thunder", "timber", "valley", "velvet", "violet", "walnut", "willow", "winter",
];

/// The longest token that text is cut into, in characters.
const LONGEST_TOKEN: usize = 10;
/// Text of more characters than this is cut into this many longer tokens, so that echoing a large request stays cheap.
const MOST_TOKENS: usize = 20_000;

/// A sentence of so many tokens, each a word with the space before it.
pub(crate) fn sentence(tokens: usize, random: &mut Random) -> String {
    let mut text = String::new();
    for position in 0..tokens {
        let word = random.pick(LIST);
        let (first, rest) = word.split_at(1);
        match position {
            0 => text.extend([first.to_uppercase().as_str(), rest]),
            _ => text.extend([" ", word]),
        }
    }
    text
}

/// The text cut into tokens: before each space, and where a word grows too long. Joined they are the text again.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let longest = LONGEST_TOKEN.max(text.len() / MOST_TOKENS);
    let mut tokens = Vec::new();
    let mut token = String::new();
    let mut length = 0;
    for character in text.chars() {
        let word_begins = character == ' ' && longest == LONGEST_TOKEN;
        if length > 0 && (word_begins || length >= longest) {
            tokens.push(std::mem::take(&mut token));
            length = 0;
        }
        token.push(character);
        length += 1;
    }
    if length > 0 {
        tokens.push(token);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::{LIST, LONGEST_TOKEN, sentence, tokens};
    use crate::simulator::random::Random;

    #[test]
    fn a_sentence_has_as_many_tokens_as_words() {
        assert!(LIST.iter().all(|word| word.len() < LONGEST_TOKEN && word.is_ascii()));
        for count in [0, 1, 24, 1000] {
            let text = sentence(count, &mut Random::of(7, &[]));
            assert_eq!(tokens(&text).len(), count);
            assert_eq!(tokens(&text).concat(), text);
        }
    }

    #[test]
    fn tokens_joined_are_the_text_whatever_it_is() {
        for text in ["", " ", "äöü𝄞 ".repeat(50).as_str(), &"x".repeat(1_000_000)] {
            assert_eq!(tokens(text).concat(), text);
            assert!(tokens(text).len() <= 100_000);
        }
    }
}
