//! Names that thousands of Routes have in common: of targets, Providers and models. Each is kept once, so that a request finds it in the
//! processor's cache whichever Route it is for.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::HeaderValue;

use super::header_value;
use crate::providers::dialect::openai::json_string;

/// A name, in the forms that requests need.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: Arc<str>,
    pub(super) header: HeaderValue,
    /// As a JSON string.
    pub(super) json: Bytes,
}

/// The words of one configuration, while it is put together.
#[derive(Default)]
pub(super) struct Words(RefCell<HashMap<Box<str>, Word>>);

impl Words {
    pub(super) fn of(&self, text: &str) -> Word {
        let mut known = self.0.borrow_mut();
        if let Some(word) = known.get(text) {
            return word.clone();
        }
        let word = Word {
            text: text.into(),
            header: header_value(text),
            json: json_string(text),
        };
        known.insert(text.into(), word.clone());
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_kept_once() {
        let words = Words::default();
        let (one, other, another) = (words.of("openai"), words.of("openai"), words.of("local"));
        assert!(Arc::ptr_eq(&one.text, &other.text));
        assert_eq!(one.json.as_ptr(), other.json.as_ptr());
        assert_eq!((&*another.text, &another.json[..]), ("local", &b"\"local\""[..]));
    }
}
