//! Who said yes to which bytes. Permission is a value: only `grant` makes an `Approved`, and only an `Approved`
//! can be carried out.
//! Never here: reading files, asking the hour.

use crate::digest::Digest;
use crate::journal::Ended;
use crate::journal::Ledger;
use crate::journal::Standing;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::Risk;
use crate::model::VersionId;
use crate::plan::Document;
use crate::plan::Kind;
use crate::plan::Plan;
use crate::plan::Planned;
use crate::policy::meant::key::Accept;
use std::fmt;

/// A plan that may be carried out.
#[derive(Debug)]
pub struct Approved(Document);

impl Approved {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        self.0.plan()
    }

    /// The digest of the plan's bytes.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.0.id()
    }

    /// The digest of what it means to do.
    #[must_use]
    pub fn intent(&self) -> Digest {
        self.0.intent()
    }

    /// The plan's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// Why a plan may not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// It was not opened in time.
    Expired(Hour),
    /// It was carried out to its end.
    Finished(Hour),
    /// It was given up.
    Cancelled(Hour),
    /// It was never proved.
    Unproved(String),
    /// What it destroys was not named again.
    NotNamed(KeyName, VersionId),
    /// A risk that the plan takes was accepted for a time that is over.
    NotAccepted {
        /// The key.
        key: KeyName,
        /// The risk.
        risk: String,
        /// The fleet it was accepted for.
        fleet: Option<Name>,
        /// Until when.
        until: Hour,
    },
    /// With it, more rotations would be open than may be at once.
    TooMany {
        /// How many may be.
        at_most: u32,
        /// How many keys are under way.
        open: usize,
        /// How many this plan rotates.
        wants: usize,
    },
    /// Voices are needed that cannot be heard yet.
    Voices(Risk, u32),
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::Expired(hour) => write!(f, "this plan could be opened until {}", hour.format("%Y-%m-%d %H:%M UTC")),
            Denied::Finished(hour) => write!(f, "this plan was carried out on {}", hour.format("%Y-%m-%d %H:%M UTC")),
            Denied::Cancelled(hour) => write!(f, "this plan was cancelled on {}", hour.format("%Y-%m-%d %H:%M UTC")),
            Denied::Unproved(key) => write!(f, "this plan carries no proof for `{key}`"),
            Denied::NotNamed(key, version) => write!(f, "this plan destroys `{key}@{version}` for good"),
            Denied::NotAccepted { key, risk, fleet, until } => {
                let fleet = fleet.as_ref().map(|fleet| format!(" for `{fleet}`")).unwrap_or_default();
                let until = until.format("%Y-%m-%d %H:%M UTC");
                write!(f, "this plan takes the risk {risk}{fleet}, which the policy of `{key}` accepted until {until}")
            }
            Denied::TooMany { at_most, open, wants } => {
                write!(
                    f,
                    "the calendar allows {at_most} under way at once; {open} under way, and this plan would add {wants}"
                )
            }
            Denied::Voices(class, need) => write!(f, "the project asks for {need} signed approvals of `{class}` steps"),
        }
    }
}

impl Denied {
    /// The way out.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Denied::Expired(_) | Denied::Finished(_) | Denied::Cancelled(_) | Denied::Unproved(_) => {
                "draw a new one with `keyrota plan -o FILE`".into()
            }
            Denied::NotNamed(key, version) => format!("name it again: `--destroy {key}@{version}`"),
            Denied::NotAccepted { risk, .. } => format!(
                "see whether it can still be borne (`keyrota explain {risk}`), say so in the policy with a new `until`, and draw a new plan"
            ),
            Denied::TooMany { .. } => {
                "go on with the open runs by `keyrota apply`, then open it, or draw a plan for fewer keys with `--key`".into()
            }
            Denied::Voices(..) => "this build cannot hear signed approvals; take `[approval]` out of keyrota.toml, or wait for one that can".into(),
        }
    }
}

