//! The hot loop: open a value, seal it under the new version, read what was written, open that and compare.
//!
//! AES-GCM over bytes in hex, base64 or raw goes without an allocation a value; every other seal takes the general way. Both
//! give values that the other opens, and a test holds them to it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroize;
use zeroize::Zeroizing;

use crate::envelope::Coding;
use crate::envelope::Layout;
use crate::envelope::Misfit;
use crate::envelope::NONCE_BYTES;
use crate::envelope::Part;
use crate::envelope::Refused;
use crate::envelope::Seal;
use crate::envelope::Sealed;
use crate::envelope::SealedOut;
use crate::envelope::TAG_BYTES;
use crate::envelope::apart::fixed;
use crate::envelope::coding::BASE64;
use crate::envelope::coding::read_hex;
use crate::envelope::coding::write_hex;
use crate::envelope::key::LocalKey;
use crate::fault::Fault;
use crate::secret::Secret;

/// How many nonces are drawn in one call of the operating system: about one page.
const NONCES_PER_DRAW: usize = 341;

/// Rewraps many values to one new version; each thread has its own.
pub struct Rewrap<'a> {
    seal: &'a Seal,
    new: &'a LocalKey,
    version: Option<&'a str>,
    fast: Option<Fast<'a>>,
    nonces: Nonces,
    raw: Vec<u8>,
    plain: Zeroizing<Vec<u8>>,
    again: Zeroizing<Vec<u8>>,
}

impl<'a> Rewrap<'a> {
    /// To the key `new`, named by `version` where the seal names one.
    #[must_use]
    pub fn new(seal: &'a Seal, new: &'a LocalKey, version: Option<&'a str>) -> Self {
        Self {
            seal,
            new,
            version,
            fast: Fast::of(seal).filter(|_| new.is_for(seal.cipher())),
            nonces: Nonces::default(),
            raw: Vec::new(),
            plain: Zeroizing::default(),
            again: Zeroizing::default(),
        }
    }

    /// Rewraps a value of text or bytes into `out`, whose old content goes. After an error `out` must not be used.
    ///
    /// # Errors
    /// The value does not have the shape of the seal or does not open under `old`, or what was sealed anew does not open to the
    /// same bytes.
    pub fn value(
        &mut self,
        old: &LocalKey,
        sealed: Sealed<'_>,
        old_aad: &[u8],
        new_aad: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let bytes = match sealed {
            Sealed::Bytes(bytes) => bytes,
            Sealed::Text(text) => text.as_bytes(),
            Sealed::Fields(_) => return Err(Misfit("it is an object, not text or bytes".to_owned()).into()),
        };
        if old.is_for(self.seal.cipher()) && self.read_fast(bytes) {
            return self.fast(old, old_aad, new_aad, out);
        }
        match self.seal.rewrap((old, old_aad), (self.new, new_aad), self.version, sealed)? {
            SealedOut::Bytes(bytes) => *out = bytes,
            SealedOut::Fields(_) => return Err(Misfit("it is text or bytes, not an object".to_owned()).into()),
        }
        Ok(())
    }

    /// Rewraps a value of any kind; for fields, gives those that the layout names.
    ///
    /// # Errors
    /// As [`Rewrap::value`].
    pub fn any(
        &mut self,
        old: &LocalKey,
        sealed: Sealed<'_>,
        old_aad: &[u8],
        new_aad: &[u8],
    ) -> Result<SealedOut, Refused> {
        self.seal.rewrap((old, old_aad), (self.new, new_aad), self.version, sealed)
    }

    /// Reads the value into `raw`, if it is written in the one usual way.
    fn read_fast(&mut self, sealed: &[u8]) -> bool {
        self.fast.as_ref().is_some_and(|fast| fast.read(sealed, &mut self.raw))
    }

    fn fast(&mut self, old: &LocalKey, old_aad: &[u8], new_aad: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        let Some(fast) = &self.fast else { return Err(Refused::DoesNotOpenAgain) };
        let (nonce, ciphertext, tag) = fast.cut(&self.raw).ok_or_else(|| fast.misfit(self.raw.len()))?;
        // The next value overwrites this one; what is left at the end is wiped when this is dropped. To wipe each of a million
        // values costs a tenth of the loop, and hides nothing from whoever reads this memory: the key lies in it too.
        self.plain.clear();
        self.plain.extend_from_slice(ciphertext);
        old.open_in_place(nonce, old_aad, &mut self.plain, tag)?;

        let nonce = self.nonces.next()?;
        fast.put(&mut self.raw, &self.plain, &nonce, |bytes| self.new.seal_in_place(&nonce, new_aad, bytes))?;
        fast.write(&self.raw, out)?;

        // From the text that will be written, not from what we think is in it.
        let read = fast.read(out, &mut self.raw).then_some(()).and_then(|()| fast.cut(&self.raw));
        let (nonce, ciphertext, tag) = read.ok_or(Refused::DoesNotOpenAgain)?;
        self.again.clear();
        self.again.extend_from_slice(ciphertext);
        let opened = self.new.open_in_place(nonce, new_aad, &mut self.again, tag);
        // Two copies of one value, both ours: how long a comparison takes tells nobody anything.
        if opened.is_ok() && self.again == self.plain { Ok(()) } else { Err(Refused::DoesNotOpenAgain) }
    }
}

