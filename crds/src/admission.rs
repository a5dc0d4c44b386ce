//! What the API server would say of an object: schema, CEL, metadata.

/// One thing that the API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Path of the field, for instance `spec.targets[0].weight`; empty when it is the object as a whole.
    pub field: String,
    pub message: String,
}
