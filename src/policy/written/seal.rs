//! Seal formats as written: the envelope as data.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::written::value::OneOrMany;
use crate::policy::written::value::Table;

/// How values are sealed: the envelope as data, so that an application's own format rotates with no code of ours.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the room `envelope` reads a seal by itself: only the shape and the words are judged here"
)]
pub(crate) struct Seal {
    /// What seals: `backend` only where a service owns the format.
    #[schemars(required)]
    pub(crate) cipher: Option<Cipher>,
    /// How the sealed bytes are written, outermost first.
    #[serde(rename = "as")]
    #[schemars(extend("default" = "raw"))]
    pub(crate) codings: Option<OneOrMany<Coding>>,
    /// A text that stands before the coded bytes.
    pub(crate) prefix: Option<String>,
    /// Where `layout` lies: in `fields` beside each other, instead of in one value.
    pub(crate) over: Option<Over>,
    /// What the bytes are, in order (`nonce`, `ciphertext`, `tag`), or the fields of an object with what stands in each.
    pub(crate) layout: Option<Layout>,
}

/// What seals.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) enum Cipher {
    /// AES-256 in Galois/counter mode.
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    /// AES-128 in Galois/counter mode.
    #[serde(rename = "aes-128-gcm")]
    Aes128Gcm,
    /// AES key wrap (RFC 3394).
    #[serde(rename = "aes-kw")]
    AesKw,
    /// RSA-OAEP with SHA-256.
    #[serde(rename = "rsa-oaep-256")]
    RsaOaep256,
    /// Whatever the backend's service makes.
    #[serde(rename = "backend")]
    Backend,
}

/// How bytes are written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Coding {
    /// As they are.
    Raw,
    /// Lower-case hex.
    Hex,
    /// Base64 with padding.
    Base64,
    /// URL-safe base64 without padding.
    Base64url,
    /// A JSON value.
    Json,
}

/// Where a layout lies, if not in one value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Over {
    /// In sibling fields.
    Fields,
}

/// What a sealed value is made of.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the room `envelope` reads a layout by itself")]
pub(crate) enum Layout {
    /// Bytes in order.
    Bytes(Vec<Part>),
    /// An object: constants, and texts such as `{{ nonce | numbers }}`.
    Fields(Table<serde_json::Value>),
}

/// A run of bytes: `nonce`, `ciphertext`, `tag`, or a constant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the room `envelope` reads a layout by itself")]
pub(crate) enum Part {
    /// `nonce`, `ciphertext` or `tag`.
    Named(PartWord),
    /// Bytes that are always the same.
    Constant(Constant),
}

/// What a cipher makes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PartWord {
    /// Drawn afresh for each seal.
    Nonce,
    /// As long as what was sealed.
    Ciphertext,
    /// What shows that nothing was changed.
    Tag,
}

/// Bytes that are always the same: one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the room `envelope` reads a layout by itself")]
pub(crate) struct Constant {
    /// As a text.
    pub(crate) text: Option<String>,
    /// In hex.
    pub(crate) hex: Option<String>,
}
