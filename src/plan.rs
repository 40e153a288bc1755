//! The plan: a dated, ordered graph of steps for every key that has something to be done, and the document
//! whose bytes are that plan.
//! Never here: asking the world or the hour; deciding what happens next while it runs (that is `course`).

pub mod aspect;
pub mod base;
pub mod bound;
pub mod document;
pub mod draw;
pub mod estimate;
pub mod graph;
pub mod pass;
pub mod phrase;
pub mod progress;
pub mod proof;
pub mod rule;
pub mod step;
pub mod words;

pub use base::Base;
pub use bound::Bound;
pub use document::Document;
pub use draw::draw;
pub use proof::Proof;
pub use step::Gate;
pub use step::Part;
pub use step::Step;
pub use step::Waiting;

use crate::decision::Decision;
use crate::decision::Leak;
use crate::inventory::Disables;
use crate::inventory::Unmanaged;
use crate::model::Act;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::Policy;
use crate::policy::meant::project::Settings;
use serde::Deserialize;
use serde::Serialize;

/// What is to be done, for all keys, and everything that is needed to do it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of keyrota that drew it.
    pub tool: String,
    /// When it was drawn.
    pub made: Hour,
    /// Until when it may be opened.
    pub expires: Hour,
    /// The project's settings.
    pub settings: Settings,
    /// The policies of the keys in it, every value resolved.
    pub policies: Vec<Policy>,
    /// What was decided for every key, also for those with nothing to do.
    pub decisions: Vec<Decision>,
    /// What was seen beside the keys and is in no policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmanaged: Vec<Unmanaged>,
    /// The versions that somebody says are known to others, and what would break if they were disabled at once. Whoever
    /// opens the plan writes them down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
    /// Keys that are planned together, each group by itself.
    pub units: Vec<Unit>,
}

/// Keys that are planned together, because they share something that orders them. Steps of different units
/// are independent of each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Its keys.
    pub keys: Vec<Planned>,
    /// Its steps, in the one order.
    pub steps: Vec<Step>,
    /// The inequalities that timing rests on.
    pub bounds: Vec<Bound>,
    /// What was proved, once it was.
    pub proof: Option<Proof>,
}

/// One key's part of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// The key.
    pub name: KeyName,
    /// What kind of plan it is.
    pub kind: Kind,
    /// The version that is left behind, where there is one.
    pub old: Option<VersionId>,
    /// The version that is made or moved to.
    pub new: crate::model::Which,
    /// Whether the version that is left behind is known to others, so that nothing is waited for that only caution asks for.
    #[serde(default)]
    pub haste: bool,
    /// The world as the plan found it.
    pub base: Base,
}

/// What kind of plan a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Its first version is made.
    First,
    /// A new version takes the old one's place.
    Rotate,
    /// Values are moved to the version that is current already, and the old one is retired.
    Follow,
    /// A version that is there already takes the current one's place, and that one stays readable.
    Back,
    /// A retired version's values are moved, and it is retired anew.
    Reopen,
    /// An old version's material ends.
    Destroy,
    /// Pre-images are deleted: nothing else changes.
    Discard,
}

impl Planned {
    /// The versions that go out of use together, oldest first: the old one; and where a floor does it, every older one that still
    /// opens, or every newer one that opens again with it.
    #[must_use]
    pub fn falls(&self) -> Vec<VersionId> {
        let Some(old) = &self.old else { return Vec::new() };
        let versions = &self.base.key.versions;
        let at = versions.iter().position(|version| version.id == *old);
        let (Some(at), Disables::Floor) =
            (at.filter(|_| !matches!(self.kind, Kind::Destroy | Kind::Back)), self.base.able.disables)
        else {
            return vec![old.clone()];
        };
        let with_it = |(place, version): &(usize, &Version)| match self.kind {
            Kind::Reopen => *place >= at && version.state == State::Disabled,
            _ => *place <= at && version.state.opens(),
        };
        versions.iter().enumerate().filter(with_it).map(|(_, version)| version.id.clone()).collect()
    }
}

impl Unit {
    /// A step's name for people: `policy/key/3-switch`, counted for each key.
    #[must_use]
    pub fn step_name(&self, index: usize) -> String {
        let Some(step) = self.steps.get(index) else { return String::new() };
        let number = self.steps.iter().take(index + 1).filter(|other| other.key == step.key).count();
        match self.keys.get(step.key) {
            Some(key) => format!("{}/{number}-{}", key.name, step.part.act()),
            None => format!("{number}-{}", step.part.act()),
        }
    }

    /// The name of an act on a key that the plan draws no step for: the undo of one, or a version discarded.
    #[must_use]
    pub fn name_beside(&self, key: usize, act: Act) -> String {
        let number = self.steps.iter().filter(|step| step.key == key).count() + 1;
        self.keys.get(key).map_or_else(String::new, |planned| format!("{}/{number}-{act}", planned.name))
    }

    /// The step that makes a key's new version: what members count from who write with it by themselves.
    #[must_use]
    pub fn making(&self, key: usize) -> Option<usize> {
        self.steps.iter().position(|step| step.key == key && step.part == Part::Add)
    }

    /// The names of all its steps, in order.
    #[must_use]
    pub fn step_names(&self) -> Vec<String> {
        let mut counts = vec![0_usize; self.keys.len()];
        self.steps
            .iter()
            .map(|step| {
                let number = counts.get_mut(step.key).map_or(0, |count| {
                    *count += 1;
                    *count
                });
                let key = self.keys.get(step.key).map(|key| key.name.to_string()).unwrap_or_default();
                format!("{key}/{number}-{}", step.part.act())
            })
            .collect()
    }
}
