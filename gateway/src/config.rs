//! From manifests to what requests run on: files -> resources -> Snapshot (`crds`) -> [`resolved::Config`], swapped as one.

#[cfg(test)]
pub(crate) mod example;
pub mod manifests;
pub mod reload;
pub mod resolved;
pub mod revisions;
#[cfg(test)]
pub(crate) mod sample;
pub mod watch;
