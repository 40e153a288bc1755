//! The small world of one key's plan: its steps, its fleets cut down to the members that matter, and what its
//! places can do. It does not change while it is explored.

use crate::decision::Leak;
use crate::decision::lead::follows;
use crate::inventory::Able;
use crate::inventory::Disables;
use crate::inventory::Reopens;
use crate::model::Name;
use crate::model::Risk;
use crate::model::Span;
use crate::model::State;
use crate::model::Which;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::aspect::Aspect;
use crate::plan::aspect::shows;
use crate::plan::step::Need;
use crate::plan::step::Step;
use crate::policy::Policy;
use crate::policy::meant::Fleet;
use crate::policy::meant::Key;
use crate::policy::meant::Store;
use crate::policy::meant::check::When;
use crate::policy::meant::fleet::Counts;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::fleet::Joins;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::fleet::Members;
use crate::policy::meant::fleet::Opens;
use crate::policy::meant::fleet::Writes;
use crate::policy::meant::key::Retire;
use crate::policy::meant::project::Approval;
use crate::policy::meant::store::Place;
use crate::prove::accepted::Accepted;
use crate::prove::timing::Timing;
use std::collections::BTreeSet;

/// The most members of a fleet that are looked at: one that is ahead and one that is behind.
pub const MEMBERS_MAX: usize = 2;

/// The most steps that one world has.
pub const STEPS_MAX: usize = 96;

/// Faults of the carrying-out that a plan's world may be given, to see that they are noticed. A real plan has
/// none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flaws {
    /// Writes are not compare-and-set: a second executor that woke late writes over what others wrote.
    pub no_compare_and_set: bool,
    /// Two executors carry out the plan at once, and neither notices that its acts were done already.
    pub doubled: bool,
    /// A repeated `add` makes another version, and nobody notices.
    pub add_twice: bool,
    /// A member's old heartbeat counts as a fresh one.
    pub stale_proof: bool,
    /// A member stays silent for longer than its fleet's declared delay.
    pub silent_member: bool,
    /// The executor goes on after a missed deadline.
    pub deadline_ignored: bool,
    /// Values that do not open are counted as moved.
    pub quarantine_forgotten: bool,
    /// What was begun goes on in a new attempt without its gates being asked again.
    pub begun_goes_on: bool,
    /// What turns up after the retirement is left to a person.
    pub no_undo: bool,
}

/// One key's plan and the world it works in.
#[derive(Debug, Clone)]
pub struct World {
    /// The key's name, for stories.
    pub key: String,
    /// The kind of plan.
    pub kind: Kind,
    /// Its steps alone, as a unit that `course::next` can be asked about.
    pub unit: Unit,
    /// Its fleets.
    pub fleets: Vec<Side>,
    /// What its backend can do.
    pub able: Able,
    /// Whether there is an old version whose values matter.
    pub has_old: bool,
    /// The state the old version is in at the beginning.
    pub old_state: Option<State>,
    /// The state of the version that takes the place, where that one is there already.
    pub new_state: Option<State>,
    /// Whether values are seen and moved by anybody.
    pub moves: bool,
    /// Whether some values are neither seen nor moved by anybody.
    pub unseen: bool,
    /// Whether everything that is moved changes in one transaction.
    pub atomic: bool,
    /// Whether a service moves its own values.
    pub by_service: bool,
    /// How long must have passed before the old version may be destroyed, each with its name.
    pub destroy_after: Vec<(String, Span)>,
    /// The window in which the turn may happen.
    pub window: Option<Name>,
    /// The classes of steps that the project asks for voices for.
    pub approvals: BTreeSet<Risk>,
    /// What the policy asks to be checked, and when.
    pub checks: BTreeSet<When>,
    /// Whether pre-images are to be kept.
    pub keeps: bool,
    /// Whether a delay before the first write is asked for.
    pub grace: Span,
    /// How long normal traffic runs before the old version is taken away.
    pub soak: Span,
    /// The hazards that the policy accepts.
    pub accepted: Accepted,
    /// What each wait promises, and each delay of a member.
    pub timing: Timing,
    /// Faults of the carrying-out.
    pub flaws: Flaws,
}

