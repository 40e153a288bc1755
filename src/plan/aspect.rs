//! One key as the planner sees it: its policy, its fleets and stores, what its backend can do, and what kind
//! of plan it gets. Passes and rules ask here and never for an adapter's name.

use crate::decision::Lead;
use crate::inventory::Able;
use crate::inventory::Census;
use crate::inventory::Disables;
use crate::inventory::KeySeen;
use crate::inventory::Mover;
use crate::inventory::PreImages;
use crate::inventory::Reopens;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Member;
use crate::model::Name;
use crate::model::Span;
use crate::model::State;
use crate::model::VersionId;
use crate::plan::Kind;
use crate::policy::Policy;
use crate::policy::meant::Fleet;
use crate::policy::meant::Key;
use crate::policy::meant::check::When;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::fleet::Members;
use crate::policy::meant::fleet::Writes;
use crate::policy::meant::key::Retire;
use crate::policy::meant::store::Place;

/// Which act is the turn: the last act of ours without which nobody seals under the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The making of the version: the backend promotes it, or members write with it by themselves.
    Add,
    /// The rewrap: a fleet holds one version at a time, or the version is current already.
    Rewrap,
    /// The switch, and the fleets' own pointers.
    Switch,
    /// None: nobody will seal under another version than today.
    None,
}

/// One key as the planner sees it.
#[derive(Debug, Clone)]
pub struct Aspect<'a> {
    /// Its name.
    pub name: KeyName,
    /// Its policy.
    pub policy: &'a Policy,
    /// What its policy says of it.
    pub key: &'a Key,
    /// What was seen of it.
    pub seen: &'a KeySeen,
    /// What its backend can do.
    pub able: Able,
    /// What kind of plan it gets.
    pub kind: Kind,
    /// Its fleets, in the policy's order.
    pub fleets: Vec<(&'a Name, &'a Fleet)>,
    /// The version that is left behind.
    pub old: Option<VersionId>,
    /// Whether that one is known to others: nothing is waited for that only caution asks for.
    pub haste: bool,
    /// The version that takes its place, where that one is there already.
    pub to: Option<VersionId>,
    /// How long it takes until nobody writes under that one any more.
    pub lead: Lead,
    /// The hour that it is planned at.
    pub hour: Hour,
}

impl<'a> Aspect<'a> {
    /// A key as the planner sees it; nothing where its backend could not be asked.
    #[must_use]
    pub fn new(policy: &'a Policy, name: KeyName, key: &'a Key, seen: &'a KeySeen, kind: Kind) -> Option<Self> {
        let fleets = key.used_by.iter().filter_map(|name| policy.fleets.get_key_value(name)).collect();
        Some(Self {
            name,
            policy,
            key,
            seen,
            able: seen.able?,
            kind,
            fleets,
            old: None,
            haste: false,
            to: None,
            lead: Lead::default(),
            hour: Hour::UNIX_EPOCH,
        })
    }

    /// Whether the same steps of both come in the same order: the rules see nothing else of them.
    #[must_use]
    pub fn orders_as(&self, other: &Self) -> bool {
        let same_fleets = self.key.used_by == other.key.used_by;
        let same_target = self.target() == other.target();
        let same_kind = self.kind == other.kind && self.turn() == other.turn() && same_target;
        std::ptr::eq(self.policy, other.policy) && same_kind && same_fleets && self.haste == other.haste
    }

    /// Which act is the turn.
    #[must_use]
    pub fn turn(&self) -> Turn {
        let by_themselves = self.writers().any(|(_, fleet)| matches!(fleet.writes, Writes::NewestAfter(_)));
        match self.kind {
            Kind::Destroy | Kind::Discard => Turn::None,
            Kind::Follow | Kind::Reopen => Turn::Rewrap,
            Kind::Back if self.holds_one() => Turn::Rewrap,
            Kind::Back if self.switches() || self.fleets.iter().any(|(_, fleet)| fleet.point.is_some()) => Turn::Switch,
            Kind::Back => Turn::Rewrap,
            Kind::First | Kind::Rotate if self.able.promotes || by_themselves => Turn::Add,
            Kind::Rotate if self.holds_one() => Turn::Rewrap,
            Kind::First | Kind::Rotate => Turn::Switch,
        }
    }

