//! The hot loop: open a value, seal it under the new version, read what was written, open that and compare.
//!
//! AES-GCM over bytes in hex, base64 or raw goes without an allocation a value; every other seal takes the general way. Both
//! give values that the other opens, and a test holds them to it.

use base64::Engine;
use subtle::ConstantTimeEq;
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
use crate::envelope::coding::BASE64URL;
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
            let done = self.fast(old, old_aad, new_aad, out);
            self.plain.zeroize();
            self.again.zeroize();
            return done;
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
        self.plain.extend_from_slice(ciphertext);
        old.open_in_place(nonce, old_aad, &mut self.plain, tag)?;

        let nonce = self.nonces.next()?;
        fast.put(&mut self.raw, &self.plain, &nonce, |bytes| self.new.seal_in_place(&nonce, new_aad, bytes))?;
        fast.write(&self.raw, out)?;

        // From the text that will be written, not from what we think is in it.
        let read = fast.read(out, &mut self.raw).then_some(()).and_then(|()| fast.cut(&self.raw));
        let (nonce, ciphertext, tag) = read.ok_or(Refused::DoesNotOpenAgain)?;
        self.again.extend_from_slice(ciphertext);
        let opened = self.new.open_in_place(nonce, new_aad, &mut self.again, tag);
        let same: bool = self.again.as_slice().ct_eq(self.plain.as_slice()).into();
        if opened.is_ok() && same { Ok(()) } else { Err(Refused::DoesNotOpenAgain) }
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
        let Some(text) = sealed.strip_prefix(self.prefix) else { return false };
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
            Coding::Hex => hex::decode_to_slice(text, raw).ok().map(|()| room),
            Coding::Base64 if text.len() % 4 == 0 => BASE64.decode_slice(text, raw).ok(),
            Coding::Base64url if !text.ends_with(b"=") => BASE64URL.decode_slice(text, raw).ok(),
            _ => None,
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
                let digits = room.get_mut(..raw.len().saturating_mul(2));
                digits.and_then(|digits| hex::encode_to_slice(raw, digits).ok()).map(|()| raw.len().saturating_mul(2))
            }
            Coding::Base64 => BASE64.encode_slice(raw, room).ok(),
            Coding::Base64url => BASE64URL.encode_slice(raw, room).ok(),
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
