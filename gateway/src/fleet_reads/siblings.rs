//! The siblings, asked by the fleet's own client, which signs.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;

use super::{DEADLINE, MAX_ANSWER_BYTES, Siblings};
use crate::fleet::{Fleet, siblings::AskError};

impl Siblings for Fleet {
    fn addresses(&self) -> BoxFuture<'_, Vec<SocketAddr>> {
        Box::pin(self.siblings.addresses())
    }

    fn ask(
        &self,
        address: SocketAddr,
        path: &'static str,
        body: Bytes,
    ) -> BoxFuture<'_, Result<Option<Bytes>, String>> {
        Box::pin(async move {
            match self.siblings.ask(address, Method::POST, path, body, DEADLINE).await {
                Ok(answer) if answer.len() > MAX_ANSWER_BYTES => {
                    Err(format!("its answer is longer than {MAX_ANSWER_BYTES} bytes"))
                }
                Ok(answer) => Ok(Some(answer)),
                Err(AskError::Itself { .. }) => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}
