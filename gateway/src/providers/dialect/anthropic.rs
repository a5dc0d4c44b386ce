//! `Anthropic`'s Messages, as clients send them and as providers answer them (types of the SDKs `anthropic` 2.13.0 for Python and
//! `@anthropic-ai/sdk` 1.13.0 for Node).
//!
//! Where client and provider both speak it, texts pass as they are but for what marks them as this gateway's; else they go
//! through the canonical form ([`translate`]).

pub mod answer;
mod prompted;
pub mod request;
pub mod stream;
pub mod translate;
mod usage;

pub(in crate::providers) use prompted::put;

/// The version of the API that translated requests are written in, and that is asked for unless the client or the Provider names
/// another. Later ones take away what older models still know, such as the temperature.
pub const VERSION: &str = "2023-06-01";
pub const VERSION_HEADER: &str = "anthropic-version";
/// Names of features in their trial.
pub const BETA_HEADER: &str = "anthropic-beta";
