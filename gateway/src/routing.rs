//! Which target answers a request: pure choice, and the asynchronous carrying out of it.

pub mod attempt;
pub mod choice;
pub mod count;
pub mod exchange;
pub mod live;
pub mod tries;
pub mod whole;
