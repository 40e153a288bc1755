//! Placeholder of the room `envelope`, until it is merged.

/// A coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// Raw.
    Raw,
}

/// A seal.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Seal {
    /// Codings.
    pub codings: Vec<Coding>,
}
