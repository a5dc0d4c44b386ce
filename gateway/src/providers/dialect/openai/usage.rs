//! `usage` objects: reading the provider's, writing ours.

use bytes::Bytes;

use crate::{
    capture::record::Usage,
    providers::{
        json::{self, Malformed},
        price,
    },
};

/// Reads the `usage` object that begins at `start`.
pub(super) fn read(text: &[u8], start: usize) -> Result<Usage, Malformed> {
    let mut usage = Usage::default();
    for member in json::members(text, start)? {
        let member = member?;
        let value = &text[member.value.clone()];
        match member.key {
            b"prompt_tokens" => usage.prompt_tokens = number(value),
            b"completion_tokens" => usage.completion_tokens = number(value),
            b"prompt_tokens_details" if value.first() == Some(&b'{') => {
                usage.cached_tokens = detail(text, member.value.start, b"cached_tokens")?;
            }
            b"completion_tokens_details" if value.first() == Some(&b'{') => {
                usage.reasoning_tokens = detail(text, member.value.start, b"reasoning_tokens")?;
            }
            _ => {}
        }
    }
    Ok(usage)
}

fn detail(text: &[u8], start: usize, name: &[u8]) -> Result<u64, Malformed> {
    let mut found = 0;
    for member in json::members(text, start)? {
        let member = member?;
        if member.key == name {
            found = number(&text[member.value]);
        }
    }
    Ok(found)
}

/// A token count; what is none counts as 0.
fn number(raw: &[u8]) -> u64 {
    std::str::from_utf8(raw)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// What goes into the provider's `usage` object, behind its opening brace.
pub(super) fn cost_member(cost_pico_usd: Option<i64>, is_empty: bool) -> Bytes {
    let mut member = Vec::with_capacity(40);
    member.extend_from_slice(b"\"cost\":");
    match cost_pico_usd {
        Some(cost) => price::write_usd(cost, &mut member),
        None => member.extend_from_slice(b"null"),
    }
    if !is_empty {
        member.push(b',');
    }
    member.into()
}

/// A `usage` object of our own.
pub(super) fn object(usage: &Usage, cost_pico_usd: Option<i64>) -> String {
    let Usage {
        prompt_tokens,
        cached_tokens,
        completion_tokens,
        reasoning_tokens,
        estimated,
    } = *usage;
    let cost = cost_pico_usd.map_or_else(|| "null".to_owned(), price::usd);
    let total = prompt_tokens + completion_tokens;
    format!(
        "{{\"prompt_tokens\":{prompt_tokens},\"completion_tokens\":{completion_tokens},\"total_tokens\":{total},\
         \"prompt_tokens_details\":{{\"cached_tokens\":{cached_tokens}}},\
         \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning_tokens}}},\"cost\":{cost}{}}}",
        if estimated { ",\"estimated\":true" } else { "" }
    )
}
