//! The `route-switch` program: an LLM gateway.
//!
//! ```text
//! client -> http (authenticate, scan the body once) -> config (one Snapshot for the whole request)
//!        -> routing (choose targets, in order) -> prompts (render) -> providers (dialect, pooled HTTP client)
//!        -> back through the dialect to the client, chunk by chunk
//!        -> on the end: one record to a bounded queue -> capture (SQLite) and analytics (DuckDB), in batches, off the path
//! ```
//!
//! Traffic runs on one current-thread runtime a core, each with its own accept loop and its own pool of provider connections;
//! stores, reload and administration run elsewhere.
//!
//! **Invariant**: nothing on the request path blocks on a disk, on a lock held across an await, or on another gateway.
//! **Invariant**: nobody but `cli` and `main` knows `http`; nothing here knows Kubernetes' API.

pub mod analytics;
pub mod app;
pub mod backup;
pub mod capture;
pub mod cli;
pub mod config;
pub mod fleet;
pub mod fleet_reads;
pub mod http;
pub mod prompts;
pub mod providers;
pub mod routing;
pub mod simulator;
pub mod telemetry;
