//! What the executor's acts do to the small world.

use crate::model;
use crate::model::Risk;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::step::Step;
use crate::plan::step::Why;
use crate::policy::meant::check::When;
use crate::prove::Breach;
use crate::prove::before::asked;
use crate::prove::before::before_taking_away;
use crate::prove::before::check;
use crate::prove::before::commit;
use crate::prove::before::finish;
use crate::prove::before::take_out;
use crate::prove::event::everybody;
use crate::prove::event::knows_new;
use crate::prove::event::start;
use crate::prove::gate::took;
use crate::prove::state::Micro;
use crate::prove::state::State;
use crate::prove::state::flag;
use crate::prove::state::member::BY_US;
use crate::prove::state::member::FLIGHT;
use crate::prove::state::member::GIVEN_NEW;
use crate::prove::state::member::GIVEN_OLD;
use crate::prove::state::member::POINTED;
use crate::prove::state::member::WRITES_NEW;
use crate::prove::structure::class;
use crate::prove::structure::is_turn;
use crate::prove::world::Side;
use crate::prove::world::World;

/// A step's intent is written, and what it takes down goes down.
pub fn begin(world: &World, state: &State, at: usize) -> State {
    let mut next = state.clone();
    next.put_step(at, Micro::Begun);
    let Some(step) = world.steps().get(at) else { return next };
    if world.checks.contains(&When::Before) && !next.is(flag::LOOKED) {
        next.breach(Breach::Unchecked);
    }
    if let Part::Restart { fleet, member: Some(_), .. } = &step.part {
        let mut mine = Vec::new();
        each(world, step, |_, member| mine.push(member));
        let down = |(side, other): (&Side, usize)| {
            // One that an earlier attempt took down is the same one still.
            side.name == *fleet && !mine.contains(&other) && next.member(other, BY_US)
        };
        if everybody(world).any(down) {
            next.breach(Breach::TwoDown);
        }
        mine.into_iter().for_each(|member| next.put(member, BY_US));
    }
    next
}

/// The world after a step took effect: more than one, where a rewrap may have met late writers or not.
pub fn effect(world: &World, state: &State, at: usize) -> Vec<State> {
    let mut next = state.clone();
    next.put_step(at, Micro::Effected);
    let Some(step) = world.steps().get(at) else { return vec![next] };
    // What took before is not done again, and what took half is finished.
    if class(world, step) == Risk::Switch && next.is(flag::SHUT) && !took(world, state, at) {
        next.breach(Breach::OutsideWindow);
    }
    if is_turn(world, &step.part) || matches!(step.part, Part::Destroy | Part::Switch | Part::Rewrap { .. }) {
        commit(world, step, &mut next);
    }
    match &step.part {
        Part::Add => add(world, &mut next),
        Part::Enable if world.kind == Kind::Back => {
            next.new = Some(model::State::DecryptOnly);
            if !world.grace.is_zero() {
                next.set(flag::GRACE);
            }
        }
        Part::Enable => next.old = Some(model::State::DecryptOnly),
        Part::Deliver { fleet } => deliver(world, &mut next, fleet),
        Part::Restart { fleet, why, .. } => restart(world, &mut next, step, fleet, *why),
        Part::Switch => match next.new.filter(|new| new.opens()) {
            None => next.breach(Breach::Impossible),
            Some(_) => {
                next.new = Some(model::State::Current);
                next.old = next.old.map(demoted);
            }
        },
        Part::Point { .. } => {
            if next.new.is_none() {
                next.breach(Breach::Impossible);
            }
            each(world, step, |_, member| next.put(member, POINTED));
        }
        Part::Rewrap { .. } | Part::Sweep { .. } | Part::Close => {
            return rewrap(world, next, step.part == Part::Close);
        }
        Part::Withdraw { fleet } => withdraw(world, &mut next, fleet),
        Part::Retire => {
            take_out(world, &mut next);
            next.old = Some(model::State::Disabled);
        }
        Part::Destroy => {
            if next.is(flag::STORE_OLD) || world.moves && !next.is(flag::RECOUNTED) || flights(&next) {
                next.breach(Breach::DestroyedNeeded);
            }
            next.old = Some(model::State::Destroyed);
        }
        Part::Keep => next.set(flag::KEPT),
        Part::Check { .. } | Part::Open { .. } | Part::Wait { .. } | Part::Recount | Part::Discard { .. } => {}
    }
    vec![next]
}

