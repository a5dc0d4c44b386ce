//! Every version of the objects of a kind, as a watch tells them.

use std::sync::{Arc, Mutex};

use futures_util::{StreamExt as _, TryStreamExt as _};
use http::Request;
use kube::core::WatchEvent;
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
            let mut events = client.request_events::<Value>(request).await?.into_stream().boxed();
            while let Some(event) = events.next().await {
                if let Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) = event {
                    kept.lock().expect("no holder of the lock panics").push(object);
                }
            }
            kube::Result::Ok(())
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
