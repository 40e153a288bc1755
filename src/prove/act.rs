//! What the executor's acts do to the small world, and what must have been done before each of them. What is
//! asked here follows from the policy and the world, never from the plan's rules: that is how a missing rule
//! is noticed.

use crate::model;
use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Waiting;
use crate::plan::step::Step;
use crate::plan::step::Why;
use crate::policy::meant::check::When;
use crate::prove::Breach;
use crate::prove::event::everybody;
use crate::prove::event::knows_new;
use crate::prove::event::knows_old;
use crate::prove::event::lingers;
use crate::prove::event::start;
use crate::prove::state::Micro;
use crate::prove::state::State;
use crate::prove::state::flag;
use crate::prove::state::member::BY_US;
use crate::prove::state::member::FLIGHT;
use crate::prove::state::member::GIVEN_NEW;
use crate::prove::state::member::GIVEN_OLD;
use crate::prove::state::member::POINTED;
use crate::prove::state::member::WRITES_NEW;
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
        if everybody(world).any(|(side, other)| side.name == *fleet && next.member(other, BY_US)) {
            next.breach(Breach::TwoDown);
        }
        each(world, step, |_, member| next.put(member, BY_US));
    }
    next
}

/// The world after a step took effect: more than one, where a rewrap may have met late writers or not.
pub fn effect(world: &World, state: &State, at: usize) -> Vec<State> {
    let mut next = state.clone();
    next.put_step(at, Micro::Effected);
    let Some(step) = world.steps().get(at) else { return vec![next] };
    if is_turn(world, &step.part) || matches!(step.part, Part::Destroy | Part::Switch | Part::Rewrap { .. }) {
        commit(world, step, &mut next);
    }
    match &step.part {
        Part::Add => add(world, &mut next),
        Part::Enable => next.old = Some(model::State::DecryptOnly),
        Part::Deliver { fleet } => deliver(world, &mut next, fleet),
        Part::Restart { fleet, why, .. } => restart(world, &mut next, step, fleet, *why),
        Part::Switch => match next.new {
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
            if !world.disables() {
                take_out(world, &mut next);
            }
            if next.is(flag::STORE_OLD) || world.moves && !next.is(flag::RECOUNTED) || flights(&next) {
                next.breach(Breach::DestroyedNeeded);
            }
            next.old = Some(model::State::Destroyed);
        }
        Part::Keep => next.set(flag::KEPT),
        Part::Check { .. } | Part::Open | Part::Wait { .. } | Part::Recount | Part::Discard { .. } => {}
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
        Part::Open => next.set(flag::OPENED),
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
fn each(world: &World, step: &Step, mut then: impl FnMut(&Side, usize)) {
    let member = step.part.member().map(ToString::to_string);
    for (side, at) in everybody(world) {
        let name = side.members.get(at - side.first);
        if step.part.fleet() == Some(&side.name) && (member.is_none() || member.as_ref() == name) {
            then(side, at);
        }
    }
}

/// What must have been done before an act after which there is no easy way back.
fn commit(world: &World, step: &Step, state: &mut State) {
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
    if matches!(world.kind, Kind::Rotate) && world.moves && !state.is(flag::OPENED) {
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

fn asked(world: &World, state: &State, when: When) -> bool {
    let mut steps = world.steps().iter().enumerate();
    let done = steps.any(|(at, step)| {
        matches!(step.part, Part::Check { when: w, .. } if w == when) && state.step(at) == Micro::Done
    });
    done || !world.asks(when)
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
fn learned(state: &State, side: &Side) -> bool {
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
    if state.new.is_none() {
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
        let takes_turns = side.holds_one() && matches!(world.kind, Kind::Rotate | Kind::Follow);
        if takes_turns && world.moves && !state.is(flag::SWEPT) {
            state.breach(Breach::Unswept);
        }
    }
    each(world, step, |side, member| start(world, side, state, member, true));
}

fn rewrap(world: &World, mut next: State, closing: bool) -> Vec<State> {
    if next.new.is_none() || world.has_old && next.is(flag::STORE_OLD) && !next.old_opens() {
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
    if !next.is(flag::STORE_OLD) {
        return vec![next];
    }
    next.set(flag::STORE_NEW | flag::MOVED_BY_US);
    let mut all = next.clone();
    all.clear(flag::STORE_OLD);
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
    let Some(side) = world.fleet(fleet).and_then(|at| world.fleets.get(at)) else { return };
    for at in side.first..side.first + side.members.len() {
        state.take(at, GIVEN_OLD);
    }
}

fn before_taking_away(world: &World, state: &mut State) {
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
fn take_out(world: &World, state: &mut State) {
    before_taking_away(world, state);
    let holds = |side: &Side, at: usize| {
        side.fleet.withdraw.is_some()
            && (state.member(at, GIVEN_OLD) || !side.holds_one() && knows_old(side, state, at))
    };
    if everybody(world).any(|(side, at)| holds(side, at)) {
        state.breach(Breach::CopiesLeft);
    }
}

fn check(world: &World, state: &mut State, when: When, gates: &[Gate]) {
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

fn flights(state: &State) -> bool {
    state.members.iter().any(|member| member & FLIGHT != 0)
}

/// What must be so when a plan has come to its end.
fn finish(world: &World, state: &mut State) {
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
    if matches!(world.kind, Kind::First | Kind::Rotate | Kind::Follow) {
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

/// How the gates of a step stand in this state.
pub fn door(world: &World, state: &State, at: usize) -> crate::course::Door {
    use crate::course::Door;
    let Some(step) = world.steps().get(at) else { return Door::Shut };
    let over = world.timing.waits.get(at);
    let mut open = over.is_none_or(|over| !lingers(world, state, over));
    let mut deadline = false;
    for gate in &step.gates {
        match gate {
            Gate::Proof { fleet, at_least } => open &= proven(world, state, fleet, *at_least),
            Gate::NotAfter { .. } => deadline = true,
            Gate::After { .. } | Gate::Window { .. } | Gate::Approval { .. } => {}
        }
    }
    let begun = |(side, at): (&Side, usize)| side.has_fuse() && state.member(at, WRITES_NEW);
    match open {
        true => Door::Open,
        false if deadline && everybody(world).any(begun) => {
            if world.flaws.deadline_ignored {
                Door::Open
            } else {
                Door::Late
            }
        }
        false => Door::Shut,
    }
}

fn proven(world: &World, state: &State, fleet: &crate::model::Name, at_least: u32) -> bool {
    if at_least == 0 || world.flaws.stale_proof {
        return true;
    }
    let side = world.fleet(fleet).and_then(|at| world.fleets.get(at));
    side.is_some_and(|side| (side.first..side.first + side.members.len()).all(|at| knows_new(side, state, at)))
}
