//! What is seen in a plan without exploring it: the order between keys, the gates that a step of its class must
//! have, the inequalities, and what fleets that hold one version at a time ask for. As in the model, what is asked
//! here follows from policy and world, never from the plan's own marks.

use crate::inventory::Disables;
use crate::model::Risk;
use crate::model::State;
use crate::plan::Bound;
use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::rule::Code;
use crate::plan::step::Step;
use crate::plan::step::Why;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::key::Retire;
use crate::prove::Breach;
use crate::prove::Violation;
use crate::prove::world::Side;
use crate::prove::world::World;

type Checked = Result<(), Box<Violation>>;

fn refuse(world: &World, breach: Breach, story: Vec<String>, end: String, hint: &str) -> Checked {
    let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
    Err(Box::new(Violation { breach: Some(breach), story, end, hint, ..Violation::of(world) }))
}

/// Judges one key's plan by what can be seen in it.
pub(super) fn check(plan: &Plan, unit: &Unit, slot: usize, world: &World) -> Checked {
    if world.steps().len() > crate::prove::world::STEPS_MAX {
        let end = format!("the plan has {} steps for one key, more than can be proved", world.steps().len());
        return refuse(
            world,
            Breach::TooLarge,
            Vec::new(),
            end,
            "list fewer members, or give the fleets turns of their own",
        );
    }
    for side in &world.fleets {
        holds_one(world, side)?;
    }
    gates(world)?;
    no_gate_in_span(world)?;
    inequalities(unit, world)?;
    ending(plan, unit, slot, world)
}

/// A fleet that holds one version at a time can be rotated only where every value changes at once, nobody opens one in
/// between, and each member is known to have the new version before it is told to use it.
fn holds_one(world: &World, side: &Side) -> Checked {
    if !side.holds_one() || matches!(world.kind, Kind::First | Kind::Destroy | Kind::Discard) {
        return Ok(());
    }
    let unproved = side.fleet.deliver.as_ref().is_some_and(|deliver| !deliver.proves);
    let (end, hint) = if !side.at_start() {
        ("opens values at any time: whatever the order, it meets values under the other one", "`opens = \"at-start\"`")
    } else if side.fleet.learns != Learns::Restart {
        ("takes another one while it runs, where nobody can see that every value is under it", "`learns = \"restart\"`")
    } else if world.moves && !world.atomic {
        (
            "starts only where every value is under it, and the values do not all change at once",
            "`atomic = true` on the store",
        )
    } else if unproved {
        (
            "is told to use a version that nobody has proved to be there, and then cannot start",
            "`proves = \"fingerprint\"` on its `deliver`",
        )
    } else {
        return Ok(());
    };
    let end = format!("a member of `{}` holds one version at a time and {end}", side.name);
    refuse(world, Breach::HoldsOne, Vec::new(), end, &format!("such a fleet needs {hint}"))
}

/// Whether this is the turn, by what the world can do: the last act of ours without which nobody seals under the new
/// version.
pub(super) fn is_turn(world: &World, part: &Part) -> bool {
    let by_themselves = world.fleets.iter().any(Side::has_fuse);
    let makes = matches!(world.kind, Kind::First | Kind::Rotate);
    if matches!(world.kind, Kind::Destroy | Kind::Discard) {
        return false;
    }
    if makes && (world.able.promotes || by_themselves) {
        return *part == Part::Add;
    }
    let takes_turns = world.fleets.iter().any(Side::holds_one);
    let points = world.fleets.iter().any(|side| side.fleet.point.is_some());
    let back = world.kind == Kind::Back && (points || world.new_state != Some(State::Current));
    if !makes && !back || takes_turns && world.kind != Kind::First {
        return matches!(part, Part::Rewrap { .. });
    }
    matches!(part, Part::Switch | Part::Point { .. })
}

/// The class of a step, by what the world can do.
pub(super) fn class(world: &World, step: &Step) -> Risk {
    match &step.part {
        Part::Destroy | Part::Discard { .. } => Risk::Irreversible,
        part if world.kind != Kind::First && is_turn(world, part) => Risk::Switch,
        _ => Risk::Safe,
    }
}

/// The gates that a step of its class must have.
fn gates(world: &World) -> Checked {
    for (at, step) in world.steps().iter().enumerate() {
        let class = class(world, step);
        let begins = vec![format!("{} begins", crate::prove::story::step_name(world, at))];
        if class > step.risk {
            let end = format!("it is of the class `{class}`, and the plan passes it off as `{}`", step.risk);
            return refuse(world, Breach::Unapproved, begins, end, "");
        }
        let has = |wanted: fn(&Gate) -> bool| step.gates.iter().any(wanted);
        if world.approvals.contains(&class) && !has(|gate| matches!(gate, Gate::Approval { .. })) {
            let end = format!("nobody was asked, and the project asks for voices for the class `{class}`");
            return refuse(world, Breach::Unapproved, begins, end, "");
        }
        if class == Risk::Switch && world.window.is_some() && !has(|gate| matches!(gate, Gate::Window { .. })) {
            return refuse(world, Breach::OutsideWindow, begins, "it does not wait for the key's window".into(), "");
        }
        let empty = step.gates.iter().find_map(|gate| match gate {
            Gate::Proof { fleet, at_least: 0 } => Some(fleet),
            _ => None,
        });
        if let Some(fleet) = empty {
            let end =
                format!("an empty list of members of `{fleet}` would open its gate, and nobody has proved anything");
            return refuse(world, Breach::EmptyProof, begins, end, "`at_least` must be 1 or more");
        }
    }
    Ok(())
}

