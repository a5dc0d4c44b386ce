//! Logs, metrics and traces.

pub mod access;
pub mod logs;
pub mod metrics;
pub mod traces;
