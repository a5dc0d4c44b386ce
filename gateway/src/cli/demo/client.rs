//! The demo's client: asks the gateway as an application does, and keeps its own count of requests and money.

use std::{
    io,
    time::{Duration, Instant},
};

use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

use super::figures::pico_usd;
use crate::cli::serve::Addresses;

/// The keys of the sample manifests.
pub(super) const APP_KEY: &str = "rs-demo-app-key";
pub(super) const ADMIN_KEY: &str = "rs-demo-admin-key";

/// Far above what anything here takes.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Client {
    http: reqwest::Client,
    pub(super) addresses: Addresses,
    pub(super) ledger: Ledger,
}

/// What this client asked and was told it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    /// Chat requests that a key let in.
    pub(super) requests: u64,
    pub(super) cost_pico_usd: i64,
    /// Answered requests to the Route that keeps content.
    pub(super) captured: i64,
}

/// An answer that was read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    pub(super) took: Duration,
}

/// A stream that was read to its end.
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) answer: Answer,
    /// Chunks with content.
    pub(super) chunks: usize,
    pub(super) first_token: Option<Duration>,
    pub(super) is_done: bool,
}

/// Why a step did not give what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unexpected {
    #[error("failed to ask the gateway: {0:?}")]
    Request(#[from] reqwest::Error),
    #[error("failed to use a file: {0}")]
    File(#[from] io::Error),
    #[error("failed to read the store of examples: {0}")]
    Examples(#[from] rusqlite::Error),
    #[error("{0}")]
    Otherwise(String),
}

impl Client {
    pub(super) fn new(addresses: Addresses) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        Ok(Self {
            http,
            addresses,
            ledger: Ledger::default(),
        })
    }

    pub(super) async fn chat(&mut self, key: &str, body: &Value) -> Result<Answer, Unexpected> {
        let begun = Instant::now();
        let response = self.chat_request(key, body).send().await?;
        let answer = read(response, begun).await?;
        self.count(body, &answer);
        Ok(answer)
    }

    /// Asks for a stream; `each` gets every piece of text as it comes.
    pub(super) async fn stream(
        &mut self,
        key: &str,
        body: &Value,
        mut each: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<Streamed, Unexpected> {
        let begun = Instant::now();
        let mut response = self.chat_request(key, body).send().await?;
        let answer = Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: Value::Null,
            took: Duration::ZERO,
        };
        let mut streamed = Streamed {
            answer,
            chunks: 0,
            first_token: None,
            is_done: false,
        };
        let mut waiting: Vec<u8> = Vec::new();
        while let Some(bytes) = response.chunk().await? {
            waiting.extend_from_slice(&bytes);
            while let Some(end) = waiting.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = waiting.drain(..end + 2).collect();
                if let Some(text) = streamed.take(&event) {
                    streamed.first_token.get_or_insert(begun.elapsed());
                    each(&text)?;
                }
            }
        }
        streamed.answer.took = begun.elapsed();
        self.count(body, &streamed.answer);
        Ok(streamed)
    }

    pub(super) async fn get(&self, key: &str, path: &str) -> Result<Answer, Unexpected> {
        let begun = Instant::now();
        let url = format!("http://{}{path}", self.addresses.listen);
        read(self.http.get(url).bearer_auth(key).send().await?, begun).await
    }

    pub(super) async fn metrics(&self) -> Result<String, Unexpected> {
        let url = format!("http://{}/metrics", self.addresses.admin);
        Ok(self.http.get(url).send().await?.error_for_status()?.text().await?)
    }

    fn chat_request(&self, key: &str, body: &Value) -> RequestBuilder {
        let url = format!("http://{}/v1/chat/completions", self.addresses.listen);
        self.http.post(url).bearer_auth(key).json(body)
    }

    fn count(&mut self, body: &Value, answer: &Answer) {
        if answer.status == 401 {
            return;
        }
        self.ledger.requests += 1;
        self.ledger.captured += i64::from(body["model"] == "support-triage");
        self.ledger.cost_pico_usd += answer.cost_pico_usd().unwrap_or(0);
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    pub(super) fn text(&self) -> &str {
        self.body["choices"][0]["message"]["content"].as_str().unwrap_or("")
    }

    pub(super) fn tokens(&self, which: &str) -> u64 {
        self.body["usage"][which].as_u64().unwrap_or(0)
    }

    /// None when it is not known.
    pub(super) fn cost_pico_usd(&self) -> Option<i64> {
        self.body["usage"]["cost"].as_f64().map(pico_usd)
    }
}

impl Streamed {
    /// Takes one event; the text in it, if any.
    fn take(&mut self, event: &[u8]) -> Option<String> {
        let event = str::from_utf8(event).ok()?;
        let data = event.strip_prefix("data: ")?.trim();
        if data == "[DONE]" {
            self.is_done = true;
            return None;
        }
        let chunk: Value = serde_json::from_str(data).ok()?;
        if chunk["usage"].is_object() {
            self.answer.body["usage"] = chunk["usage"].clone();
        }
        let text = chunk["choices"][0]["delta"]["content"]
            .as_str()
            .filter(|text| !text.is_empty())?;
        self.chunks += 1;
        Some(text.to_owned())
    }
}

async fn read(response: reqwest::Response, begun: Instant) -> Result<Answer, Unexpected> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.json().await?;
    Ok(Answer {
        status,
        headers,
        body,
        took: begun.elapsed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_counted_event_by_event() {
        let answer = Answer {
            status: 200,
            headers: HeaderMap::new(),
            body: Value::Null,
            took: Duration::ZERO,
        };
        let mut streamed = Streamed {
            answer,
            chunks: 0,
            first_token: None,
            is_done: false,
        };
        assert_eq!(streamed.take(b": waiting\n\n"), None);
        assert_eq!(
            streamed.take(b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"),
            None
        );
        assert_eq!(
            streamed
                .take(b"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n")
                .as_deref(),
            Some("Hi")
        );
        assert_eq!(
            streamed.take(b"data: {\"choices\":[],\"usage\":{\"cost\":0.000002}}\n\n"),
            None
        );
        assert_eq!(streamed.take(b"data: [DONE]\n\n"), None);
        assert_eq!(
            (streamed.chunks, streamed.is_done, streamed.answer.cost_pico_usd()),
            (1, true, Some(2_000_000))
        );
    }
}
