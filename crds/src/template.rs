//! Checks of prompt templates (minijinja).
