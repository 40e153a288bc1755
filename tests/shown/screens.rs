//! The screens. Read each of them as somebody who was woken up for it.

use crate::sample;
use insta::assert_snapshot;
use keyrota::decision::Decision;
use keyrota::decision::Reason;
use keyrota::decision::Verdict;
use keyrota::decision::Wish;
use keyrota::decision::decide;
use keyrota::inventory::Inventory;
use keyrota::inventory::key::Unreachable;
use keyrota::model::KeyName;
use keyrota::plan::Document;
use keyrota::policy::Project;
use keyrota::render::Paper;
use keyrota::render::decisions;
use keyrota::render::plan;

fn document(name: &str) -> Document {
    Document::of(sample::plan(name))
}

fn proved(project: &Project, inventory: &Inventory, wish: &Wish) -> Document {
    let plan = keyrota::prove::check(sample::plan_of(project, inventory, wish)).unwrap_or_else(|told| panic!("{told}"));
    Document::of(plan)
}

/// The quickstart in another world.
fn quickstart(change: &str) -> (Project, Inventory) {
    let (project, mut inventory) = sample::case("quickstart", None);
    let seen = inventory.keys.values_mut().next().unwrap();
    match change {
        "new" => {
            seen.key.versions.clear();
            seen.stores.values_mut().for_each(|store| store.census = None);
        }
        "well" => seen.key.versions[0].current_since = Some("2026-11-01T09:00:00Z".parse().unwrap()),
        "no way back" => (seen.able.as_mut().unwrap().demotes, seen.able.as_mut().unwrap().promotes) = (false, true),
        "destroy due" | "destroy" => {
            let old = seen.key.versions[0].clone();
            seen.key.versions[0].state = keyrota::model::State::Disabled;
            seen.key.versions[0].since = Some("2026-09-01T09:00:00Z".parse().unwrap());
            seen.past.clean_at.insert(old.id.clone(), "2026-09-01T09:00:00Z".parse().unwrap());
            seen.key.versions.push(keyrota::model::Version {
                id: "v2".parse().unwrap(),
                current_since: Some("2026-09-01T09:00:00Z".parse().unwrap()),
                ..old
            });
            seen.stores.values_mut().for_each(|store| {
                let census = store.census.as_mut().unwrap();
                census.under = [("v2".parse().unwrap(), 10_000)].into();
            });
        }
        "unreachable" => seen.unreachable.push(Unreachable {
            what: "backend `files`".into(),
            why: "permission denied: keys\x1b[2J".into(),
            hint: Some("give the operator read access to the folder `keys`".into()),
        }),
        other => panic!("no such world: {other}"),
    }
    (project, inventory)
}

#[test]
fn the_quickstart() {
    assert_snapshot!(plan::text(&document("quickstart"), Paper::default()));
}

#[test]
fn the_quickstart_on_narrow_paper() {
    let text = plan::text(&document("quickstart"), Paper { width: 60, colour: false });
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    assert_snapshot!(text);
}

#[test]
fn colours_change_no_word() {
    let document = document("quickstart");
    let (plain, colour) = [false, true].map(|colour| plan::text(&document, Paper { width: 100, colour })).into();
    assert!(colour.contains("\x1b[1m"));
    let mut stripped = String::new();
    for (at, piece) in colour.split('\x1b').enumerate() {
        stripped.push_str(if at == 0 { piece } else { piece.split_once('m').unwrap().1 });
    }
    assert_eq!(stripped, plain);
    assert!(!plain.contains('\x1b'));
}

#[test]
fn a_fleet_that_holds_one_version() {
    assert_snapshot!(plan::text(&document("uptrakit"), Paper::default()));
}

#[test]
fn members_that_write_by_themselves() {
    assert_snapshot!(plan::text(&document("nvcf"), Paper::default()));
}

#[test]
fn a_first_version() {
    let (project, inventory) = quickstart("new");
    assert_snapshot!(plan::text(&proved(&project, &inventory, &Wish::WhatIsDue), Paper::default()));
}

#[test]
fn a_destroy_plan() {
    let (project, inventory) = quickstart("destroy");
    assert_snapshot!(plan::text(&proved(&project, &inventory, &Wish::Destroy), Paper::default()));
}

#[test]
fn where_nothing_demotes_the_first_page_says_so() {
    let (project, inventory) = quickstart("no way back");
    // Nobody proved this one: the screen must say that too.
    let document = Document::of(sample::plan_of(&project, &inventory, &Wish::WhatIsDue));
    assert_snapshot!(plan::text(&document, Paper::default()));
}

