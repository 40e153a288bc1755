//! Plans and journal as one told story: what was rotated, when, by whom, and how it was proved safe.
//!
//! Never here: the world; how it looks (`render`); a claim that a standard demands something it does not demand. What a
//! policy says of its controls is quoted.

pub mod due;
pub mod gather;
pub mod line;
pub mod rotation;

pub use due::Due;
pub use gather::Dated;
pub use gather::Turned;
pub use rotation::Certificate;
pub use rotation::Counted;
pub use rotation::Reading;
pub use rotation::Rotation;
pub use rotation::StepTold;

use crate::digest::Digest;
use crate::journal::Broken;
use crate::journal::Clock;
use crate::journal::Head;
use crate::journal::Journal;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::Span;
use crate::plan::Document;
use crate::policy::Policy;
use crate::policy::Project;
use gather::Gathered;
use serde::Serialize;
use std::collections::BTreeMap;

/// The format of a report for programs.
pub const FORMAT: &str = "keyrota-report/1";

/// What was asked for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Ask {
    /// From this hour on.
    pub from: Option<Hour>,
    /// Up to this hour.
    pub to: Option<Hour>,
    /// Only this key.
    pub key: Option<KeyName>,
}

impl Ask {
    /// Whether something that happened then belongs to it.
    #[must_use]
    pub fn when(&self, at: Hour) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to)
    }

    /// Whether a key belongs to it.
    #[must_use]
    pub fn whose(&self, key: &KeyName) -> bool {
        self.key.as_ref().is_none_or(|wanted| wanted == key)
    }
}

/// What a report is drawn from.
pub struct Material<'a> {
    /// The journal, whole and checked.
    pub journal: &'a Journal,
    /// The plans of its runs, as far as they were kept.
    pub plans: &'a [Document],
    /// The policies of today.
    pub project: &'a Project,
    /// What is there and in no policy, or not made by us.
    pub unmanaged: Vec<String>,
    /// The hour it is drawn.
    pub hour: Hour,
}

/// The evidence.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: &'static str,
    /// The version of keyrota that drew it.
    pub tool: &'static str,
    /// When it was drawn.
    pub made: Hour,
    /// What was asked for.
    pub asked: Ask,
    /// Whose hours stand in the journal.
    pub clock: Option<Clock>,
    /// The policies in scope.
    pub policies: Vec<PolicyTold>,
    /// Keys that the journal knows and no policy of today names.
    pub former: Vec<KeyName>,
    /// What is there and not ours.
    pub unmanaged: Vec<String>,
    /// Every key in scope.
    pub keys: Vec<KeyTold>,
    /// Every version that had to be replaced, or will have to be: the population to draw samples from.
    pub due: Vec<Due>,
    /// Every run, one entry a key.
    pub rotations: Vec<Rotation>,
    /// What failed.
    pub failures: Vec<Dated>,
    /// Rules that somebody went past.
    pub overrides: Vec<Dated>,
    /// Runs given up, versions adopted or known to others, values that do not open, and what else is out of the ordinary.
    pub remarks: Vec<Dated>,
    /// Plans that runs name and that were not kept.
    pub lost_plans: Vec<Digest>,
    /// Where the journal ends.
    pub head: HeadTold,
}

/// A policy in scope.
#[derive(Debug, Serialize)]
pub struct PolicyTold {
    /// Its name.
    pub name: Name,
    /// Its file.
    pub file: String,
    /// The digest of that file.
    pub digest: Digest,
    /// Whom to ask.
    pub owner: String,
    /// What it is about.
    pub about: Option<String>,
    /// The controls that it says it is evidence for. Quoted, and nothing else is claimed.
    pub controls: Vec<String>,
    /// How many keys it has.
    pub keys: usize,
}

