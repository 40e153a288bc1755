//! A key's bytes as a file or a document writes them, and the key itself.

use crate::envelope::Coding;
use crate::model::Fingerprint;
use crate::policy::meant::key::Algorithm;
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// A version's material and what tells it from others.
pub(in crate::backend) struct Material {
    pub(in crate::backend) secret: Secret,
    pub(in crate::backend) fingerprint: Fingerprint,
    pub(in crate::backend) algorithm: Algorithm,
}

impl Material {
    /// The material as it is written down, or why there is none in it.
    pub(in crate::backend) fn read(codings: &[Coding], written: &Secret) -> Result<Self, String> {
        let secret = decode(codings, written)?;
        let algorithm = algorithm(&secret)?;
        let fingerprint = fingerprint(&secret)?;
        Ok(Self { secret, fingerprint, algorithm })
    }
}

/// What tells a key's bytes from all others: their SHA-256.
pub(in crate::backend) fn fingerprint(secret: &Secret) -> Result<Fingerprint, String> {
    secret.fingerprint().hex().parse().map_err(|bad| format!("{bad}"))
}

/// The key in a file's bytes. Blanks around a text are not part of it; raw bytes are taken as they are.
pub(in crate::backend) fn decode(codings: &[Coding], file: &Secret) -> Result<Secret, String> {
    let mut bytes = Zeroizing::new(file.lend(<[u8]>::to_vec));
    for coding in codings {
        let text = bytes.trim_ascii();
        bytes = Zeroizing::new(match coding {
            Coding::Raw => continue,
            Coding::Hex => hex::decode(text).map_err(|_| "it is not hex")?,
            Coding::Base64 => STANDARD.decode(text).map_err(|_| "it is not base64")?,
            Coding::Base64url => URL_SAFE_NO_PAD.decode(text).map_err(|_| "it is not base64url")?,
            Coding::Json => serde_json::from_slice::<String>(text).map_err(|_| "it is not a JSON string")?.into_bytes(),
        });
    }
    Ok(Secret::from_vec(std::mem::take(&mut *bytes)))
}

/// A file's bytes for a key: no newline at the end.
pub(in crate::backend) fn encode(codings: &[Coding], key: &Secret) -> Result<Secret, String> {
    let mut bytes = Zeroizing::new(key.lend(<[u8]>::to_vec));
    for coding in codings.iter().rev() {
        let text = match coding {
            Coding::Raw => continue,
            Coding::Hex => hex::encode(&*bytes),
            Coding::Base64 => STANDARD.encode(&*bytes),
            Coding::Base64url => URL_SAFE_NO_PAD.encode(&*bytes),
            Coding::Json => {
                let text = std::str::from_utf8(&bytes).map_err(|_| "a JSON string holds text, and a key is none")?;
                serde_json::to_string(text).map_err(|error| error.to_string())?
            }
        };
        bytes = Zeroizing::new(text.into_bytes());
    }
    Ok(Secret::from_vec(std::mem::take(&mut *bytes)))
}

/// How many bytes a key has that a file can hold.
pub(in crate::backend) fn length(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Aes128 => Some(16),
        Algorithm::Aes256 => Some(32),
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => None,
    }
}

/// What kind of key has so many bytes.
pub(in crate::backend) fn algorithm(key: &Secret) -> Result<Algorithm, String> {
    [Algorithm::Aes128, Algorithm::Aes256]
        .into_iter()
        .find(|algorithm| length(*algorithm) == Some(key.len()))
        .ok_or_else(|| format!("it holds {} bytes, and a key has 16 or 32", key.len()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::algorithm;
    use super::decode;
    use super::encode;
    use crate::envelope::Coding;
    use crate::policy::meant::key::Algorithm;
    use crate::secret::Secret;

    fn secret(bytes: &[u8]) -> Secret {
        Secret::from_vec(bytes.to_vec())
    }

    #[test]
    fn every_coding_reads_what_it_wrote() {
        let key = secret(&[0x20; 32]);
        let all = [
            vec![Coding::Raw],
            vec![Coding::Hex],
            vec![Coding::Base64],
            vec![Coding::Base64url],
            vec![Coding::Json, Coding::Base64],
        ];
        for codings in all {
            assert!(decode(&codings, &encode(&codings, &key).ok().unwrap()).ok().unwrap().same(&key), "{codings:?}");
        }
        assert_eq!(encode(&[Coding::Hex], &secret(&[1, 0xab])).ok().unwrap().lend(<[u8]>::to_vec), b"01ab");
    }

    #[test]
    fn blanks_around_a_text_are_no_part_of_the_key() {
        let read = |codings: &[Coding], text: &[u8]| decode(codings, &secret(text)).map(|key| key.lend(<[u8]>::to_vec));
        assert_eq!(read(&[Coding::Hex], b" 01AB\r\n").unwrap(), [1, 0xab]);
        assert_eq!(read(&[Coding::Raw], b"a\n").unwrap(), b"a\n");
        assert_eq!(read(&[Coding::Hex], b"01 ab").unwrap_err(), "it is not hex");
        assert_eq!(read(&[Coding::Base64], b"+-").unwrap_err(), "it is not base64");
    }

    #[test]
    fn a_key_has_one_of_two_lengths() {
        assert_eq!(algorithm(&secret(&[0; 16])), Ok(Algorithm::Aes128));
        assert_eq!(algorithm(&secret(&[0; 32])), Ok(Algorithm::Aes256));
        assert_eq!(algorithm(&secret(&[0; 31])).unwrap_err(), "it holds 31 bytes, and a key has 16 or 32");
    }
}
