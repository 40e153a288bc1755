//! Digests: framed SHA-256 and its hex. Nothing else in the crate hashes.
//!
//! Two ways, and they never meet: [`of`] frames what we define ourselves (journal lines, plans, shapes), so that no two lists
//! of parts share their bytes; [`plain`] is for bytes that others digest too (keys, files).

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;
use sha2::Digest as _;
use sha2::Sha256;

/// Thirty-two bytes of SHA-256, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// The framed digest of `parts` in a `domain`: each is preceded by its length, so `["ab", "c"]` and `["a", "bc"]` differ.
#[must_use]
pub fn of(domain: &str, parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::new(domain);
    for part in parts {
        hasher.part(part);
    }
    hasher.finish()
}

/// Plain SHA-256, as every other tool would print it: key fingerprints, digests of files.
#[must_use]
pub fn plain(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// [`of`], part by part.
#[derive(Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Begins a framed digest in a `domain`.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.part(domain.as_bytes());
        hasher
    }

    /// Adds one part with its length before it.
    pub fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// The digest of all parts so far.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl Digest {
    /// Reads the written form: exactly 64 lower-case hex digits, so that one digest has one spelling.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err("a digest is written in lower-case hex".to_owned());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| format!("a digest is 64 hex digits, this has {} characters", text.chars().count()))?;
        Ok(Self(bytes))
    }

    /// The written form: 64 lower-case hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first 12 hex digits: enough for people to tell two apart, never for a decision.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.hex();
        text.truncate(12);
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Digest;
    use super::Hasher;
    use super::of;
    use super::plain;

    #[test]
    fn plain_is_sha256_as_everybody_writes_it() {
        assert_eq!(plain(b"abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn frames_keep_parts_and_domains_apart() {
        let all = [
            of("a", &[b"ab", b"c"]),
            of("a", &[b"a", b"bc"]),
            of("a", &[b"abc"]),
            of("a", &[b"abc", b""]),
            of("b", &[b"abc"]),
            of("", &[b"a", b"abc"]),
            plain(b"abc"),
        ];
        for (i, one) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|other| *other == one).count(), 1, "case {i} has a twin");
        }
    }

    #[test]
    fn framing_is_fixed_for_ever() {
        // Journals and plans on disk depend on these bytes.
        let by_hand = [&8u64.to_be_bytes()[..], b"keyrota/", &1u64.to_be_bytes(), b"x"].concat();
        assert_eq!(of("keyrota/", &[b"x"]), plain(&by_hand));
        let mut parts = Hasher::new("keyrota/");
        parts.part(b"x");
        assert_eq!(parts.finish(), plain(&by_hand));
    }

    #[test]
    fn one_digest_has_one_spelling() {
        let digest = plain(b"");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(text, format!("\"{digest}\""));
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        assert_eq!(format!("{digest:?}"), digest.hex());
        assert_eq!(digest.short(), "e3b0c44298fc");
        assert!(Digest::parse(&digest.hex().to_uppercase()).is_err());
        assert!(Digest::parse("00").is_err());
        assert!(Digest::parse(&"é".repeat(32)).is_err());
    }
}
