//! What a command is about: `policy/key`, perhaps with `@version`.

use crate::model::KeyName;
use crate::model::VersionId;
use std::str::FromStr;

/// A key, and perhaps one version of it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) key: KeyName,
    pub(super) version: Option<VersionId>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, version) = match text.split_once('@') {
            Some((key, version)) => (key, Some(version)),
            None => (text, None),
        };
        let key = key.parse().map_err(|bad| format!("`{key}` is no key: {bad}; write `policy/key`"))?;
        let version = version.map(str::parse).transpose();
        let version = version.map_err(|bad| format!("{bad}; write `policy/key@version`"))?;
        Ok(Self { key, version })
    }
}

/// A key and one version of it.
#[derive(Debug, Clone)]
pub(super) struct Exactly {
    pub(super) key: KeyName,
    pub(super) version: VersionId,
}

impl FromStr for Exactly {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Target { key, version } = text.parse()?;
        let version = version.ok_or_else(|| format!("`{text}` names no version; write `policy/key@version`"))?;
        Ok(Self { key, version })
    }
}
