//! OpenAI's wire format, after the types of its published SDKs (openai 3.54.0 for Python, 7.57.0 for Node): what it accepts, what
//! it refuses and in which words, and what it answers.

mod chat;
mod completion;
mod fields;
mod messages;
pub(crate) mod models;
mod refusal;
mod request;
mod structured;
mod tools;
mod wire;

pub(crate) use chat::Chat;
pub(crate) use refusal::Refusal;