/// Fresh nonces, drawn from the operating system by the page, each handed out once.
#[derive(Default)]
struct Nonces {
    drawn: Option<Secret>,
    used: usize,
}

impl Nonces {
    fn next(&mut self) -> Result<[u8; NONCE_BYTES], Fault> {
        if self.used >= NONCES_PER_DRAW {
            self.drawn = None;
        }
        let drawn = match &self.drawn {
            Some(drawn) => drawn,
            None => {
                self.used = 0;
                self.drawn.insert(Secret::random(NONCES_PER_DRAW.saturating_mul(NONCE_BYTES))?)
            }
        };
        let at = self.used.saturating_mul(NONCE_BYTES);
        self.used = self.used.saturating_add(1);
        drawn
            .lend(|bytes| bytes.get(at..)?.first_chunk().copied())
            .ok_or_else(|| Fault::report_bug("draw a nonce", "the page is too short"))
    }
}

/// A seal that needs no allocation: one coding at most, a constant prefix, bytes in order.
struct Fast<'a> {
    coding: Coding,
    prefix: &'a [u8],
    order: &'a [Part],
    fixed: usize,
}

impl<'a> Fast<'a> {
    fn of(seal: &'a Seal) -> Option<Self> {
        let Layout::Bytes(order) = seal.layout() else { return None };
        let coding = match seal.codings() {
            [] => Coding::Raw,
            [one] if *one != Coding::Json => *one,
            _ => return None,
        };
        let prefix = match seal.prefix() {
            None => &[],
            Some(prefix) if prefix.is_constant() => prefix.as_str().as_bytes(),
            Some(_) => return None,
        };
        let gcm = order.contains(&Part::Nonce) && order.contains(&Part::Tag);
        gcm.then(|| Self { coding, prefix, order, fixed: fixed(order) })
    }

    /// Decodes a value into `raw`; `false` where it is not written in the one usual way, which the general way may still read.
    fn read(&self, sealed: &[u8], raw: &mut Vec<u8>) -> bool {
        // An empty slice has no address, and comparing nothing with it costs the processor a tenth of the whole loop.
        let text = if self.prefix.is_empty() { Some(sealed) } else { sealed.strip_prefix(self.prefix) };
        let Some(text) = text else { return false };
        let room = match self.coding {
            Coding::Hex => text.len() / 2,
            _ => text.len(),
        };
        raw.clear();
        raw.resize(room, 0);
        let count = match self.coding {
            Coding::Raw => {
                raw.copy_from_slice(text);
                Some(room)
            }
            Coding::Hex => read_hex(text, raw).then_some(room),
            Coding::Base64 => BASE64.decode_slice(text, raw).ok(),
            Coding::Base64url => URL_SAFE_NO_PAD.decode_slice(text, raw).ok(),
            Coding::Json => None,
        };
        raw.truncate(count.unwrap_or(0));
        count.is_some()
    }

    fn write(&self, raw: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        out.clear();
        out.extend_from_slice(self.prefix);
        let start = out.len();
        // The longest coding is hex, with two digits a byte; base64 never needs more than that and a rest.
        out.resize(start.saturating_add(raw.len().saturating_mul(2)).saturating_add(4), 0);
        let room = out.get_mut(start..).ok_or(Refused::DoesNotOpenAgain)?;
        let count = match self.coding {
            Coding::Hex => {
                let digits = raw.len().saturating_mul(2);
                room.get_mut(..digits).is_some_and(|room| write_hex(raw, room)).then_some(digits)
            }
            Coding::Base64 => BASE64.encode_slice(raw, room).ok(),
            Coding::Base64url => URL_SAFE_NO_PAD.encode_slice(raw, room).ok(),
            Coding::Raw | Coding::Json => room.get_mut(..raw.len()).map(|room| {
                room.copy_from_slice(raw);
                raw.len()
            }),
        };
        out.truncate(start.saturating_add(count.ok_or(Refused::DoesNotOpenAgain)?));
        Ok(())
    }

