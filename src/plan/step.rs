//! Steps: what is done, to what, after what, and what it waits for.

use crate::model::Act;
use crate::model::Member;
use crate::model::Name;
use crate::model::Risk;
use crate::model::Span;
use crate::plan::estimate::Estimate;
use crate::plan::rule::Code;
use crate::policy::meant::check::When;
use serde::Deserialize;
use serde::Serialize;

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The key it is for: its place among the unit's keys.
    pub key: usize,
    /// What is done.
    pub part: Part,
    /// The steps that must be done before it, each with the rule that says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// What else it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// What it risks.
    pub risk: Risk,
    /// Whether it is the last act of ours without which nobody seals under the new version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub turn: bool,
    /// What it costs, as far as can be told.
    #[serde(default, skip_serializing_if = "Estimate::is_nothing")]
    pub estimate: Estimate,
}

/// A step that must be done before, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The step's place in the unit.
    pub step: usize,
    /// The rule that says so.
    pub rule: Code,
}

/// What a step waits for beside other steps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "gate")]
pub enum Gate {
    /// So long since everything it needs was done.
    After {
        /// How long.
        by: Span,
    },
    /// It is missed when it has not opened so long after the new version began to be made: members may count from that
    /// instant, whatever becomes of the executor.
    NotAfter {
        /// How long.
        within: Span,
    },
    /// Every member of the fleet proved that it knows the new version.
    Proof {
        /// The fleet.
        fleet: Name,
        /// How many members there must be at the least.
        at_least: u32,
    },
    /// The calendar's window is open, and stays so for as long as the span takes.
    Window {
        /// The window.
        window: Name,
        /// How long it must stay open.
        lasts: Span,
    },
    /// So many voices said yes to this class of step.
    Approval {
        /// The class.
        class: Risk,
    },
}

/// What is done in a step, precisely.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "part")]
pub enum Part {
    /// Ask the key's checks of this moment.
    Check {
        /// The moment.
        when: When,
        /// Whether it was asked before, and hours lie between.
        again: bool,
    },
    /// Open what the old version sealed, before anything depends on it.
    Open {
        /// Whether that is asked of a service, for all there is.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        service: bool,
    },
    /// Keep pre-images of what will change.
    Keep,
    /// Make the new version.
    Add,
    /// Make the retired version usable again.
    Enable,
    /// Bring the new version to a fleet's members.
    Deliver {
        /// The fleet.
        fleet: Name,
    },
    /// Restart a fleet's members, or one of them.
    Restart {
        /// The fleet.
        fleet: Name,
        /// One member, where they take turns.
        member: Option<Member>,
        /// What for.
        why: Why,
    },
    /// Wait.
    Wait {
        /// For what.
        until: Waiting,
    },
    /// Make the new version current.
    Switch,
    /// Move a fleet's or a member's own pointer to the new version.
    Point {
        /// The fleet.
        fleet: Name,
        /// One member, where they take turns.
        member: Option<Member>,
    },
    /// Seal anew what the old version sealed.
    Rewrap {
        /// Whether a service is asked to do it, for a store of its own.
        service: bool,
    },
    /// Seal anew what was written meanwhile, just before a member starts.
    Sweep {
        /// The fleet.
        fleet: Name,
        /// The member that starts next.
        member: Option<Member>,
    },
    /// The closing round: move what late writers left, until a whole round finds nothing.
    Close,
    /// Take the old version from a fleet's members.
    Withdraw {
        /// The fleet.
        fleet: Name,
    },
    /// Disable the old version.
    Retire,
    /// Count again that nothing is under the old version.
    Recount,
    /// End the old version's material.
    Destroy,
    /// Delete pre-images that were kept for as long as they should be.
    Discard {
        /// The runs that kept them.
        runs: Vec<String>,
    },
}

/// What a restart is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// To learn the new version.
    Learn,
    /// To write under the new version.
    Follow,
    /// To let go of the old version.
    Forget,
}

/// What a wait is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "for")]
pub enum Waiting {
    /// Every member of the fleet can read the new version.
    Readable {
        /// The fleet.
        fleet: Name,
    },
    /// The policy's `grace`.
    Grace,
    /// Every member of the fleet writes under the new version, and what it wrote before has landed.
    Written {
        /// The fleet.
        fleet: Name,
    },
    /// What somebody else's rewrap may have written back has landed.
    Landed,
    /// Every member of the fleet has looked again and let go of the old version.
    Forgotten {
        /// The fleet.
        fleet: Name,
    },
    /// Normal traffic under the new version alone.
    Soak,
    /// Nothing under the old version turns up.
    Watch,
}

impl Part {
    /// The kind of act it is.
    #[must_use]
    pub const fn act(&self) -> Act {
        match self {
            Part::Check { .. } => Act::Check,
            Part::Open { .. } | Part::Close | Part::Recount => Act::Verify,
            Part::Keep => Act::Keep,
            Part::Add => Act::Add,
            Part::Enable => Act::Enable,
            Part::Deliver { .. } => Act::Deliver,
            Part::Restart { .. } => Act::Restart,
            Part::Wait { .. } => Act::Wait,
            Part::Switch => Act::Switch,
            Part::Point { .. } => Act::Point,
            Part::Rewrap { .. } | Part::Sweep { .. } => Act::Rewrap,
            Part::Withdraw { .. } => Act::Withdraw,
            Part::Retire => Act::Retire,
            Part::Destroy => Act::Destroy,
            Part::Discard { .. } => Act::Discard,
        }
    }

    /// The fleet it concerns.
    #[must_use]
    pub const fn fleet(&self) -> Option<&Name> {
        match self {
            Part::Deliver { fleet }
            | Part::Restart { fleet, .. }
            | Part::Point { fleet, .. }
            | Part::Sweep { fleet, .. }
            | Part::Withdraw { fleet }
            | Part::Wait {
                until: Waiting::Readable { fleet } | Waiting::Written { fleet } | Waiting::Forgotten { fleet },
            } => Some(fleet),
            _ => None,
        }
    }

    /// The member it concerns, where members take turns.
    #[must_use]
    pub const fn member(&self) -> Option<&Member> {
        match self {
            Part::Restart { member, .. } | Part::Point { member, .. } | Part::Sweep { member, .. } => member.as_ref(),
            _ => None,
        }
    }
}
