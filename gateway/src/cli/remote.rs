//! A running gateway that the command line asks, or the files of one that has stopped.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::analytics::{self, Analytics};

/// Longer than the longest query may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Whom to ask.
#[derive(Args, Clone, Debug)]
pub(super) struct Source {
    /// Base URL of a running gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_hint = clap::ValueHint::Url)]
    url: String,
    /// A client key of that gateway; callers on its own machine need none
    #[arg(long, value_name = "KEY", env = "ROUTE_SWITCH_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Read the files in this directory instead, of a gateway that has stopped
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "key"], value_hint = clap::ValueHint::DirPath)]
    data: Option<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "failed to reach a gateway at {url}; is it running? --url names another, --data DIR reads the files of one that has stopped"
    )]
    Reach { url: String, source: reqwest::Error },
    #[error("the gateway refused ({status}): {message}")]
    Refused { status: u16, message: String },
    #[error("failed to understand what the gateway answered")]
    Understand(#[source] serde_json::Error),
    #[error("failed to open the store of analytics in {}; a gateway that runs on it must be asked with --url", directory.display())]
    Open {
        directory: PathBuf,
        source: Box<analytics::OpenError>,
    },
    #[error(transparent)]
    Analytics(#[from] analytics::Error),
    #[error("failed to start the runtime")]
    Runtime(#[source] std::io::Error),
}

/// What the arguments named.
pub(super) enum Answering {
    Gateway(Remote),
    Files(Analytics),
}

/// A running gateway.
pub(super) struct Remote {
    url: String,
    key: Option<String>,
}

impl Source {
    pub(super) fn open(self) -> Result<Answering, Error> {
        let Self { url, key, data } = self;
        match data {
            Some(directory) => Analytics::of_files(&directory)
                .map(Answering::Files)
                .map_err(|source| Error::Open {
                    directory,
                    source: Box::new(source),
                }),
            None => Ok(Answering::Gateway(Remote::new(&url, key))),
        }
    }
}

impl Remote {
    pub(super) fn new(url: &str, key: Option<String>) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            key,
        }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, Error> {
        self.ask(|client, url| {
            let mut url = url::Url::parse(&format!("{url}{path}")).ok();
            if let Some(url) = url.as_mut().filter(|_| !query.is_empty()) {
                url.query_pairs_mut().extend_pairs(query);
            }
            client.get(url.map_or_else(|| path.to_owned(), String::from))
        })
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Error> {
        self.ask(|client, url| client.post(format!("{url}{path}")).json(body))
    }

    fn ask<T: DeserializeOwned>(
        &self,
        request: impl FnOnce(&reqwest::Client, &str) -> reqwest::RequestBuilder,
    ) -> Result<T, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let reach = |source| Error::Reach {
            url: self.url.clone(),
            source,
        };
        let (status, text) = runtime
            .map_err(Error::Runtime)?
            .block_on(async {
                let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
                let mut request = request(&client, &self.url);
                if let Some(key) = &self.key {
                    request = request.bearer_auth(key);
                }
                let answer = request.send().await?;
                Ok((answer.status().as_u16(), answer.text().await?))
            })
            .map_err(reach)?;
        if status == 200 {
            return serde_json::from_str(&text).map_err(Error::Understand);
        }
        let said: Option<Value> = serde_json::from_str(&text).ok();
        let message = said.as_ref().and_then(|said| said.pointer("/error/message")?.as_str());
        Err(Error::Refused {
            status,
            message: message
                .unwrap_or("without a reason; is this a gateway's traffic port?")
                .to_owned(),
        })
    }
}