    /// Nonce, ciphertext and tag, if the length and the constants are right.
    fn cut<'r>(&self, raw: &'r [u8]) -> Option<(&'r [u8], &'r [u8], &'r [u8])> {
        let variable = raw.len().checked_sub(self.fixed)?;
        let (mut rest, mut nonce, mut ciphertext, mut tag) = (raw, None, None, None);
        for part in self.order {
            let (taken, after) = rest.split_at_checked(length(part, variable))?;
            rest = after;
            match part {
                Part::Nonce => nonce = Some(taken),
                Part::Ciphertext => ciphertext = Some(taken),
                Part::Tag => tag = Some(taken),
                Part::Constant(constant) if taken == constant => {}
                Part::Constant(_) => return None,
            }
        }
        Some((nonce?, ciphertext?, tag?))
    }

    /// Puts a nonce and the plaintext in their places, seals it there and puts the tag in its own.
    fn put(
        &self,
        raw: &mut [u8],
        plain: &[u8],
        nonce: &[u8; NONCE_BYTES],
        seal: impl FnOnce(&mut [u8]) -> Result<[u8; TAG_BYTES], Refused>,
    ) -> Result<(), Refused> {
        let (mut rest, mut text, mut tag) = (raw, None, None);
        for part in self.order {
            let (place, after) =
                rest.split_at_mut_checked(length(part, plain.len())).ok_or(Refused::DoesNotOpenAgain)?;
            rest = after;
            match part {
                Part::Nonce => place.copy_from_slice(nonce),
                Part::Ciphertext => text = Some(place),
                Part::Tag => tag = Some(place),
                Part::Constant(_) => {}
            }
        }
        let (Some(text), Some(tag)) = (text, tag) else { return Err(Refused::DoesNotOpenAgain) };
        text.copy_from_slice(plain);
        let sealed = seal(text).inspect_err(|_| text.zeroize())?;
        tag.copy_from_slice(&sealed);
        Ok(())
    }

    fn misfit(&self, len: usize) -> Refused {
        let why = if len < self.fixed {
            format!("it is too short: {len} bytes")
        } else {
            "it does not hold the constant bytes that the layout names".to_owned()
        };
        Misfit(why).into()
    }
}

