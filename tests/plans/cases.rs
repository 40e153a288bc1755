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

/// The same inputs give the same plan.
#[test]
fn drawing_twice_is_drawing_once() {
    for scene in scene::all() {
        assert_eq!(scene.draw(None), scene.draw(None), "{}", scene.name);
    }
}
