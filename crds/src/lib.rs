//! Route-Switch's Kubernetes resources (group `routeswitch.io`), their validation, and the pure compiler that turns all of
//! them into the one document that gateways run from, the [`snapshot::Snapshot`].
//!
//! ```text
//! YAML or API server -> admission (schema, CEL) -> resource types -> compiler (accept, resolve, conflicts) -> Snapshot
//! ```
//!
//! **Invariant**: nothing here does I/O, reads a clock or the environment, or knows HTTP. The same resources compile to the same
//! Snapshot with and without a cluster.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printer column of a resource has its own type_"
)]

pub mod admission;
pub mod api_key;
pub mod capture;
pub mod compiler;
pub mod definition;
pub mod duration;
pub mod fleet;
pub mod object;
pub mod pattern;
pub mod prompt_content;
pub mod prompt_revision;
pub mod prompt_template;
pub mod provider;
pub mod reference;
pub mod route;
pub mod snapshot;
pub mod status;
pub mod template;
pub mod variable;
pub mod vendor;
