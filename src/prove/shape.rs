//! The digest of a world's shape: what the outcome of a check depends on, with names and counts left out, so
//! that a thousand tenants' keys cost one check.

use crate::digest;
use crate::digest::Digest;
use crate::inventory::Able;
use crate::plan::Gate;
use crate::plan::step::Part;
use crate::prove::world::Flaws;
use crate::prove::world::World;
use std::fmt::Write;

/// What a backend can do, as far as the model asks: who remembers what is our journal's affair.
fn able(able: Able) -> String {
    let Able { promotes, demotes, disables, destroys, exports, reopens, fingerprints, marks, remembers: _ } = able;
    let does = format!("promotes: {promotes}, demotes: {demotes}, disables: {disables:?}, destroys: {destroys}");
    let has = format!("exports: {exports}, reopens: {reopens:?}, fingerprints: {fingerprints:?}, marks: {marks}");
    format!("Able {{ {does}, {has} }}")
}

/// The digest of a world's shape.
#[must_use]
pub fn digest(world: &World) -> Digest {
    let mut text = String::with_capacity(2048);
    let _ = write!(
        text,
        "{:?} {} {} {:?} {} {} {} {} {:?} {} {} {} {:?}",
        world.kind,
        able(world.able),
        world.has_old,
        world.old_state,
        world.moves,
        world.unseen,
        world.by_service,
        world.window.is_some(),
        world.checks,
        world.keeps,
        world.grace.is_zero(),
        world.soak.is_zero(),
        world.timing,
    );
    if let Some(state) = world.new_state {
        let _ = write!(text, " to {state:?}");
    }
    // A real plan has none: a flaw that tests learn to make does not change the digests of plans.
    if world.flaws != Flaws::default() {
        let _ = write!(text, " {:?}", world.flaws);
    }
    for side in &world.fleets {
        let fleet = &side.fleet;
        let risks: Vec<bool> = ["K203", "K207"].iter().map(|risk| world.accepts(risk, &side.name)).collect();
        let _ = write!(
            text,
            "\nfleet {} {:?} {:?} {:?} {} {} {} {} {} {} {} {} {:?} {:?} {risks:?}",
            side.members.len(),
            std::mem::discriminant(&fleet.learns),
            std::mem::discriminant(&fleet.writes),
            fleet.follows.as_ref().map(std::mem::discriminant),
            fleet.point.is_some(),
            side.holds_one(),
            side.at_start(),
            fleet.in_flight.is_zero(),
            fleet.caches.is_zero(),
            side.any_joins(),
            fleet.deliver.is_some(),
            fleet.withdraw.is_some(),
            fleet.proof.is_some(),
            side.after,
        );
        // Only where it is so: the digests of other plans stay as they were.
        if side.has_fuse() && !side.counts_anew(world.kind) {
            text.push_str(" made");
        }
    }
    for step in world.steps() {
        let needs: Vec<usize> = step.needs.iter().map(|need| need.step).collect();
        let fleet = step.part.fleet().and_then(|name| world.fleet(name));
        let member = step.part.member().map(ToString::to_string);
        let member =
            member.and_then(|name| world.fleets.iter().find_map(|side| side.members.iter().position(|m| *m == name)));
        let gates: Vec<&str> = step.gates.iter().map(gate).collect();
        let _ = write!(text, "\nstep {} {fleet:?} {member:?} {needs:?} {gates:?} {}", part(&step.part), step.turn);
    }
    digest::of("keyrota shape 1", &[text.as_bytes()])
}

const fn gate(gate: &Gate) -> &'static str {
    match gate {
        Gate::After { .. } => "after",
        Gate::NotAfter { .. } => "not-after",
        Gate::Proof { at_least: 0, .. } => "empty proof",
        Gate::Proof { .. } => "proof",
        Gate::Window { .. } => "window",
        Gate::Approval { .. } => "approval",
    }
}

/// A part without its names.
fn part(part: &Part) -> String {
    match part {
        Part::Check { when, again } => format!("check {when:?} {again}"),
        Part::Restart { why, .. } => format!("restart {why:?}"),
        Part::Wait { until } => format!("wait {:?}", std::mem::discriminant(until)),
        Part::Rewrap { service } => format!("rewrap {service}"),
        other => format!("{:?}", std::mem::discriminant(other)),
    }
}
