//! Everything that knows a provider's protocol: the HTTP client, server-sent events, and the wire dialects.

pub mod body;
pub mod client;
pub mod dialect;
pub mod failure;
pub mod json;
pub mod price;
pub mod splice;
pub mod sse;
