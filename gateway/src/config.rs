//! What the gateway runs from: manifests in, one resolved configuration out.

pub mod manifests;
pub mod watch;