/// Between the turn and the start of the last member that holds one version at a time, nothing waits: that is when
/// members cannot start.
fn no_gate_in_span(world: &World) -> Checked {
    let above = crate::prove::timing::ancestors(world);
    let starts: Vec<usize> = world
        .steps()
        .iter()
        .enumerate()
        .filter(|(_, step)| {
            matches!(&step.part, Part::Restart { why: Why::Follow, fleet, .. }
            if world.fleet(fleet).and_then(|at| world.fleets.get(at)).is_some_and(Side::holds_one))
        })
        .map(|(at, _)| at)
        .collect();
    let turned = |at: usize| world.steps().get(at).is_some_and(|step| is_turn(world, &step.part));
    for (at, step) in world.steps().iter().enumerate() {
        let inside = above.get(at).is_some_and(|above| above.iter().copied().any(turned))
            && starts.iter().any(|start| *start == at || above.get(*start).is_some_and(|above| above.contains(&at)));
        if inside && !step.gates.is_empty() && matches!(world.kind, Kind::Rotate | Kind::Back) {
            let name = crate::prove::story::step_name(world, at);
            let story = vec!["values lie under the new version, and members that hold the old one cannot start".into()];
            return refuse(world, Breach::GateInSpan, story, format!("{name} waits there for a gate"), "");
        }
    }
    Ok(())
}

/// Timing is arithmetic: each inequality must hold, and those that destroying rests on must be there.
fn inequalities(unit: &Unit, world: &World) -> Checked {
    for bound in unit.bounds.iter().filter(|bound| !bound.holds() && bound.there.name != "rotate_every") {
        // Where somebody accepted that a fleet writes at once, the model knows whom that concerns.
        if bound.rule == Code::R21 {
            continue;
        }
        let breach = if bound.rule == Code::R71 { Breach::Restorable } else { Breach::TooSlow };
        return refuse(world, breach, Vec::new(), format!("{}: {bound}", bound.about), "");
    }
    if world.kind != Kind::Destroy {
        return Ok(());
    }
    for (what, span) in &world.destroy_after {
        let told = |bound: &&Bound| bound.rule == Code::R71 && bound.needed.iter().any(|term| term.name == *what);
        if !unit.bounds.iter().filter(told).any(|bound| bound.needed.iter().any(|term| term.span >= *span)) {
            let end = format!("nobody has shown that {span} ({what}) have passed, and until then it may be needed");
            return refuse(world, Breach::Restorable, Vec::new(), end, "");
        }
    }
    Ok(())
}

/// A plan ends with the old version where the policy wants it.
fn ending(plan: &Plan, unit: &Unit, slot: usize, world: &World) -> Checked {
    let Some(planned) = unit.keys.get(slot) else { return Ok(()) };
    let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
    let Some(key) = policy.and_then(|policy| policy.keys.get(planned.name.key())) else { return Ok(()) };
    let takes = |step: &Step| matches!(step.part, Part::Retire | Part::Destroy | Part::Withdraw { .. });
    if key.retire == Retire::Never && world.steps().iter().any(takes) {
        let end = "the policy keeps every version for ever, and the plan takes one away".into();
        return refuse(world, Breach::KeptForEver, Vec::new(), end, "");
    }
    if world.kind == Kind::Back && world.steps().iter().any(takes) {
        let end = "whoever goes back keeps both versions, and the plan takes one away".into();
        return refuse(world, Breach::KeptForEver, Vec::new(), end, "");
    }
    if world.able.disables == Disables::Floor && world.steps().iter().any(|step| step.part == Part::Retire) {
        let falls = planned.falls();
        let below = planned.base.key.versions.iter().take_while(|version| falls.last() != Some(&version.id));
        if let Some(version) = below.into_iter().find(|version| version.state == State::Current) {
            let end = format!("its backend disables all below a floor, and `{}` is below it and current", version.id);
            return refuse(world, Breach::Impossible, Vec::new(), end, "");
        }
    }
    let retires =
        world.has_old && !matches!(world.kind, Kind::Destroy | Kind::Back) && world.able.disables == Disables::Each;
    let retired = world.steps().iter().any(|step| step.part == Part::Retire);
    if retires && key.retire != Retire::Never && !retired {
        let end = "the plan ends, and the old version still opens what it sealed: the policy retires it".into();
        return refuse(world, Breach::NotRetired, Vec::new(), end, "");
    }
    Ok(())
}