    /// Whether a fleet of it holds one version at a time.
    #[must_use]
    pub fn holds_one(&self) -> bool {
        self.fleets.iter().any(|(_, fleet)| fleet.holds == Holds::One)
    }

    /// The fleets that write.
    pub fn writers(&self) -> impl Iterator<Item = &(&'a Name, &'a Fleet)> {
        self.fleets.iter().filter(|(_, fleet)| fleet.writes != Writes::Never)
    }

    /// Whether the policy puts a fleet after one that writes, or after one that is put so itself. Policies have no
    /// cycles; a limit is put to it nonetheless.
    #[must_use]
    pub fn led_by_a_writer(&self, name: &Name, left: usize) -> bool {
        let Some(left) = left.checked_sub(1) else { return false };
        let Some((_, fleet)) = self.fleets.iter().find(|(other, _)| *other == name) else { return false };
        let first = self.fleets.iter().filter(|(other, _)| fleet.after.contains(*other));
        first.into_iter().any(|(other, fleet)| fleet.writes != Writes::Never || self.led_by_a_writer(other, left))
    }

    /// Whether values are sealed by it that somebody can move.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.seen.stores.values().any(|store| store.mover != Mover::Nobody)
    }

    /// Whether a service moves values of its own.
    #[must_use]
    pub fn moved_by_service(&self) -> bool {
        self.seen.stores.values().any(|store| store.mover == Mover::Itself)
    }

    /// Whether every value that anybody moves is opened by a service, and none by us.
    #[must_use]
    pub fn opened_by_service(&self) -> bool {
        let mut movers = self.seen.stores.values().map(|store| store.mover).filter(|mover| *mover != Mover::Nobody);
        self.moved_by_service() && movers.all(|mover| mover == Mover::Itself)
    }

    /// Whether the old version is disabled at the end of a rotation.
    #[must_use]
    pub fn retires(&self) -> bool {
        let disables = match self.able.disables {
            Disables::Each => true,
            // A floor takes every older version with it.
            Disables::Floor => !self.pins_below() && !self.current_below(),
            Disables::No => false,
        };
        let leaves = self.old.is_some() && self.kind != Kind::Back;
        leaves && disables && matches!(self.key.retire, Retire::After { .. })
    }

    /// Whether what is current is older than the version that is left behind: no floor passes over it.
    fn current_below(&self) -> bool {
        let place = |id: &VersionId| self.seen.key.versions.iter().position(|version| version.id == *id);
        let current = self.seen.key.current().and_then(|version| place(&version.id));
        current.zip(self.old.as_ref().and_then(place)).is_some_and(|(current, old)| current < old)
    }

    /// Whether what a rewrap replaces is kept: where the policy asks for it, and where only a service opens what it wrote, so
    /// that nobody can look at a value twice.
    #[must_use]
    pub fn keeps(&self) -> bool {
        let stores = self.key.seals.iter().filter_map(|name| self.policy.stores.get(name));
        let ours = stores.into_iter().any(|store| !matches!(store.place, Place::Unseen | Place::Grpc(_)));
        self.key.pre_images.is_some() || self.able.reopens == Reopens::Service && ours
    }

    /// Whether quarantined values pin a version that is older than the one that is left behind.
    fn pins_below(&self) -> bool {
        let older = self.seen.key.versions.iter().take_while(|version| Some(&version.id) != self.old.as_ref());
        older.map(|version| &version.id).any(|id| self.seen.past.quarantined.get(id).is_some_and(|count| *count > 0))
    }

    /// How long normal traffic runs before the old version is disabled: no shorter than any cache, and no longer where others
    /// know the version.
    #[must_use]
    pub fn soak(&self) -> Span {
        let after = match self.key.retire {
            Retire::After { after, .. } if !self.haste => after,
            Retire::After { .. } | Retire::Never => Span::ZERO,
        };
        after.max(self.longest(|fleet| fleet.caches))
    }

    /// The runs whose pre-images were kept for as long as they should be.
    #[must_use]
    pub fn pre_images_over(&self) -> Vec<String> {
        let keep = self.key.pre_images.as_ref().map(|wanted| wanted.keep);
        let over = |kept: &&PreImages| kept.until(keep).is_some_and(|until| until <= self.hour);
        self.seen.past.pre_images.iter().filter(over).map(|kept| kept.run.clone()).collect()
    }

    /// The longest of something over all fleets.
    #[must_use]
    pub fn longest(&self, of: impl Fn(&Fleet) -> Span) -> Span {
        self.fleets.iter().map(|(_, fleet)| of(fleet)).max().unwrap_or(Span::ZERO)
    }

    /// Whether the policy has checks of this moment.
    #[must_use]
    pub fn checks(&self, when: When) -> bool {
        self.key.checks.iter().any(|check| check.when.contains(&when))
    }

    /// How many values are under a version, as far as was counted.
    #[must_use]
    pub fn values(&self, of: impl Fn(&Census) -> u64) -> u64 {
        self.seen.stores.values().filter_map(|store| store.census.as_ref()).map(of).sum()
    }

    /// The members that the policy lists.
    #[must_use]
    pub fn listed(fleet: &'a Fleet) -> &'a [Member] {
        match &fleet.members {
            Members::Listed(members) => members,
            Members::FromProof { .. } | Members::FromCommand { .. } => &[],
        }
    }

    /// Whether a fleet comes to know a version only by restarting.
    #[must_use]
    pub fn learns_by_restart(fleet: &Fleet) -> bool {
        fleet.learns == Learns::Restart
    }

    /// Whether a fleet comes to write under a version only by restarting.
    #[must_use]
    pub fn follows_by_restart(fleet: &Fleet) -> bool {
        fleet.writes == Writes::Current && crate::decision::lead::follows(fleet) == Learns::Restart
    }

    /// Whether the backend's own notion of the current version is switched by an act of ours.
    #[must_use]
    pub fn switches(&self) -> bool {
        match self.kind {
            Kind::First | Kind::Rotate => !self.able.promotes,
            Kind::Back => self.target() != Some(State::Current),
            Kind::Follow | Kind::Reopen | Kind::Destroy | Kind::Discard => false,
        }
    }

    /// The state of the version that takes the place, where that one is there already.
    #[must_use]
    pub fn target(&self) -> Option<State> {
        self.to.as_ref().and_then(|id| self.seen.key.version(id)).map(|version| version.state)
    }

    /// Whether the version that members come to write with is current before anything is done.
    #[must_use]
    pub fn pointer_stands(&self) -> bool {
        self.kind == Kind::Follow || self.kind == Kind::Back && self.target() == Some(State::Current)
    }

    /// Whether a delay before the first write is asked for: where the version comes to members anew. One that they have had
    /// all along has had its delay.
    #[must_use]
    pub fn graces(&self) -> bool {
        let waits = self.turn() != Turn::Add || self.old.is_some() && self.moves();
        let comes = match self.kind {
            Kind::First | Kind::Rotate => true,
            Kind::Back => {
                let brought = self.fleets.iter().any(|(_, fleet)| fleet.deliver.is_some());
                brought || matches!(self.target(), Some(State::Staged | State::Disabled))
            }
            Kind::Follow | Kind::Reopen | Kind::Destroy | Kind::Discard => false,
        };
        comes && waits && !self.grace().is_zero()
    }

    /// The delay before the first write. Where others know the old version it is left out, if every member shows by itself that
    /// it knows the new one: what is declared for those that show nothing stays.
    #[must_use]
    pub fn grace(&self) -> Span {
        if self.haste && self.fleets.iter().all(|(_, fleet)| shows(fleet)) { Span::ZERO } else { self.key.grace }
    }

    /// The window that the turn waits for. Nobody waits for one with a version that others know.
    #[must_use]
    pub fn window(&self) -> Option<&'a Name> {
        self.key.window.as_ref().filter(|_| !self.haste)
    }
}

/// Whether members show by themselves that they know a version: by a proof, or because they look each time. Where somebody
/// brings it to them, looking shows nothing unless the delivery proves what they hold: that a program ended well is no sign.
#[must_use]
pub fn shows(fleet: &Fleet) -> bool {
    let looks = fleet.learns == Learns::Always && fleet.deliver.as_ref().is_none_or(|deliver| deliver.proves);
    fleet.proof.is_some() || looks
}
