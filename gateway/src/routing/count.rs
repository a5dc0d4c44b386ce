//! Tokens of a request, as a target counts them. No model is asked, so there is nothing to book.

use http::Uri;
use tokio::time::{Instant, timeout_at};

use super::{
    attempt::{Deadlines, check_content_type, headers_for, post},
    whole::read,
};
use crate::{
    config::resolved::Target,
    providers::{client::Clients, document::Node, failure::Failure, fault::Fault, front::ClientRequest},
};

/// Asks a target that speaks `Anthropic`'s dialect, whose form the request has.
pub async fn count(clients: &Clients, target: &Target, request: &ClientRequest) -> Result<u64, Failure> {
    let uri: Uri = format!("{}/count_tokens", target.destination.uri)
        .parse()
        .map_err(|_| Failure::Connect("the address of the counter is no URL".to_owned()))?;
    let deadlines = Deadlines::from_now(target);
    let body = request.body_for(target)?;
    let key = target.account.force(Instant::now());
    let headers = headers_for(target, target.account.header(key), request);
    let answer = post(clients, target, uri, headers, body, &deadlines).await?;
    check_content_type(answer.headers(), "application/json")?;
    let text = timeout_at(deadlines.total, read(answer.into_body(), target, &deadlines))
        .await
        .map_err(|_| Failure::TotalTimeout(target.timeouts.total))??;
    Ok(input_tokens(&text)?)
}

fn input_tokens(text: &[u8]) -> Result<u64, Fault> {
    let root = Node::root(text)?;
    Ok(root.needed("input_tokens", "a whole number")?.count()?)
}
