//! Wire dialects: pure in both directions. A vendor is a row of data; a dialect is a module.

pub mod openai;