/// A step is written down as done; nothing where it cannot be yet.
pub fn done(world: &World, state: &State, at: usize) -> Option<State> {
    let mut next = state.clone();
    next.put_step(at, Micro::Done);
    let step = world.steps().get(at)?;
    match &step.part {
        Part::Close | Part::Sweep { .. } | Part::Recount if next.is(flag::STORE_OLD) && world.moves => {
            if !(world.flaws.quarantine_forgotten && step.part == Part::Close) {
                return None;
            }
            close(world, &mut next);
        }
        Part::Close => close(world, &mut next),
        Part::Sweep { .. } => next.set(flag::SWEPT),
        Part::Recount => {
            if next.old_is_out() || world.kind == Kind::Destroy {
                next.set(flag::RECOUNTED);
            }
            next.clear(flag::CHECKED);
        }
        Part::Check { when, .. } => check(world, &mut next, *when, &step.gates),
        Part::Open { .. } => next.set(flag::OPENED),
        Part::Wait { .. } | Part::Deliver { .. } => next.clear(flag::CHECKED),
        Part::Restart { why, .. } => {
            if *why == Why::Learn {
                next.clear(flag::CHECKED);
            }
            each(world, step, |_, member| next.take(member, BY_US));
            next.clear(flag::SWEPT);
        }
        _ => {}
    }
    if next.steps.iter().all(|micro| *micro == Micro::Done) {
        finish(world, &mut next);
    }
    Some(next)
}

/// Runs over the members that a step concerns.
pub(super) fn each(world: &World, step: &Step, mut then: impl FnMut(&Side, usize)) {
    let member = step.part.member().map(ToString::to_string);
    for (side, at) in everybody(world) {
        let name = side.members.get(at - side.first);
        if step.part.fleet() == Some(&side.name) && (member.is_none() || member.as_ref() == name) {
            then(side, at);
        }
    }
}

fn add(world: &World, state: &mut State) {
    if state.new.is_some() && world.flaws.add_twice {
        state.breach(Breach::SecondVersion);
    }
    if world.keeps && !state.is(flag::KEPT) {
        state.breach(Breach::NotKept);
    }
    if state.new.is_some() {
        return;
    }
    state.new = Some(if world.able.promotes { model::State::Current } else { model::State::Staged });
    if world.able.promotes {
        state.old = state.old.map(demoted);
    }
    if !world.grace.is_zero() {
        state.set(flag::GRACE);
    }
}

const fn demoted(state: model::State) -> model::State {
    match state {
        model::State::Current => model::State::DecryptOnly,
        other => other,
    }
}

/// Whether a fleet has come to know the new version.
pub(super) fn learned(state: &State, side: &Side) -> bool {
    let given = side.fleet.deliver.is_some();
    (side.first..side.first + side.members.len())
        .all(|at| (!given || state.member(at, GIVEN_NEW)) && (side.holds_one() || knows_new(side, state, at)))
}

/// Whether the policy puts a fleet after one that writes: then its place is where the policy says.
fn led_by_a_writer(world: &World, side: &Side, left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else { return false };
    let mut first = side.after.iter().filter_map(|at| world.fleets.get(*at));
    first.any(|other| other.writes() || led_by_a_writer(world, other, left))
}

