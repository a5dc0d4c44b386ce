//! Logs and metrics.

pub mod faults;
pub mod logs;
pub mod metrics;
