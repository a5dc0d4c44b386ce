//! The operator of Route-Switch: compiles the resources of a cluster and publishes them to the gateway pods.
//!
//! ```text
//! watches -> stores -> Resources -> crds::compile -> Snapshot -> publish -> pods
//!                                        |                          |
//!                                   diagnostics                  answers -> controllers -> status, Events, PromptRevisions
//! ```
//!
//! **Invariant**: every replica keeps its stores warm; only the holder of the Lease compiles, pushes and writes.
//! **Invariant**: nothing is compiled before every store has been listed, so that a restart never publishes less than there is.
//! **Invariant**: specs and labels of people's objects are never written.

pub mod admin;
pub mod cli;
pub mod cluster;
pub mod controllers;
pub mod leader;
pub mod logs;
pub mod metrics;
pub mod program;
pub mod publish;
pub mod reconcile;
pub mod settings;
