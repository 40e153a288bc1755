//! The names that only the journal and those above it know: runs and steps.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::model::KeyName;
use crate::model::Name;
use crate::model::name::BadName;

/// The longest a step's name may be, in characters: a key's whole name, a number, an act and a fleet's name.
pub const STEP_LENGTH_MAX: usize = 256;

/// One approved plan being carried out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Name);

impl RunId {
    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for RunId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        text.parse().map(Self)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A step by its name in the plan: `app/kek/3-switch`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StepName(Arc<str>);

impl StepName {
    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key that it is for.
    #[must_use]
    pub fn key(&self) -> Option<KeyName> {
        self.0.rsplit_once('/')?.0.parse().ok()
    }
}

impl FromStr for StepName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > STEP_LENGTH_MAX {
            return Err(format!("a step's name has at most {STEP_LENGTH_MAX} characters, this has {}", text.len()));
        }
        // Part by part, so that a step's name obeys the grammar of names and may be longer than one.
        for part in text.split('/') {
            part.parse::<Name>().map_err(|why| why.to_string())?;
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for StepName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<StepName> for String {
    fn from(name: StepName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RunId;
    use super::StepName;

    #[test]
    fn steps_are_named_within_the_grammar() {
        for good in ["app/kek/3-switch", "a/b/12-deliver-web.eu", &["a"; 100].join("/")] {
            assert!(good.parse::<StepName>().is_ok(), "{good}");
        }
        let long = "a/".repeat(128) + "a";
        for bad in ["", "/", "a//b", "../a", "a/../b", "A/b", "a b", "a\n", "a/\u{202e}", &long] {
            assert!(bad.parse::<StepName>().is_err(), "{bad:?}");
        }
        assert!("r-0123456789ab".parse::<RunId>().is_ok());
        assert!("R 1".parse::<RunId>().is_err());
    }
}
