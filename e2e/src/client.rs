//! A client that looks closely: every header, every byte of a body also when it broke off, every event of a stream as it comes.

mod answer;
mod events;
mod transcript;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;

pub use answer::{Answer, header_of};
pub use events::{Event, Events};
pub use transcript::Transcript;

/// `POST` here asks for an answer as `OpenAI` gives it.
pub const CHAT: &str = "/v1/chat/completions";
/// And here as `OpenRouter` gives it.
pub const OPENROUTER_CHAT: &str = "/api/v1/chat/completions";
/// And here as Anthropic gives it.
pub const MESSAGES: &str = "/v1/messages";

/// How long any answer may take, before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Asks one server, over connections that are kept. Clones share them.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    root: String,
    headers: HeaderMap,
}

/// An answer whose head has come.
#[derive(Debug)]
pub struct Open {
    pub status: u16,
    pub headers: HeaderMap,
    response: reqwest::Response,
    events: Events,
}

impl Client {
    pub fn new(address: SocketAddr) -> anyhow::Result<Self> {
        Self::keeping(address, 64)
    }

    /// One that opens a connection for every request.
    pub fn fresh(address: SocketAddr) -> anyhow::Result<Self> {
        Self::keeping(address, 0)
    }

    fn keeping(address: SocketAddr, idle_connections: usize) -> anyhow::Result<Self> {
        // Fails only when there is a provider already. Nothing here uses TLS, yet a client is not made without.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(idle_connections)
            .timeout(PATIENCE)
            .build()?;
        Ok(Self {
            http,
            root: format!("http://{address}"),
            headers: HeaderMap::new(),
        })
    }

    /// The same client with a key.
    pub fn with_key(&self, key: &str) -> anyhow::Result<Self> {
        self.with_header(header::AUTHORIZATION.as_str(), &format!("Bearer {key}"))
    }

    /// The same client with one more header.
    pub fn with_header(&self, name: &str, value: &str) -> anyhow::Result<Self> {
        let mut with = self.clone();
        with.headers.insert(http::HeaderName::try_from(name)?, value.parse()?);
        Ok(with)
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let request = self
            .http
            .get(format!("{}{path}", self.root))
            .headers(self.headers.clone());
        let response = request
            .send()
            .await
            .with_context(|| format!("GET {path} got no answer"))?;
        Ok(Open::from(response).whole().await)
    }

    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        let request = self
            .http
            .delete(format!("{}{path}", self.root))
            .headers(self.headers.clone());
        let response = request
            .send()
            .await
            .with_context(|| format!("DELETE {path} got no answer"))?;
        Ok(Open::from(response).whole().await)
    }

    /// The answer to GET, which must be 200 and JSON.
    pub async fn get_json(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get(path).await?;
        anyhow::ensure!(
            answer.status == 200,
            "GET {path} gave {}: {}",
            answer.status,
            answer.text()
        );
        answer.json()
    }

    /// What the gateway tells of a request after its end.
    pub async fn generation(&self, id: &str) -> anyhow::Result<Value> {
        Ok(self.get_json(&format!("/v1/generation?id={id}")).await?["data"].take())
    }

    /// Sends a body and waits for the head of the answer.
    pub async fn open(&self, path: &str, body: impl Into<Bytes>) -> reqwest::Result<Open> {
        let request = self
            .http
            .post(format!("{}{path}", self.root))
            .headers(self.headers.clone());
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into());
        Ok(Open::from(request.send().await?))
    }

    /// Sends a body and waits for the end of the answer.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> anyhow::Result<Answer> {
        let open = self
            .open(path, body)
            .await
            .with_context(|| format!("POST {path} got no answer"))?;
        Ok(open.whole().await)
    }

    /// Asks for a chat, on the path of `OpenAI`.
    pub async fn chat(&self, body: &Value) -> anyhow::Result<Answer> {
        self.post(CHAT, body.to_string()).await
    }
}

impl From<reqwest::Response> for Open {
    fn from(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        Self {
            status,
            headers: response.headers().clone(),
            response,
            events: Events::default(),
        }
    }
}

impl Open {
    /// The next event of a stream; none at its end.
    pub async fn event(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(event) = self.events.take()? {
                return Ok(Some(event));
            }
            match self.response.chunk().await? {
                Some(bytes) => self.events.push(&bytes),
                None => return Ok(None),
            }
        }
    }

    /// The next text of a stream's answer; none at its end.
    pub async fn content(&mut self) -> anyhow::Result<Option<String>> {
        while let Some(event) = self.event().await? {
            if let Event::Chunk(chunk) = event
                && let Some(text) = transcript::content_of(&chunk).filter(|text| !text.is_empty())
            {
                return Ok(Some(text.to_owned()));
            }
        }
        Ok(None)
    }

    /// All that has not been read yet, as far as it comes.
    pub async fn whole(mut self) -> Answer {
        let mut body = self.events.rest();
        let broken = loop {
            match self.response.chunk().await {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => break None,
                Err(error) => break Some(format!("{error:?}")),
            }
        };
        Answer {
            status: self.status,
            headers: self.headers,
            body,
            broken,
        }
    }
}
