//! What turns up late, and the drawn undo of a retirement: in the model as the executor does it.

use crate::course;
use crate::model;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::step::Why;
use crate::policy::meant::check::When;
use crate::prove::act::each;
use crate::prove::event::start;
use crate::prove::state::Micro;
use crate::prove::state::State;
use crate::prove::state::flag;
use crate::prove::state::member::GIVEN_OLD;
use crate::prove::world::World;

/// Whether a step that looks finds what must not be there, so that more than itself has to be done again.
pub(super) fn finds_late(world: &World, state: &State, at: usize) -> bool {
    let left = state.is(flag::STORE_OLD) && world.moves;
    match world.steps().get(at).map(|step| &step.part) {
        Some(Part::Recount) => left && world.retired(state) && world.kind != Kind::Destroy && !world.flaws.no_undo,
        Some(Part::Close) => left && world.by_service && !world.flaws.quarantine_forgotten,
        _ => false,
    }
}

/// Whether a check may fail because of what was done.
pub(super) fn may_fail(world: &World, state: &State, at: usize) -> bool {
    let checks = |part: &Part| matches!(part, Part::Check { when: When::Retired, .. });
    world.steps().get(at).is_some_and(|step| checks(&step.part)) && world.retired(state) && !world.flaws.no_undo
}

/// It was found: a retirement is to be taken back, or a service has to move more.
pub(super) fn late(world: &World, state: &State, at: usize) -> State {
    let mut next = state.clone();
    if world.steps().get(at).is_some_and(|step| step.part == Part::Close) {
        ahead_again(world, &mut next, at);
    } else if let Some(retire) = world.steps().iter().position(|step| step.part == Part::Retire) {
        next.put_step(retire, Micro::Back);
    }
    next
}

fn ahead_again(world: &World, next: &mut State, at: usize) {
    course::round(&world.unit, at).into_iter().for_each(|step| next.put_step(step, Micro::Ahead));
}

/// Whether the undo has taken effect.
pub(super) fn is_back(state: &State) -> bool {
    state.old_opens()
}

/// The version is enabled, what was taken from members is brought back, and those that forgot it are restarted.
pub(super) fn take_back(world: &World, state: &State, _: usize) -> State {
    let mut next = state.clone();
    next.old = next.old.map(|_| model::State::DecryptOnly);
    let begun = |at: usize| state.step(at) != Micro::Ahead;
    let steps = || world.steps().iter().enumerate().filter(|(at, _)| begun(*at)).map(|(_, step)| step);
    for step in steps().filter(|step| matches!(step.part, Part::Withdraw { .. })) {
        each(world, step, |side, member| {
            if side.fleet.deliver.is_some() {
                next.put(member, GIVEN_OLD);
            }
        });
    }
    for step in steps().filter(|step| matches!(step.part, Part::Restart { why: Why::Forget, .. })) {
        each(world, step, |side, member| start(world, side, &mut next, member, true));
    }
    next
}

/// It is written down that the retirement is taken back: the round is open again.
pub(super) fn taken_back(world: &World, state: &State, at: usize) -> State {
    let mut next = state.clone();
    ahead_again(world, &mut next, at);
    next.clear(flag::CLOSED | flag::SOAK | flag::RECOUNTED);
    next
}
