//! A whole answer.

use anyhow::Context as _;
use http::HeaderMap;
use serde_json::Value;

use super::Transcript;

/// What a request was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// As far as it came.
    pub body: Vec<u8>,
    /// Why no more came, if the body did not end as it should.
    pub broken: Option<String>,
}

/// A header's text; empty when it is not there.
pub fn header_of<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        header_of(&self.headers, name)
    }

    /// The generation's id; empty when the answer has none.
    pub fn id(&self) -> &str {
        self.header("x-generation-id")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// The error object.
    pub fn error(&self) -> anyhow::Result<Value> {
        let error = self.json()?["error"].take();
        anyhow::ensure!(error.is_object(), "no error object: {}", self.text());
        Ok(error)
    }

    /// The body as a stream.
    pub fn transcript(&self) -> anyhow::Result<Transcript> {
        Transcript::read(&self.body)
    }

    /// What the first choice or text block says, streamed or not.
    pub fn content(&self) -> anyhow::Result<String> {
        if self.header("content-type").starts_with("text/event-stream") {
            return Ok(self.transcript()?.content());
        }
        let answer = self.json()?;
        let content = answer["choices"][0]["message"]["content"].as_str();
        let text = || {
            answer["content"]
                .as_array()?
                .iter()
                .find_map(|block| block["text"].as_str())
        };
        let content = content.or_else(text);
        Ok(content.with_context(|| format!("no content: {answer}"))?.to_owned())
    }

    /// The tokens and the cost that the answer tells, streamed or not.
    pub fn usage(&self) -> anyhow::Result<Value> {
        if self.header("content-type").starts_with("text/event-stream") {
            return self.transcript()?.usage().context("the stream tells no usage");
        }
        Ok(self.json()?["usage"].take())
    }
}