/// One fleet in the small world.
#[derive(Debug, Clone)]
pub struct Side {
    /// Its name.
    pub name: Name,
    /// What the policy says of it.
    pub fleet: Fleet,
    /// Its members' names.
    pub members: Vec<String>,
    /// How many members the policy lists, or says that there are at least.
    pub listed: usize,
    /// The place of its first member among all.
    pub first: usize,
    /// The fleets, by place, whose turn comes first.
    pub after: Vec<usize>,
}

impl Side {
    /// Whether members hold one version at a time.
    #[must_use]
    pub fn holds_one(&self) -> bool {
        self.fleet.holds == Holds::One
    }

    /// Whether members open values only when they start.
    #[must_use]
    pub fn at_start(&self) -> bool {
        self.fleet.opens == Opens::AtStart
    }

    /// Whether members write.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.fleet.writes != Writes::Never
    }

    /// Whether members write with the newest version by themselves after a delay.
    #[must_use]
    pub fn has_fuse(&self) -> bool {
        matches!(self.fleet.writes, Writes::NewestAfter(_))
    }

    /// Whether a member that restarts counts anew, and writes as before until then.
    #[must_use]
    pub fn counts_anew(&self, kind: Kind) -> bool {
        // Whoever goes back changes which version is the newest, not when it was made.
        self.has_fuse() && (self.fleet.counts == Counts::Seen || kind == Kind::Back)
    }

    /// Whether a running member ever looks again.
    #[must_use]
    pub fn looks(&self) -> bool {
        self.fleet.learns != Learns::Restart
    }

    /// Whether a running member ever follows a pointer.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.fleet.writes == Writes::Current && follows(&self.fleet) != Learns::Restart
    }

    /// Whether a new member may serve before it caught up.
    #[must_use]
    pub fn any_joins(&self) -> bool {
        self.fleet.joins == Joins::Any
    }
}

