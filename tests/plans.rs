//! The samples: every policy is read, decided and drawn from a given world, proved, and tried with each rule
//! left out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

use keyrota::decision;
use keyrota::decision::Wish;
use keyrota::inventory::Inventory;
use keyrota::plan;
use keyrota::plan::Plan;
use keyrota::plan::rule::Code;
use keyrota::policy;
use keyrota::policy::Project;
use std::fs;

const SAMPLES: [&str; 8] =
    ["quickstart", "nvcf", "nico", "nico-postgres", "notelett", "certautopilot", "certautopilot-hsm", "uptrakit"];

fn read(policy: &str) -> Project {
    let settings = policy::Text::new("keyrota.toml", fs::read("testdata/policies/keyrota.toml").unwrap());
    let text = policy::Text::new("policy.toml", policy);
    let texts = policy::Texts { settings: Some(settings), policies: vec![text] };
    let env = |_: &str| Some("https://env.example.org".to_owned());
    let file = |name: &str| Err(keyrota::fault::Fault::give_up(format!("read `{name}`"), "tests have no files"));
    let around = policy::Around { env: &env, file: &file, built: &["file", "sqlite", "unseen"] };
    match policy::read(&texts, &around) {
        Ok(read) => read.project,
        Err(problems) => panic!("{problems:#?}"),
    }
}

fn sample(name: &str) -> (Project, Inventory) {
    let project = read(&fs::read_to_string(format!("policies/{name}.toml")).unwrap());
    let world = toml::from_str(&fs::read_to_string(format!("testdata/worlds/{name}.toml")).unwrap()).unwrap();
    (project, world)
}

fn draw(project: &Project, world: &Inventory, without: Option<Code>) -> Plan {
    let wish = Wish::WhatIsDue;
    let decisions = decision::decide(project, world, &wish);
    plan::draw(project, world, decisions, &wish, without).unwrap()
}

#[test]
fn every_sample_is_drawn_and_proved() {
    for name in SAMPLES {
        let (project, world) = sample(name);
        let plan = draw(&project, &world, None);
        for unit in &plan.units {
            for (at, step) in unit.steps.iter().enumerate() {
                eprintln!(
                    "{:40} {:?} needs {:?} gates {:?}",
                    unit.step_name(at),
                    step.part,
                    step.needs.iter().map(|n| (n.step + 1, n.rule)).collect::<Vec<_>>(),
                    step.gates
                );
            }
        }
        let start = std::time::Instant::now();
        match keyrota::prove::check(plan) {
            Ok(plan) => {
                for unit in plan.units {
                    eprintln!("{name}: {:?} in {:?}", unit.proof.map(|p| (p.states, p.depth)), start.elapsed());
                }
            }
            Err(violation) => eprintln!("#### {name}: {violation}"),
        }
    }
}

/// Every rule is needed: without it, the prover refuses some sample.
#[test]
fn without_any_one_rule_some_sample_is_refused() {
    let mut unnoticed = Vec::new();
    let codes: std::collections::BTreeSet<Code> = plan::rule::RULES.iter().map(|rule| rule.code).collect();
    'codes: for code in codes {
        for name in SAMPLES {
            let (project, world) = sample(name);
            match keyrota::prove::check(draw(&project, &world, Some(code))) {
                Ok(_) => {}
                Err(violation) => {
                    eprintln!("{code:?} {name}: {} ({} steps)", violation.end, violation.story.len());
                    continue 'codes;
                }
            }
        }
        unnoticed.push(code);
    }
    assert!(unnoticed.is_empty(), "nobody misses {unnoticed:?}");
}
