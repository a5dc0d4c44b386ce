//! `OpenAI`'s chat completions, as clients send them and as providers answer them.
//!
//! Where client and provider both speak it, nothing is translated: the request, the answer and each chunk of a stream are read
//! where they lie, and only what differs is spliced. Else they go through the canonical form ([`translate`]).

pub mod answer;
mod chunk;
mod envelope;
pub(in crate::providers::dialect) mod prompted;
pub mod request;
pub mod stream;
pub mod translate;
mod usage;

/// The text as a JSON string, quotes included.
pub fn json_string(text: &str) -> bytes::Bytes {
    // In memory of the right size, where nothing is to be escaped: else it is cut to size, or keeps a second piece for it.
    let mut json = Vec::with_capacity(text.len() + 2);
    serde_json::to_writer(&mut json, text).expect("a string is JSON");
    json.into()
}

/// Appends the text as a JSON string.
fn write_json_string(text: &str, out: &mut bytes::BytesMut) {
    serde_json::to_writer(bytes::BufMut::writer(out), text).expect("a string is JSON");
}

/// A JSON string's text; none when `raw` is no string.
pub(in crate::providers::dialect) fn text_of(raw: &[u8]) -> Option<String> {
    if raw.first() == Some(&b'"') {
        serde_json::from_slice(raw).ok()
    } else {
        None
    }
}
