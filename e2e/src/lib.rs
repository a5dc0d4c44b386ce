//! End to end: the stage that the suites play on, the load generator, the stand-in provider, the control proxy and the
//! benchmarks of Route-Switch.
//!
//! **Invariant**: nothing here is linked into the programs under test; they are started as processes and spoken to over sockets.

pub mod bench;
pub mod client;
pub mod control;
pub mod demo;
pub mod fleet;
pub mod load;
pub mod machine;
pub mod manifest;
pub mod mock;
pub mod node;
pub mod process;
pub mod program;
pub mod prometheus;
pub mod schedstat;
pub mod stage;
pub mod statistics;
pub mod stores;
pub mod wait;
pub mod work;
