//! What must have been done before an act. What is asked here follows from the policy and the world, never from the
//! plan's rules: that is how a missing rule is noticed.

use crate::model;
use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Waiting;
use crate::plan::step::Step;
use crate::plan::step::Why;
use crate::policy::meant::check::When;
use crate::prove::Breach;
use crate::prove::act::flights;
use crate::prove::act::learned;
use crate::prove::event::everybody;
use crate::prove::event::knows_old;
use crate::prove::state::Micro;
use crate::prove::state::State;
use crate::prove::state::flag;
use crate::prove::state::member::FLIGHT;
use crate::prove::state::member::GIVEN_OLD;
use crate::prove::state::member::WRITES_NEW;
use crate::prove::structure::is_turn;
use crate::prove::world::Side;
use crate::prove::world::World;

/// What must have been done before an act after which there is no easy way back.
pub(super) fn commit(world: &World, step: &Step, state: &mut State) {
    // Once values lie under the new version, going on is not a turn any more.
    let turn = is_turn(world, &step.part);
    let turning = !state.is(flag::STORE_NEW) || step.part == Part::Destroy || turn;
    if !turning {
        return;
    }
    if world.checks.contains(&When::Before) && !state.is(flag::CHECKED) {
        // Steps beside the turn that belong to it share its check.
        let steps = || world.steps().iter().enumerate();
        let turned = steps().any(|(at, step)| is_turn(world, &step.part) && state.step(at) == Micro::Done);
        if turn || !turned {
            state.breach(Breach::StaleCheck);
        }
    }
    if matches!(world.kind, Kind::Rotate | Kind::Back) && world.moves && !state.is(flag::OPENED) {
        state.breach(Breach::Unopened);
    }
    let promotes = step.part == Part::Add;
    if state.is(flag::GRACE) && turn && !promotes {
        state.breach(Breach::GraceCut);
    }
    if !promotes && step.part != Part::Destroy {
        for when in [When::Added, When::Readable] {
            if !asked(world, state, when) {
                state.breach(Breach::CheckSkipped(when));
            }
        }
    }
}

pub(super) fn asked(world: &World, state: &State, when: When) -> bool {
    let mut steps = world.steps().iter().enumerate();
    let done = steps.any(|(at, step)| {
        matches!(step.part, Part::Check { when: w, .. } if w == when) && state.step(at) == Micro::Done
    });
    done || !world.asks(when)
}

pub(super) fn before_taking_away(world: &World, state: &mut State) {
    if world.kind == Kind::Destroy {
        return;
    }
    if state.is(flag::SOAK) || world.moves && !state.is(flag::CLOSED) {
        state.breach(Breach::SoakCut);
    }
    if !asked(world, state, When::Moved) {
        state.breach(Breach::CheckSkipped(When::Moved));
    }
}

/// What must be so before the old version goes out of use.
pub(super) fn take_out(world: &World, state: &mut State) {
    before_taking_away(world, state);
    copies(world, state);
}

/// Whether members hold copies of what is to be out of use.
fn copies(world: &World, state: &mut State) {
    let holds = |side: &Side, at: usize| {
        side.fleet.withdraw.is_some()
            && (state.member(at, GIVEN_OLD) || !side.holds_one() && knows_old(side, state, at))
    };
    if everybody(world).any(|(side, at)| holds(side, at)) {
        state.breach(Breach::CopiesLeft);
    }
}

pub(super) fn check(world: &World, state: &mut State, when: When, gates: &[Gate]) {
    let true_now = match when {
        When::Before => {
            state.set(flag::LOOKED);
            // A look at the world before the window opens is an old one when it does.
            let waits = world.window.is_some() && world.kind != Kind::Destroy;
            if !waits || gates.iter().any(|gate| matches!(gate, Gate::Window { .. })) || world.kind == Kind::First {
                state.set(flag::CHECKED);
            }
            true
        }
        When::Added => state.new.is_some(),
        When::Readable => world.fleets.iter().all(|side| side.at_start() || learned(state, side)),
        When::Switched => turned(world, state),
        When::Written => everybody(world).all(|(side, at)| !side.writes() || has_written(world, state, side, at)),
        When::Moved => state.is(flag::CLOSED),
        When::Retired => state.old == Some(model::State::Disabled),
    };
    if !true_now {
        state.breach(Breach::CheckEarly(when));
    }
}

/// Whether all acts of the turn are done, and what follows by restart was restarted.
fn turned(world: &World, state: &State) -> bool {
    world.steps().iter().enumerate().all(|(at, step)| {
        let part = matches!(step.part, Part::Switch | Part::Point { .. } | Part::Restart { why: Why::Follow, .. });
        !(is_turn(world, &step.part) || part) || state.step(at) == Micro::Done
    })
}

/// Whether a member writes under the new version only. One that counts for itself may begin to count anew whenever it
/// starts: of it only the wait is known to be over.
fn has_written(world: &World, state: &State, side: &Side, at: usize) -> bool {
    if !side.has_fuse() {
        return state.member(at, WRITES_NEW) && !state.member(at, FLIGHT);
    }
    world.steps().iter().enumerate().any(|(at, step)| {
        let wait = matches!(&step.part, Part::Wait { until: Waiting::Written { fleet } } if *fleet == side.name);
        wait && state.step(at) == Micro::Done
    })
}

/// What must be so when a plan has come to its end.
pub(super) fn finish(world: &World, state: &mut State) {
    let moved = world.moves && world.has_old && world.kind != Kind::Destroy;
    if moved && (state.is(flag::STORE_OLD) || flights(state) || state.is(flag::LANDING) || !state.is(flag::CLOSED)) {
        state.breach(Breach::EndsUnclean);
    }
    if moved && state.old == Some(model::State::Disabled) && !state.is(flag::RECOUNTED) {
        state.breach(Breach::Uncounted);
    }
    for when in [When::Added, When::Readable, When::Switched, When::Written, When::Moved, When::Retired] {
        if !asked(world, state, when) {
            state.breach(Breach::CheckSkipped(when));
        }
    }
    let retired = world.steps().iter().any(|step| step.part == Part::Retire);
    if retired && !state.old_is_out() {
        state.breach(Breach::NotRetired);
    }
    if world.kind == Kind::Destroy {
        copies(world, state);
    }
    if matches!(world.kind, Kind::First | Kind::Rotate | Kind::Follow | Kind::Back) {
        let behind = |side: &Side, at| {
            side.fleet.writes == crate::policy::meant::fleet::Writes::Current
                && !state.member(at, WRITES_NEW)
                && side.fleet.learns == crate::policy::meant::fleet::Learns::Restart
        };
        if everybody(world).any(|(side, at)| behind(side, at)) {
            state.breach(Breach::NotFollowed);
        }
    }
}
