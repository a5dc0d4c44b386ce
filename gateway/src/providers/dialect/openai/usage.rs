//! `usage` objects: reading the provider's, writing ours.

use crate::{
    capture::record::Usage,
    providers::{
        json::{self, Malformed},
        price,
    },
};

/// Reads the `usage` object that begins at `start`; gives where it ends as well.
pub(super) fn read(text: &[u8], start: usize) -> Result<(Usage, usize), Malformed> {
    let mut usage = Usage::default();
    let end = json::visit_members(text, start, |key, at| {
        match (key, text.get(at)) {
            (b"prompt_tokens_details", Some(b'{')) => {
                return prompt_details(text, at, &mut usage).map(Some);
            }
            (b"completion_tokens_details", Some(b'{')) => {
                return completion_details(text, at, &mut usage).map(Some);
            }
            _ => {}
        }
        let end = json::value(text, at)?;
        match key {
            b"prompt_tokens" => usage.prompt_tokens = number(&text[at..end]),
            b"completion_tokens" => usage.completion_tokens = number(&text[at..end]),
            _ => {}
        }
        Ok::<_, Malformed>(Some(end))
    })?;
    Ok((usage, end))
}

fn prompt_details(text: &[u8], start: usize, usage: &mut Usage) -> Result<usize, Malformed> {
    json::visit_members(text, start, |key, at| {
        let end = json::value(text, at)?;
        match key {
            b"cached_tokens" => usage.cached_tokens = number(&text[at..end]),
            b"cache_write_tokens" => usage.cache_write_tokens = number(&text[at..end]),
            _ => {}
        }
        Ok::<_, Malformed>(Some(end))
    })
}

fn completion_details(text: &[u8], start: usize, usage: &mut Usage) -> Result<usize, Malformed> {
    json::visit_members(text, start, |key, at| {
        let end = json::value(text, at)?;
        if key == b"reasoning_tokens" {
            usage.reasoning_tokens = number(&text[at..end]);
        }
        Ok::<_, Malformed>(Some(end))
    })
}

/// A token count; what is none counts as 0.
fn number(raw: &[u8]) -> u64 {
    std::str::from_utf8(raw)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Appends what goes into the provider's `usage`, which is this object, behind its opening brace.
pub(super) fn write_cost(cost_pico_usd: Option<i64>, object: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"cost\":");
    match cost_pico_usd {
        Some(cost) => price::write_usd(cost, out),
        None => out.extend_from_slice(b"null"),
    }
    // An object may hold spaces and still nothing.
    if object.get(1..).is_some_and(|rest| rest.trim_ascii_start() != b"}") {
        out.push(b',');
    }
}

/// A `usage` object of our own.
pub(super) fn object(usage: &Usage, cost_pico_usd: Option<i64>) -> String {
    let cost = cost_pico_usd.map_or_else(|| "null".to_owned(), price::usd);
    let estimated = if usage.estimated { ",\"estimated\":true" } else { "" };
    format!("{{{},\"cost\":{cost}{estimated}}}", counts(usage))
}

/// A `usage` object as a provider would send it.
pub(super) fn counted(usage: &Usage) -> String {
    format!("{{{}}}", counts(usage))
}

fn counts(usage: &Usage) -> String {
    let Usage {
        prompt_tokens,
        cached_tokens,
        cache_write_tokens,
        completion_tokens,
        reasoning_tokens,
        estimated: _,
    } = *usage;
    let total = prompt_tokens + completion_tokens;
    format!(
        "\"prompt_tokens\":{prompt_tokens},\"completion_tokens\":{completion_tokens},\"total_tokens\":{total},\
         \"prompt_tokens_details\":{{\"cached_tokens\":{cached_tokens},\"cache_write_tokens\":{cache_write_tokens}}},\
         \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning_tokens}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_of_nothing_but_spaces_gets_its_cost_without_a_comma() {
        let mut written = Vec::new();
        write_cost(None, b"{ \n }", &mut written);
        assert_eq!(written, br#""cost":null"#);
        write_cost(None, b"{ \"a\": 1}", &mut written);
        assert_eq!(written, br#""cost":null"cost":null,"#);
    }
}
