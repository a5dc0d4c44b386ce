//! End to end: the load generator, the stand-in provider, the control proxy and the benchmarks of Route-Switch.
//!
//! **Invariant**: nothing here is linked into the programs under test; they are started as processes and spoken to over sockets.

pub mod bench;
pub mod control;
pub mod load;
pub mod machine;
pub mod mock;
pub mod process;
pub mod schedstat;
pub mod statistics;
