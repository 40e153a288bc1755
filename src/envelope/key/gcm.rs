//! AES-GCM by AWS-LC: of the implementations that were measured, the one that is quick with values of a few dozen bytes.

use aws_lc_rs::aead::AES_128_GCM;
use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::Algorithm;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::UnboundKey;

use crate::envelope::Cipher;
use crate::envelope::NONCE_BYTES;
use crate::envelope::Refused;
use crate::envelope::TAG_BYTES;

/// One key. AWS-LC wipes its schedule when it is dropped.
pub(super) struct Gcm(LessSafeKey);

impl Gcm {
    /// From its raw bytes; nothing where their number is wrong.
    pub(super) fn of_256(key: &[u8]) -> Option<Self> {
        Self::of(&AES_256_GCM, key)
    }

    /// From its raw bytes; nothing where their number is wrong.
    pub(super) fn of_128(key: &[u8]) -> Option<Self> {
        Self::of(&AES_128_GCM, key)
    }

    fn of(algorithm: &'static Algorithm, key: &[u8]) -> Option<Self> {
        UnboundKey::new(algorithm, key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// Which of the two it is.
    pub(super) fn cipher(&self) -> Cipher {
        if self.0.algorithm() == &AES_256_GCM { Cipher::Aes256Gcm } else { Cipher::Aes128Gcm }
    }

    /// Turns ciphertext into plaintext; after an error the buffer is of no use.
    #[inline]
    pub(super) fn open(&self, nonce: &[u8], aad: &[u8], bytes: &mut [u8], tag: &[u8]) -> Result<(), Refused> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Refused::DoesNotOpen)?;
        if tag.len() != TAG_BYTES {
            return Err(Refused::DoesNotOpen);
        }
        self.0.open_in_place_separate_tag(nonce, Aad::from(aad), tag, bytes).map_err(|_| Refused::DoesNotOpen)?;
        Ok(())
    }

    /// Turns plaintext into ciphertext. The nonce must be fresh.
    #[inline]
    pub(super) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], Refused> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), bytes);
        tag.ok()
            .and_then(|tag| tag.as_ref().first_chunk().copied())
            .ok_or_else(|| Refused::WrongKey("the value is too long for AES-GCM".to_owned()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use aes_gcm::Aes128Gcm;
    use aes_gcm::Aes256Gcm;
    use aes_gcm::KeyInit;
    use aes_gcm::aead::Aead;
    use aes_gcm::aead::Payload;
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::prop_assert;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    use super::Gcm;

    proptest! {
        #[test]
        fn another_implementation_says_the_same(
            key in any::<[u8; 32]>(), nonce in any::<[u8; 12]>(), plain in vec(any::<u8>(), 0..300), aad in vec(any::<u8>(), 0..60),
        ) {
            let (half, _) = key.split_at(16);
            let payload = Payload { msg: &plain, aad: &aad };
            let long = Aes256Gcm::new_from_slice(&key).unwrap().encrypt((&nonce).into(), payload).unwrap();
            let payload = Payload { msg: &plain, aad: &aad };
            let short = Aes128Gcm::new_from_slice(half).unwrap().encrypt((&nonce).into(), payload).unwrap();
            for (ours, theirs) in [(Gcm::of_256(&key), long), (Gcm::of_128(half), short)] {
                let ours = ours.unwrap();
                let mut bytes = plain.clone();
                let tag = ours.seal(&nonce, &aad, &mut bytes).unwrap();
                prop_assert_eq!([&bytes, &tag[..]].concat(), theirs);
                ours.open(&nonce, &aad, &mut bytes, &tag).unwrap();
                prop_assert_eq!(&bytes, &plain);
                prop_assert!(ours.open(&nonce, &aad, &mut bytes, &[0; 16]).is_err());
                prop_assert!(ours.open(&nonce, &aad, &mut bytes, &tag[..12]).is_err());
            }
        }
    }
}
