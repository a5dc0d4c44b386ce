//! The operator of Route-Switch.

fn main() {}
