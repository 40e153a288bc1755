//! The words of the language, drawn from the written types: the JSON Schema, and the table of every word with its default.

use std::sync::OnceLock;

use serde_json::Value;

use crate::policy::written::PolicyFile;
use crate::policy::written::project::ProjectFile;

/// The schema of a policy file.
pub(super) fn policy() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(PolicyFile).to_value())
}

/// The schema of `keyrota.toml`.
pub(super) fn project() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(ProjectFile).to_value())
}
