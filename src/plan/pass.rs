//! The passes: each adds one kind of step to a key's part of the plan. None of them orders anything; the
//! rules do that.

use crate::decision::lead::follow_span;
use crate::decision::lead::follows;
use crate::decision::lead::learn_span;
use crate::inventory::Disables;
use crate::model::Member;
use crate::model::Name;
use crate::model::Risk;
use crate::model::Span;
use crate::model::State;
use crate::plan::Kind;
use crate::plan::aspect::Aspect;
use crate::plan::aspect::Turn;
use crate::plan::estimate::Estimate;
use crate::plan::step::Gate;
use crate::plan::step::Part;
use crate::plan::step::Step;
use crate::plan::step::Waiting;
use crate::plan::step::Why;
use crate::policy::meant::Fleet;
use crate::policy::meant::check::When;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::fleet::Members;
use crate::policy::meant::fleet::Writes;

/// The passes, in no order that matters.
pub const PASSES: [fn(&Aspect<'_>, &mut Vec<Step>); 8] =
    [checks, material, learning, turn, moving, retiring, destroying, discarding];

/// All steps of one key, unordered, for the key at this place of its unit.
#[must_use]
pub fn steps(aspect: &Aspect<'_>, slot: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    for pass in PASSES {
        pass(aspect, &mut steps);
    }
    for step in &mut steps {
        step.key = slot;
    }
    mark_turn(aspect, &mut steps);
    steps
}

fn step(part: Part) -> Step {
    let risk = match part {
        Part::Destroy | Part::Discard { .. } => Risk::Irreversible,
        _ => Risk::Safe,
    };
    Step { key: 0, part, needs: Vec::new(), gates: Vec::new(), risk, turn: false, estimate: Estimate::default() }
}

fn wait(until: Waiting, gates: Vec<Gate>) -> Step {
    Step { gates, ..step(Part::Wait { until }) }
}

fn after(by: Span) -> Gate {
    Gate::After { by }
}

fn checks(aspect: &Aspect<'_>, steps: &mut Vec<Step>) {
    let mut ask = |when, again| {
        if aspect.checks(when) {
            steps.push(step(Part::Check { when, again }));
        }
    };
    ask(When::Before, false);
    match aspect.kind {
        Kind::Destroy => return ask(When::Before, true),
        Kind::Discard => return,
        Kind::First | Kind::Rotate => {
            // Hours lie between opening the plan and the turn, except where the making of the version is the turn.
            if aspect.turn() != Turn::Add || aspect.window().is_some() {
                ask(When::Before, true);
            }
            ask(When::Added, false);
            ask(When::Readable, false);
            ask(When::Switched, false);
        }
        Kind::Back => {
            ask(When::Before, true);
            ask(When::Readable, false);
            ask(When::Switched, false);
        }
        Kind::Follow => ask(When::Before, true),
        // Nothing is waited for before values are moved, except a window.
        Kind::Reopen if aspect.window().is_some() => ask(When::Before, true),
        Kind::Reopen => {}
    }
    if aspect.old.is_some() {
        ask(When::Written, false);
    }
    if aspect.moves() && aspect.old.is_some() {
        ask(When::Moved, false);
    }
    if aspect.retires() {
        ask(When::Retired, false);
    }
}

/// What makes versions and keeps what was.
fn material(aspect: &Aspect<'_>, steps: &mut Vec<Step>) {
    if matches!(aspect.kind, Kind::Destroy | Kind::Discard) {
        return;
    }
    if matches!(aspect.kind, Kind::Rotate | Kind::Back) && aspect.moves() {
        let old = aspect.old.clone();
        let values = aspect.values(|census| old.as_ref().map_or(0, |old| census.of(old)));
        steps.push(Step {
            estimate: Estimate::values(values),
            ..step(Part::Open { service: aspect.opened_by_service() })
        });
    }
    if aspect.keeps() && aspect.old.is_some() {
        steps.push(step(Part::Keep));
    }
    match aspect.kind {
        Kind::First | Kind::Rotate => steps.push(step(Part::Add)),
        Kind::Reopen => steps.push(step(Part::Enable)),
        Kind::Back if aspect.target() == Some(State::Disabled) => steps.push(step(Part::Enable)),
        Kind::Back | Kind::Follow | Kind::Destroy | Kind::Discard => {}
    }
}

/// How every member comes to know the new version.
fn learning(aspect: &Aspect<'_>, steps: &mut Vec<Step>) {
    if matches!(aspect.kind, Kind::Destroy | Kind::Discard | Kind::Reopen) {
        return;
    }
    let stands = aspect.pointer_stands();
    for (name, fleet) in &aspect.fleets {
        let fleet_name = (*name).clone();
        // Also where the version was there before: nobody knows whether whoever made it current brought it.
        if fleet.deliver.is_some() {
            steps.push(step(Part::Deliver { fleet: fleet_name.clone() }));
        }
        let holds_one = fleet.holds == Holds::One;
        let learns =
            Aspect::learns_by_restart(fleet) || stands && fleet.point.is_none() && Aspect::follows_by_restart(fleet);
        if learns && !holds_one && fleet.restart.is_some() {
            steps.push(restart(fleet, name, None, Why::Learn));
        }
        if let Some(wait) = readable(aspect, name, fleet).filter(|_| !holds_one) {
            steps.push(wait);
        }
    }
    // Grace is a gate where the turn is an act of its own, and for our own rewrap; elsewhere it is an inequality.
    if aspect.graces() {
        steps.push(wait(Waiting::Grace, vec![after(aspect.grace())]));
    }
}

fn readable(aspect: &Aspect<'_>, name: &Name, fleet: &Fleet) -> Option<Step> {
    let by = match fleet.learns {
        Learns::Every { .. } => learn_span(fleet),
        Learns::Always | Learns::Restart => Span::ZERO,
    };
    let mut gates = Vec::new();
    if fleet.proof.is_some() {
        let at_least = match &fleet.members {
            Members::Listed(members) => u32::try_from(members.len()).unwrap_or(u32::MAX),
            Members::FromProof { at_least } | Members::FromCommand { at_least, .. } => *at_least,
        };
        gates.push(Gate::Proof { fleet: name.clone(), at_least });
    } else if !by.is_zero() {
        gates.push(after(by));
    }
    if gates.is_empty() {
        return None;
    }
    if aspect.turn() == Turn::Add && aspect.old.is_some() {
        gates.extend(deadline(aspect, fleet));
    }
    Some(wait(Waiting::Readable { fleet: name.clone() }, gates))
}

/// Where members write by themselves after a delay, the rescue of silent members must begin before the first
/// of them does: the fuse less what the rescue takes.
fn deadline(aspect: &Aspect<'_>, fleet: &Fleet) -> Option<Gate> {
    let fuse = fuse(aspect)?;
    Some(Gate::NotAfter { within: fuse.less(reach(fleet)) })
}

/// The shortest delay after which a member writes with the newest version by itself.
pub fn fuse(aspect: &Aspect<'_>) -> Option<Span> {
    let delays = aspect.writers().filter_map(|(_, fleet)| match fleet.writes {
        Writes::NewestAfter(delay) => Some(delay),
        Writes::Current | Writes::Never => None,
    });
    delays.min()
}

/// How soon a silent member can be made to know: by its own next look, or by a restart.
pub fn reach(fleet: &Fleet) -> Span {
    let learns = fleet.learns.at_most();
    let restart = fleet.restart.as_ref().map(|restart| restart.within);
    learns.into_iter().chain(restart).min().unwrap_or(Span::ZERO)
}

fn restart(fleet: &Fleet, name: &Name, member: Option<Member>, why: Why) -> Step {
    let seconds = fleet.restart.as_ref().map_or(0, |restart| restart.within.as_seconds());
    Step { estimate: Estimate::seconds(seconds), ..step(Part::Restart { fleet: name.clone(), member, why }) }
}

/// What makes members write under the new version.
fn turn(aspect: &Aspect<'_>, steps: &mut Vec<Step>) {
    if matches!(aspect.kind, Kind::Destroy | Kind::Discard | Kind::Reopen) {
        return;
    }
    if aspect.switches() {
        steps.push(step(Part::Switch));
    }
    for (name, fleet) in &aspect.fleets {
        if fleet.holds == Holds::One && aspect.kind != Kind::First {
            take_turns(name, fleet, steps);
            continue;
        }
        if fleet.point.is_some() {
            steps.push(step(Part::Point { fleet: (*name).clone(), member: None }));
        }
        // Where the version is current already, the restart by which they learn it makes them follow it too.
        let learning = aspect.pointer_stands() && fleet.point.is_none();
        if !learning && Aspect::follows_by_restart(fleet) && fleet.restart.is_some() {
            steps.push(restart(fleet, name, None, Why::Follow));
        }
    }
}

/// Members that hold one version at a time take turns: each is pointed at the new version, finds every value
/// under it, and starts.
fn take_turns(name: &Name, fleet: &Fleet, steps: &mut Vec<Step>) {
    let members: Vec<Option<Member>> = match Aspect::listed(fleet) {
        [] => vec![None],
        listed => listed.iter().cloned().map(Some).collect(),
    };
    for member in members {
        if fleet.point.is_some() {
            steps.push(step(Part::Point { fleet: name.clone(), member: member.clone() }));
        }
        steps.push(step(Part::Sweep { fleet: name.clone(), member: member.clone() }));
        steps.push(restart(fleet, name, member, Why::Follow));
    }
}

/// What moves values, and what must have landed before the closing round.
fn moving(aspect: &Aspect<'_>, steps: &mut Vec<Step>) {
    if aspect.kind == Kind::Destroy || aspect.old.is_none() {
        return;
    }
    // Nobody writes under a version that was disabled, so there is nothing to wait for when it is opened again.
    for (name, fleet) in aspect.writers().filter(|_| aspect.kind != Kind::Reopen) {
        steps.extend(written(aspect, name, fleet));
    }
    if aspect.moves() {
        let old = aspect.old.clone();
        let estimate = Estimate::values(aspect.values(|census| old.as_ref().map_or(0, |old| census.of(old))));
        steps.push(Step { estimate, ..step(Part::Rewrap { service: aspect.moved_by_service() }) });
        steps.push(Step { estimate, ..step(Part::Close) });
        if aspect.moved_by_service() {
            let by = aspect.longest(|fleet| fleet.in_flight);
            steps.push(wait(Waiting::Landed, vec![after(by)]));
        }
    }
}

fn written(aspect: &Aspect<'_>, name: &Name, fleet: &Fleet) -> Option<Step> {
    let by = match fleet.writes {
        Writes::Never => return None,
        // Who counts anew when it starts may write with either until then.
        Writes::NewestAfter(delay) if aspect.kind == Kind::Back => learn_span(fleet).plus(delay),
        // Counted from the moment at which all are known to know it, or from its making.
        Writes::NewestAfter(delay) if readable(aspect, name, fleet).is_some() => delay,
        Writes::NewestAfter(delay) if Aspect::learns_by_restart(fleet) && fleet.restart.is_some() => delay,
        Writes::NewestAfter(delay) => learn_span(fleet).plus(delay),
        // A restart of ours ends the old writes; what follows by itself takes as long as it takes.
        Writes::Current if Aspect::follows_by_restart(fleet) || fleet.holds == Holds::One => Span::ZERO,
        Writes::Current => follow_span(fleet),
    };
    // No wait is drawn that nothing depends on.
    let depends = aspect.moves() || aspect.checks(When::Written);
    depends.then(|| wait(Waiting::Written { fleet: name.clone() }, vec![after(by.plus(fleet.in_flight))]))
}

/// What takes the old version out of use.
fn retiring(aspect: &Aspect<'_>, steps: &mut Vec<Step>) {
    if aspect.kind == Kind::Destroy || !aspect.retires() {
        return;
    }
    if !aspect.soak().is_zero() {
        steps.push(wait(Waiting::Soak, vec![after(aspect.soak())]));
    }
    take_away(aspect, steps);
    steps.push(step(Part::Retire));
    if aspect.moves() {
        steps.push(step(Part::Recount));
    }
}

fn take_away(aspect: &Aspect<'_>, steps: &mut Vec<Step>) {
    for (name, fleet) in &aspect.fleets {
        if fleet.withdraw.is_some() {
            steps.push(step(Part::Withdraw { fleet: (*name).clone() }));
            // A member that holds one version let go of the old one when it started with the new one.
            if Aspect::learns_by_restart(fleet) && fleet.holds == Holds::Many && fleet.restart.is_some() {
                steps.push(restart(fleet, name, None, Why::Forget));
            }
            if let Learns::Every { .. } = fleet.learns {
                let until = Waiting::Forgotten { fleet: (*name).clone() };
                steps.push(wait(until, vec![after(learn_span(fleet))]));
            }
        }
    }
}

/// What ends an old version's material, in a plan of its own.
fn destroying(aspect: &Aspect<'_>, steps: &mut Vec<Step>) {
    if aspect.kind != Kind::Destroy {
        return;
    }
    // A disabled version has been out of use for long enough; where nothing disables, somebody might still write.
    let watch = aspect.longest(lingers);
    if !watch.is_zero() && aspect.able.disables == Disables::No {
        steps.push(wait(Waiting::Watch, vec![after(watch)]));
    }
    if aspect.moves() {
        steps.push(step(Part::Recount));
    }
    steps.push(step(Part::Destroy));
    // Only what is gone from the backend does not come back to members with the next delivery.
    if aspect.able.disables == Disables::No {
        take_away(aspect, steps);
    }
}

/// How long a fleet that goes by another version may still work with the old one: until its members have looked, write with
/// what they saw, and what they wrote before has landed. Who does that by a restart did it when it was restarted, and no
/// restart is a part of this.
fn lingers(fleet: &Fleet) -> Span {
    let looks = fleet.learns.at_most().unwrap_or(Span::ZERO);
    let writes = match fleet.writes {
        Writes::Never => Span::ZERO,
        Writes::NewestAfter(delay) => looks.plus(delay),
        Writes::Current => follows(fleet).at_most().unwrap_or(Span::ZERO),
    };
    looks.max(writes).plus(fleet.in_flight).plus(fleet.caches)
}

/// What deletes pre-images, in a plan of its own.
fn discarding(aspect: &Aspect<'_>, steps: &mut Vec<Step>) {
    if aspect.kind == Kind::Discard {
        steps.push(step(Part::Discard { runs: aspect.pre_images_over() }));
    }
}

/// Marks the steps that are the turn: they carry the class, the window and the approval.
fn mark_turn(aspect: &Aspect<'_>, steps: &mut [Step]) {
    let turn = aspect.turn();
    let span: u64 = steps.iter().filter(|step| step.part.member().is_some()).map(|step| step.estimate.seconds).sum();
    let window = |step: &Step| {
        let lasts = Span::seconds(span.saturating_add(step.estimate.seconds));
        aspect.window().cloned().map(|window| Gate::Window { window, lasts })
    };
    for step in steps.iter_mut() {
        step.turn = matches!(
            (&step.part, turn),
            (Part::Add, Turn::Add)
                | (Part::Rewrap { .. }, Turn::Rewrap)
                | (Part::Switch | Part::Point { .. }, Turn::Switch)
        );
        if step.turn && aspect.kind != Kind::First {
            step.risk = Risk::Switch;
            step.gates.extend(window(step));
        }
        // The last look at the world is taken when the window is open, not hours before.
        if matches!(step.part, Part::Check { again: true, .. }) && aspect.kind != Kind::First {
            step.gates.extend(window(step));
        }
    }
}