/// Grants a plan, or says why not. A run that is open already may always go on.
///
/// # Errors
/// What stands in the way.
pub fn grant(
    document: Document,
    ledger: &Ledger,
    now: Hour,
    named: &[(KeyName, VersionId)],
) -> Result<Approved, Denied> {
    let standing = ledger.of_plan(&document.id());
    match standing.and_then(|standing| standing.ended) {
        Some((Ended::Finished, hour)) => return Err(Denied::Finished(hour)),
        Some((Ended::Cancelled, hour)) => return Err(Denied::Cancelled(hour)),
        None => {}
    }
    if !standing.is_some_and(Standing::is_open) {
        opening(document.plan(), now, named)?;
        at_once(document.plan(), ledger)?;
    }
    Ok(Approved(document))
}

/// What is asked only when a plan is opened.
fn opening(plan: &Plan, now: Hour, named: &[(KeyName, VersionId)]) -> Result<(), Denied> {
    if now > plan.expires {
        return Err(Denied::Expired(plan.expires));
    }
    for unit in &plan.units {
        let keys = unit.keys.iter().map(|key| key.name.to_string()).collect::<Vec<_>>();
        if unit.proof.is_none() {
            return Err(Denied::Unproved(keys.join(", ")));
        }
        unit.keys.iter().try_for_each(|planned| accepted(plan, planned, now))?;
        for key in unit.keys.iter().filter(|key| key.kind == Kind::Destroy) {
            let Some(old) = &key.old else { continue };
            if !named.iter().any(|(name, version)| *name == key.name && version == old) {
                return Err(Denied::NotNamed(key.name.clone(), old.clone()));
            }
        }
    }
    let need = plan.settings.approval.as_ref().map(|approval| &approval.need);
    let risks = plan.units.iter().flat_map(|unit| unit.steps.iter().map(|step| step.risk));
    let risks: std::collections::BTreeSet<Risk> = risks.collect();
    let silent = need.into_iter().flatten().find(|(class, count)| **count > 0 && risks.contains(class));
    match silent {
        Some((class, count)) => Err(Denied::Voices(*class, *count)),
        None => Ok(()),
    }
}

/// Whether what the plan's proof rests on is still accepted. Where nobody writes under another version, no hazard is run.
fn accepted(plan: &Plan, planned: &Planned, now: Hour) -> Result<(), Denied> {
    let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
    let Some(key) = policy.and_then(|policy| policy.keys.get(planned.name.key())) else { return Ok(()) };
    if matches!(planned.kind, Kind::First | Kind::Destroy | Kind::Discard) {
        return Ok(());
    }
    // The proof left out what was over when the plan was drawn.
    let over = key.accepts.iter().filter(|accept| accept.until > plan.made && accept.until <= now);
    let again = |over: &&Accept| {
        let same = |other: &&Accept| other.risk == over.risk && (other.fleet.is_none() || other.fleet == over.fleet);
        key.accepts.iter().filter(same).any(|other| other.until > now)
    };
    match over.filter(|over| !again(over)).min_by_key(|over| over.until) {
        None => Ok(()),
        Some(over) => Err(Denied::NotAccepted {
            key: planned.name.clone(),
            risk: over.risk.clone(),
            fleet: over.fleet.clone(),
            until: over.until,
        }),
    }
}

/// Only so many rotations are open at once, also where plans were drawn side by side.
fn at_once(plan: &Plan, ledger: &Ledger) -> Result<(), Denied> {
    let Some(at_most) = plan.settings.calendar.at_once else { return Ok(()) };
    let rotates =
        |planned: &&Planned| matches!(planned.kind, Kind::Rotate | Kind::Follow | Kind::Reopen) && !planned.haste;
    let wants = plan.units.iter().flat_map(|unit| &unit.keys).filter(rotates).count();
    let open = ledger.keys.values().filter(|known| known.open_run.is_some()).count();
    let over = open.saturating_add(wants) > usize::try_from(at_most).unwrap_or(usize::MAX);
    if wants > 0 && over { Err(Denied::TooMany { at_most, open, wants }) } else { Ok(()) }
}
