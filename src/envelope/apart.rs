//! Taking a sealed value apart.

use crate::envelope::Layout;
use crate::envelope::Misfit;
use crate::envelope::NONCE_BYTES;
use crate::envelope::Part;
use crate::envelope::Parts;
use crate::envelope::Seal;
use crate::envelope::Sealed;
use crate::envelope::TAG_BYTES;
use crate::envelope::jwe;
use crate::envelope::object;

impl Seal {
    /// Takes a sealed value apart, as strictly as its application would; only blanks around a text are let pass.
    ///
    /// # Errors
    /// Says why the value does not have the shape of this seal.
    pub fn take_apart(&self, sealed: Sealed<'_>) -> Result<Parts, Misfit> {
        let bytes = match (sealed, &self.layout) {
            (Sealed::Fields(map), Layout::Fields(fields)) => return object::read(fields, map, false),
            (Sealed::Fields(map), Layout::Object(fields)) if self.is_fields() => {
                return object::read(fields, map, true);
            }
            (Sealed::Fields(_), _) => return Err(Misfit("it is an object, not text or bytes".to_owned())),
            (Sealed::Bytes(bytes), _) => bytes,
            (Sealed::Text(text), _) => text.as_bytes(),
        };
        if self.is_fields() {
            return Err(Misfit("it is text or bytes, not an object".to_owned()));
        }
        let peeled = self.peel(bytes)?;
        let mut parts = match &self.layout {
            Layout::Bytes(order) => {
                let mut parts = Parts::default();
                split(order, &peeled.inner, &mut parts).map_err(|misfit| Misfit(format!("it {}", misfit.0)))?;
                parts
            }
            Layout::Object(fields) | Layout::Fields(fields) => {
                object::read(fields, &object::parse(&peeled.inner)?, true)?
            }
            Layout::Jwe => jwe::take_apart(&peeled.inner)?,
        };
        if peeled.version.is_some() {
            parts.version = peeled.version;
        }
        Ok(parts)
    }
}

/// The bytes of every part whose length never changes.
pub(super) fn fixed(order: &[Part]) -> usize {
    let lengths = order.iter().map(|part| match part {
        Part::Nonce => NONCE_BYTES,
        Part::Tag => TAG_BYTES,
        Part::Constant(bytes) => bytes.len(),
        Part::Ciphertext => 0,
    });
    lengths.fold(0, usize::saturating_add)
}

/// Cuts bytes into parts in their order; only the ciphertext has no length of its own.
pub(super) fn split(order: &[Part], bytes: &[u8], parts: &mut Parts) -> Result<(), Misfit> {
    let short = || Misfit(format!("is too short: {} bytes", bytes.len()));
    let variable = bytes.len().checked_sub(fixed(order)).ok_or_else(short)?;
    let mut rest = bytes;
    let mut take = |count: usize| {
        let (taken, after) = rest.split_at_checked(count).ok_or_else(short)?;
        rest = after;
        Ok(taken)
    };
    for part in order {
        match part {
            Part::Nonce => parts.nonce = take(NONCE_BYTES)?.to_vec(),
            Part::Tag => parts.tag = take(TAG_BYTES)?.to_vec(),
            Part::Ciphertext => parts.ciphertext = take(variable)?.to_vec(),
            Part::Constant(constant) => {
                if take(constant.len())? != constant {
                    return Err(Misfit("does not hold the constant bytes that the layout names".to_owned()));
                }
            }
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(Misfit(format!("is too long: {} bytes", bytes.len()))) }
}
