//! Reads a chat request, refusing what the vendor refuses.

use serde_json::Value;

use super::refusal::Refusal;
use super::{fields, messages, structured, tools};
use crate::simulator::answer::{self, Ask};
use crate::simulator::endpoint::Fields;

/// A chat request that the vendor would answer.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub model: String,
    pub stream: bool,
    /// Whether the stream ends with usage.
    pub include_usage: bool,
    /// Whether chunks are padded, as the vendor does by default.
    pub obfuscate: bool,
    /// Alternatives shown of each token, if log probabilities are wanted at all.
    pub top_logprobs: Option<usize>,
    /// The tier that the answer names.
    pub service_tier: &'static str,
    pub ask: Ask,
}

/// The model asked for.
pub(crate) fn model(fields: &Fields) -> Result<&str, Refusal> {
    match fields.get("model") {
        Some(Value::String(model)) if !model.is_empty() => Ok(model),
        None | Some(Value::String(_) | Value::Null) => Err(Refusal::no_model()),
        Some(other) => Err(Refusal::wrong_type("model", "a string", other)),
    }
}

/// Reads the request. `lenient` lets pass what is unknown or not imitated.
pub(crate) fn read(fields: &Fields, lenient: bool) -> Result<Request, Refusal> {
    let model = model(fields)?.to_owned();
    let mut ask = Ask::default();
    messages::read(fields, lenient, &mut ask)?;
    fields::check(fields, lenient)?;
    tools::read(fields, &mut ask)?;
    ask.format = structured::read(fields)?;
    ask.conversation = answer::conversation(&fields["messages"], fields.get("seed").and_then(Value::as_i64));
    ask.choices = whole(fields, "n").unwrap_or(1);
    ask.stop = match fields.get("stop") {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    ask.limit = limit(fields)?;
    let stream = fields.get("stream") == Some(&Value::Bool(true));
    let (include_usage, obfuscate) = stream_options(fields, stream)?;
    let service_tier = match fields.get("service_tier").and_then(Value::as_str) {
        Some("flex") => "flex",
        Some("scale") => "scale",
        Some("priority" | "fast") => "priority",
        _ => "default",
    };
    Ok(Request {
        model,
        stream,
        include_usage,
        obfuscate,
        top_logprobs: top_logprobs(fields)?,
        service_tier,
        ask,
    })
}

fn limit(fields: &Fields) -> Result<Option<usize>, Refusal> {
    match (whole(fields, "max_tokens"), whole(fields, "max_completion_tokens")) {
        (Some(_), Some(_)) => Err(Refusal::combination("max_tokens", "max_completion_tokens")),
        (old, new) => Ok(old.or(new)),
    }
}

fn top_logprobs(fields: &Fields) -> Result<Option<usize>, Refusal> {
    let wanted = fields.get("logprobs") == Some(&Value::Bool(true));
    match whole(fields, "top_logprobs") {
        Some(_) if !wanted => {
            let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
            Err(Refusal::invalid(message.to_owned(), "top_logprobs"))
        }
        count => Ok(wanted.then(|| count.unwrap_or(0))),
    }
}

/// Whether usage is wanted, and whether padding is.
fn stream_options(fields: &Fields, stream: bool) -> Result<(bool, bool), Refusal> {
    let options = match fields.get("stream_options") {
        None | Some(Value::Null) => return Ok((false, true)),
        Some(_) if !stream => {
            let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            return Err(Refusal::invalid(message.to_owned(), "stream_options"));
        }
        Some(Value::Object(options)) => options,
        Some(other) => return Err(Refusal::wrong_type("stream_options", "an object", other)),
    };
    let mut wishes = (false, true);
    for (name, value) in options {
        let at = format!("stream_options.{name}");
        let wish = match name.as_str() {
            "include_usage" => &mut wishes.0,
            "include_obfuscation" => &mut wishes.1,
            _ => return Err(Refusal::unknown(&at)),
        };
        *wish = value
            .as_bool()
            .ok_or_else(|| Refusal::wrong_type(&at, "a boolean", value))?;
    }
    Ok(wishes)
}

fn whole(fields: &Fields, name: &str) -> Option<usize> {
    fields
        .get(name)
        .and_then(Value::as_u64)
        .map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests;
