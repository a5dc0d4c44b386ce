//! What marks an answer as this gateway's.

use bytes::Bytes;

/// Each is a JSON string.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The generation's id.
    pub id: Bytes,
    /// The provider's name of the model.
    pub model: Bytes,
    /// The Provider's name.
    pub provider: Bytes,
}
