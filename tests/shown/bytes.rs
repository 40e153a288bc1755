//! The document from outside: its bytes, what is refused, what its two digests tell apart.

use crate::sample;
use keyrota::decision::Wish;
use keyrota::digest;
use keyrota::model::Hour;
use keyrota::model::Risk;
use keyrota::model::Span;
use keyrota::plan::Document;
use keyrota::plan::Gate;
use keyrota::plan::Plan;
use keyrota::plan::Step;
use keyrota::plan::document::Refused;
use keyrota::plan::document::shapes;
use keyrota::plan::estimate::Estimate;

fn document() -> Document {
    Document::of(sample::plan("quickstart"))
}

fn text(document: &Document) -> String {
    String::from_utf8(document.bytes().to_vec()).unwrap()
}

fn read(text: &str) -> Result<Document, Refused> {
    Document::read(text.as_bytes().to_vec())
}

#[test]
fn what_is_written_reads_back() {
    let (project, inventory) = sample::many(20);
    let many = sample::plan_of(&project, &inventory, &Wish::WhatIsDue);
    let one_at_a_time = ["quickstart", "uptrakit", "nvcf", "nico", "notelett", "certautopilot"].map(sample::plan);
    for plan in one_at_a_time.into_iter().chain([many]) {
        let document = Document::of(plan.clone());
        let back = Document::read(document.bytes().to_vec()).unwrap_or_else(|refused| panic!("{refused}"));
        assert_eq!(back, document);
        assert_eq!(*back.plan(), plan);
        assert_eq!(back.id(), digest::plain(document.bytes()));
    }
}

#[test]
fn equal_keys_share_their_steps() {
    let (project, inventory) = sample::many(20);
    let document = Document::of(sample::plan_of(&project, &inventory, &Wish::WhatIsDue));
    assert_eq!(document.plan().units.len(), 20);
    assert_eq!(text(&document).matches("\"part\":\"switch\"").count(), 1);
    let shapes = shapes(&document.plan().units);
    assert_eq!((shapes.first, shapes.of), (vec![0], vec![0; 20]));
}

#[test]
fn shapes_that_differ_are_told_apart() {
    let (project, inventory) = sample::many(6);
    let mut plan = sample::plan_of(&project, &inventory, &Wish::WhatIsDue);
    plan.units[1].steps[4].risk = Risk::Safe;
    plan.units[3].bounds.clear();
    plan.units[5].steps[2].gates.clear();
    assert_eq!(shapes(&plan.units).of, [0, 1, 0, 2, 0, 3]);
    let document = Document::of(plan.clone());
    assert_eq!(*Document::read(document.bytes().to_vec()).unwrap().plan(), plan);
}

