//! Seal formats as data: how an application writes down what it sealed, so that its values rotate with no code of ours.
//!
//! Taking values apart and putting them together ([`Seal`]), and the ciphers on local keys ([`key`]). Not here: where a value
//! lives, which version it names, or what opens it when the key never leaves a service.

pub mod age;
mod apart;
mod coding;
mod jwe;
pub mod key;
mod object;
mod open;
mod rewrap;
mod together;
mod written;

use std::error::Error;
use std::fmt;

use serde_json::Map;
use serde_json::Value;

pub use self::jwe::Jwe;
pub use self::rewrap::Rewrap;

use crate::fault::Fault;
use crate::template::Template;

/// The bytes of an AES-GCM nonce.
pub const NONCE_BYTES: usize = 12;
/// The bytes of an AES-GCM tag.
pub const TAG_BYTES: usize = 16;

/// How sealed values of one kind are written. Read from the written form, and stored in plans in it too: whatever stands in a
/// `Seal` has passed [`Seal::from_written`].
#[derive(Debug, Clone, PartialEq)]
pub struct Seal {
    cipher: Cipher,
    codings: Vec<Coding>,
    prefix: Option<Template>,
    layout: Layout,
}

/// What seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// AES-GCM with a key of 32 bytes.
    Aes256Gcm,
    /// AES-GCM with a key of 16 bytes.
    Aes128Gcm,
    /// AES key wrap (RFC 3394), with a key of 16, 24 or 32 bytes.
    AesKw,
    /// RSA-OAEP with SHA-256 and MGF1 on SHA-256.
    RsaOaep256,
    /// A service does, in a format of its own.
    Backend,
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// As they are.
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

/// What stands inside the codings.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// Bytes in this order.
    Bytes(Vec<Part>),
    /// An object with exactly these fields, in this order when it is written.
    Object(Vec<Field>),
    /// These fields beside others of the record.
    Fields(Vec<Field>),
    /// A compact JWE, `alg` `dir` or `A256GCMKW`, `enc` `A256GCM`.
    Jwe,
}

/// A run of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Twelve bytes, drawn afresh for each seal.
    Nonce,
    /// As many as there are.
    Ciphertext,
    /// Sixteen bytes.
    Tag,
    /// Always these.
    Constant(Vec<u8>),
}

/// A field of an object or a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub form: FieldForm,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldForm {
    /// Always this.
    Constant(Value),
    /// The version, within this text.
    Version(Template),
    /// These bytes, written so.
    Made(Vec<Part>, FieldCoding),
}

/// How a field holds bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldCoding {
    /// Two digits a byte.
    Hex,
    /// Standard base64.
    Base64,
    /// URL-safe base64.
    Base64url,
    /// A list of numbers.
    Numbers,
}

/// A sealed value as it stands in its store.
#[derive(Debug, Clone, Copy)]
pub enum Sealed<'a> {
    /// A value of bytes.
    Bytes(&'a [u8]),
    /// A value of text.
    Text(&'a str),
    /// The record whose fields hold it, or a field that is itself an object.
    Fields(&'a Map<String, Value>),
}

/// A sealed value to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum SealedOut {
    /// Bytes; text where [`Seal::is_text`].
    Bytes(Vec<u8>),
    /// Only the fields that the layout names.
    Fields(Map<String, Value>),
}

/// A sealed value taken apart. Nothing in it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// The nonce, where the cipher has one.
    pub nonce: Vec<u8>,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
    /// The tag, where the cipher has one.
    pub tag: Vec<u8>,
    /// The version that the value itself names, as it is written there.
    pub version: Option<String>,
    /// What only a JWE has.
    pub jwe: Option<Jwe>,
}

/// Why a value does not have the shape of its seal. Never quotes the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit(pub String);

/// Why a value was not opened or not sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It does not have the shape of its seal.
    Misfit(Misfit),
    /// It does not open: another key, another row's value, or changed bytes.
    DoesNotOpen,
    /// What was sealed anew did not open to the same: our bug or broken memory. It was not written.
    DoesNotOpenAgain,
    /// The key is not of the kind that the seal needs; says how.
    WrongKey(String),
    /// The world failed.
    Fault(Fault),
}

impl Seal {
    /// What seals.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// How bytes are written as text, outermost first.
    #[must_use]
    pub fn codings(&self) -> &[Coding] {
        &self.codings
    }

    /// What stands before the innermost bytes.
    #[must_use]
    pub fn prefix(&self) -> Option<&Template> {
        self.prefix.as_ref()
    }

    /// What stands inside.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether the value is text, and not bytes or fields.
    #[must_use]
    pub fn is_text(&self) -> bool {
        match self.layout {
            Layout::Jwe => true,
            Layout::Fields(_) => false,
            Layout::Bytes(_) | Layout::Object(_) => self.codings.iter().any(|coding| *coding != Coding::Raw),
        }
    }

    /// Whether the value consists of fields: siblings in its record, or an object that the store keeps as one.
    #[must_use]
    pub fn is_fields(&self) -> bool {
        match self.layout {
            Layout::Fields(_) => true,
            Layout::Object(_) => !self.is_text(),
            Layout::Bytes(_) | Layout::Jwe => false,
        }
    }

    /// The names of the fields that change with each seal, where the value consists of fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let fields = match &self.layout {
            Layout::Fields(fields) | Layout::Object(fields) if self.is_fields() => fields.as_slice(),
            _ => &[],
        };
        fields.iter().map(|field| field.name.as_str())
    }

    /// Whether the value itself names its version.
    #[must_use]
    pub fn names_version(&self) -> bool {
        let in_prefix = self.prefix.as_ref().is_some_and(|prefix| !prefix.is_constant());
        in_prefix
            || match &self.layout {
                Layout::Jwe => true,
                Layout::Bytes(_) => false,
                Layout::Object(fields) | Layout::Fields(fields) => {
                    fields.iter().any(|field| matches!(field.form, FieldForm::Version(_)))
                }
            }
    }

    /// Whether its cipher authenticates data beside the value.
    #[must_use]
    pub fn takes_aad(&self) -> bool {
        // Whether a service's own format does is the service's to say.
        let may = matches!(self.cipher, Cipher::Aes256Gcm | Cipher::Aes128Gcm | Cipher::Backend);
        may && self.layout != Layout::Jwe
    }
}

impl Cipher {
    /// Every cipher there is.
    pub const ALL: [Self; 5] = [Self::Aes256Gcm, Self::Aes128Gcm, Self::AesKw, Self::RsaOaep256, Self::Backend];

    /// The word for it in a policy.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes-256-gcm",
            Self::Aes128Gcm => "aes-128-gcm",
            Self::AesKw => "aes-kw",
            Self::RsaOaep256 => "rsa-oaep-256",
            Self::Backend => "backend",
        }
    }
}

impl Coding {
    /// Every coding there is.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Hex, Self::Base64, Self::Base64url, Self::Json];

    /// The word for it in a policy.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64url => "base64url",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value does not have the shape of its seal: {}", self.0)
    }
}

impl Error for Misfit {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misfit(misfit) => misfit.fmt(f),
            Self::DoesNotOpen => f.write_str(
                "the value does not open: another key sealed it, it belongs to another row, or it was changed",
            ),
            Self::DoesNotOpenAgain => {
                f.write_str("what was sealed anew did not open to the same bytes, so it was not written")
            }
            Self::WrongKey(why) => f.write_str(why),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl Error for Refused {}

impl From<Misfit> for Refused {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
