//! What happens next, from three values and no fakes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use super::Door;
use super::Next;
use super::Observation;
use super::Stop;
use super::Times;
use super::facts;
use super::next;
use crate::model::Hour;
use crate::model::Risk;
use crate::model::Span;
use crate::plan::Gate;
use crate::plan::Part;
use crate::plan::Step;
use crate::plan::Unit;
use crate::plan::Waiting;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use crate::plan::rule::Code;
use crate::plan::step::Need;
use crate::policy::meant::project::Calendar;
use crate::policy::meant::project::Window;

fn step(part: Part, needs: &[usize], gates: Vec<Gate>) -> Step {
    let needs = needs.iter().map(|step| Need { step: *step, rule: Code::R10 }).collect();
    Step { key: 0, part, needs, gates, risk: Risk::Safe, turn: false, estimate: Default::default() }
}

/// Made, waited for, switched in a window.
fn unit() -> Unit {
    let window = Gate::Window { window: "night".parse().unwrap(), lasts: Span::minutes(30) };
    let fleet = || "web".parse().unwrap();
    let proof = Gate::Proof { fleet: fleet(), at_least: 2 };
    let wait = Part::Wait { until: Waiting::Readable { fleet: fleet() } };
    let steps = vec![
        step(Part::Add, &[], Vec::new()),
        step(Part::Deliver { fleet: fleet() }, &[0], Vec::new()),
        step(wait, &[1], vec![proof, Gate::NotAfter { within: Span::minutes(180) }]),
        step(Part::Switch, &[2], vec![window]),
    ];
    Unit { keys: Vec::new(), steps, bounds: Vec::new(), proof: None }
}

fn hour(text: &str) -> Hour {
    text.parse().unwrap()
}

/// Open every day from 01:00 to 03:00.
fn calendar() -> Calendar {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(str::to_owned).to_vec();
    let window = Window { days, from_minute: 60, lasts: Span::minutes(120) };
    Calendar { windows: [("night".parse().unwrap(), vec![window])].into(), ..Calendar::default() }
}

fn times(begun: &[&str], done: &[&str]) -> Times {
    let hours = |texts: &[&str]| {
        let mut hours: Vec<Option<Hour>> = texts.iter().map(|text| Some(hour(text))).collect();
        hours.resize(4, None);
        hours
    };
    Times { opened: hour("2030-01-01T00:00:00Z"), begun: hours(begun), done: hours(done) }
}

fn at(progress: &[At], now: &str) -> Next {
    let midnight = "2030-01-01T00:00:00Z";
    let times = times(&[midnight; 4], &[midnight; 3]);
    let progress = Progress(progress.to_vec());
    let facts = facts(&unit(), &progress, &times, &Observation::default(), &calendar(), hour(now));
    next(&unit(), &progress, &facts.iter().map(|fact| fact.door).collect::<Vec<_>>())
}

#[test]
fn what_was_begun_or_failed_before_asks_its_gates_again() {
    for stands in [At::Ahead, At::Begun] {
        let progress = [At::Done, At::Done, At::Done, stands];
        assert_eq!(at(&progress, "2030-01-01T02:00:00Z"), Next::Perform(vec![3]));
        assert_eq!(at(&progress, "2030-01-01T12:00:00Z"), Next::Wait(vec![3]), "{stands:?}");
    }
    let took = [At::Done, At::Done, At::Done, At::Took];
    assert_eq!(at(&took, "2030-01-01T12:00:00Z"), Next::Perform(vec![3]), "it is only written down");
    let failed = [At::Done, At::Done, At::Done, At::Failed];
    assert_eq!(at(&failed, "2030-01-01T02:00:00Z"), Next::Stop(Stop::Failed(vec![3])), "not twice in one attempt");
}

#[test]
fn nothing_begins_before_what_it_needs() {
    for stands in [At::Ahead, At::Begun, At::Took, At::Failed] {
        let progress = Progress(vec![stands, At::Begun, At::Begun, At::Ahead]);
        match next(&unit(), &progress, &[Door::Open; 4]) {
            Next::Perform(ready) => assert_eq!(ready, [0], "{stands:?}"),
            other => assert_eq!(other, Next::Stop(Stop::Failed(vec![0])), "{stands:?}"),
        }
    }
}

/// An executor that dies between the intent and the outcome, or a slow delivery, moves no deadline.
#[test]
fn a_deadline_counts_from_the_intent_to_make_the_version() {
    let times =
        times(&["2030-01-01T00:00:00Z", "2030-01-01T02:00:00Z"], &["2030-01-01T01:50:00Z", "2030-01-01T02:30:00Z"]);
    let progress = Progress(vec![At::Done, At::Done, At::Ahead, At::Ahead]);
    let waits = |now| facts(&unit(), &progress, &times, &Observation::default(), &calendar(), hour(now)).remove(2);
    assert_eq!(waits("2030-01-01T02:59:00Z").by, Some(hour("2030-01-01T03:00:00Z")));
    assert_eq!(waits("2030-01-01T02:59:00Z").door, Door::Shut);
    assert_eq!(waits("2030-01-01T03:00:00Z").door, Door::Late);
}

#[test]
fn a_proof_that_cannot_be_read_shuts_its_gate_and_says_why() {
    let progress = Progress(vec![At::Done, At::Done, At::Ahead, At::Ahead]);
    let midnight = "2030-01-01T00:00:00Z";
    let times = times(&[midnight; 2], &[midnight; 2]);
    let unread = [((0, "web".parse().unwrap()), "the database is locked".to_owned())].into();
    let seen = Observation { unread, ..Observation::default() };
    let fact = facts(&unit(), &progress, &times, &seen, &calendar(), hour(midnight)).remove(2);
    assert_eq!(fact.door, Door::Shut);
    assert_eq!(fact.waits_for, ["`web` to prove it, which could not be read: the database is locked"]);
}
