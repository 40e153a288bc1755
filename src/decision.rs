//! Policy against inventory: a verdict for every key, with its reasons as data. It is total: "looked at and
//! found well" is a decision too.
//! Never here: asking the world, drawing steps.

pub mod back;
pub mod blocker;
pub mod calendar;
pub mod judge;
pub mod lead;
pub mod leak;
mod order;
pub mod reason;
pub mod wish;

pub use blocker::Blocker;
pub use blocker::blockers;
pub use judge::decide;
pub use lead::Lead;
pub use leak::Breaks;
pub use leak::Leak;
pub use reason::Reason;
pub use wish::Wish;

use crate::model::Hour;
use crate::model::KeyName;
use serde::Deserialize;
use serde::Serialize;

/// What is to be done about one key, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The key.
    pub key: KeyName,
    /// What is to be done.
    pub verdict: Verdict,
    /// Why, each with the measured value beside the limit.
    pub reasons: Vec<Reason>,
    /// When its rotation must begin at the latest, where that can be known.
    pub start_by: Option<Hour>,
    /// When the current version must no longer be written under.
    pub due_by: Option<Hour>,
    /// What has to happen between the beginning and that moment.
    pub lead: Lead,
}

/// What is to be done about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It has no version yet: make the first.
    New,
    /// Nothing.
    Well,
    /// Rotate it.
    Due,
    /// Rotate it; the limit has been passed.
    Overdue,
    /// Values are not under the current version: move them.
    Behind,
    /// Values of a retired version turned up: enable if needed, move them, retire anew.
    Reopened,
    /// An old version may be destroyed.
    DestroyDue,
    /// Pre-images were kept for as long as they should be: delete them.
    DiscardDue,
    /// Somebody asked for a version that is there already to take the current one's place.
    Back,
    /// Rotate it, once fewer others are under way.
    Waiting,
    /// A run is open.
    UnderWay,
    /// Something must be settled first.
    Blocked,
    /// It was rolled back: a person plans it.
    RolledBack,
}

impl Verdict {
    /// Whether a plan is drawn for it when nobody asks for more.
    #[must_use]
    pub const fn acts(self) -> bool {
        matches!(
            self,
            Verdict::New
                | Verdict::Due
                | Verdict::Overdue
                | Verdict::Behind
                | Verdict::Reopened
                | Verdict::DiscardDue
                | Verdict::Back
        )
    }

    /// The words for it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Verdict::New => "new",
            Verdict::Well => "well",
            Verdict::Due => "due",
            Verdict::Overdue => "overdue",
            Verdict::Behind => "behind",
            Verdict::Reopened => "reopened",
            Verdict::DestroyDue => "destroy due",
            Verdict::DiscardDue => "pre-images due",
            Verdict::Back => "going back",
            Verdict::Waiting => "waiting",
            Verdict::UnderWay => "under way",
            Verdict::Blocked => "blocked",
            Verdict::RolledBack => "rolled back",
        }
    }
}
