//! The law of `rotate_every`: of a plan that is opened when it has to be, nobody writes under the old version for longer
//! than the policy says, whatever the fleets, windows and freezes are.

use crate::scene;
use crate::scene::Scene;
use crate::tamper::span;
use keyrota::course::forecast;
use keyrota::decision::Wish;
use keyrota::model::Hour;
use keyrota::model::Span;
use keyrota::plan::Gate;
use keyrota::plan::Part;
use keyrota::plan::Waiting;
use keyrota::policy::meant::fleet::Holds;
use keyrota::policy::meant::fleet::Learns;
use keyrota::policy::meant::fleet::Opens;
use keyrota::policy::meant::fleet::Restart;
use keyrota::policy::meant::fleet::RestartHow;
use keyrota::policy::meant::fleet::Writes;
use keyrota::policy::meant::project::Calendar;
use keyrota::policy::meant::project::Freeze;
use keyrota::policy::meant::project::Window;
use proptest::prelude::any;
use proptest::prelude::prop;
use proptest::prelude::prop_assert;
use proptest::strategy::Strategy;

/// What differs between fleets.
#[derive(Debug, Clone)]
struct Ways {
    learns: u8,
    follows: u8,
    writes: u8,
    hours: u64,
    in_flight: u64,
    within: u64,
    delivered: bool,
}

fn ways() -> impl Strategy<Value = Ways> {
    let spans = (1..72_u64, 0..3600_u64, 0..7200_u64);
    (0..3_u8, 0..4_u8, 0..8_u8, spans, any::<bool>()).prop_map(|(learns, follows, writes, spans, delivered)| {
        let (hours, in_flight, within) = spans;
        Ways { learns, follows, writes, hours, in_flight, within, delivered }
    })
}

fn learns(which: u8, hours: u64) -> Learns {
    match which {
        0 => Learns::Restart,
        1 => Learns::Always,
        _ => Learns::Every { every: Span::seconds(hours * 3600), margin: Span::seconds(hours * 60) },
    }
}

/// The quickstart with fleets, hours and a calendar of its own.
fn scene(fleets: &[Ways], one: bool, grace: u64, promotes: bool, values: u64, since: i64) -> Scene {
    let mut scene = scene::sample("quickstart");
    let policy = &mut scene.project.policies[0];
    let like = policy.fleets.values().next().unwrap().clone();
    let delivered =
        scene::case("two-fleets-in-order").project.policies[0].fleets.values().next().unwrap().deliver.clone();
    policy.fleets.clear();
    let names: Vec<keyrota::model::Name> = (0..fleets.len()).map(|at| format!("fleet-{at}").parse().unwrap()).collect();
    for (at, ways) in fleets.iter().enumerate() {
        let mut fleet = like.clone();
        fleet.learns = if one { Learns::Restart } else { learns(ways.learns, ways.hours) };
        fleet.follows = (!one && ways.follows < 3).then(|| learns(ways.follows, ways.hours / 2 + 1));
        fleet.writes = match ways.writes {
            0 if !one => Writes::NewestAfter(Span::seconds(ways.hours * 7200)),
            1 if at > 0 => Writes::Never,
            _ => Writes::Current,
        };
        (fleet.holds, fleet.opens) = if one { (Holds::One, Opens::AtStart) } else { (fleet.holds, fleet.opens) };
        fleet.in_flight = Span::seconds(ways.in_flight);
        fleet.deliver = delivered.clone().filter(|_| ways.delivered);
        let within = Span::seconds(ways.within);
        fleet.restart = Some(Restart { how: RestartHow::Each, command: Vec::new(), within });
        // Each second one waits for the one before.
        fleet.after = if at % 2 == 1 { vec![names[at - 1].clone()] } else { Vec::new() };
        policy.fleets.insert(names[at].clone(), fleet);
    }
    let key = policy.keys.values_mut().next().unwrap();
    key.used_by = names;
    key.grace = Span::seconds(grace);
    key.rotate_every = span("90d");
    let hour = scene.world.hour;
    let seen = scene.world.keys.values_mut().next().unwrap();
    seen.key.versions[0].current_since = Some(hour - chrono::TimeDelta::seconds(since));
    seen.able.as_mut().unwrap().promotes = promotes;
    let id = seen.key.versions[0].id.clone();
    for census in seen.stores.values_mut().filter_map(|store| store.census.as_mut()) {
        census.under = [(id.clone(), values)].into();
    }
    scene.wish = Wish::Rotate(scene.world.keys.keys().next().unwrap().clone());
    scene
}

