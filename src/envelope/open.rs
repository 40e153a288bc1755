//! Opening and sealing whole values: a seal, a key and what stands in the store.

use crate::envelope::Layout;
use crate::envelope::Misfit;
use crate::envelope::Parts;
use crate::envelope::Refused;
use crate::envelope::Seal;
use crate::envelope::Sealed;
use crate::envelope::SealedOut;
use crate::envelope::jwe;
use crate::envelope::key::LocalKey;
use crate::secret::Secret;

impl Seal {
    /// Opens a sealed value.
    ///
    /// # Errors
    /// It does not have the shape of this seal, does not open, or the key is of another kind.
    pub fn open(&self, key: &LocalKey, sealed: Sealed<'_>, aad: &[u8]) -> Result<Secret, Refused> {
        self.check(key, aad)?;
        let parts = self.take_apart(sealed)?;
        self.open_parts(key, &parts, aad)
    }

    /// Seals bytes as the application would: named by `version` where the seal names one, and like `original` in all else
    /// that is free ([`Seal::put_together`]).
    ///
    /// # Errors
    /// The key cannot seal this, a version is missing, or the original does not have the shape of this seal.
    pub fn seal(
        &self,
        key: &LocalKey,
        plain: &[u8],
        aad: &[u8],
        version: Option<&str>,
        original: Option<Sealed<'_>>,
    ) -> Result<SealedOut, Refused> {
        self.check(key, aad)?;
        let parts = if self.layout == Layout::Jwe {
            let before = original.map(|original| self.take_apart(original)).transpose()?;
            jwe::seal(key, plain, version, before.as_ref())?
        } else {
            Parts { version: version.map(str::to_owned), ..key.seal(plain, aad)? }
        };
        Ok(self.put_together(&parts, original)?)
    }

    /// Opens a value, seals it under another key, opens it again and compares.
    pub(super) fn rewrap(
        &self,
        (old, old_aad): (&LocalKey, &[u8]),
        (new, new_aad): (&LocalKey, &[u8]),
        version: Option<&str>,
        sealed: Sealed<'_>,
    ) -> Result<SealedOut, Refused> {
        let plain = self.open(old, sealed, old_aad)?;
        let out = plain.lend(|bytes| self.seal(new, bytes, new_aad, version, Some(sealed)))?;
        let again = self.open(new, out.as_sealed(), new_aad).map_err(|refused| match refused {
            Refused::WrongKey(why) => Refused::WrongKey(why),
            _ => Refused::DoesNotOpenAgain,
        })?;
        if again.same(&plain) { Ok(out) } else { Err(Refused::DoesNotOpenAgain) }
    }

    fn open_parts(&self, key: &LocalKey, parts: &Parts, aad: &[u8]) -> Result<Secret, Refused> {
        if self.layout == Layout::Jwe { jwe::open(key, parts) } else { key.open(parts, aad) }
    }

    fn check(&self, key: &LocalKey, aad: &[u8]) -> Result<(), Refused> {
        if !key.is_for(self.cipher) {
            return Err(Refused::WrongKey(format!("the key is not one for `{}`", self.cipher)));
        }
        if !aad.is_empty() && !self.takes_aad() {
            return Err(Misfit("its seal authenticates no data beside the value".to_owned()).into());
        }
        Ok(())
    }
}

impl SealedOut {
    /// As it will stand in the store.
    #[must_use]
    pub fn as_sealed(&self) -> Sealed<'_> {
        match self {
            Self::Bytes(bytes) => Sealed::Bytes(bytes),
            Self::Fields(map) => Sealed::Fields(map),
        }
    }
}
