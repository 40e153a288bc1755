//! Codings: from text to the bytes within and back, keeping what does not change (blanks around, padding).

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;

use crate::envelope::Coding;
use crate::envelope::Layout;
use crate::envelope::Misfit;
use crate::envelope::Seal;
use crate::template::Piece;

const EITHER: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BARE: GeneralPurposeConfig = EITHER.with_encode_padding(false);

/// Standard base64, written padded, read either way.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER);
const BASE64_BARE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, BARE);
/// URL-safe base64, written without padding, read either way.
pub(super) const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, BARE);
const BASE64URL_PADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER);

/// What stood around the bytes within: enough to write others in the same way.
#[derive(Debug, Default)]
pub(super) struct Around<'a> {
    lead: &'a [u8],
    trail: &'a [u8],
    /// For each coding, whether it ended in `=`, where that shows.
    padded: Vec<Option<bool>>,
}

/// Text without what is around it.
pub(super) struct Peeled<'a> {
    pub(super) around: Around<'a>,
    pub(super) version: Option<String>,
    pub(super) inner: Cow<'a, [u8]>,
}

impl Seal {
    /// Which coding the prefix stands before: the innermost that writes bytes, or else the innermost there is.
    fn prefixed(&self) -> usize {
        let bytes = self.codings.iter().rposition(|coding| *coding != Coding::Json);
        bytes.unwrap_or_else(|| self.codings.len().saturating_sub(1))
    }

    /// Whether the coding at this place is the text of an object rather than a string.
    fn is_object(&self, at: usize) -> bool {
        matches!(self.layout, Layout::Object(_)) && at.saturating_add(1) == self.codings.len()
    }

    /// Takes off blanks, codings and the prefix.
    pub(super) fn peel<'a>(&self, sealed: &'a [u8]) -> Result<Peeled<'a>, Misfit> {
        let mut around = Around::default();
        let mut version = None;
        let mut inner = Cow::Borrowed(sealed);
        if self.is_text() {
            let trimmed = sealed.trim_ascii_start();
            let (lead, rest) = sealed.split_at(sealed.len().saturating_sub(trimmed.len()));
            let text = rest.trim_ascii_end();
            let (text, trail) = rest.split_at(text.len());
            around = Around { lead, trail, padded: Vec::new() };
            inner = Cow::Borrowed(text);
        }
        for (at, coding) in self.codings.iter().enumerate() {
            if at == self.prefixed() {
                version = self.strip_prefix(&mut inner)?;
            }
            around.padded.push(padded(*coding, &inner));
            if self.is_object(at) {
                break;
            }
            inner = decode(*coding, inner)?;
        }
        if self.codings.is_empty() {
            version = self.strip_prefix(&mut inner)?;
        }
        Ok(Peeled { around, version, inner })
    }

    fn strip_prefix(&self, text: &mut Cow<'_, [u8]>) -> Result<Option<String>, Misfit> {
        let Some(prefix) = &self.prefix else { return Ok(None) };
        let wrong = || Misfit(format!("it does not begin with `{prefix}`"));
        let mut at = 0;
        let mut version = None;
        for piece in prefix.pieces() {
            let rest = text.get(at..).ok_or_else(wrong)?;
            match piece {
                Piece::Text(literal) if version.is_none() => {
                    rest.strip_prefix(literal.as_bytes()).ok_or_else(wrong)?;
                    at = at.saturating_add(literal.len());
                }
                Piece::Text(literal) => {
                    let mut windows = rest.windows(literal.len());
                    let end = windows.position(|window| window == literal.as_bytes()).ok_or_else(wrong)?;
                    let name = rest.get(..end).filter(|name| !name.is_empty()).ok_or_else(wrong)?;
                    version = Some(std::str::from_utf8(name).map_err(|_| wrong())?.to_owned());
                    at = at.saturating_add(end).saturating_add(literal.len());
                }
                Piece::Place(_) => version = Some(String::new()),
            }
        }
        *text = match std::mem::take(text) {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(at..).unwrap_or_default()),
            Cow::Owned(mut bytes) => {
                bytes.drain(..at.min(bytes.len()));
                Cow::Owned(bytes)
            }
        };
        Ok(version)
    }

    /// Puts codings, prefix and blanks around bytes.
    pub(super) fn dress(&self, bytes: Vec<u8>, version: Option<&str>, around: &Around<'_>) -> Result<Vec<u8>, Misfit> {
        let mut text = bytes;
        for (at, coding) in self.codings.iter().enumerate().rev() {
            if !self.is_object(at) {
                text = encode(*coding, text, around.padded.get(at).copied().flatten())?;
            }
            if at == self.prefixed() {
                text = self.add_prefix(text, version)?;
            }
        }
        if self.codings.is_empty() {
            text = self.add_prefix(text, version)?;
        }
        if around.lead.is_empty() && around.trail.is_empty() {
            return Ok(text);
        }
        Ok([around.lead, &text, around.trail].concat())
    }

    fn add_prefix(&self, text: Vec<u8>, version: Option<&str>) -> Result<Vec<u8>, Misfit> {
        let Some(prefix) = &self.prefix else { return Ok(text) };
        let mut out = prefix
            .fill(|_| version.map(Cow::Borrowed))
            .map_err(|_| Misfit("its prefix names a version, and none is given".to_owned()))?
            .into_bytes();
        out.extend_from_slice(&text);
        Ok(out)
    }
}

fn padded(coding: Coding, text: &[u8]) -> Option<bool> {
    // Only a length that needs padding shows whether there is any.
    let open = text.ends_with(b"=") || text.len() % 4 != 0;
    (matches!(coding, Coding::Base64 | Coding::Base64url) && open).then(|| text.ends_with(b"="))
}

fn decode(coding: Coding, text: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, Misfit> {
    let wrong = || Misfit(format!("it is not {}", described(coding)));
    let bytes = match coding {
        Coding::Raw => return Ok(text),
        Coding::Hex => hex::decode(&text).map_err(|_| wrong())?,
        Coding::Base64 => BASE64.decode(&text).map_err(|_| wrong())?,
        Coding::Base64url => BASE64URL.decode(&text).map_err(|_| wrong())?,
        Coding::Json => serde_json::from_slice::<String>(&text).map_err(|_| wrong())?.into_bytes(),
    };
    Ok(Cow::Owned(bytes))
}

fn described(coding: Coding) -> &'static str {
    match coding {
        Coding::Raw => "bytes",
        Coding::Hex => "hex",
        Coding::Base64 => "base64",
        Coding::Base64url => "URL-safe base64",
        Coding::Json => "a JSON string",
    }
}

fn encode(coding: Coding, bytes: Vec<u8>, padded: Option<bool>) -> Result<Vec<u8>, Misfit> {
    Ok(match (coding, padded) {
        (Coding::Raw, _) => bytes,
        (Coding::Hex, _) => hex::encode(bytes).into_bytes(),
        (Coding::Base64, Some(false)) => BASE64_BARE.encode(bytes).into_bytes(),
        (Coding::Base64, _) => BASE64.encode(bytes).into_bytes(),
        (Coding::Base64url, Some(true)) => BASE64URL_PADDED.encode(bytes).into_bytes(),
        (Coding::Base64url, _) => BASE64URL.encode(bytes).into_bytes(),
        (Coding::Json, _) => {
            let text = std::str::from_utf8(&bytes).map_err(|_| Misfit("it is not text".to_owned()))?;
            serde_json::to_vec(text).map_err(|error| Misfit(error.to_string()))?
        }
    })
}
