//! A key that we hold ourselves: opens and seals. Its schedule is made once; its nonces come from the operating system only.

mod gcm;
mod rsa;

use aes_kw::KeyInit;
use aes_kw::KwAes128;
use aes_kw::KwAes192;
use aes_kw::KwAes256;

use self::gcm::Gcm;

use crate::envelope::Cipher;
use crate::envelope::Misfit;
use crate::envelope::NONCE_BYTES;
use crate::envelope::Parts;
use crate::envelope::Refused;
use crate::envelope::TAG_BYTES;
use crate::secret::Secret;
use crate::secret::random_array;

/// What a wrapped key is longer by (RFC 3394).
const KEY_WRAP_EXTRA: usize = 8;
/// The shortest key that RFC 3394 wraps.
const KEY_WRAP_MIN: usize = 16;

/// A key for one cipher, ready for use by many threads. Wiped when dropped; never printed.
pub struct LocalKey(Kind);

enum Kind {
    Gcm(Gcm),
    Wrap128(Box<KwAes128>),
    Wrap192(Box<KwAes192>),
    Wrap256(Box<KwAes256>),
    Rsa(rsa::RsaKey),
}

impl LocalKey {
    /// A key for `cipher`: for AES its raw bytes; for RSA a private key (PKCS #8) or a public one (SPKI or PKCS #1), PEM or DER.
    ///
    /// # Errors
    /// The bytes are no key for this cipher, or this build or this machine cannot use it.
    pub fn new(cipher: Cipher, key: &Secret) -> Result<Self, Refused> {
        let length =
            |needs: &str| Refused::WrongKey(format!("the key has {} bytes, and `{cipher}` needs {needs}", key.len()));
        let kind = match cipher {
            Cipher::Aes256Gcm => Kind::Gcm(key.lend(Gcm::of_256).ok_or_else(|| length("32"))?),
            Cipher::Aes128Gcm => Kind::Gcm(key.lend(Gcm::of_128).ok_or_else(|| length("16"))?),
            Cipher::AesKw => {
                let wrong = |_| length("16, 24 or 32");
                match key.len() {
                    16 => Kind::Wrap128(Box::new(key.lend(KwAes128::new_from_slice).map_err(wrong)?)),
                    24 => Kind::Wrap192(Box::new(key.lend(KwAes192::new_from_slice).map_err(wrong)?)),
                    _ => Kind::Wrap256(Box::new(key.lend(KwAes256::new_from_slice).map_err(wrong)?)),
                }
            }
            Cipher::RsaOaep256 => Kind::Rsa(key.lend(rsa::RsaKey::read)?),
            Cipher::Backend => {
                return Err(Refused::WrongKey("only its backend opens and seals these values".to_owned()));
            }
        };
        Ok(Self(kind))
    }

    /// A public RSA key from its modulus and exponent, both big-endian: it seals and cannot open.
    ///
    /// # Errors
    /// They make no key.
    pub fn rsa_public(modulus: &[u8], exponent: &[u8]) -> Result<Self, Refused> {
        rsa::RsaKey::from_numbers(modulus, exponent).map(|key| Self(Kind::Rsa(key)))
    }

    /// Whether it can open what it seals; a public key cannot.
    #[must_use]
    pub fn can_open(&self) -> bool {
        match &self.0 {
            Kind::Rsa(key) => key.can_open(),
            _ => true,
        }
    }

    /// Opens what was taken apart.
    ///
    /// # Errors
    /// It does not open, or the key is of another kind.
    pub fn open(&self, parts: &Parts, aad: &[u8]) -> Result<Secret, Refused> {
        match &self.0 {
            Kind::Gcm(_) => {
                let mut bytes = zeroize::Zeroizing::new(parts.ciphertext.clone());
                self.open_in_place(&parts.nonce, aad, &mut bytes, &parts.tag)?;
                Ok(Secret::from_vec(std::mem::take(&mut *bytes)))
            }
            _ if !aad.is_empty() => Err(no_aad()),
            Kind::Wrap128(key) => unwrap(&parts.ciphertext, |data, out| key.unwrap_key(data, out).is_ok()),
            Kind::Wrap192(key) => unwrap(&parts.ciphertext, |data, out| key.unwrap_key(data, out).is_ok()),
            Kind::Wrap256(key) => unwrap(&parts.ciphertext, |data, out| key.unwrap_key(data, out).is_ok()),
            Kind::Rsa(key) => key.open(&parts.ciphertext),
        }
    }

