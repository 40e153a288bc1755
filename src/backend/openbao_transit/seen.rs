//! What the server says of a key, and what that means in our words.

use crate::fault::Fault;
use crate::model::Hour;
use crate::model::Key;
use crate::model::State;
use crate::model::Version;
use crate::openbao::Answer;
use crate::policy::meant::key::Algorithm;
use std::collections::BTreeMap;

/// The server's words for kinds of keys.
const KINDS: [(Algorithm, &str); 5] = [
    (Algorithm::Aes128, "aes128-gcm96"),
    (Algorithm::Aes256, "aes256-gcm96"),
    (Algorithm::Rsa2048, "rsa-2048"),
    (Algorithm::Rsa3072, "rsa-3072"),
    (Algorithm::Rsa4096, "rsa-4096"),
];
/// So many versions of one key are looked at.
const VERSIONS_MAX: u64 = 100_000;

/// A key as the server tells of it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Seen {
    #[serde(rename = "latest_version")]
    pub(super) latest: u64,
    #[serde(rename = "min_available_version", default)]
    pub(super) min_available: u64,
    #[serde(rename = "min_decryption_version", default)]
    min_decryption: u64,
    #[serde(rename = "min_encryption_version", default)]
    pub(super) min_encryption: u64,
    #[serde(rename = "auto_rotate_period", default)]
    pub(super) auto_rotate: Option<u64>,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    derived: bool,
    #[serde(default)]
    convergent_encryption: bool,
    #[serde(default)]
    supports_decryption: bool,
    #[serde(default)]
    soft_deleted: bool,
    /// When each version was made; for a key of two halves, more than that.
    #[serde(default)]
    keys: BTreeMap<String, serde_json::Value>,
}

#[derive(serde::Deserialize)]
struct Told<T> {
    data: T,
}

#[derive(serde::Deserialize)]
struct Names {
    keys: Vec<String>,
}

/// The server's word for a kind of key.
pub(super) fn kind(algorithm: Algorithm) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == algorithm).map_or("aes256-gcm96", |(_, kind)| kind)
}

/// The names that a list gives.
pub(super) fn names(doing: &str, answer: &Answer) -> Result<Vec<String>, Fault> {
    Ok(answer.json::<Told<Names>>(doing)?.data.keys)
}

impl Seen {
    pub(super) fn read(doing: &str, answer: &Answer) -> Result<Self, Fault> {
        let seen = answer.json::<Told<Self>>(doing)?.data;
        if seen.latest.saturating_sub(seen.min_available) > VERSIONS_MAX {
            return Err(Fault::give_up(doing, format!("it has more than {VERSIONS_MAX} versions")).hint("trim it"));
        }
        Ok(seen)
    }

    /// What kind of key it is, where policies have a word for that.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        KINDS.iter().find(|(_, kind)| *kind == self.kind).map(|(known, _)| *known)
    }

    /// Its versions: the newest is current, those below the floor are disabled, those that were trimmed are not there.
    pub(super) fn key(&self) -> Result<Key, Fault> {
        let mut key = Key::default();
        for number in self.min_available.max(1)..=self.latest {
            let id = number.to_string().parse().map_err(|bad| Fault::report_bug("read a transit key", bad))?;
            let state = match number {
                _ if number == self.latest => State::Current,
                _ if number < self.min_decryption => State::Disabled,
                _ => State::DecryptOnly,
            };
            let born = self.keys.get(&number.to_string()).and_then(born);
            key.versions.push(Version { born, current_since: born, ..Version::new(id, state) });
        }
        Ok(key)
    }

    /// Why values sealed by such a key cannot be moved.
    pub(super) fn unfit(&self) -> Option<&'static str> {
        match self {
            Self { soft_deleted: true, .. } => Some("it is deleted, though not yet for good"),
            Self { supports_decryption: false, .. } => Some("a key of its type seals nothing: it cannot decrypt"),
            Self { convergent_encryption: true, .. } | Self { derived: true, .. } => Some(
                "it is a derived key: each value needs the context that it was sealed with, which nobody wrote down beside it",
            ),
            _ => None,
        }
    }
}

/// When a version was made: seconds, or a text within more.
fn born(told: &serde_json::Value) -> Option<Hour> {
    match told.as_i64() {
        Some(seconds) => Hour::from_timestamp(seconds, 0),
        None => told.get("creation_time")?.as_str()?.parse().ok(),
    }
}
