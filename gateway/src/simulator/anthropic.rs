//! Anthropic's wire format, after the types of its published SDKs (anthropic 2.13.0 for Python, @anthropic-ai/sdk 1.13.0 for Node) in
//! its versions 2023-06-01 and 2026-10-21: what it accepts, what it refuses and in which words, and what it answers.

mod blocks;
mod endpoint;
mod event;
mod fields;
mod message;
pub(crate) mod models;
mod refusal;
mod request;
mod signature;
mod thinking;
mod tools;
mod turns;

pub(crate) use endpoint::{Counting, Messages, VERSION};
pub(crate) use refusal::Refusal;