#[test]
fn two_thousand_equal_keys() {
    let (project, inventory) = sample::many(2000);
    let document = proved(&project, &inventory, &Wish::WhatIsDue);
    let text = plan::text(&document, Paper::default());
    assert!(text.lines().count() <= 200, "{} lines", text.lines().count());
    assert_snapshot!(text);
    assert!(plan::markdown(&document).lines().count() <= 200);
    let json: serde_json::Value = serde_json::from_str(&plan::json(&document)).unwrap();
    assert_eq!(json["groups"][0]["keys"].as_array().unwrap().len(), 2000);
}

#[test]
fn a_pull_request() {
    assert_snapshot!(plan::markdown(&document("quickstart")));
}

#[test]
fn data_for_programs() {
    let json = plan::json(&document("quickstart"));
    assert!(json.starts_with("{\"format\":\"keyrota-plan-view/1\","));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn no_template_is_broken_by_any_sample() {
    for name in [
        "quickstart",
        "nvcf",
        "nico",
        "nico-openbao",
        "nico-postgres",
        "notelett",
        "certautopilot",
        "certautopilot-hsm",
        "uptrakit",
    ] {
        let document = document(name);
        for text in [plan::text(&document, Paper::default()), plan::markdown(&document), plan::json(&document)] {
            assert!(!text.contains("a bug of keyrota"), "{name}: {text}");
            assert!(text.ends_with('\n') && !text.contains("\n\n\n"), "{name}: {text}");
        }
    }
}

#[test]
fn keys_without_steps_are_told_beside_those_with_steps() {
    let mut plan = sample::plan("quickstart");
    for at in 0..30 {
        let mut well = plan.decisions[0].clone();
        well.key = format!("quickstart/well-{at}").parse().unwrap();
        well.verdict = Verdict::Well;
        plan.decisions.push(well);
    }
    plan.decisions.sort_by(|a, b| a.key.cmp(&b.key));
    let text = plan::text(&Document::of(plan), Paper::default());
    assert!(text.ends_with("\n30 keys are well; next: `quickstart/well-0`, by Thu 2026-11-19 05:53.\n"), "{text}");
}

#[test]
fn nothing_to_do() {
    let decisions = |change| {
        let (project, inventory) = quickstart(change);
        decide(&project, &inventory, &Wish::WhatIsDue)
    };
    assert_snapshot!("nothing_to_do_well", decisions::text(&decisions("well"), Paper::default()));
    assert_snapshot!("nothing_to_do_destroy_due", decisions::text(&decisions("destroy due"), Paper::default()));
    assert_snapshot!("nothing_to_do_blocked", decisions::text(&decisions("unreachable"), Paper::default()));
}

#[test]
fn keys_held_up_by_the_same_thing_are_told_together() {
    let (project, inventory) = quickstart("unreachable");
    let one = decide(&project, &inventory, &Wish::WhatIsDue).remove(0);
    let key = |policy: &str, at: usize| format!("{policy}/tenant-{at:04}").parse::<KeyName>().unwrap();
    let mut many: Vec<Decision> = (0..2000).map(|at| Decision { key: key("a", at), ..one.clone() }).collect();
    let under_way = vec![Reason::OpenRun { run: "2026-11-20-1".into() }];
    many.push(Decision { key: key("b", 1), verdict: Verdict::UnderWay, reasons: under_way, ..one.clone() });
    many.push(Decision { key: key("b", 2), verdict: Verdict::RolledBack, reasons: vec![Reason::TakenBack], ..one });
    assert_snapshot!(decisions::text(&many, Paper::default()));
}

#[test]
fn no_screen_is_driven_by_what_a_policy_says() {
    let mut plan = sample::plan("uptrakit");
    let hostile = "safe\x1b[2J\x1b[1;32m\u{202e}`x` <img src=x> | a\n\n# [b](javascript:c) **d** \u{0}\u{7f}";
    for key in plan.policies.iter_mut().flat_map(|policy| policy.keys.values_mut()) {
        key.accepts.iter_mut().for_each(|accept| accept.because = hostile.into());
    }
    for unit in &mut plan.units {
        unit.bounds.iter_mut().for_each(|bound| bound.about = hostile.into());
        unit.proof.as_mut().unwrap().assumptions = vec![hostile.into()];
        unit.proof.as_mut().unwrap().bound = hostile.into();
    }
    let document = Document::of(plan);
    let text = plan::text(&document, Paper { width: 100, colour: false });
    assert!(text.chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' '), "{text}");
    assert!(text.contains("safe\\u{1b}[2J"), "{text}");
    let markdown = plan::markdown(&document);
    for smuggled in ["<img", "](", "**d", "\n# ", "\x1b", "\u{202e}"] {
        assert!(!markdown.contains(smuggled), "{smuggled:?} in {markdown}");
    }
    let json = plan::json(&document);
    assert!(json.trim_end().chars().all(|c| c.is_ascii_graphic() || c == ' '));
}
