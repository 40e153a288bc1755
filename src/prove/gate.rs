//! How gates stand in the small world, and what is seen before they are asked.

use crate::model;
use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Part;
use crate::prove::act::each;
use crate::prove::event::everybody;
use crate::prove::event::knows_new;
use crate::prove::event::lingers;
use crate::prove::state::State;
use crate::prove::state::flag;
use crate::prove::state::member::POINTED;
use crate::prove::state::member::WRITES_NEW;
use crate::prove::world::Side;
use crate::prove::world::World;

/// Whether the world shows that a step took which somebody left: as the real executor looks, before gates are asked.
pub(super) fn took(world: &World, state: &State, at: usize) -> bool {
    let Some(step) = world.steps().get(at) else { return false };
    match &step.part {
        Part::Add => state.new.is_some(),
        Part::Switch => state.new == Some(model::State::Current),
        Part::Enable if world.kind == Kind::Back => state.new.is_some_and(model::State::opens),
        Part::Enable => state.old == Some(model::State::DecryptOnly),
        Part::Retire => state.old == Some(model::State::Disabled),
        Part::Destroy => state.old == Some(model::State::Destroyed),
        Part::Point { .. } => {
            let mut all = true;
            each(world, step, |_, member| all &= state.member(member, POINTED));
            all
        }
        Part::Rewrap { service: false } => {
            let spans = world.steps().iter().any(|step| matches!(step.part, Part::Sweep { .. }));
            !state.is(flag::STORE_OLD) || spans && state.is(flag::STORE_NEW)
        }
        _ => false,
    }
}

/// How the gates of a step stand in this state.
pub(super) fn door(world: &World, state: &State, at: usize) -> crate::course::Door {
    use crate::course::Door;
    let Some(step) = world.steps().get(at) else { return Door::Shut };
    let over = world.timing.waits.get(at);
    let mut open = over.is_none_or(|over| !lingers(world, state, over));
    let mut deadline = false;
    for gate in &step.gates {
        match gate {
            Gate::Proof { fleet, at_least } => open &= proven(world, state, fleet, *at_least),
            Gate::NotAfter { .. } => deadline = true,
            Gate::Window { .. } => open &= !state.is(flag::SHUT),
            Gate::After { .. } | Gate::Approval { .. } => {}
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
