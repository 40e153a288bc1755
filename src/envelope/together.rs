//! Putting a sealed value together: the mirror of `apart`.

use crate::envelope::Layout;
use crate::envelope::Misfit;
use crate::envelope::NONCE_BYTES;
use crate::envelope::Part;
use crate::envelope::Parts;
use crate::envelope::Seal;
use crate::envelope::Sealed;
use crate::envelope::SealedOut;
use crate::envelope::TAG_BYTES;
use crate::envelope::coding::Around;
use crate::envelope::jwe;
use crate::envelope::object;

impl Seal {
    /// Puts a sealed value together. What does not change is kept as `original` has it: blanks around a text, padding, a
    /// version that is written as a number. The same parts with their own original give the same bytes, wherever that was
    /// written in the one usual way.
    ///
    /// # Errors
    /// Says what the parts lack, or why the original does not have the shape of this seal.
    pub fn put_together(&self, parts: &Parts, original: Option<Sealed<'_>>) -> Result<SealedOut, Misfit> {
        let (before, map) = match original {
            Some(Sealed::Bytes(bytes)) => (Some(bytes), None),
            Some(Sealed::Text(text)) => (Some(text.as_bytes()), None),
            Some(Sealed::Fields(map)) => (None, Some(map)),
            None => (None, None),
        };
        if let (Layout::Fields(fields) | Layout::Object(fields), true) = (&self.layout, self.is_fields()) {
            return Ok(SealedOut::Fields(object::write(fields, parts, map)?));
        }
        let peeled = before.map(|before| self.peel(before)).transpose()?;
        let version = parts.version.as_deref();
        let inner = match &self.layout {
            Layout::Bytes(order) => join(order, parts)?,
            Layout::Object(fields) | Layout::Fields(fields) => {
                let before = peeled.as_ref().map(|peeled| object::parse(&peeled.inner)).transpose()?;
                let map = object::write(fields, parts, before.as_ref())?;
                serde_json::to_vec(&map).map_err(|error| Misfit(error.to_string()))?
            }
            Layout::Jwe => jwe::put_together(parts)?,
        };
        let around = peeled.map_or_else(Around::default, |peeled| peeled.around);
        Ok(SealedOut::Bytes(self.dress(inner, version, &around)?))
    }
}

/// Joins parts in their order.
pub(super) fn join(order: &[Part], parts: &Parts) -> Result<Vec<u8>, Misfit> {
    let mut bytes = Vec::new();
    for part in order {
        match part {
            Part::Nonce if parts.nonce.len() != NONCE_BYTES => return Err(Misfit("a nonce is missing".to_owned())),
            Part::Tag if parts.tag.len() != TAG_BYTES => return Err(Misfit("a tag is missing".to_owned())),
            Part::Nonce => bytes.extend_from_slice(&parts.nonce),
            Part::Tag => bytes.extend_from_slice(&parts.tag),
            Part::Ciphertext => bytes.extend_from_slice(&parts.ciphertext),
            Part::Constant(constant) => bytes.extend_from_slice(constant),
        }
    }
    Ok(bytes)
}
