//! Wire dialects: pure in both directions. A vendor is a row of data; a dialect is a module.

pub mod anthropic;
pub mod openai;

#[cfg(test)]
mod tests;