fn length(part: &Part, variable: usize) -> usize {
    match part {
        Part::Nonce => NONCE_BYTES,
        Part::Tag => TAG_BYTES,
        Part::Constant(bytes) => bytes.len(),
        Part::Ciphertext => variable,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::prop_assert;
    use proptest::prop_assert_eq;
    use proptest::proptest;
    use proptest::sample::select;
    use serde_json::Value;
    use serde_json::json;

    use super::Rewrap;
    use crate::envelope::Refused;
    use crate::envelope::Seal;
    use crate::envelope::Sealed;
    use crate::envelope::SealedOut;
    use crate::envelope::key::LocalKey;
    use crate::secret::Secret;

    fn key(seal: &Seal, byte: u8) -> LocalKey {
        let len = if seal.cipher().word() == "aes-128-gcm" { 16 } else { 32 };
        LocalKey::new(seal.cipher(), &Secret::from_vec(vec![byte; len])).ok().unwrap()
    }

    fn texts() -> Vec<Value> {
        let gcm = json!(["nonce", "ciphertext", "tag"]);
        let constants = json!([{ "hex": "0102" }, "tag", { "text": "::" }, "ciphertext", "nonce", { "hex": "ff" }]);
        let table = json!({ "v": 1, "k": "{{ version }}", "n": "{{ nonce | base64url }}", "c": "{{ tag + ciphertext | hex }}" });
        vec![
            json!({ "cipher": "aes-256-gcm", "layout": gcm }),
            json!({ "cipher": "aes-256-gcm", "as": "raw", "prefix": "raw:", "layout": constants }),
            json!({ "cipher": "aes-128-gcm", "as": "hex", "layout": constants }),
            json!({ "cipher": "aes-256-gcm", "as": "base64", "prefix": "ENC:", "layout": gcm }),
            json!({ "cipher": "aes-256-gcm", "as": "base64url", "layout": constants }),
            json!({ "cipher": "aes-256-gcm", "as": ["hex", "base64"], "layout": gcm }),
            json!({ "cipher": "aes-256-gcm", "as": ["json", "base64"], "prefix": "v{{ version }}:", "layout": gcm }),
            json!({ "cipher": "aes-256-gcm", "as": "json", "layout": table }),
            json!({ "cipher": "aes-256-gcm", "as": ["base64url", "json"], "prefix": "x", "layout": table }),
        ]
    }

    proptest! {
        #[test]
        fn every_text_seal_keeps_its_plaintext(
            written in select(texts()), plain in vec(any::<u8>(), 0..200), aad in vec(any::<u8>(), 0..40), n in 1..1000u32,
        ) {
            let seal = Seal::from_written(&written).unwrap();
            let (old, new) = (key(&seal, 1), key(&seal, 2));
            let version = n.to_string();
            let SealedOut::Bytes(first) = seal.seal(&old, &plain, &aad, Some("0"), None).unwrap() else { unreachable!("text") };
            let first = Sealed::Bytes(&first);
            // The fast way and the general way.
            let mut rewrap = Rewrap::new(&seal, &new, Some(&version));
            let mut out = vec![9; 5];
            rewrap.value(&old, first, &aad, b"moved", &mut out).unwrap();
            let general = rewrap.any(&old, first, &aad, b"moved").unwrap();
            for sealed in [Sealed::Bytes(&out), general.as_sealed()] {
                prop_assert_eq!(seal.open(&new, sealed, b"moved").ok().unwrap().lend(<[u8]>::to_vec), plain.clone());
                let parts = seal.take_apart(sealed).unwrap();
                prop_assert_eq!(parts.version.as_deref(), seal.names_version().then_some(version.as_str()));
                let joined = seal.put_together(&parts, Some(first)).unwrap();
                prop_assert_eq!(joined.as_bytes(), sealed.as_bytes());
            }
            prop_assert_eq!(rewrap.value(&new, first, &aad, &aad, &mut out).err(), Some(Refused::DoesNotOpen));
            prop_assert_eq!(rewrap.value(&old, first, b"else", &aad, &mut out).err(), Some(Refused::DoesNotOpen));
        }

        #[test]
        fn no_change_goes_unseen(
            written in select(texts()), plain in vec(any::<u8>(), 1..40), at in any::<proptest::sample::Index>(), bit in 0..8u8,
        ) {
            let seal = Seal::from_written(&written).unwrap();
            let (old, new) = (key(&seal, 1), key(&seal, 2));
            let SealedOut::Bytes(good) = seal.seal(&old, &plain, b"aad", Some("7"), None).unwrap() else { unreachable!("text") };
            let at = at.index(good.len());
            let mut flipped = good.clone();
            flipped[at] ^= 1 << bit;
            let mut rewrap = Rewrap::new(&seal, &new, Some("8"));
            let mut out = Vec::new();
            for bad in [&flipped[..], &good[..at]] {
                let given = Sealed::Bytes(bad);
                // Still the same value: the case of a hex digit, or a blank after it.
                let parts = seal.take_apart(given);
                let same = parts.as_ref().is_ok_and(|parts| *parts == seal.take_apart(Sealed::Bytes(&good)).unwrap());
                let renamed = parts.is_ok_and(|parts| parts.version.as_deref().is_some_and(|version| version != "7"));
                prop_assert_eq!(seal.open(&old, given, b"aad").is_ok(), same || renamed);
                prop_assert_eq!(rewrap.value(&old, given, b"aad", b"aad", &mut out).is_ok(), same || renamed);
            }
        }

        #[test]
        fn rubbish_is_refused_without_a_panic(
            written in select(texts()), bytes in vec(any::<u8>(), 0..120), text in "[\\[\\]{}\":,0-9a-f=. \\\\vnck-]{0,120}",
        ) {
            for written in [written, json!("jwe"), json!("vault-transit")] {
                let seal = Seal::from_written(&written).unwrap();
                for sealed in [Sealed::Bytes(&bytes), Sealed::Text(&text)] {
                    let parts = seal.take_apart(sealed);
                    prop_assert!(parts.is_err() || seal.put_together(&parts.unwrap(), Some(sealed)).is_ok());
                    if seal.cipher().word() != "backend" {
                        let key = key(&seal, 1);
                        prop_assert!(Rewrap::new(&seal, &key, None).any(&key, sealed, b"", b"").is_err());
                    }
                }
            }
        }
    }

    #[test]
    fn nonces_never_come_twice() {
        let seal = Seal::from_written(&texts()[0]).unwrap();
        let (old, new) = (key(&seal, 1), key(&seal, 2));
        let first = seal.seal(&old, b"plain", b"", None, None).unwrap();
        let mut rewrap = Rewrap::new(&seal, &new, None);
        let mut seen = std::collections::BTreeSet::new();
        let mut out = Vec::new();
        for _ in 0..1000 {
            rewrap.value(&old, first.as_sealed(), b"", b"", &mut out).unwrap();
            assert!(seen.insert(out[..12].to_vec()));
        }
    }
}
