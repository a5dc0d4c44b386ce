//! The chart on a real node (`e2e/cluster up full`), handled as a person handles it: with helm and kubectl, and by clients through the
//! Service.
//!
//! **Invariant**: what a scene changes it changes by the programs that users have, never by a shortcut of its own.

pub mod askers;
pub mod command;
pub mod gateways;
pub mod release;
pub mod rows;
pub mod streams;
pub mod tidy;

/// The release's name, and so the first part of all names.
pub const RELEASE: &str = "route-switch";
/// Where the demo's manifests are at home: its client keys name Routes of this namespace.
pub const NAMESPACE: &str = "default";
/// The node that `e2e/cluster` makes.
pub const NODE: &str = "n1";
/// Client keys of the demo's manifests.
pub const APP_KEY: &str = "rs-demo-app-key";
pub const ADMIN_KEY: &str = "rs-demo-admin-key";
