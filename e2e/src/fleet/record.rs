//! Every version of the objects of a kind, as a watch tells them.

use std::sync::{Arc, Mutex};

use futures_util::{AsyncBufReadExt as _, StreamExt as _};
use http::Request;
use serde_json::Value;
use tokio::task::AbortHandle;

use super::objects::Objects;

/// Records until it is dropped.
#[derive(Debug)]
pub struct Record {
    seen: Arc<Mutex<Vec<Value>>>,
    task: AbortHandle,
}

impl Objects {
    /// Records the objects of a kind, beginning with those that are there. A watch that ends early leaves the record short.
    pub fn record(&self, kind: &str) -> Record {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, client) = (Arc::clone(&seen), self.client());
        let path = format!("{}?watch=true&timeoutSeconds=3600", self.collection(kind));
        let task = tokio::spawn(async move {
            let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
            let mut lines = client.request_stream(request).await?.lines();
            while let Some(line) = lines.next().await {
                let event = line.ok().and_then(|line| serde_json::from_str::<Value>(&line).ok());
                let Some(mut event) = event else { continue };
                if event["type"] == "ADDED" || event["type"] == "MODIFIED" {
                    kept.lock()
                        .expect("no holder of the lock panics")
                        .push(event["object"].take());
                }
            }
            Ok::<(), kube::Error>(())
        });
        Record {
            seen,
            task: task.abort_handle(),
        }
    }
}

impl Record {
    /// What was seen so far.
    pub fn all(&self) -> Vec<Value> {
        self.seen.lock().expect("no holder of the lock panics").clone()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.task.abort();
    }
}