fn with_calendar(mut scene: Scene, days: Option<&[bool]>, from: u32, lasts: u64, freezes: &[(u32, u64)]) -> Scene {
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let open = days.unwrap_or_default();
    let open = names.iter().zip(open).filter(|(_, open)| **open).map(|(name, _)| (*name).to_owned()).collect();
    let window = Window { days: open, from_minute: from, lasts: Span::seconds(lasts) };
    let freezes = freezes.iter().map(|(after, lasts)| {
        let from = scene.world.hour + chrono::TimeDelta::hours(i64::from(*after));
        Freeze { from, to: Span::seconds(*lasts).after(from), because: "a law is tried".into() }
    });
    let windows = [("night".parse().unwrap(), vec![window])].into();
    scene.project.settings.calendar = Calendar { windows, freezes: freezes.collect(), ..Calendar::default() };
    let window = days.map(|_| "night".parse().unwrap());
    scene.project.policies[0].keys.values_mut().for_each(|key| key.window.clone_from(&window));
    scene
}

/// When the last member writes under the old version, of a plan that is opened at its start-by; and the limit.
fn last_write(scene: &Scene) -> (Hour, Hour) {
    let decision = scene.decide().remove(0);
    let (start, due) = (decision.start_by.unwrap(), decision.due_by.unwrap());
    let plan = scene.draw(None);
    let unit = &plan.units[0];
    let expected = forecast::forecast(unit, &scene.project.policies, &scene.project.settings.calendar, start);
    let written = |part: &Part| matches!(part, Part::Wait { until: Waiting::Written { .. } });
    let last = unit.steps.iter().zip(&expected).filter(|(step, _)| written(&step.part)).map(|(_, at)| at.done).max();
    (last.unwrap(), due)
}

/// A proof that stands alone is not there the moment it is asked for: members look as often as they declare.
#[test]
fn a_proof_is_expected_when_the_slowest_member_has_looked() {
    let scene = scene::case("members-that-prove-what-they-know");
    let plan = scene.draw(None);
    let unit = &plan.units[0];
    let expected = forecast::forecast(unit, &plan.policies, &plan.settings.calendar, plan.made);
    let proven = unit.steps.iter().position(|step| step.gates.iter().any(|gate| matches!(gate, Gate::Proof { .. })));
    let proven = proven.unwrap();
    assert!(!unit.steps[proven].gates.iter().any(|gate| matches!(gate, Gate::After { .. })), "the proof stands alone");
    let from = unit.steps[proven].needs.iter().map(|need| expected[need.step].done).max().unwrap();
    let looks = plan.policies[0].fleets.values().map(keyrota::decision::lead::learn_span).max().unwrap();
    assert!(looks > Span::ZERO && expected[proven].begins == looks.after(from));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..proptest::prelude::ProptestConfig::default() })]

    #[test]
    fn nobody_writes_under_a_version_for_longer_than_the_policy_says(
        fleets in prop::collection::vec(ways(), 1..5),
        (one, promotes) in (prop::bool::weighted(0.2), prop::bool::weighted(0.3)),
        (grace, values) in (0..200_000_u64, 0..900_000_000_u64),
        since in 0..9_000_000_i64,
    ) {
        let scene = scene(&fleets, one, grace, promotes, values, since);
        let (last, due) = last_write(&scene);
        prop_assert!(last <= due, "{last} is after {due}");
    }

    #[test]
    fn not_even_where_there_are_windows_and_freezes(
        fleets in prop::collection::vec(ways(), 1..4),
        (one, promotes) in (prop::bool::weighted(0.2), prop::bool::weighted(0.3)),
        (grace, since) in (0..200_000_u64, 0..9_000_000_i64),
        days in prop::option::of(prop::collection::vec(any::<bool>(), 7)),
        (from, lasts) in (0..1440_u32, 36_000..86_400_u64),
        freezes in prop::collection::vec((0..2000_u32, 3600..2_000_000_u64), 0..4),
    ) {
        let scene = scene(&fleets, one, grace, promotes, 1000, since);
        let scene = with_calendar(scene, days.as_deref(), from, lasts, &freezes);
        let (last, due) = last_write(&scene);
        prop_assert!(last <= due, "{last} is after {due}");
    }
}