impl World {
    /// The world of one key of a unit. Where members take turns, the small world has two that follow each other,
    /// the first of them at this place of the list.
    #[must_use]
    pub fn of(plan: &Plan, unit: &Unit, slot: usize, from: usize) -> Option<Self> {
        let planned = unit.keys.get(slot)?;
        let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy())?;
        let key = policy.keys.get(planned.name.key())?;
        let fleets = sides(policy, key, from);
        let mut alone = alone(unit, slot, &fleets);
        alone.keys = vec![planned.clone()];
        let stores: Vec<&Store> = key.seals.iter().filter_map(|name| policy.stores.get(name)).collect();
        let seen = |store: &&&Store| !matches!(store.place, Place::Unseen);
        let old_state = planned.old.as_ref().and_then(|id| planned.base.key.version(id)).map(|version| version.state);
        let new_state = match &planned.new {
            Which::Id(id) if planned.kind == Kind::Back => planned.base.key.version(id).map(|version| version.state),
            _ => None,
        };
        let ours = |store: &&Store| !matches!(store.place, Place::Unseen | Place::Grpc(_));
        let served = planned.base.able.reopens == Reopens::Service && stores.iter().copied().any(|store| ours(&store));
        // What only caution asks for is left out where somebody said that others know the version: by the plan's own list.
        let told = |leak: &Leak| leak.key == planned.name && Some(&leak.version) == planned.old.as_ref();
        let haste = planned.haste && plan.leaks.iter().any(told);
        let shown = haste && fleets.iter().all(|side| shows(&side.fleet));
        let accepted = Accepted::of(&key.accepts, &fleets, unit, slot, plan.made);
        let mut world = World {
            key: planned.name.to_string(),
            kind: planned.kind,
            moves: stores.iter().any(|store| seen(&store)),
            unseen: stores.iter().any(|store| !seen(&store)),
            atomic: stores.iter().filter(seen).all(|store| store.atomic),
            by_service: stores.iter().any(|store| matches!(store.place, Place::Grpc(_))),
            destroy_after: destroy_after(policy, key),
            window: key.window.clone().filter(|_| !haste),
            approvals: plan.settings.approval.iter().flat_map(asked).collect(),
            fleets,
            able: planned.base.able,
            has_old: planned.old.is_some(),
            old_state,
            new_state,
            checks: key.checks.iter().flat_map(|check| check.when.iter().copied()).collect(),
            keeps: (key.pre_images.is_some() || served) && planned.old.is_some(),
            grace: if shown { Span::ZERO } else { key.grace },
            soak: match key.retire {
                Retire::After { after, .. } if !haste => after,
                Retire::After { .. } | Retire::Never => Span::ZERO,
            },
            accepted,
            timing: Timing::default(),
            flaws: Flaws::default(),
            unit: alone,
        };
        world.timing = Timing::of(&world);
        Some(world)
    }

    /// The same world with these faults of the carrying-out.
    #[must_use]
    pub fn with(mut self, flaws: Flaws) -> Self {
        self.flaws = flaws;
        self.timing = Timing::of(&self);
        self
    }

    /// Whether the policy asks for checks of this moment in a plan of this kind.
    #[must_use]
    pub fn asks(&self, when: When) -> bool {
        let makes = matches!(self.kind, Kind::First | Kind::Rotate);
        let leaves = self.has_old && self.kind != Kind::Destroy;
        let applies = match when {
            When::Before => true,
            When::Added => makes,
            When::Readable | When::Switched => makes || self.kind == Kind::Back,
            When::Written => leaves,
            When::Moved => leaves && self.moves,
            When::Retired => leaves && self.steps().iter().any(|step| step.part == Part::Retire),
        };
        applies && self.checks.contains(&when)
    }

    /// Whether a hazard is accepted for a fleet.
    #[must_use]
    pub fn accepts(&self, risk: &str, fleet: &Name) -> bool {
        self.accepted.covers(risk, fleet)
    }

    /// Whether this plan has disabled the old version.
    #[must_use]
    pub fn retired(&self, state: &crate::prove::state::State) -> bool {
        let done = |at: usize| state.step(at) == crate::prove::state::Micro::Done;
        self.steps().iter().enumerate().any(|(at, step)| step.part == Part::Retire && done(at))
    }

    /// Its steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.unit.steps
    }

    /// The fleet of this name, by place.
    #[must_use]
    pub fn fleet(&self, name: &Name) -> Option<usize> {
        self.fleets.iter().position(|side| side.name == *name)
    }

    /// The fleet that this member is of.
    #[must_use]
    pub fn side_of(&self, member: usize) -> Option<&Side> {
        self.fleets.iter().rfind(|side| side.first <= member)
    }

    /// How many members there are.
    #[must_use]
    pub fn members(&self) -> usize {
        self.fleets.iter().map(|side| side.members.len()).sum()
    }

    /// Whether the old version can be disabled.
    #[must_use]
    pub fn disables(&self) -> bool {
        self.able.disables != Disables::No
    }
}

fn asked(approval: &Approval) -> impl Iterator<Item = Risk> {
    approval.need.iter().filter(|(_, voices)| **voices > 0).map(|(class, _)| *class)
}

fn destroy_after(policy: &Policy, key: &Key) -> Vec<(String, Span)> {
    let own = match key.retire {
        Retire::After { destroy_after, .. } => destroy_after,
        Retire::Never => None,
    };
    let backups = key.seals.iter().filter_map(|name| {
        let span = policy.stores.get(name)?.restorable_for?;
        Some((format!("{name} restorable_for"), span))
    });
    own.map(|span| ("destroy_after".to_owned(), span)).into_iter().chain(backups).collect()
}

