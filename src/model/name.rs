//! Names that cross rooms. They parse at the door, so that past it nobody checks again, and nobody can
//! smuggle markup or control codes past a reviewer.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName(String);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadName {}

/// The longest a name may be, in characters.
pub const NAME_LENGTH_MAX: usize = 64;

/// The longest a version's id may be, in characters.
pub const ID_LENGTH_MAX: usize = 128;

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                $check(text).map(|()| Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype!(
    /// The name of a policy, backend, store, fleet, seal, window or key.
    Name,
    check_name
);
text_newtype!(
    /// What a backend calls one version of a key.
    VersionId,
    check_id
);
text_newtype!(
    /// What tells one version's material from every other: lower hex, computed by its backend.
    Fingerprint,
    check_fingerprint
);
text_newtype!(
    /// One process or host of a fleet, as its fleet names it.
    Member,
    check_id
);

fn check_name(text: &str) -> Result<(), BadName> {
    let fits = |at: usize, c: char| match c {
        'a'..='z' | '0'..='9' | '_' => true,
        '.' | '-' | '/' => at > 0,
        _ => false,
    };
    check(text, NAME_LENGTH_MAX, "a name is lower-case letters, digits, `_`, `.`, `-` and `/`", fits)?;
    if text.split(['/']).any(|part| part == ".." || part == "." || part.is_empty()) {
        return Err(BadName("a name has no empty, `.` or `..` part between its slashes".into()));
    }
    Ok(())
}

fn check_id(text: &str) -> Result<(), BadName> {
    let fits =
        |at: usize, c: char| c.is_ascii_alphanumeric() || c == '_' || at > 0 && matches!(c, '.' | '-' | ':' | '/');
    check(text, ID_LENGTH_MAX, "it is letters, digits, `_`, `.`, `-`, `:` and `/`", fits)?;
    if text.split('/').any(|part| part == "..") {
        return Err(BadName("it has no `..` part".into()));
    }
    Ok(())
}

fn check_fingerprint(text: &str) -> Result<(), BadName> {
    check(text, ID_LENGTH_MAX, "a fingerprint is lower-case hex", |_, c| matches!(c, '0'..='9' | 'a'..='f'))
}

fn check(text: &str, most: usize, rule: &str, fits: impl Fn(usize, char) -> bool) -> Result<(), BadName> {
    if text.is_empty() {
        return Err(BadName(format!("it is empty; {rule}")));
    }
    if text.len() > most {
        return Err(BadName(format!("it is {} characters long, and at most {most} are allowed", text.len())));
    }
    match text.chars().enumerate().find(|(at, c)| !fits(*at, *c)) {
        Some((at, c)) => Err(BadName(format!("`{}` cannot stand at place {}; {rule}", c.escape_default(), at + 1))),
        None => Ok(()),
    }
}

/// A key's whole name: `policy/key`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName {
    policy: Name,
    key: Name,
}

impl KeyName {
    /// The key `key` of policy `policy`.
    #[must_use]
    pub fn new(policy: Name, key: Name) -> Self {
        Self { policy, key }
    }

    /// The policy that declares it.
    #[must_use]
    pub fn policy(&self) -> &Name {
        &self.policy
    }

    /// Its name inside its policy.
    #[must_use]
    pub fn key(&self) -> &Name {
        &self.key
    }
}

impl FromStr for KeyName {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let Some((policy, key)) = text.split_once('/') else {
            return Err(BadName(format!("`{}` has no policy: a key is `policy/key`", text.escape_default())));
        };
        Ok(Self { policy: policy.parse()?, key: key.parse()? })
    }
}

impl TryFrom<String> for KeyName {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> String {
        name.to_string()
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.policy, self.key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_grammar() {
        for good in ["mek", "app-kek", "a/b", "v1.2", "_x", "0"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in ["", "-a", ".a", "/a", "a/../b", "a//b", "A", "a b", "a\u{202e}b", "a\x1b[31m", "a\0", "ü", &long] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_has_a_policy() {
        let key: KeyName = "nsp/mek/acme".parse().unwrap();
        assert_eq!((key.policy().as_str(), key.key().as_str()), ("nsp", "mek/acme"));
        assert_eq!(key.to_string(), "nsp/mek/acme");
        assert!("mek".parse::<KeyName>().is_err());
    }

    #[test]
    fn ids_take_what_backends_make_and_no_more() {
        for good in ["v12", "52466a9c-e4ba-11f1-be23-02fc00000001", "KV2"] {
            assert!(good.parse::<VersionId>().is_ok(), "{good}");
        }
        for bad in ["", "../x", "a/../b", "a b", "a\n"] {
            assert!(bad.parse::<VersionId>().is_err(), "{bad:?}");
        }
    }
}