#[test]
fn the_same_input_gives_the_same_bytes_a_thousand_times() {
    let (project, inventory) = sample::case("quickstart", None);
    let first = Document::of(sample::plan_of(&project, &inventory, &Wish::WhatIsDue));
    for _ in 0..1000 {
        let again = Document::of(sample::plan_of(&project, &inventory, &Wish::WhatIsDue));
        assert_eq!(again.bytes(), first.bytes());
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let whole = document();
    for at in 0..whole.bytes().len() {
        for bit in 0..8 {
            let mut bytes = whole.bytes().to_vec();
            bytes[at] ^= 1 << bit;
            assert!(Document::read(bytes).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let whole = document();
    for length in 0..whole.bytes().len() {
        assert!(Document::read(whole.bytes()[..length].to_vec()).is_err(), "{length} bytes");
    }
    assert!(read(&format!("{} ", text(&whole))).is_err());
    assert!(read(&format!("{}{{}}", text(&whole))).is_err());
}

#[test]
fn a_newer_format_is_refused_by_name_before_the_rest_is_looked_at() {
    let refused = read("{\"format\":\"keyrota-plan/2\",\nwhatever comes").unwrap_err();
    assert_eq!(refused, Refused::OtherFormat { format: "keyrota-plan/2".into() });
    assert_eq!(
        refused.to_string(),
        "this plan has the format `keyrota-plan/2`, and this keyrota reads `keyrota-plan/1`"
    );
    for no_plan in [
        "",
        "{}",
        "{\"format\":\"keyrota-head/1\"}",
        " {\"format\":\"keyrota-plan/1\"}",
        "{\"format\":\"keyrota-plan/\x1b[2J\"",
    ] {
        assert_eq!(read(no_plan).unwrap_err(), Refused::NotAPlan, "{no_plan:?}");
    }
}

#[test]
fn a_second_meaning_is_refused_wherever_it_hides() {
    let whole = text(&document());
    for (from, to) in [
        // Unknown fields: at the top, in a step, in a gate, in a store.
        ("\"tool\":", "\"tools\":\"\",\n\"tool\":"),
        ("\"turn\":true", "\"turn\":true,\"skip\":true"),
        ("\"by\":\"2h\"", "\"by\":\"2h\",\"of\":\"1h\""),
        ("\"type\":\"sqlite\"", "\"type\":\"sqlite\",\"and\":1"),
        // The same field twice.
        ("\"turn\":true", "\"turn\":true,\"turn\":true"),
        // Another spelling of the same.
        ("\"by\":\"2h\"", "\"by\":\"120m\""),
        ("\"by\":\"2h\"", "\"by\":\"\\u0032h\""),
        ("\"by\":\"2h\"", "\"by\": \"2h\""),
        ("T09:00:00Z\",\n\"expires", "T09:00:00+00:00\",\n\"expires"),
        // A name that is not the step's.
        ("\"step\":\"5-switch\"", "\"step\":\"5-wait\""),
        // Another order.
        ("\"risk\":\"switch\",\"turn\":true", "\"turn\":true,\"risk\":\"switch\""),
    ] {
        assert!(whole.contains(from), "{from}");
        let changed = whole.replacen(from, to, 1);
        assert!(read(&changed).is_err(), "{from} -> {to}");
    }
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    let plan = document().plan().clone();
    let refused = |plan: &Plan| Document::read(Document::of(plan.clone()).bytes().to_vec()).unwrap_err().to_string();
    let mut loops = plan.clone();
    loops.units[0].steps[4].needs[0].step = 4;
    insta::assert_snapshot!(refused(&loops), @"this plan does not hold together: unit 1: a step needs one that does not come before it");
    let mut nobody = plan.clone();
    nobody.units[0].steps[4].key = 1;
    insta::assert_snapshot!(refused(&nobody), @"this plan does not hold together: unit 1: a step is for a key that is not there");
    let whole = text(&document());
    let shapeless = read(&whole.replacen("{\"shape\":0,", "{\"shape\":1,", 1)).unwrap_err().to_string();
    insta::assert_snapshot!(shapeless, @"this plan does not hold together: unit 1: there is no such shape");
}

#[test]
fn a_plan_is_ascii_whatever_a_policy_says() {
    let mut plan = document().plan().clone();
    plan.policies[0].about = Some("M\u{fc}ller \u{202e}edoc\u{1b}[31m \u{1f511}\u{7f}".into());
    let document = Document::of(plan.clone());
    assert!(document.bytes().iter().all(|byte| *byte == b'\n' || (0x20..0x7f).contains(byte)));
    assert_eq!(*Document::read(document.bytes().to_vec()).unwrap().plan(), plan);
}

#[test]
fn the_intent_stays_when_only_dates_counts_and_figures_move() {
    let (project, inventory) = sample::many(3);
    let plan = sample::plan_of(&project, &inventory, &Wish::WhatIsDue);
    let mut later = plan.clone();
    later.tool = "9.9.9".into();
    later.made = "2027-01-01T00:00:00Z".parse::<Hour>().unwrap();
    later.expires = later.made;
    later.decisions.clear();
    for policy in &mut later.policies {
        policy.digest = digest::plain(b"a comment was added");
        policy.keys.values_mut().for_each(|key| key.line = (99, 9));
    }
    for step in later.units.iter_mut().flat_map(|unit| &mut unit.steps) {
        step.estimate = Estimate { values: step.estimate.values + 1, seconds: 77 };
    }
    let (before, after) = (Document::of(plan), Document::of(later));
    assert_ne!(before.id(), after.id());
    assert_eq!(before.intent(), after.intent());

    let proved = sample::plan("quickstart");
    let mut again = proved.clone();
    let proof = again.units[0].proof.as_mut().unwrap();
    (proof.states, proof.depth, proof.bound) = (1, 2, "more members".into());
    let (proved, again) = (Document::of(proved), Document::of(again));
    assert_ne!(proved.id(), again.id());
    assert_eq!(proved.intent(), again.intent());
}

#[test]
fn the_intent_is_the_same_when_the_same_is_planned_an_hour_later() {
    let (project, mut inventory) = sample::case("nvcf", Some(sample::SETTINGS));
    let first = Document::of(sample::plan_of(&project, &inventory, &Wish::WhatIsDue));
    inventory.hour += chrono::TimeDelta::hours(1);
    let later = Document::of(sample::plan_of(&project, &inventory, &Wish::WhatIsDue));
    assert_ne!(first.id(), later.id());
    assert_eq!(first.intent(), later.intent());
}

#[test]
fn the_intent_changes_with_every_change_of_what_is_done() {
    let plan = sample::plan("nvcf");
    let first = Document::of(plan.clone()).intent();
    let differs = |what: String, change: &dyn Fn(&mut Plan)| {
        let mut other = plan.clone();
        change(&mut other);
        if other == plan {
            return;
        }
        assert_ne!(Document::of(other).intent(), first, "{what}");
    };
    for at in 0..plan.units[0].steps.len() {
        let step = |change: fn(&mut Step)| move |plan: &mut Plan| change(&mut plan.units[0].steps[at]);
        differs(format!("step {at} left out"), &|plan| drop(plan.units[0].steps.remove(at)));
        differs(format!("step {at} twice"), &|plan| {
            let again = plan.units[0].steps[at].clone();
            plan.units[0].steps.insert(at, again);
        });
        differs(format!("needs of step {at}"), &step(|step| step.needs.clear()));
        differs(format!("gates of step {at}"), &step(|step| step.gates.clear()));
        differs(format!("another gate of step {at}"), &step(|step| step.gates.push(Gate::After { by: Span::days(1) })));
        differs(format!("risk of step {at}"), &step(|step| step.risk = Risk::Irreversible));
        differs(format!("turn of step {at}"), &step(|step| step.turn = !step.turn));
    }
    differs("another old version".into(), &|plan| plan.units[0].keys[0].old = None);
    differs("another world".into(), &|plan| plan.units[0].keys[0].base.backend.push('x'));
    differs("another fingerprint".into(), &|plan| plan.units[0].keys[0].base.key.versions[0].fingerprint = None);
    differs("another capability".into(), &|plan| plan.units[0].keys[0].base.able.demotes = false);
    differs("another policy".into(), &|plan| plan.policies[0].owner.push('x'));
    differs("another setting".into(), &|plan| plan.settings.actor = None);
    differs("a unit less".into(), &|plan| plan.units.clear());
    differs("unproved".into(), &|plan| plan.units[0].proof = None);
    differs("a risk more".into(), &|plan| plan.units[0].proof.as_mut().unwrap().accepted.push("K207".into()));
    differs("another bound".into(), &|plan| drop(plan.units[0].bounds.pop()));
}

#[test]
fn the_intent_does_not_know_how_long_a_window_must_last() {
    let mut plan = sample::plan("nvcf");
    let first = Document::of(plan.clone()).intent();
    let gates = plan.units[0].steps.iter_mut().flat_map(|step| &mut step.gates);
    let mut found = 0;
    for gate in gates {
        if let Gate::Window { lasts, .. } = gate {
            *lasts = Span::days(1);
            found += 1;
        }
    }
    assert!(found > 0);
    assert_eq!(Document::of(plan).intent(), first);
}
