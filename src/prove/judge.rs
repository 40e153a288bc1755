//! The invariants: what must be true in every state that can be reached.
//!
//! I1 every member can open every value it may meet; I2 every value's version is there; I3 nobody can still
//! seal under a version that is out of use; I4 nothing is turned or ended without its gates; I5 nothing is
//! destroyed that anything needs; I6 an unfinished plan can always go on.

use crate::model;
use crate::plan::Kind;
use crate::policy::meant::check::When;
use crate::prove::event::everybody;
use crate::prove::event::knows_new;
use crate::prove::event::knows_old;
use crate::prove::state::State;
use crate::prove::state::flag;
use crate::prove::state::member::CACHED;
use crate::prove::state::member::FLIGHT;
use crate::prove::state::member::UP;
use crate::prove::state::member::WRITES_NEW;
use crate::prove::world::World;

/// A way in which a state is wrong. Members are named by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breach {
    /// I1: a member meets a value under the new version, which it does not know.
    StrandedNew(usize),
    /// I1: a member meets a value under the old version, which it does not know any more.
    StrandedOld(usize),
    /// I1: a member's cached old value does not open any more.
    StaleCache(usize),
    /// I1: a running member is told to write with a version that it does not know.
    CannotFollow(usize),
    /// I1: a member does not come up: it is told to use a version that it does not have.
    CannotStart(usize),
    /// I1, hazard K207: a member that holds one version starts while values are under the other.
    FailsInSpan(usize),
    /// I2: values lie under a version that is out of use.
    ValuesLost,
    /// I2: a value was written over by somebody who read it long before.
    WrittenOver,
    /// I3: a member can still seal under a version that is out of use.
    SealsDisabled(usize),
    /// I3: members still hold copies of a version that is said to be out of use.
    CopiesLeft,
    /// I4: something changes before the world was looked at.
    Unchecked,
    /// I4: hours passed since the world was checked.
    StaleCheck,
    /// I4: nobody knows whether the old version opens what it should.
    Unopened,
    /// I4: the grace period was cut short.
    GraceCut,
    /// I4: no pre-image was kept.
    NotKept,
    /// I4: a check was passed over.
    CheckSkipped(When),
    /// I4: a check was asked before what it looks at had happened.
    CheckEarly(When),
    /// I4: a fleet's turn came before its time.
    OutOfOrder,
    /// I4: the old version was taken away before its time.
    SoakCut,
    /// I4: a member was started without a sweep just before.
    Unswept,
    /// I4: two members of a fleet are down at once, by us.
    TwoDown,
    /// I4: the closing round was not the last.
    ClosedEarly,
    /// I4: a retirement was not counted.
    Uncounted,
    /// I4: the plan ends while values are, or may yet come, under the old version.
    EndsUnclean,
    /// I4: the plan ends while a member still works with the old version.
    NotFollowed,
    /// I4: a service that does not know the new version as current is asked to move its values.
    ServiceBehind,
    /// I4: a second version was made.
    SecondVersion,
    /// I4: the plan ends, and the old version is still in use.
    NotRetired,
    /// I4: a version that is kept for ever is taken away.
    KeptForEver,
    /// I4: a key's rotation begins before that of a key that comes first is finished.
    KeyOrder,
    /// I4: a step with a class other than safe has no voices.
    Unapproved,
    /// I4: the turn does not wait for the window.
    OutsideWindow,
    /// I4: something waits while members cannot start.
    GateInSpan,
    /// I4: an empty list of members would open a gate.
    EmptyProof,
    /// I1: a fleet that holds one version lacks what makes that safe.
    HoldsOne,
    /// I1: a declared delay is too long for another.
    TooSlow,
    /// I5: what may still need the version is not known to be over.
    Restorable,
    /// More steps than can be proved.
    TooLarge,
    /// I5: a version was destroyed that something needs.
    DestroyedNeeded,
    /// I6: a step cannot be done.
    Impossible,
    /// I6: nothing can go on, and nothing is waited for.
    Stuck,
    /// I6: whatever happens, the plan does not come to its end.
    NeverEnds,
}

impl Breach {
    /// The invariant that it breaks.
    #[must_use]
    pub const fn invariant(self) -> &'static str {
        match self {
            Breach::StrandedNew(_)
            | Breach::StrandedOld(_)
            | Breach::StaleCache(_)
            | Breach::CannotStart(_)
            | Breach::CannotFollow(_)
            | Breach::HoldsOne
            | Breach::TooSlow
            | Breach::FailsInSpan(_) => "I1",
            Breach::ValuesLost | Breach::WrittenOver => "I2",
            Breach::SealsDisabled(_) | Breach::CopiesLeft => "I3",
            Breach::DestroyedNeeded | Breach::Restorable => "I5",
            Breach::Impossible | Breach::Stuck | Breach::NeverEnds | Breach::TooLarge => "I6",
            _ => "I4",
        }
    }
}

/// Judges a state by what can be seen in it, and notes the first breach.
pub fn judge(world: &World, state: &mut State) {
    if state.breach.is_some() {
        return;
    }
    // What we found so is not of our making: after a restored backup the old version's values do not open until it is
    // enabled; and where somebody else made a version current, others may write under it before all know it.
    let mending = world.kind == Kind::Reopen && !state.is(flag::CLOSED);
    let found_new = world.kind == Kind::Follow && !state.is(flag::MOVED_BY_US);
    let found_out = world.kind == Kind::Destroy && world.disables();
    // Nor is what turned up late, until it is moved: nobody could open it when it came.
    let late = state.is(flag::LATE);
    let reads_old = world.has_old && !mending && !found_out && !late;
    let out = state.old_is_out();
    for (side, at) in everybody(world) {
        let up = state.member(at, UP);
        let met_new = state.is(flag::STORE_NEW) && !found_new && !knows_new(side, state, at);
        let met_old = state.is(flag::STORE_OLD) && reads_old && !knows_old(side, state, at);
        if up && !side.at_start() && met_new {
            return state.breach(Breach::StrandedNew(at));
        }
        if up && !side.at_start() && met_old {
            return state.breach(Breach::StrandedOld(at));
        }
        let opens = !out && (world.kind == Kind::Reopen || knows_old(side, state, at));
        if up && state.member(at, CACHED) && !mending && !found_out && !opens {
            return state.breach(Breach::StaleCache(at));
        }
        let seals = side.writes() && up && !state.member(at, WRITES_NEW) || state.member(at, FLIGHT);
        if out && world.kind != Kind::Reopen && seals && world.has_old {
            return state.breach(Breach::SealsDisabled(at));
        }
    }
    if state.is(flag::STORE_NEW) && state.is(flag::GRACE) {
        return state.breach(Breach::GraceCut);
    }
    // Values that neither we nor anybody else moves are under the old version for ever.
    let left = state.is(flag::STORE_OLD) || world.unseen && world.has_old;
    let destroyed = state.old == Some(model::State::Destroyed);
    if destroyed && left {
        return state.breach(Breach::DestroyedNeeded);
    }
    if out && left && !mending && !late && world.kind != Kind::Destroy {
        state.breach(Breach::ValuesLost);
    }
}