/// How many pairs of members that follow each other there are: each is looked at.
#[must_use]
pub fn pairs(plan: &Plan, unit: &Unit, slot: usize) -> usize {
    let turns = unit.steps.iter().filter(|step| step.key == slot && step.part.member().is_some());
    let fleets: BTreeSet<&Name> = turns.filter_map(|step| step.part.fleet()).collect();
    let policy = unit
        .keys
        .get(slot)
        .and_then(|planned| plan.policies.iter().find(|policy| policy.name == *planned.name.policy()));
    let listed =
        |name: &&Name| policy.and_then(|policy| policy.fleets.get(*name)).map(|fleet| Aspect::listed(fleet).len());
    fleets.iter().filter_map(listed).max().unwrap_or(0).saturating_sub(1).max(1)
}

fn sides(policy: &Policy, key: &Key, from: usize) -> Vec<Side> {
    let mut sides: Vec<Side> = Vec::new();
    let mut first = 0;
    for (name, fleet) in key.used_by.iter().filter_map(|name| policy.fleets.get_key_value(name)) {
        let listed = Aspect::listed(fleet);
        // One that only reads is like any other; where members take turns, each must be seen to.
        let many = listed.len() != 1 && (fleet.writes != Writes::Never || fleet.holds == Holds::One);
        let count = if many { MEMBERS_MAX } else { 1 };
        let from = from.min(listed.len().saturating_sub(count));
        let name_of =
            |at: usize| listed.get(from + at).map_or_else(|| format!("{name}-{}", at + 1), ToString::to_string);
        let members: Vec<String> = (0..count).map(name_of).collect();
        let after = fleet.after.iter().filter_map(|name| key.used_by.iter().position(|used| used == name)).collect();
        let listed = match &fleet.members {
            Members::Listed(members) => members.len(),
            Members::FromProof { at_least } | Members::FromCommand { at_least, .. } => {
                usize::try_from(*at_least).unwrap_or(usize::MAX)
            }
        };
        sides.push(Side { name: name.clone(), fleet: fleet.clone(), members, listed, first, after });
        first += count;
    }
    sides
}

/// The steps of one key alone, and of members that are in the small world; what was needed through a step
/// that is left out is needed directly.
fn alone(unit: &Unit, slot: usize, sides: &[Side]) -> Unit {
    let stays = |step: &Step| {
        let member = step.part.member().map(ToString::to_string);
        let known = |name: &String| sides.iter().any(|side| side.members.contains(name));
        step.key == slot && member.as_ref().is_none_or(known)
    };
    let mut place: Vec<Option<usize>> = Vec::with_capacity(unit.steps.len());
    // For each step: what a step after it needs when it is left out.
    let mut through: Vec<Vec<Need>> = Vec::with_capacity(unit.steps.len());
    let mut steps: Vec<Step> = Vec::new();
    for step in &unit.steps {
        let mut needs: Vec<Need> = Vec::new();
        for need in &step.needs {
            match place.get(need.step).copied().flatten() {
                Some(at) => needs.push(Need { step: at, rule: need.rule }),
                None => needs.extend(through.get(need.step).cloned().unwrap_or_default()),
            }
        }
        needs.sort_by_key(|need| need.step);
        needs.dedup_by_key(|need| need.step);
        if stays(step) {
            place.push(Some(steps.len()));
            through.push(Vec::new());
            steps.push(Step { key: 0, needs, ..step.clone() });
        } else {
            place.push(None);
            through.push(needs);
        }
    }
    Unit { keys: Vec::new(), steps, bounds: unit.bounds.clone(), proof: None }
}

/// Whether a step has an effect on the world that an executor may die inside of.
#[must_use]
pub const fn has_effect(part: &Part) -> bool {
    !matches!(part, Part::Check { .. } | Part::Wait { .. } | Part::Open { .. } | Part::Recount)
}
