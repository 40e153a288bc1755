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

    /// The bytes, where it is not fields.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        self.as_sealed().as_bytes()
    }
}

impl<'a> Sealed<'a> {
    /// The bytes, where it is not fields.
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Text(text) => Some(text.as_bytes()),
            Self::Fields(_) => None,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use serde_json::Map;
    use serde_json::Value;
    use serde_json::json;

    use crate::envelope::Cipher;
    use crate::envelope::Seal;
    use crate::envelope::Sealed;
    use crate::envelope::SealedOut;
    use crate::envelope::key::LocalKey;
    use crate::secret::Secret;

    fn seal(written: &Value) -> Seal {
        Seal::from_written(written).unwrap()
    }

    fn key(byte: u8) -> LocalKey {
        LocalKey::new(Cipher::Aes256Gcm, &Secret::from_vec(vec![byte; 32])).ok().unwrap()
    }

    fn text(out: SealedOut) -> String {
        match out {
            SealedOut::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            SealedOut::Fields(map) => Value::Object(map).to_string(),
        }
    }

    fn misfit(seal: &Seal, sealed: &str) -> String {
        seal.take_apart(Sealed::Text(sealed)).unwrap_err().0
    }

    fn envelope() -> Seal {
        seal(&json!({ "cipher": "aes-256-gcm", "as": "json", "layout": { "v": 1, "key": "k{{ version }}",
            "n": "{{ nonce | base64url }}", "c": "{{ ciphertext + tag | hex }}" } }))
    }

    #[test]
    fn what_does_not_change_is_kept() {
        let seal = envelope();
        let good = text(seal.seal(&key(1), b"plain", b"", Some("1"), None).unwrap());
        // Blanks around, and padding: twelve bytes need none, so the nonce shows nothing.
        let given = format!(" \n{good}\t");
        let out = text(seal.rewrap((&key(1), b""), (&key(2), b""), Some("2"), Sealed::Text(&given)).unwrap());
        assert!(out.starts_with(" \n{\"v\":1,\"key\":\"k2\",") && out.ends_with("}\t"), "{out}");

        let padded = Seal::from_written(
            &json!({ "cipher": "aes-256-gcm", "as": "base64url", "layout": ["nonce", "ciphertext", "tag"] }),
        )
        .unwrap();
        let good = text(padded.seal(&key(1), b"abc", b"", None, None).unwrap());
        let out = |given: &str| text(padded.rewrap((&key(1), b""), (&key(2), b""), None, Sealed::Text(given)).unwrap());
        assert!(!good.ends_with('=') && !out(&good).ends_with('='));
        assert!(out(&format!("{good}==")).ends_with("=="));
        assert!(padded.take_apart(Sealed::Text(&format!("{good}="))).is_err());
    }

    #[test]
    fn objects_are_read_as_strictly_as_their_application_does() {
        let seal = envelope();
        let good = text(seal.seal(&key(1), b"plain", b"", Some("1"), None).unwrap());
        let other = |from: &str, to: &str| misfit(&seal, &good.replacen(from, to, 1));
        assert_eq!(other("{", "{\"x\":1,"), "field `x` is not expected");
        assert_eq!(other("{", "{\"v\":1,"), "it is not a JSON object with each field once");
        assert_eq!(other("\"v\":1,", ""), "field `v` is missing");
        assert_eq!(other("\"v\":1", "\"v\":2"), "field `v` is not 1");
        assert_eq!(other("\"k1\"", "\"1\""), "field `key` names no version");
        assert_eq!(other("\"c\":\"", "\"c\":\"x"), "field `c` is not a string of hex");
        assert_eq!(misfit(&seal, "[]"), "it is not a JSON object with each field once");
        assert_eq!(
            seal.seal(&key(1), b"plain", b"", None, None).unwrap_err().to_string(),
            "the value does not have the shape of its seal: field `key` names a version, and none is given"
        );
    }

