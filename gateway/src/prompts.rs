//! Prompts: compiled when the configuration is swapped, rendered for each request. Pure.
//!
//! ```text
//! Snapshot -> library (every revision, compiled) -> request (what a client says of prompts) -> selection -> prompt (rendered)
//! ```
//!
//! **Invariant**: what a client sends is data. It is never read as a template, and what it becomes in a request to a provider is the
//! inside of a JSON string of a message whose role stands in the prompt.
//! **Invariant**: what rendering costs is bounded, in work and in bytes, whatever the template and the values are.

pub mod library;
pub mod parameters;
pub mod prompt;
pub mod request;
pub mod selection;
pub mod shape;
mod values;

#[cfg(test)]
mod tests;
