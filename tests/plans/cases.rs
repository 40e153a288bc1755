//! Every case, whole: what is decided, what is drawn, and what the prover says.

use crate::scene;

#[test]
fn each_case() {
    insta::glob!("../../testdata/cases", "*/policy.toml", |path| {
        let name = path.parent().and_then(|folder| folder.file_name()).unwrap().to_str().unwrap();
        let scene = scene::case(name);
        let plan = scene.draw(None);
        let decided = scene::told_decisions(&scene.decide());
        let drawn = scene::told_units(&plan);
        insta::assert_snapshot!(format!("{decided}\n{drawn}\n{}", scene::told_proof(plan)));
    });
}

#[test]
fn every_sample_is_proved() {
    for name in scene::SAMPLES {
        let plan = scene::sample(name).draw(None);
        assert!(!plan.units.is_empty(), "{name} has something to do");
        match keyrota::prove::check(plan) {
            Ok(plan) => assert!(plan.units.iter().all(|unit| unit.proof.is_some()), "{name}"),
            Err(violation) => panic!("{name}: {violation}"),
        }
    }
}

/// Also the first version of each sample's keys has its plan.
#[test]
fn every_sample_may_begin() {
    for name in scene::SAMPLES {
        let mut scene = scene::sample(name);
        for seen in scene.world.keys.values_mut() {
            seen.key.versions.clear();
            for store in seen.stores.values_mut() {
                store.census = None;
            }
        }
        let plan = scene.draw(None);
        assert_eq!(plan.units.iter().map(|unit| unit.keys.len()).sum::<usize>(), scene.world.keys.len(), "{name}");
        if let Err(violation) = keyrota::prove::check(plan) {
            panic!("{name}: {violation}");
        }
    }
}

/// What only caution asks for is left out only where the plan says of which version it is that others know it.
#[test]
fn nobody_hastens_in_silence() {
    for name in ["known-to-others-and-proven", "known-to-others-while-members-take-turns"] {
        let plan = scene::case(name).draw(None);
        assert!(plan.leaks.len() == 1 && plan.units[0].keys[0].haste, "{name}");
        assert!(keyrota::prove::check(plan.clone()).is_ok(), "{name}");
        let silent = keyrota::plan::Plan { leaks: Vec::new(), ..plan };
        assert!(keyrota::prove::check(silent).is_err(), "{name}: nobody said that others know it");
    }
}

/// A plan that hastens is another plan: it is written down, and approved, as that.
#[test]
fn a_plan_that_hastens_is_read_back_as_it_was() {
    let plan = keyrota::prove::check(scene::case("known-to-others-and-proven").draw(None)).unwrap();
    let document = keyrota::plan::Document::of(plan.clone());
    let read = keyrota::plan::Document::read(document.bytes().to_vec()).unwrap();
    assert_eq!(*read.plan(), plan);
    let mut slow = plan;
    slow.units[0].keys[0].haste = false;
    assert_ne!(keyrota::plan::Document::of(slow.clone()).intent(), document.intent());
    slow.leaks.clear();
    assert_ne!(keyrota::plan::Document::of(slow).intent(), document.intent());
}

/// Members that write by themselves and values that move: provable where a restart changes nothing, and nowhere else. Without its
/// waits that plan is refused as any other.
#[test]
fn who_counts_anew_at_each_start_never_stops_for_certain() {
    use keyrota::policy::meant::fleet::Counts;
    let mut scene = scene::case("members-that-count-from-the-making");
    assert!(keyrota::prove::check(scene.draw(None)).is_ok());
    for rule in [keyrota::plan::rule::Code::R34, keyrota::plan::rule::Code::R35] {
        assert!(keyrota::prove::check(scene.draw(Some(rule))).is_err(), "{rule:?}");
    }
    let mut hasty = scene.draw(None);
    for step in &mut hasty.units[0].steps {
        if matches!(step.part, keyrota::plan::Part::Wait { until: keyrota::plan::Waiting::Written { .. } }) {
            step.gates = vec![keyrota::plan::Gate::After { by: keyrota::model::Span::seconds(60) }];
        }
    }
    assert!(keyrota::prove::check(hasty).is_err(), "the wait until all write with it is too short");
    // What is brought after the making comes at any time, and whoever counts from the making does not wait for it.
    let mut brought = scene.clone();
    let deliver =
        scene::case("two-fleets-in-order").project.policies[0].fleets.values().next().unwrap().deliver.clone();
    assert!(deliver.is_some());
    brought.project.policies[0].fleets.values_mut().for_each(|fleet| fleet.deliver.clone_from(&deliver));
    assert!(keyrota::prove::check(brought.draw(None)).is_err());
    let fleets = &mut scene.project.policies[0].fleets;
    fleets.values_mut().for_each(|fleet| fleet.counts = Counts::Seen);
    let refused = keyrota::prove::check(scene.draw(None)).unwrap_err();
    let hint = refused.hint.unwrap_or_default();
    assert!(hint.contains("counts = \"made\""), "{hint}");
}

/// The same inputs give the same plan.
#[test]
fn drawing_twice_is_drawing_once() {
    for scene in scene::all() {
        assert_eq!(scene.draw(None), scene.draw(None), "{}", scene.name);
    }
}

/// Only so many rotations are open at once: the unfinished first, then the overdue, then those that are due soonest, and
/// none before a key that comes first.
#[test]
fn only_so_many_are_under_way_at_once() {
    let verdicts = |at_once: Option<u32>| {
        let mut scene = scene::case("every-verdict");
        scene.project.settings.calendar.at_once = at_once;
        let decisions = scene.decide();
        let mut told = String::new();
        for decision in &decisions {
            told.push_str(&format!("{}: {}\n", decision.key, decision.verdict.words()));
        }
        let drawn: usize = scene.draw(None).units.iter().map(|unit| unit.keys.len()).sum();
        (told, drawn)
    };
    let (all, free) = verdicts(None);
    assert!(!all.contains("waiting"));
    let mut told = String::new();
    for at_once in [1, 3, 4] {
        let (some, drawn) = verdicts(Some(at_once));
        assert!(drawn < free, "{drawn} of {free}");
        told.push_str(&format!("at once: {at_once}; drawn: {drawn}\n{some}\n"));
    }
    insta::assert_snapshot!(told);
}

/// A key waits with the one that comes before it, however overdue it is.
#[test]
fn a_key_that_comes_after_another_waits_for_its_turn_too() {
    let mut scene = scene::case("a-key-after-another");
    scene.project.settings.calendar.at_once = Some(1);
    let verdicts: Vec<String> =
        scene.decide().iter().map(|decision| format!("{}: {}", decision.key, decision.verdict.words())).collect();
    insta::assert_snapshot!(verdicts.join("\n"));
}
