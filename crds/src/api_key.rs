//! Client keys in labelled Secrets.
