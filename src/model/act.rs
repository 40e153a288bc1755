//! Acts: the kinds of step a plan is made of, and what those that touch versions change.

use crate::model::Fingerprint;
use crate::model::VersionId;
use std::fmt;

/// A kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Ask the world whether it is as it should be.
    Check,
    /// Keep pre-images of what will change.
    Keep,
    /// Make a version.
    Add,
    /// Bring a version to a fleet's members.
    Deliver,
    /// Restart a fleet's members.
    Restart,
    /// Let a gate open.
    Wait,
    /// Make a version the current one.
    Switch,
    /// Move one fleet's or member's own pointer.
    Point,
    /// Seal anew, under another version, what was sealed under an old one.
    Rewrap,
    /// Open and count, and move what is left.
    Verify,
    /// Take a version from a fleet's members.
    Withdraw,
    /// Disable a version.
    Retire,
    /// Make a disabled version usable again.
    Enable,
    /// Take away a version that nobody ever used.
    Discard,
    /// End a version's material for good.
    Destroy,
}

impl Act {
    /// The word for it, as it stands in step names.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Act::Check => "check",
            Act::Keep => "keep",
            Act::Add => "add",
            Act::Deliver => "deliver",
            Act::Restart => "restart",
            Act::Wait => "wait",
            Act::Switch => "switch",
            Act::Point => "point",
            Act::Rewrap => "rewrap",
            Act::Verify => "verify",
            Act::Withdraw => "withdraw",
            Act::Retire => "retire",
            Act::Enable => "enable",
            Act::Discard => "discard",
            Act::Destroy => "destroy",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a step risks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Nobody notices, and it can be taken back.
    Safe,
    /// From here on somebody writes under the new version.
    Switch,
    /// It cannot be taken back.
    Irreversible,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Risk::Safe => "safe",
            Risk::Switch => "switch",
            Risk::Irreversible => "irreversible",
        })
    }
}

/// Which version a step is about: one that is there, or the one that the plan will make.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Which {
    /// `KEY@new`: the version that this plan makes, before its id is known.
    New,
    /// A version that is there.
    Id(VersionId),
    /// A text that is no id: nothing has this version.
    Nothing,
}

impl From<String> for Which {
    fn from(text: String) -> Self {
        if text == "@new" { Which::New } else { text.parse().map_or(Which::Nothing, Which::Id) }
    }
}

impl From<Which> for String {
    fn from(which: Which) -> String {
        match which {
            Which::New => "@new".into(),
            Which::Id(id) => id.into(),
            Which::Nothing => String::new(),
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::New => f.write_str("@new"),
            Which::Id(id) => id.fmt(f),
            Which::Nothing => f.write_str("(nothing)"),
        }
    }
}

/// What an act does to a key's versions.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// A version appears: staged, or current at once where the backend promotes.
    Add {
        /// Its id.
        version: VersionId,
        /// What tells its material from any other, where the backend lets that be known.
        fingerprint: Option<Fingerprint>,
        /// Whether the backend makes it current in the same act.
        promotes: bool,
    },
    /// A version becomes the current one; the one before becomes decrypt-only.
    Switch {
        /// The version to make current.
        to: VersionId,
    },
    /// A decrypt-only version is disabled.
    Retire {
        /// The version to disable.
        version: VersionId,
    },
    /// A disabled version becomes decrypt-only.
    Enable {
        /// The version to make usable again.
        version: VersionId,
    },
    /// A staged version is taken away.
    Discard {
        /// The version to take away.
        version: VersionId,
    },
    /// A disabled or decrypt-only version's material ends.
    Destroy {
        /// The version to end.
        version: VersionId,
    },
}
