//! Samples and cases: read, decided, drawn, and told as text.

use keyrota::decision;
use keyrota::decision::Decision;
use keyrota::decision::Wish;
use keyrota::inventory::Inventory;
use keyrota::plan;
use keyrota::plan::Gate;
use keyrota::plan::Plan;
use keyrota::plan::Unit;
use keyrota::plan::phrase::told;
use keyrota::plan::rule::Code;
use keyrota::policy;
use keyrota::policy::Project;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The policies of `policies/`.
pub(crate) const SAMPLES: [&str; 10] = [
    "certautopilot",
    "certautopilot-hsm",
    "nico",
    "nico-openbao",
    "nico-postgres",
    "notelett",
    "nvcf",
    "quickstart",
    "transit",
    "uptrakit",
];

/// A policy, a world, and what was asked for.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) name: String,
    pub(crate) project: Project,
    pub(crate) world: Inventory,
    pub(crate) wish: Wish,
}

/// A policy's text as a project, with the settings of the tests.
pub(crate) fn read(policy: &str) -> Project {
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

fn scene(name: &str, policy: &str, world: &str) -> Scene {
    let mut table: toml::Table = toml::from_str(world).unwrap();
    let wish = table.remove("wish").map_or(Wish::WhatIsDue, |wish| wished(wish.as_str().unwrap()));
    Scene { name: name.to_owned(), project: read(policy), world: table.try_into().unwrap(), wish }
}

/// `destroy`, `destroy KEY@V`, `rotate KEY`, `back KEY`, `to KEY@V` or `compromised KEY@V`.
fn wished(text: &str) -> Wish {
    match text.split_once(' ') {
        None if text == "destroy" => Wish::Destroy,
        Some(("rotate", key)) => Wish::Rotate(key.parse().unwrap()),
        Some(("back", key)) => Wish::Back(key.parse().unwrap()),
        Some(("to", which)) => {
            let (key, version) = which.split_once('@').unwrap();
            Wish::To(key.parse().unwrap(), version.parse().unwrap())
        }
        Some(("compromised", which)) => {
            let (key, version) = which.split_once('@').unwrap();
            Wish::Compromised(key.parse().unwrap(), version.parse().unwrap())
        }
        Some(("destroy", which)) => {
            let (key, version) = which.split_once('@').unwrap();
            Wish::DestroyOne(key.parse().unwrap(), version.parse().unwrap())
        }
        _ => panic!("`{text}` is no wish"),
    }
}

/// A sample in the world of its own name.
pub(crate) fn sample(name: &str) -> Scene {
    let policy = fs::read_to_string(format!("policies/{name}.toml")).unwrap();
    scene(name, &policy, &fs::read_to_string(format!("testdata/worlds/{name}.toml")).unwrap())
}

/// A case by the folder it is.
pub(crate) fn case(name: &str) -> Scene {
    let folder = Path::new("testdata/cases").join(name);
    let text = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_else(|_| panic!("{name} has a `{file}`"));
    let mut scene = scene(name, &text("policy.toml"), &text("world.toml"));
    // Some cases have more keys than may be under way at once; that limit has tests of its own.
    scene.project.settings.calendar.at_once = None;
    scene
}

/// All cases, by name.
pub(crate) fn cases() -> Vec<Scene> {
    let folders =
        fs::read_dir("testdata/cases").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = folders.collect();
    names.sort();
    names.iter().map(|name| case(name)).collect()
}

/// All samples and all cases.
pub(crate) fn all() -> Vec<Scene> {
    SAMPLES.iter().map(|name| sample(name)).chain(cases()).collect()
}

impl Scene {
    pub(crate) fn decide(&self) -> Vec<Decision> {
        decision::decide(&self.project, &self.world, &self.wish)
    }

    pub(crate) fn draw(&self, without: Option<Code>) -> Plan {
        plan::draw(&self.project, &self.world, self.decide(), &self.wish, without).unwrap()
    }
}

/// Every decision, with its reasons as data.
pub(crate) fn told_decisions(decisions: &[Decision]) -> String {
    let mut text = String::new();
    for decision in decisions {
        write!(text, "{}: {}", decision.key, decision.verdict.words()).unwrap();
        let hours = [("start by", decision.start_by), ("due by", decision.due_by)];
        for (name, hour) in hours.into_iter().filter_map(|(name, hour)| Some((name, hour?))) {
            write!(text, ", {name} {}", hour.format("%Y-%m-%d %H:%M:%S")).unwrap();
        }
        writeln!(text, ", lead {}", decision.lead.total()).unwrap();
        for reason in &decision.reasons {
            writeln!(text, "  {}", serde_json::to_string(reason).unwrap()).unwrap();
        }
    }
    text
}

/// Every step with what it needs and why, what it waits for, and the inequalities.
pub(crate) fn told_units(plan: &Plan) -> String {
    plan.units.iter().map(told_unit).collect::<Vec<_>>().join("\n")
}

fn told_unit(unit: &Unit) -> String {
    let mut text = String::new();
    for (at, step) in unit.steps.iter().enumerate() {
        let mark = if step.turn { ", the turn" } else { "" };
        writeln!(
            text,
            "{:>2} {}: {} ({}{mark})",
            at + 1,
            unit.step_name(at),
            told(unit.keys.get(step.key), &step.part),
            step.risk
        )
        .unwrap();
        let needs: Vec<String> = step.needs.iter().map(|need| format!("{} ({:?})", need.step + 1, need.rule)).collect();
        if !needs.is_empty() {
            writeln!(text, "     after {}", needs.join(", ")).unwrap();
        }
        for gate in &step.gates {
            writeln!(text, "     waits {}", told_gate(gate)).unwrap();
        }
    }
    for bound in &unit.bounds {
        writeln!(text, "   {}: {bound}", bound.about).unwrap();
    }
    text
}

fn told_gate(gate: &Gate) -> String {
    match gate {
        Gate::After { by } => format!("for {by}"),
        Gate::NotAfter { within } => format!("for no longer than {within}"),
        Gate::Proof { fleet, at_least } => format!("for the proof of `{fleet}`, at least {at_least} members"),
        Gate::Window { window, lasts } => format!("for the window `{window}`, open for {lasts}"),
        Gate::Approval { class } => format!("for the voices for `{class}`"),
    }
}

/// What the prover says.
pub(crate) fn told_proof(plan: Plan) -> String {
    match keyrota::prove::check(plan) {
        Err(violation) => format!("refused: {violation}\n"),
        Ok(plan) => {
            let mut text = String::new();
            for proof in plan.units.iter().filter_map(|unit| unit.proof.as_ref()) {
                writeln!(text, "proved: {} states, depth {}; {}", proof.states, proof.depth, proof.bound).unwrap();
                for line in &proof.assumptions {
                    writeln!(text, "  assumes that {line}").unwrap();
                }
                for line in &proof.accepted {
                    writeln!(text, "  accepts {line}").unwrap();
                }
            }
            text
        }
    }
}
