//! Worlds of one digest have one outcome: whatever changes what a check finds changes the digest.

use crate::scene;
use crate::tamper::span;
use keyrota::digest::Digest;
use keyrota::inventory::Disables;
use keyrota::model::Span;
use keyrota::model::State;
use keyrota::plan::Gate;
use keyrota::plan::Kind;
use keyrota::policy::meant::check::When;
use keyrota::policy::meant::fleet::Holds;
use keyrota::policy::meant::fleet::Joins;
use keyrota::policy::meant::fleet::Learns;
use keyrota::policy::meant::fleet::Opens;
use keyrota::policy::meant::fleet::Writes;
use keyrota::prove::model;
use keyrota::prove::shape;
use keyrota::prove::world::Flaws;
use keyrota::prove::world::World;
use std::collections::BTreeMap;

type Change = Box<dyn Fn(&mut World)>;

fn changes(world: &World) -> Vec<Change> {
    let mut all: Vec<Change> = vec![
        Box::new(|w| w.able.promotes ^= true),
        Box::new(|w| w.able.disables = if w.disables() { Disables::No } else { Disables::Each }),
        Box::new(|w| w.has_old ^= true),
        Box::new(|w| w.old_state = Some(State::Disabled)),
        Box::new(|w| w.moves ^= true),
        Box::new(|w| w.unseen ^= true),
        Box::new(|w| w.by_service ^= true),
        Box::new(|w| w.window = if w.window.is_some() { None } else { Some("night".parse().unwrap()) }),
        Box::new(|w| w.keeps ^= true),
        Box::new(|w| w.grace = if w.grace.is_zero() { span("900d") } else { Span::ZERO }),
        Box::new(|w| w.soak = if w.soak.is_zero() { span("900d") } else { Span::ZERO }),
        Box::new(|w| w.accepted.covered.clear()),
        Box::new(|w| w.flaws = Flaws { no_compare_and_set: true, ..Flaws::default() }),
        Box::new(|w| w.flaws = Flaws { doubled: true, ..Flaws::default() }),
        Box::new(|w| w.flaws = Flaws { add_twice: true, ..Flaws::default() }),
        Box::new(|w| w.flaws = Flaws { stale_proof: true, ..Flaws::default() }),
        Box::new(|w| w.flaws = Flaws { silent_member: true, ..Flaws::default() }),
        Box::new(|w| w.flaws = Flaws { quarantine_forgotten: true, ..Flaws::default() }),
        Box::new(|w| w.flaws = Flaws { begun_goes_on: true, ..Flaws::default() }),
        Box::new(|w| w.flaws = Flaws { no_undo: true, ..Flaws::default() }),
    ];
    for state in [State::Staged, State::Current, State::DecryptOnly, State::Disabled] {
        all.push(Box::new(move |w| w.new_state = Some(state)));
    }
    for kind in [Kind::First, Kind::Rotate, Kind::Follow, Kind::Back, Kind::Reopen, Kind::Destroy] {
        all.push(Box::new(move |w| w.kind = kind));
    }
    for risk in ["K203", "K207"] {
        all.push(Box::new(move |w| w.accepted.covered.push((risk.into(), None))));
    }
    for when in [When::Before, When::Added, When::Readable, When::Switched, When::Written, When::Moved, When::Retired] {
        all.push(Box::new(move |w| {
            if !w.checks.remove(&when) {
                w.checks.insert(when);
            }
        }));
    }
    (0..world.fleets.len()).for_each(|at| all.extend(changes_of_fleet(at)));
    (0..world.steps().len()).for_each(|at| all.extend(changes_of_step(at)));
    all
}

fn changes_of_fleet(at: usize) -> Vec<Change> {
    let every = Learns::Every { every: span("1h"), margin: span("1m") };
    let mut all: Vec<Change> = vec![
        Box::new(move |w| w.fleets[at].fleet.point = None),
        Box::new(move |w| w.fleets[at].fleet.holds = Holds::One),
        Box::new(move |w| w.fleets[at].fleet.opens = Opens::AtStart),
        Box::new(move |w| w.fleets[at].fleet.in_flight = Span::ZERO),
        Box::new(move |w| w.fleets[at].fleet.in_flight = span("900d")),
        Box::new(move |w| w.fleets[at].fleet.caches = span("900d")),
        Box::new(move |w| w.fleets[at].fleet.joins = Joins::Any),
        Box::new(move |w| w.fleets[at].fleet.deliver = None),
        Box::new(move |w| w.fleets[at].fleet.withdraw = None),
        Box::new(move |w| w.fleets[at].fleet.proof = None),
        Box::new(move |w| w.fleets[at].fleet.restart = None),
        Box::new(move |w| w.fleets[at].after.clear()),
    ];
    for learns in [Learns::Restart, Learns::Always, every, Learns::Every { every: span("900d"), margin: span("1m") }] {
        all.push(Box::new(move |w| w.fleets[at].fleet.learns = learns));
        all.push(Box::new(move |w| w.fleets[at].fleet.follows = Some(learns)));
    }
    for writes in [Writes::Current, Writes::Never, Writes::NewestAfter(span("1m")), Writes::NewestAfter(span("900d"))] {
        all.push(Box::new(move |w| w.fleets[at].fleet.writes = writes));
    }
    all
}

fn changes_of_step(at: usize) -> Vec<Change> {
    vec![
        Box::new(move |w| w.unit.steps[at].needs.clear()),
        Box::new(move |w| w.unit.steps[at].gates.clear()),
        Box::new(move |w| w.unit.steps[at].gates.push(Gate::After { by: span("900d") })),
        Box::new(move |w| w.unit.steps[at].turn ^= true),
        Box::new(move |w| {
            for gate in &mut w.unit.steps[at].gates {
                if let Gate::After { by } = gate {
                    *by = span("1s");
                }
            }
        }),
    ]
}

/// What a check finds, with everything left out that only words differ in.
fn outcome(world: &World) -> String {
    match model::check(world) {
        Ok(visited) => format!("{visited:?}"),
        Err(violation) => format!("{:?} {:?} after {}", violation.breach, violation.hazard, violation.story.len()),
    }
}

#[test]
fn equal_digests_mean_equal_outcomes() {
    let mut seen: BTreeMap<Digest, (String, String)> = BTreeMap::new();
    let names = ["quickstart", "nvcf", "notelett"].map(scene::sample);
    let cases =
        ["restored-under-a-retired-version", "destroy-where-nothing-disables", "first-version"].map(scene::case);
    let back = ["back-while-values-are-moved", "back-before-the-switch", "back-in-a-key-set"].map(scene::case);
    let mut shared = 0;
    for scene in names.iter().chain(&cases).chain(&back) {
        let plan = scene.draw(None);
        let unit = &plan.units[0];
        let world = World::of(&plan, unit, 0, 0).unwrap();
        for (number, change) in changes(&world).iter().enumerate() {
            let mut changed = world.clone();
            change(&mut changed);
            let flaws = changed.flaws;
            let changed = changed.with(flaws);
            let found = (outcome(&changed), format!("{} changed by {number}", scene.name));
            match seen.get(&shape::digest(&changed)) {
                Some((outcome, name)) => {
                    assert_eq!(*outcome, found.0, "{name} and {} have one digest", found.1);
                    shared += 1;
                }
                None => drop(seen.insert(shape::digest(&changed), found)),
            }
        }
    }
    assert!(shared > 100, "only {shared} of the worlds shared a digest");
}