/// A key in scope.
#[derive(Debug, Serialize)]
pub struct KeyTold {
    /// The key.
    pub key: KeyName,
    /// How long a version may be current, by the policy of today.
    pub rotate_every: Option<Span>,
    /// What became of each version, when, and by whom.
    pub timeline: Vec<Turned>,
    /// The last count of each store: when, and how many under which version.
    pub counts: BTreeMap<Name, Counted>,
    /// How many values do not open and wait for a person.
    pub quarantined: usize,
    /// How many were accepted as lost.
    pub accepted: usize,
}

/// Where the journal ends, and how anybody can verify that.
#[derive(Debug, Serialize)]
pub struct HeadTold {
    /// How many entries it has.
    pub entries: u64,
    /// The digest of the last of them.
    pub digest: Digest,
    /// The line that witnesses it.
    pub witness: String,
    /// The one command that verifies it.
    pub verify: String,
}

/// Draws the report.
///
/// # Errors
/// An entry of the journal cannot be read, or cannot follow what stands before it.
pub fn write(material: &Material<'_>, ask: &Ask) -> Result<Report, Broken> {
    let ledger = crate::journal::ledger(material.journal)?;
    let gathered = Gathered::of(material.journal, ask)?;
    let policies = &material.project.policies;
    let named = |key: &KeyName| key_of(policies, key).is_some();
    let former = ledger.keys.keys().filter(|key| !named(key) && ask.whose(key)).cloned().collect();
    let of_today = policies.iter().flat_map(|policy| policy.keys.keys().map(|name| policy.key_name(name)));
    let mut names: Vec<KeyName> = of_today.chain(ledger.keys.keys().cloned()).filter(|key| ask.whose(key)).collect();
    names.sort();
    names.dedup();
    let keys = names.iter().map(|name| {
        let known = ledger.keys.get(name);
        let counts = known.into_iter().flat_map(|known| &known.stores);
        let counts = counts.filter_map(|(store, count)| Some((store.clone(), Counted::of(count.as_ref()?))));
        KeyTold {
            key: name.clone(),
            rotate_every: key_of(policies, name).map(|key| key.rotate_every),
            timeline: gathered.timeline.get(name).cloned().unwrap_or_default(),
            counts: counts.collect(),
            quarantined: known.map_or(0, |known| known.quarantine.len()),
            accepted: known.map_or(0, |known| known.accepted.len()),
        }
    });
    let keys = keys.collect();
    let due = due::all(policies, &ledger, material.plans, &names, material.hour, ask);
    let (rotations, lost_plans) = rotation::all(&ledger, material.plans, &gathered, &due, ask);
    let Gathered { failures, overrides, remarks, .. } = gathered;
    let head = material.journal.head();
    Ok(Report {
        format: FORMAT,
        tool: env!("CARGO_PKG_VERSION"),
        made: material.hour,
        asked: ask.clone(),
        clock: ledger.clock,
        policies: policies.iter().filter(|policy| in_scope(policy, ask)).map(PolicyTold::of).collect(),
        former,
        unmanaged: material.unmanaged.clone(),
        keys,
        due,
        rotations,
        failures,
        overrides,
        remarks,
        lost_plans,
        head: HeadTold::of(head),
    })
}

fn in_scope(policy: &Policy, ask: &Ask) -> bool {
    ask.key.as_ref().is_none_or(|key| *key.policy() == policy.name)
}

fn key_of<'a>(policies: &'a [Policy], name: &KeyName) -> Option<&'a crate::policy::meant::Key> {
    policies.iter().find(|policy| policy.name == *name.policy())?.keys.get(name.key())
}

impl PolicyTold {
    fn of(policy: &Policy) -> Self {
        Self {
            name: policy.name.clone(),
            file: policy.file.clone(),
            digest: policy.digest,
            owner: policy.owner.clone(),
            about: policy.about.clone(),
            controls: policy.controls.clone(),
            keys: policy.keys.len(),
        }
    }
}

impl HeadTold {
    fn of(head: Head) -> Self {
        let witness = head.to_string();
        let verify = format!("keyrota journal verify --witness '{witness}'");
        Self { entries: head.count, digest: head.digest, witness, verify }
    }
}