    #[test]
    fn fields_of_a_record_are_found_among_others() {
        let fields =
            json!({ "key": "{{ version }}", "n": "{{ nonce | numbers }}", "c": "{{ ciphertext + tag | base64 }}" });
        let over = seal(&json!({ "cipher": "aes-256-gcm", "layout": fields, "over": "fields" }));
        let native = seal(&json!({ "cipher": "aes-256-gcm", "layout": fields }));
        let SealedOut::Fields(mut record) = over.seal(&key(1), b"plain", b"", Some("1"), None).unwrap() else {
            unreachable!("fields")
        };
        assert!(native.open(&key(1), Sealed::Fields(&record), b"").is_ok());
        // A version that the record holds as a number stays one.
        record.insert("key".to_owned(), 1.into());
        record.insert("other".to_owned(), "stays".into());
        assert!(native.open(&key(1), Sealed::Fields(&record), b"").is_err());
        let moved = |version: &str| over.rewrap((&key(1), b""), (&key(2), b""), Some(version), Sealed::Fields(&record));
        let SealedOut::Fields(out) = moved("2").unwrap() else { unreachable!("fields") };
        assert_eq!(out.keys().collect::<Vec<_>>(), ["key", "n", "c"]);
        assert_eq!(out.get("key"), Some(&json!(2)));
        assert!(moved("v2").is_err());
        assert!(over.take_apart(Sealed::Text("{}")).is_err());
        assert!(over.take_apart(Sealed::Fields(&Map::new())).is_err());
        assert!(envelope().take_apart(Sealed::Fields(&record)).is_err());
    }

    #[test]
    fn a_version_in_the_prefix_is_read_and_written() {
        let transit = Seal::preset("vault-transit").unwrap();
        let parts = transit.take_apart(Sealed::Text("vault:v12:b3BhcXVl")).unwrap();
        assert_eq!((parts.version.as_deref(), parts.ciphertext.as_slice()), (Some("12"), &b"opaque"[..]));
        assert_eq!(text(transit.put_together(&parts, None).unwrap()), "vault:v12:b3BhcXVl");
        for bad in ["vault:v:b3Bh", "vault:12:b3Bh", "vault:v12", "vault:v12:?", ""] {
            assert!(transit.take_apart(Sealed::Text(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_jwe_keeps_its_other_header_fields() {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let jwe = Seal::preset("jwe").unwrap();
        let made = text(jwe.seal(&key(1), b"plain", b"", Some("old"), None).unwrap());
        let header = |text: &str| URL_SAFE_NO_PAD.decode(text.split('.').next().unwrap()).unwrap();
        assert_eq!(header(&made), br#"{"alg":"dir","enc":"A256GCM","kid":"old"}"#);
        for (given, wanted) in [
            (
                r#"{"typ":"x","kid":"old","enc":"A256GCM","alg":"dir"}"#,
                r#"{"typ":"x","kid":"new","enc":"A256GCM","alg":"dir"}"#,
            ),
            (r#"{"alg":"dir","enc":"A256GCM"}"#, r#"{"alg":"dir","enc":"A256GCM"}"#),
        ] {
            let protected = URL_SAFE_NO_PAD.encode(given);
            let sealed = key(1).seal(b"plain", protected.as_bytes()).ok().unwrap();
            let [nonce, ciphertext, tag] =
                [sealed.nonce, sealed.ciphertext, sealed.tag].map(|b| URL_SAFE_NO_PAD.encode(b));
            let token = format!("{protected}..{nonce}.{ciphertext}.{tag}");
            let out = text(jwe.rewrap((&key(1), b""), (&key(2), b""), Some("new"), Sealed::Text(&token)).unwrap());
            assert_eq!(String::from_utf8(header(&out)).unwrap(), wanted);
        }
        let other = |header: &str| {
            let protected = URL_SAFE_NO_PAD.encode(header);
            misfit(&jwe, &format!("{protected}..{0}.{0}.{0}", "AAAAAAAAAAAAAAAA"))
        };
        assert_eq!(other(r#"{"alg":"dir","enc":"A128GCM"}"#), "its `enc` is not `A256GCM`");
        assert_eq!(other(r#"{"alg":"RSA","enc":"A256GCM"}"#), "its `alg` is neither `dir` nor `A256GCMKW`");
        assert_eq!(
            other(r#"{"alg":"dir","enc":"A256GCM","crit":["b64"]}"#),
            "its header has a `crit`, which we do not know"
        );
        assert_eq!(other(r#"{"alg":"dir","enc":"A256GCM"}"#), "it is not a compact JWE");
        assert_eq!(misfit(&jwe, "a.b.c"), "it is not a compact JWE");
        assert!(jwe.open(&key(1), Sealed::Text(&made), b"aad").is_err());
    }
}
