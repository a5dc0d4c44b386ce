//! What is kept of traffic: one record a request, a bounded queue, and the store of examples (SQLite).

pub mod record;
