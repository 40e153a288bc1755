//! Codings: from text to the bytes within and back, keeping what does not change (blanks around, padding).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::envelope::Coding;
use crate::envelope::Layout;
use crate::envelope::Misfit;
use crate::envelope::Seal;
use crate::template::Piece;

/// Standard base64: always padded.
pub(super) const BASE64: GeneralPurpose = STANDARD;

/// The value of each hex digit, by its letter; 255 for what is none.
#[expect(clippy::indexing_slicing, reason = "the compiler runs this, and would stop")]
const DIGITS: [u8; 256] = {
    let mut table = [u8::MAX; 256];
    let mut value = 0_u8;
    while value < 16 {
        let (lower, upper) = match value {
            0..10 => (b'0' + value, b'0' + value),
            _ => (b'a' + value - 10, b'A' + value - 10),
        };
        table[lower as usize] = value;
        table[upper as usize] = value;
        value += 1;
    }
    table
};

/// Hex into bytes of half its length, by a table: the hot loop spends its time here otherwise. Nothing in it is secret.
pub(super) fn read_hex(text: &[u8], out: &mut [u8]) -> bool {
    let value = |digit: u8| DIGITS.get(usize::from(digit)).copied().unwrap_or(u8::MAX);
    let (pairs, rest) = text.as_chunks::<2>();
    let mut seen = 0;
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        let (high, low) = (value(*high), value(*low));
        seen |= high | low;
        *byte = (high << 4) | (low & 15);
    }
    seen < 16 && rest.is_empty() && pairs.len() == out.len()
}

/// Bytes into lower-case hex of twice their length.
pub(super) fn write_hex(bytes: &[u8], out: &mut [u8]) -> bool {
    let digit = |value: u8| b"0123456789abcdef".get(usize::from(value & 15)).copied().unwrap_or(b'?');
    let (pairs, rest) = out.as_chunks_mut::<2>();
    let fits = rest.is_empty() && pairs.len() == bytes.len();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(*byte)];
    }
    fits
}

/// URL-safe base64: with padding or without, as the application has it, and never half of it.
pub(super) fn read_base64url(text: &[u8]) -> Option<Vec<u8>> {
    let engine = if text.ends_with(b"=") { URL_SAFE } else { URL_SAFE_NO_PAD };
    engine.decode(text).ok()
}

/// URL-safe base64, padded or not.
pub(super) fn write_base64url(bytes: &[u8], padded: bool) -> String {
    let engine = if padded { URL_SAFE } else { URL_SAFE_NO_PAD };
    engine.encode(bytes)
}

/// What stood around the bytes within: enough to write others in the same way.
#[derive(Debug, Default)]
pub(super) struct Around<'a> {
    lead: &'a [u8],
    trail: &'a [u8],
    /// For each coding, whether it ended in `=`.
    padded: Vec<bool>,
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
            around.padded.push(inner.ends_with(b"="));
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
        let quoted = text.first() == Some(&b'"');
        let why = if quoted { ": it stands in quotes once more than it should" } else { "" };
        let wrong = || Misfit(format!("it does not begin with `{prefix}`{why}"));
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
                text = encode(*coding, text, around.padded.get(at).is_some_and(|padded| *padded))?;
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

fn decode(coding: Coding, text: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, Misfit> {
    let wrong = || Misfit(format!("it is not {}", described(coding)));
    let bytes = match coding {
        Coding::Raw => return Ok(text),
        Coding::Hex => hex::decode(&text).map_err(|_| wrong())?,
        Coding::Base64 => BASE64.decode(&text).map_err(|_| wrong())?,
        Coding::Base64url => read_base64url(&text).ok_or_else(wrong)?,
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
        Coding::Json => "a JSON string in its quotes",
    }
}

fn encode(coding: Coding, bytes: Vec<u8>, padded: bool) -> Result<Vec<u8>, Misfit> {
    Ok(match coding {
        Coding::Raw => bytes,
        Coding::Hex => hex::encode(bytes).into_bytes(),
        Coding::Base64 => BASE64.encode(bytes).into_bytes(),
        Coding::Base64url => write_base64url(&bytes, padded).into_bytes(),
        Coding::Json => {
            let text = std::str::from_utf8(&bytes).map_err(|_| Misfit("it is not text".to_owned()))?;
            serde_json::to_vec(text).map_err(|error| Misfit(error.to_string()))?
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    use super::read_hex;
    use super::write_hex;

    proptest! {
        #[test]
        fn our_hex_is_everybodys_hex(bytes in vec(any::<u8>(), 0..80), text in "[0-9a-fA-F]{0,20}[0-9a-fA-Fg/:@G`\\x00-\\xff]{0,3}") {
            let mut out = vec![0; bytes.len() * 2];
            assert!(write_hex(&bytes, &mut out));
            prop_assert_eq!(&out, &hex::encode(&bytes).into_bytes());
            for text in [out.as_slice(), text.as_bytes()] {
                let mut back = vec![0; text.len() / 2];
                let read = read_hex(text, &mut back).then_some(back);
                prop_assert_eq!(read, hex::decode(text).ok());
            }
        }
    }
}
