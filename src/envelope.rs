//! Placeholder of the room `envelope`, until it is merged.

/// A coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// Raw.
    Raw,
    /// Lower hex.
    Hex,
    /// Standard base64.
    Base64,
    /// URL-safe base64 without padding.
    Base64url,
    /// A JSON string.
    Json,
}

/// A seal.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Seal {
    /// Codings.
    pub codings: Vec<Coding>,
}
