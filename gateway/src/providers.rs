//! Everything that knows a provider's protocol: the HTTP client, server-sent events, and the wire dialects.

pub mod answer;
pub mod body;
pub mod canonical;
pub mod client;
pub mod connection;
pub mod dialect;
pub mod document;
pub mod failure;
pub mod fault;
pub mod front;
pub mod json;
pub mod price;
pub mod resolver;
pub mod splice;
pub mod sse;
pub mod stamp;
pub mod stream;
pub mod upstream_error;