fn deliver(world: &World, state: &mut State, fleet: &crate::model::Name) {
    if !state.new.is_some_and(model::State::opens) {
        return state.breach(Breach::Impossible);
    }
    let Some(side) = world.fleet(fleet).and_then(|at| world.fleets.get(at)) else { return };
    let early = world.fleets.iter().any(|other| {
        let first = !other.writes() && !led_by_a_writer(world, other, world.fleets.len());
        first && side.writes() && other.fleet.deliver.is_some() && !learned(state, other)
    });
    let before = side.after.iter().filter_map(|at| world.fleets.get(*at)).any(|other| !learned(state, other));
    if early || before && side.fleet.deliver.is_some() && !side.holds_one() {
        state.breach(Breach::OutOfOrder);
    }
    let members = || side.first..side.first + side.members.len();
    let news = members().any(|at| !state.member(at, GIVEN_NEW));
    members().for_each(|at| state.put(at, GIVEN_NEW));
    if news && !world.grace.is_zero() && world.kind != Kind::Follow {
        state.set(flag::GRACE);
    }
}

fn restart(world: &World, state: &mut State, step: &Step, fleet: &crate::model::Name, why: Why) {
    let Some(side) = world.fleet(fleet).and_then(|at| world.fleets.get(at)) else { return };
    if why == Why::Follow {
        let others = side.after.iter().filter_map(|at| world.fleets.get(*at));
        let behind =
            |other: &Side| (other.first..other.first + other.members.len()).any(|at| !state.member(at, WRITES_NEW));
        if others.filter(|other| other.writes()).any(behind) {
            state.breach(Breach::OutOfOrder);
        }
        let takes_turns = side.holds_one() && matches!(world.kind, Kind::Rotate | Kind::Follow | Kind::Back);
        if takes_turns && world.moves && !state.is(flag::SWEPT) {
            state.breach(Breach::Unswept);
        }
    }
    each(world, step, |side, member| start(world, side, state, member, true));
}

fn rewrap(world: &World, mut next: State, closing: bool) -> Vec<State> {
    // Values that somebody else moves are only looked at in the closing round.
    let looks = world.by_service && closing;
    if !next.new.is_some_and(model::State::opens) || world.has_old && next.is(flag::STORE_OLD) && !next.old_opens() {
        next.breach(Breach::Impossible);
        return vec![next];
    }
    if world.keeps && !next.is(flag::KEPT) {
        next.breach(Breach::NotKept);
    }
    if world.by_service {
        if everybody(world).any(|(side, at)| side.writes() && !next.member(at, WRITES_NEW)) {
            next.breach(Breach::ServiceBehind);
        }
        if !closing && next.is(flag::STORE_OLD) {
            next.set(flag::LANDING);
        }
    }
    if looks || !next.is(flag::STORE_OLD) {
        return vec![next];
    }
    next.set(flag::STORE_NEW | flag::MOVED_BY_US);
    let mut all = next.clone();
    all.clear(flag::STORE_OLD | flag::LATE);
    if world.flaws.quarantine_forgotten {
        return vec![next];
    }
    vec![all, next]
}

fn close(world: &World, state: &mut State) {
    let moving = world.steps().iter().enumerate().any(|(at, step)| {
        matches!(step.part, Part::Rewrap { .. } | Part::Sweep { .. }) && state.step(at) != Micro::Done
    });
    if moving {
        state.breach(Breach::ClosedEarly);
    }
    for when in [When::Readable, When::Switched, When::Written] {
        if !asked(world, state, when) {
            state.breach(Breach::CheckSkipped(when));
        }
    }
    state.set(flag::CLOSED);
    if !world.soak.is_zero() {
        state.set(flag::SOAK);
    }
}

fn withdraw(world: &World, state: &mut State, fleet: &crate::model::Name) {
    before_taking_away(world, state);
    // What a fleet is given then is what the backend holds: where nothing disables, a version that is there comes again.
    if !world.disables() && state.old_opens() {
        return;
    }
    let Some(side) = world.fleet(fleet).and_then(|at| world.fleets.get(at)) else { return };
    for at in side.first..side.first + side.members.len() {
        state.take(at, GIVEN_OLD);
    }
}

pub(super) fn flights(state: &State) -> bool {
    state.members.iter().any(|member| member & FLIGHT != 0)
}