    /// Seals bytes, under a fresh nonce where the cipher has one.
    ///
    /// # Errors
    /// The key cannot seal this, or the operating system gave no randomness.
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> Result<Parts, Refused> {
        match &self.0 {
            Kind::Gcm(_) => {
                let nonce = random_array::<NONCE_BYTES>()?;
                // Sealed in place: from here on the buffer holds nothing secret, and until then nothing copies it.
                let mut bytes = zeroize::Zeroizing::new(plain.to_vec());
                let tag = self.seal_in_place(&nonce, aad, &mut bytes)?;
                let ciphertext = std::mem::take(&mut *bytes);
                Ok(Parts { nonce: nonce.to_vec(), ciphertext, tag: tag.to_vec(), ..Parts::default() })
            }
            _ if !aad.is_empty() => Err(no_aad()),
            Kind::Wrap128(key) => wrap(plain, |data, out| key.wrap_key(data, out).is_ok()),
            Kind::Wrap192(key) => wrap(plain, |data, out| key.wrap_key(data, out).is_ok()),
            Kind::Wrap256(key) => wrap(plain, |data, out| key.wrap_key(data, out).is_ok()),
            Kind::Rsa(key) => key.seal(plain),
        }
    }

    /// AES-GCM on a buffer that holds the ciphertext and then the plaintext; after an error it is of no use.
    #[inline]
    pub(super) fn open_in_place(&self, nonce: &[u8], aad: &[u8], bytes: &mut [u8], tag: &[u8]) -> Result<(), Refused> {
        self.gcm()?.open(nonce, aad, bytes, tag)
    }

    /// AES-GCM on a buffer that holds the plaintext and then the ciphertext. The nonce must be fresh: only this room calls it.
    #[inline]
    pub(super) fn seal_in_place(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], Refused> {
        self.gcm()?.seal(nonce, aad, bytes)
    }

    #[inline]
    fn gcm(&self) -> Result<&Gcm, Refused> {
        match &self.0 {
            Kind::Gcm(key) => Ok(key),
            _ => Err(Refused::WrongKey("the key is not one for AES-GCM".to_owned())),
        }
    }

    /// Whether the key is of the kind that `cipher` needs.
    #[must_use]
    pub fn is_for(&self, cipher: Cipher) -> bool {
        match &self.0 {
            Kind::Gcm(key) => cipher == key.cipher(),
            Kind::Wrap128(_) | Kind::Wrap192(_) | Kind::Wrap256(_) => cipher == Cipher::AesKw,
            Kind::Rsa(_) => cipher == Cipher::RsaOaep256,
        }
    }
}

fn no_aad() -> Refused {
    Refused::Misfit(Misfit("its cipher authenticates no data beside the value".to_owned()))
}

fn wrap(plain: &[u8], with: impl FnOnce(&[u8], &mut [u8]) -> bool) -> Result<Parts, Refused> {
    let mut ciphertext = vec![0; plain.len().saturating_add(KEY_WRAP_EXTRA)];
    if plain.len() < KEY_WRAP_MIN || !with(plain, &mut ciphertext) {
        return Err(Refused::WrongKey(format!(
            "AES key wrap takes at least {KEY_WRAP_MIN} bytes, in steps of 8, and this is {}",
            plain.len()
        )));
    }
    Ok(Parts { ciphertext, ..Parts::default() })
}

