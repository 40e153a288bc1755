//! RSA-OAEP with SHA-256, by AWS-LC: the crate `rsa` carries an open timing advisory.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use aws_lc_rs::rsa::OaepPrivateDecryptingKey;
use aws_lc_rs::rsa::OaepPublicEncryptingKey;
use aws_lc_rs::rsa::PrivateDecryptingKey;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::rsa::PublicKeyComponents;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::envelope::Parts;
use crate::envelope::Refused;
use crate::secret::Secret;

pub(super) struct RsaKey {
    public: OaepPublicEncryptingKey,
    private: Option<OaepPrivateDecryptingKey>,
}

impl RsaKey {
    /// PEM or DER, private or public.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let body = pem_body(bytes)?;
        let der = body.as_ref().map_or(bytes, |body| body.as_slice());
        if let Ok(private) = PrivateDecryptingKey::from_pkcs8(der) {
            let public = OaepPublicEncryptingKey::new(private.public_key()).map_err(|_| no_key())?;
            let private = OaepPrivateDecryptingKey::new(private).map_err(|_| no_key())?;
            return Ok(Self { public, private: Some(private) });
        }
        let public = PublicEncryptingKey::from_der(der).map_err(|_| no_key())?;
        Self::from_public(public)
    }

    pub(super) fn from_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, Refused> {
        let public: PublicEncryptingKey =
            PublicKeyComponents { n: modulus, e: exponent }.try_into().map_err(|_| no_key())?;
        // A key of numbers was not parsed: have it written and read as any other.
        let der = public.as_der().map_err(|_| no_key())?;
        Self::from_public(PublicEncryptingKey::from_der(der.as_ref()).map_err(|_| no_key())?)
    }

    fn from_public(public: PublicEncryptingKey) -> Result<Self, Refused> {
        Ok(Self { public: OaepPublicEncryptingKey::new(public).map_err(|_| no_key())?, private: None })
    }

    pub(super) fn can_open(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn open(&self, ciphertext: &[u8]) -> Result<Secret, Refused> {
        let private = self.private.as_ref().ok_or_else(|| Refused::WrongKey("a public key cannot open".to_owned()))?;
        let mut room = Zeroizing::new(vec![0; private.min_output_size()]);
        let opened = private.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut room, None);
        let count = opened.map_err(|_| Refused::DoesNotOpen)?.len();
        room.truncate(count);
        Ok(Secret::from_vec(std::mem::take(&mut *room)))
    }

    pub(super) fn seal(&self, plain: &[u8]) -> Result<Parts, Refused> {
        let most = self.public.max_plaintext_size(&OAEP_SHA256_MGF1SHA256);
        let mut ciphertext = vec![0; self.public.ciphertext_size()];
        let sealed = self.public.encrypt(&OAEP_SHA256_MGF1SHA256, plain, &mut ciphertext, None);
        let count = sealed.map_err(|_| {
            Refused::WrongKey(format!("this RSA key seals at most {most} bytes, and this is {}", plain.len()))
        })?;
        let count = count.len();
        ciphertext.truncate(count);
        Ok(Parts { ciphertext, ..Parts::default() })
    }
}

/// The bytes of a PEM block, where it is one.
fn pem_body(bytes: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Refused> {
    let Some(text) = std::str::from_utf8(bytes).ok().map(str::trim).filter(|text| text.starts_with("-----BEGIN "))
    else {
        return Ok(None);
    };
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let mut body = Zeroizing::new(Vec::with_capacity(text.len()));
    lines.for_each(|line| body.extend_from_slice(line.trim().as_bytes()));
    let mut der = Zeroizing::new(vec![0; body.len()]);
    let count = STANDARD.decode_slice(body.as_slice(), &mut der).map_err(|_| no_key())?;
    der.truncate(count);
    Ok(Some(der))
}

fn no_key() -> Refused {
    Refused::WrongKey(
        "this is no RSA key of 2048 to 8192 bits: a private one is PKCS #8, a public one SPKI or PKCS #1, PEM or DER"
            .to_owned(),
    )
}
