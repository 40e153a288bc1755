//! Bytes that cannot be printed, cloned or serialised, and are wiped when dropped; and the only source of randomness.
//!
//! `model`, `plan`, `journal`, `report` and `render` never name [`Secret`]. Where a secret comes from ([`Source`]) is data and
//! may be written anywhere; reading it is the wiring's affair, not this room's.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::digest;
use crate::digest::Digest;
use crate::fault::Fault;

/// Key material or another secret. One way out: [`Secret::lend`].
///
/// ```compile_fail,E0277
/// print!("{:?}", keyrota::secret::Secret::from_vec(vec![1]));
/// ```
/// ```compile_fail,E0599
/// keyrota::secret::Secret::from_vec(vec![1]).clone();
/// ```
/// ```compile_fail,E0277
/// serde_json::to_string(&keyrota::secret::Secret::from_vec(vec![1]));
/// ```
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over, so that no copy of them is left behind.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// `len` fresh bytes from the operating system.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random(len: usize) -> Result<Self, Fault> {
        let mut bytes = Zeroizing::new(vec![0; len]);
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Lends the bytes to `use_them` and to nobody else.
    pub fn lend<T>(&self, use_them: impl FnOnce(&[u8]) -> T) -> T {
        use_them(&self.0)
    }

    /// Whether both hold the same bytes, in a time that does not tell where they differ.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Plain SHA-256 of the bytes: tells versions apart without telling the key.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        digest::plain(&self.0)
    }
}

/// `N` bytes from the operating system's generator, for nonces and ids: the only randomness in the crate.
///
/// # Errors
/// The operating system gave no randomness.
pub fn random_array<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

fn fill(bytes: &mut [u8]) -> Result<(), Fault> {
    getrandom::fill(bytes).map_err(|error| Fault::give_up("draw random bytes from the operating system", error))
}

/// Where the value of a secret is to be read, as a policy writes it: `{ env = ".." }`, `{ file = ".." }`, `{ command = [..] }`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The environment variable of this name.
    Env(String),
    /// The file at this path.
    File(String),
    /// What this command prints.
    Command(Vec<String>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "variable `{name}`"),
            Self::File(path) => write!(f, "file `{path}`"),
            Self::Command(words) => write!(f, "command `{}`", words.join(" ")),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Secret;
    use super::Source;
    use super::random_array;

    #[test]
    fn compares_and_fingerprints_its_bytes() {
        let secret = Secret::from_vec(b"abc".to_vec());
        assert!(secret.same(&Secret::from_vec(b"abc".to_vec())));
        assert!(!secret.same(&Secret::from_vec(b"abd".to_vec())));
        assert!(!secret.same(&Secret::from_vec(b"abcd".to_vec())));
        assert_eq!(secret.len(), 3);
        assert!(!secret.is_empty());
        assert_eq!(secret.lend(<[u8]>::to_vec), b"abc");
        assert_eq!(secret.fingerprint().hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn randomness_differs_each_time() {
        let one = Secret::random(32).ok().unwrap();
        let other = Secret::random(32).ok().unwrap();
        assert_eq!(one.len(), 32);
        assert!(!one.same(&other));
        assert_ne!(random_array::<12>().unwrap(), random_array::<12>().unwrap());
    }

    #[test]
    fn sources_are_written_as_in_a_policy() {
        #[derive(serde::Deserialize)]
        struct Line {
            at: Source,
        }
        let read = |text: &str| toml::from_str::<Line>(text).map(|line| line.at);
        assert_eq!(read("at = { env = \"TOKEN\" }").unwrap(), Source::Env("TOKEN".to_owned()));
        assert_eq!(read("at = { file = \"a/b\" }").unwrap(), Source::File("a/b".to_owned()));
        assert_eq!(
            read("at = { command = [\"a\", \"b\"] }").unwrap(),
            Source::Command(vec!["a".to_owned(), "b".to_owned()])
        );
        assert!(read("at = { env = \"A\", file = \"B\" }").is_err());
        assert!(read("at = \"inline\"").is_err());
        assert_eq!(serde_json::to_string(&Source::Env("A".to_owned())).unwrap(), r#"{"env":"A"}"#);
    }
}
