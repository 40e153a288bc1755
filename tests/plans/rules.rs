//! Every rule is needed: without it, the prover refuses some plan that it proves with it.

use crate::scene;
use keyrota::plan::rule::Code;
use keyrota::plan::rule::RULES;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;

#[test]
fn without_any_one_rule_some_plan_is_refused() {
    let scenes = scene::all();
    let proved: Vec<_> = scenes.iter().filter(|scene| keyrota::prove::check(scene.draw(None)).is_ok()).collect();
    let codes: BTreeSet<Code> = RULES.iter().map(|rule| rule.code).collect();
    let mut told: BTreeMap<Code, BTreeMap<String, String>> = BTreeMap::new();
    for code in codes {
        let noticed = told.entry(code).or_default();
        for scene in &proved {
            let plan = scene.draw(Some(code));
            if plan.units == scene.draw(None).units {
                continue;
            }
            if let Err(violation) = keyrota::prove::check(plan) {
                noticed.entry(violation.to_string()).or_insert_with(|| scene.name.clone());
            }
        }
    }
    let unnoticed: Vec<&Code> = told.iter().filter(|(_, noticed)| noticed.is_empty()).map(|(code, _)| code).collect();
    assert!(unnoticed.is_empty(), "nobody misses {unnoticed:?}: they are superfluous, or the prover is blind");
    let mut text = String::new();
    for (code, noticed) in told {
        let row = RULES.iter().find(|rule| rule.code == code).unwrap();
        writeln!(text, "{code:?}: {}", row.because).unwrap();
        let ends: BTreeSet<String> =
            noticed.iter().map(|(story, name)| format!("  {name}: {}", ending(story))).collect();
        for end in ends {
            writeln!(text, "{end}").unwrap();
        }
    }
    insta::assert_snapshot!("without_each_rule", text);
}

fn ending(story: &str) -> &str {
    story.lines().find_map(|line| line.trim().strip_prefix("=> ")).unwrap()
}
