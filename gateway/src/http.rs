//! The HTTP API: one file an endpoint; handlers are thin. `error` is the only place where a failure becomes a status.

pub mod admin;
pub mod analytics;
mod authenticate;
mod body;
pub mod chat;
mod chat_stream;
mod client_stream;
mod count_tokens;
pub mod error;
mod fleet;
pub mod generation;
pub mod generations;
pub mod health;
pub mod models;
mod prompts;
pub mod router;
mod served;
pub mod server;
pub mod sql;
pub mod status;
mod this_machine;
