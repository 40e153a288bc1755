//! One state of the small world: how far each step is, where the two versions stand, what each member knows,
//! and what lies in the stores. Small, so that all of them can be visited.

use crate::model;
use crate::plan::Kind;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use crate::prove::Breach;
use crate::prove::world::Side;
use crate::prove::world::World;

/// How far one step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Micro {
    /// Not begun.
    Ahead,
    /// Its intent is written, and whoever wrote it died: it may have taken, or not.
    Left,
    /// Its intent is written by an executor that lives.
    Begun,
    /// The world changed, and nobody wrote that down yet.
    Effected,
    /// It is written down as done.
    Done,
    /// It was done, and is to be taken back.
    Back,
}

/// The states in which somebody may want to go back: from the middle of a rotation, from after its turn, and from after the
/// old version's retirement. Here the new version is the one to go back to.
fn back(world: &World) -> Vec<State> {
    use flag::STORE_NEW;
    use flag::STORE_OLD;
    use member::GIVEN_NEW;
    use member::GIVEN_OLD;
    use member::KNOWS_NEW;
    use member::KNOWS_OLD;
    use member::POINTED;
    use member::UP;
    use member::WRITES_NEW;
    let holds_one = world.fleets.iter().any(Side::holds_one);
    let all = UP | KNOWS_OLD | GIVEN_OLD | KNOWS_NEW | GIVEN_NEW;
    let left = |side: &Side| if side.holds_one() { UP | KNOWS_OLD | GIVEN_OLD | GIVEN_NEW } else { all };
    let stayed = |side: &Side| {
        let writes = WRITES_NEW | POINTED;
        if side.holds_one() { UP | KNOWS_NEW | GIVEN_NEW | GIVEN_OLD | writes } else { all | writes }
    };
    let begin = |flags: u32| State::new(world, world.new_state, 0, flags);
    let with = |flags: u32, of: &dyn Fn(&Side) -> u32| {
        let mut state = begin(flags);
        state.each(world, 0, of);
        state
    };
    // Values of members that hold one version lie under one.
    let both = if holds_one { STORE_OLD } else { STORE_OLD | STORE_NEW };
    // It was taken from members, or they have not looked since it was enabled.
    let forgot = with(STORE_OLD, &|_| UP | KNOWS_OLD | GIVEN_OLD);
    let known = with(STORE_OLD, &left);
    if matches!(world.new_state, Some(model::State::Disabled | model::State::Staged)) {
        return vec![known, forgot];
    }
    let turned = with(both, &left);
    let not_yet = with(both, &stayed);
    let mut halfway = turned.clone();
    halfway.each(world, 1, stayed);
    let mut states = vec![turned, not_yet, halfway];
    if world.new_state == Some(model::State::DecryptOnly) {
        states.push(forgot);
    }
    // Before the turn, nobody may have learnt of the version that is left.
    if world.old_state == Some(model::State::Staged) || world.able.promotes {
        states.push(with(STORE_NEW, &|_| UP | KNOWS_NEW | GIVEN_NEW | WRITES_NEW | POINTED));
    }
    states
}

macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident = $bit:expr;)+) => { $($(#[$doc])* pub const $name: u32 = 1 << $bit;)+ };
}

/// What is true of a member.
pub mod member {
    bits! {
        /// It runs.
        UP = 0;
        /// It can open what the old version sealed.
        KNOWS_OLD = 1;
        /// It can open what the new version sealed.
        KNOWS_NEW = 2;
        /// The old version's material was given to it and is still there.
        GIVEN_OLD = 3;
        /// The new version's material was given to it.
        GIVEN_NEW = 4;
        /// Its own pointer names the new version.
        POINTED = 5;
        /// It writes under the new version (or holds it, where it holds one).
        WRITES_NEW = 6;
        /// A write of it under the old version has not landed.
        FLIGHT = 7;
        /// It keeps a value sealed under the old version.
        CACHED = 8;
        /// It is being restarted by us.
        BY_US = 9;
    }
}

/// What is true of the world.
pub mod flag {
    bits! {
        /// Values under the old version lie in a store.
        STORE_OLD = 0;
        /// Values under the new version lie in a store.
        STORE_NEW = 1;
        /// The grace period runs.
        GRACE = 2;
        /// The time of normal traffic runs.
        SOAK = 3;
        /// A service may still write an old value back.
        LANDING = 4;
        /// The world was checked, and no hours passed since.
        CHECKED = 5;
        /// The world was checked at least once.
        LOOKED = 6;
        /// What the old version sealed was opened.
        OPENED = 7;
        /// Pre-images are kept.
        KEPT = 8;
        /// A sweep found every value under the new version, and no member was started since.
        SWEPT = 9;
        /// A whole closing round found nothing.
        CLOSED = 10;
        /// It was counted that nothing is under the old version.
        RECOUNTED = 11;
        /// Values were moved to the new version by us.
        MOVED_BY_US = 12;
        /// The key's window is shut.
        SHUT = 13;
        /// Values turned up under the old version after it was disabled: from a backup, or by somebody who broke a promise.
        LATE = 14;
    }
}

/// One state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// How far each step is.
    pub steps: Vec<Micro>,
    /// Where the old version stands.
    pub old: Option<model::State>,
    /// Where the new version stands.
    pub new: Option<model::State>,
    /// What is true of each member.
    pub members: Vec<u32>,
    /// What is true of the world.
    pub flags: u32,
    /// What went wrong on the way here.
    pub breach: Option<Breach>,
}

impl State {
    /// The states in which the plan may be opened. Where others made or retired a version before us, what members
    /// have seen of it is not known: all of it, or nothing.
    #[must_use]
    pub fn first(world: &World) -> Vec<Self> {
        use member::GIVEN_NEW;
        use member::GIVEN_OLD;
        use member::KNOWS_NEW;
        use member::KNOWS_OLD;
        use member::POINTED;
        use member::UP;
        use member::WRITES_NEW;
        const CURRENT: Option<model::State> = Some(model::State::Current);
        let old_ways = UP | KNOWS_OLD | GIVEN_OLD;
        let new_ways = UP | KNOWS_NEW | GIVEN_NEW | WRITES_NEW | POINTED;
        match world.kind {
            Kind::First => vec![Self::new(world, None, UP, 0)],
            Kind::Rotate => vec![Self::new(world, None, old_ways, flag::STORE_OLD)],
            Kind::Follow => {
                let behind = Self::new(world, CURRENT, old_ways, flag::STORE_OLD);
                let ahead = Self::new(world, CURRENT, old_ways | KNOWS_NEW | GIVEN_NEW, flag::STORE_OLD);
                vec![behind, ahead]
            }
            Kind::Back => back(world),
            Kind::Reopen => {
                let mut one = Self::new(world, CURRENT, new_ways, flag::STORE_OLD | flag::STORE_NEW);
                one.keep_old(world, |side| side.fleet.withdraw.is_none(), GIVEN_OLD);
                vec![one]
            }
            // No version changes, and nothing that is sealed.
            Kind::Discard => vec![Self::new(world, CURRENT, new_ways, flag::STORE_NEW)],
            Kind::Destroy => {
                let mut clean = Self::new(world, CURRENT, new_ways, flag::STORE_NEW);
                if world.disables() {
                    clean.keep_old(world, |side| side.fleet.withdraw.is_none(), GIVEN_OLD);
                } else {
                    // Nothing stopped anybody from using it, so something may linger, and everybody has it.
                    clean.keep_old(world, |_| true, KNOWS_OLD | GIVEN_OLD);
                    clean.keep_old(world, |side| side.writes() && !side.fleet.in_flight.is_zero(), member::FLIGHT);
                    clean.keep_old(world, |side| !side.fleet.caches.is_zero(), member::CACHED);
                }
                // A restored backup, a late writer or a quarantined value: something is there after all.
                let mut found = clean.clone();
                found.set(flag::STORE_OLD);
                vec![clean, found]
            }
        }
    }

    fn new(world: &World, new: Option<model::State>, each: u32, flags: u32) -> Self {
        let comes = new == Some(model::State::Staged) && world.kind == Kind::Back;
        let makes = matches!(world.kind, Kind::First | Kind::Rotate) || comes;
        let grace = if makes && !world.grace.is_zero() { flag::GRACE } else { 0 };
        Self {
            steps: vec![Micro::Ahead; world.steps().len()],
            old: world.old_state,
            new,
            members: vec![each; world.members()],
            flags: flags | grace,
            breach: None,
        }
    }

    /// Makes something true of members of some fleets, from this one of each on.
    fn each(&mut self, world: &World, from: usize, of: impl Fn(&Side) -> u32) {
        for (at, member) in self.members.iter_mut().enumerate() {
            if let Some(side) = world.side_of(at).filter(|side| at >= side.first + from) {
                *member = of(side);
            }
        }
    }

    fn keep_old(&mut self, world: &World, of: impl Fn(&Side) -> bool, bits: u32) {
        for (at, member) in self.members.iter_mut().enumerate() {
            if world.side_of(at).is_some_and(&of) {
                *member |= bits;
            }
        }
    }

    /// Whether every step is done.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.steps.iter().all(|micro| *micro == Micro::Done)
    }

    /// Whether something is true of the world.
    #[must_use]
    pub const fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Makes something true of the world.
    pub const fn set(&mut self, flag: u32) {
        self.flags |= flag;
    }

    /// Makes something no longer true of the world.
    pub const fn clear(&mut self, flag: u32) {
        self.flags &= !flag;
    }

    /// Whether all of this is true of a member.
    #[must_use]
    pub fn member(&self, at: usize, bits: u32) -> bool {
        self.members.get(at).is_some_and(|member| member & bits == bits)
    }

    /// Makes something true of a member.
    pub fn put(&mut self, at: usize, bits: u32) {
        if let Some(member) = self.members.get_mut(at) {
            *member |= bits;
        }
    }

    /// Makes something no longer true of a member.
    pub fn take(&mut self, at: usize, bits: u32) {
        if let Some(member) = self.members.get_mut(at) {
            *member &= !bits;
        }
    }

    /// How far a step is.
    #[must_use]
    pub fn step(&self, at: usize) -> Micro {
        self.steps.get(at).copied().unwrap_or(Micro::Ahead)
    }

    /// Puts a step somewhere.
    pub fn put_step(&mut self, at: usize, micro: Micro) {
        if let Some(step) = self.steps.get_mut(at) {
            *step = micro;
        }
    }

    /// Notes what went wrong, unless something did before.
    pub fn breach(&mut self, breach: Breach) {
        self.breach.get_or_insert(breach);
    }

    /// How far the plan is, as `course::next` asks for it. `took` says of a step that was left whether the world shows
    /// that it took.
    #[must_use]
    pub fn progress(&self, took: impl Fn(usize) -> bool) -> Progress {
        let at = self.steps.iter().enumerate().map(|(at, micro)| match micro {
            Micro::Ahead => At::Ahead,
            Micro::Left if took(at) => At::Took,
            Micro::Left | Micro::Begun | Micro::Effected => At::Begun,
            Micro::Done => At::Done,
            Micro::Back => At::Back,
        });
        Progress(at.collect())
    }

    /// Whether the old version opens what it sealed.
    #[must_use]
    pub fn old_opens(&self) -> bool {
        self.old.is_some_and(model::State::opens)
    }

    /// Whether the old version is out of use.
    #[must_use]
    pub fn old_is_out(&self) -> bool {
        matches!(self.old, Some(model::State::Disabled | model::State::Destroyed))
    }
}
