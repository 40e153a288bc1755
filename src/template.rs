//! Placeholder of the room `template`, until it is merged.

/// A text with `{{ placeholders }}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Template(String);