fn unwrap(ciphertext: &[u8], with: impl FnOnce(&[u8], &mut [u8]) -> bool) -> Result<Secret, Refused> {
    let count =
        ciphertext.len().checked_sub(KEY_WRAP_EXTRA).filter(|count| *count >= KEY_WRAP_MIN && count.is_multiple_of(8));
    let count = count.ok_or_else(|| {
        Refused::Misfit(Misfit(format!("it has {} bytes, and AES key wrap makes 24, 32, 40, ..", ciphertext.len())))
    })?;
    let mut plain = zeroize::Zeroizing::new(vec![0; count]);
    if with(ciphertext, &mut plain) {
        Ok(Secret::from_vec(std::mem::take(&mut *plain)))
    } else {
        Err(Refused::DoesNotOpen)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::LocalKey;
    use crate::envelope::Cipher;
    use crate::envelope::Parts;
    use crate::envelope::Refused;
    use crate::secret::Secret;

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex.replace(' ', "")).unwrap()
    }

    fn key(cipher: Cipher, hex: &str) -> LocalKey {
        LocalKey::new(cipher, &Secret::from_vec(bytes(hex))).ok().unwrap()
    }

    #[test]
    fn aes_kw_agrees_with_rfc_3394() {
        let kek = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";
        let data = "00112233445566778899AABBCCDDEEFF0001020304050607 08090A0B0C0D0E0F";
        // Sections 4.1 to 4.6: the length of the KEK, of the data, and the result.
        for (kek_hex, data_hex, wrapped) in [
            (32, 32, "1FA68B0A8112B447 AEF34BD8FB5A7B82 9D3E862371D2CFE5"),
            (48, 32, "96778B25AE6CA435 F92B5B97C050AED2 468AB8A17AD84E5D"),
            (64, 32, "64E8C3F9CE0F5BA2 63E9777905818A2A 93C8191E7D6E8AE7"),
            (48, 48, "031D33264E15D332 68F24EC260743EDC E1C6C7DDEE725A93 6BA814915C6762D2"),
            (64, 48, "A8F9BC1612C68B3F F6E6F4FBE30E71E4 769C8B80A32CB895 8CD5D17D6B254DA1"),
            (64, 64, "28C9F404C4B810F4 CBCCB35CFB87F826 3F5786E2D80ED326 CBC7F0E71A99F43B FB988B9B7A02DD21"),
        ] {
            let key = key(Cipher::AesKw, kek.split_at(kek_hex).0);
            let plain = bytes(data.replace(' ', "").split_at(data_hex).0);
            let parts = key.seal(&plain, b"").unwrap();
            assert_eq!(parts, Parts { ciphertext: bytes(wrapped), ..Parts::default() });
            assert!(key.open(&parts, b"").ok().unwrap().same(&Secret::from_vec(plain)));
        }
    }

    #[test]
    fn aes_gcm_agrees_with_its_specification() {
        // McGrew and Viega, test cases 4 and 16.
        let plain = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72 1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let aad = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        for (cipher, hex, ciphertext, tag) in [
            (
                Cipher::Aes128Gcm,
                "feffe9928665731c6d6a8f9467308308",
                "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e 21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
                "5bc94fbc3221a5db94fae95ae7121a47",
            ),
            (
                Cipher::Aes256Gcm,
                "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
                "76fc6ece0f4e1768cddf8853bb2d551b",
            ),
        ] {
            let key = key(cipher, hex);
            let parts = Parts {
                nonce: bytes("cafebabefacedbaddecaf888"),
                ciphertext: bytes(ciphertext),
                tag: bytes(tag),
                ..Parts::default()
            };
            assert!(key.open(&parts, &aad).ok().unwrap().same(&Secret::from_vec(plain.clone())));
            assert_eq!(key.open(&parts, b"other").err(), Some(Refused::DoesNotOpen));
        }
    }

    #[test]
    fn one_key_serves_many_threads() {
        let key = LocalKey::new(Cipher::Aes256Gcm, &Secret::from_vec(vec![1; 32])).ok().unwrap();
        let parts = key.seal(b"plain", b"").unwrap();
        let opened = std::thread::scope(|scope| {
            let threads = [(); 3].map(|()| scope.spawn(|| key.open(&parts, b"").is_ok()));
            threads.map(|thread| thread.join().unwrap_or(false))
        });
        assert_eq!(opened, [true; 3]);
    }

    #[test]
    fn keys_of_a_wrong_length_are_refused() {
        for (cipher, good) in
            [(Cipher::Aes256Gcm, &[32][..]), (Cipher::Aes128Gcm, &[16]), (Cipher::AesKw, &[16, 24, 32])]
        {
            for len in 0..80 {
                let made = LocalKey::new(cipher, &Secret::random(len).ok().unwrap());
                assert_eq!(made.is_ok(), good.contains(&len), "{cipher} with {len} bytes");
            }
        }
        assert!(LocalKey::new(Cipher::Backend, &Secret::random(32).ok().unwrap()).is_err());
    }

    #[test]
    fn nothing_opens_under_another_key_or_changed() {
        for cipher in [Cipher::Aes256Gcm, Cipher::AesKw] {
            let [key, other] = [1, 2].map(|n| LocalKey::new(cipher, &Secret::from_vec(vec![n; 32])).ok().unwrap());
            let parts = key.seal(&[7; 32], b"").unwrap();
            assert_eq!(other.open(&parts, b"").err(), Some(Refused::DoesNotOpen));
            for bit in 0..parts.ciphertext.len() * 8 {
                let mut changed = parts.clone();
                changed.ciphertext.iter_mut().skip(bit / 8).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
                assert_eq!(key.open(&changed, b"").err(), Some(Refused::DoesNotOpen));
            }
            for len in 0..parts.ciphertext.len() {
                let cut = Parts { ciphertext: parts.ciphertext.iter().copied().take(len).collect(), ..parts.clone() };
                assert!(key.open(&cut, b"").is_err());
            }
        }
        let wrap = LocalKey::new(Cipher::AesKw, &Secret::from_vec(vec![1; 32])).ok().unwrap();
        assert!(wrap.seal(&[7; 32], b"aad").is_err());
        assert!(wrap.seal(&[7; 31], b"").is_err());
        assert!(wrap.seal(&[7; 8], b"").is_err());
    }
}
