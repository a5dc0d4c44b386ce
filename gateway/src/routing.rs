//! Which target answers a request: pure choice, and the asynchronous carrying out of it.

pub mod account;
pub mod affinity;
pub mod alarm;
pub mod attempt;
pub mod breaker;
pub mod choice;
pub mod count;
pub mod exchange;
pub mod gate;
pub mod health;
pub mod hold;
pub mod live;
pub mod retry;
pub mod tries;
pub mod turns;
pub mod whole;
mod window;
