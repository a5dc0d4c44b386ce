//! The `route-switch` program.

pub mod capture;
