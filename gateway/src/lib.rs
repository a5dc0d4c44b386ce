//! The `route-switch` program.

pub mod capture;
pub mod simulator;
