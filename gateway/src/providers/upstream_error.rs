//! A provider's error object: `{"error": {message, type, param, code}}` in all dialects, or whatever it sent instead.

/// What a provider said of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    pub message: String,
    pub kind: Option<String>,
    pub param: Option<String>,
    pub code: Option<String>,
}

/// Longest message that is passed on, in characters.
const MAX_MESSAGE: usize = 2_000;

impl UpstreamError {
    /// Reads a body; one that is no error object gives its beginning as the message when it is short text.
    pub fn read(body: &[u8]) -> Self {
        let document: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let error = document.get("error").unwrap_or(&document);
        let text = |name: &str| match error.get(name) {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            Some(serde_json::Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let message = match error {
            serde_json::Value::String(message) => message.clone(),
            _ => text("message").unwrap_or_else(|| "the provider gave no reason".to_owned()),
        };
        Self {
            message: message.chars().take(MAX_MESSAGE).collect(),
            kind: text("type"),
            param: text("param"),
            code: text("code"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_strings_and_garbage_all_give_a_message() {
        let object = UpstreamError::read(br#"{"error":{"message":"no","type":"t","param":"messages","code":429}}"#);
        assert_eq!((object.message.as_str(), object.code.as_deref()), ("no", Some("429")));
        assert_eq!(UpstreamError::read(br#"{"error":"down"}"#).message, "down");
        assert_eq!(
            UpstreamError::read(br#"{"message":"vllm says no"}"#).message,
            "vllm says no"
        );
        assert_eq!(UpstreamError::read(b"<html>").message, "the provider gave no reason");
    }
}
