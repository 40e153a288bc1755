//! Units that are proved together get what each would get alone, whatever differs between them.

use crate::scene;
use crate::tamper::span;
use keyrota::inventory::Disables;
use keyrota::model::Risk;
use keyrota::model::Span;
use keyrota::model::State;
use keyrota::plan::Bound;
use keyrota::plan::Gate;
use keyrota::plan::Kind;
use keyrota::plan::Part;
use keyrota::plan::Plan;
use keyrota::plan::Proof;
use keyrota::plan::Unit;
use keyrota::plan::bound::Term;
use keyrota::plan::rule::Code;
use keyrota::policy::meant::Key;
use keyrota::policy::meant::check::When;
use keyrota::policy::meant::key::Retire;
use keyrota::prove::check;

const TWIN: &str = "twin";

/// The plan's first unit, and one that is the same for another key with values and places of its own.
fn twins(plan: &Plan) -> Plan {
    let (mut plan, unit) = (plan.clone(), plan.units[0].clone());
    let name = unit.keys[0].name.clone();
    let policy = plan.policies.iter_mut().find(|policy| policy.name == *name.policy()).unwrap();
    let key = policy.keys[name.key()].clone();
    policy.keys.insert(TWIN.parse().unwrap(), key);
    let mut twin = unit.clone();
    twin.keys[0].name = format!("{}/{TWIN}", name.policy()).parse().unwrap();
    twin.keys[0].base.stores.values_mut().for_each(|world| world.push_str("-of-the-twin"));
    plan.units = vec![unit, twin];
    plan
}

fn twins_key(plan: &mut Plan) -> &mut Key {
    let name = plan.units.last().unwrap().keys[0].name.clone();
    let policy = plan.policies.iter_mut().find(|policy| policy.name == *name.policy()).unwrap();
    policy.keys.get_mut(name.key()).unwrap()
}

type Change = Box<dyn Fn(&mut Plan)>;

fn of_unit(then: impl Fn(&mut Unit) + 'static) -> Change {
    Box::new(move |plan| then(plan.units.last_mut().unwrap()))
}

fn of_key(then: impl Fn(&mut Key) + 'static) -> Change {
    Box::new(move |plan| then(twins_key(plan)))
}

/// Everything by which the second may differ from the first.
fn changes(plan: &Plan) -> Vec<Change> {
    let mut all = vec![
        of_unit(|unit| unit.bounds.clear()),
        of_unit(|unit| {
            let (there, needed) = (Term::new("there", Span::ZERO), vec![Term::new("needed", span("1h"))]);
            unit.bounds.push(Bound { rule: Code::R20, about: "it is too slow".into(), there, needed });
        }),
        of_unit(|unit| unit.keys[0].old = None),
        of_unit(|unit| unit.keys[0].base.able.promotes ^= true),
        of_unit(|unit| unit.keys[0].base.able.demotes ^= true),
        of_unit(|unit| {
            let able = &mut unit.keys[0].base.able;
            able.disables = if able.disables == Disables::No { Disables::Each } else { Disables::No };
        }),
        of_unit(|unit| unit.keys[0].base.key.versions.iter_mut().for_each(|version| version.state = State::Disabled)),
        of_key(|key| key.seals.clear()),
        of_key(|key| drop(key.used_by.pop())),
        of_key(|key| key.grace = if key.grace.is_zero() { span("900d") } else { Span::ZERO }),
        of_key(|key| key.retire = Retire::Never),
        of_key(|key| key.retire = Retire::After { after: span("900d"), destroy_after: None }),
        of_key(|key| key.window = if key.window.is_some() { None } else { Some("low-traffic".parse().unwrap()) }),
        of_key(|key| key.accepts.clear()),
        of_key(|key| key.checks.clear()),
        of_key(|key| {
            key.checks.iter_mut().for_each(|check| check.when = vec![When::Before, When::Moved, When::Retired]);
        }),
        of_key(|key| key.pre_images = None),
        // These do not matter, and change nothing.
        of_key(|key| key.at.push_str("-elsewhere")),
        of_key(|key| key.early_by = span("1d")),
    ];
    for kind in [Kind::First, Kind::Rotate, Kind::Follow, Kind::Reopen, Kind::Destroy] {
        all.push(of_unit(move |unit| unit.keys[0].kind = kind));
    }
    for at in 0..plan.units[0].steps.len() {
        all.push(of_unit(move |unit| unit.steps[at].needs.clear()));
        all.push(of_unit(move |unit| unit.steps[at].gates.clear()));
        all.push(of_unit(move |unit| unit.steps[at].gates.push(Gate::Approval { class: Risk::Switch })));
        all.push(of_unit(move |unit| unit.steps[at].turn ^= true));
        all.push(of_unit(move |unit| unit.steps[at].risk = Risk::Safe));
        all.push(of_unit(move |unit| unit.steps[at].part = Part::Keep));
        all.push(of_unit(move |unit| unit.steps[at].estimate.seconds += 1));
    }
    all
}

/// What is found of the last unit.
fn found(plan: Plan) -> Result<Option<Proof>, String> {
    check(plan).map(|plan| plan.units.last().unwrap().proof.clone()).map_err(|violation| violation.to_string())
}

#[test]
fn what_is_proved_together_is_what_each_would_be_alone() {
    let samples = ["quickstart", "notelett"].map(scene::sample);
    let cases = ["restored-under-a-retired-version", "destroy-a-disabled-version", "first-version"].map(scene::case);
    let (mut proved, mut refused) = (0, 0);
    for scene in samples.iter().chain(&cases) {
        let plan = twins(&scene.draw(None));
        assert!(check(plan.clone()).is_ok(), "{}", scene.name);
        for (number, change) in changes(&plan).iter().enumerate() {
            let mut both = plan.clone();
            change(&mut both);
            let alone = Plan { units: both.units[1..].to_vec(), ..both.clone() };
            let alone = found(alone);
            assert_eq!(found(both), alone, "{} changed by {number}", scene.name);
            *(if alone.is_ok() { &mut proved } else { &mut refused }) += 1;
        }
    }
    assert!(proved > 40 && refused > 80, "{proved} proved, {refused} refused");
}
