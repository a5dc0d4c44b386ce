//! The `route-switch` program.

pub mod analytics;
pub mod capture;
