//! Broken plans: tampered with, carried out with faults, or drawn from policies that cannot be safe. Each is refused
//! with a story, and the snapshot is that story.

use crate::scene;
use crate::scene::Scene;
use crate::tamper;
use crate::tamper::change;
use crate::tamper::drop;
use crate::tamper::span;
use crate::tamper::wait_only;
use keyrota::model::Risk;
use keyrota::plan::Gate;
use keyrota::plan::Part;
use keyrota::plan::Plan;
use keyrota::plan::Waiting;
use keyrota::plan::step::Why;
use keyrota::policy::meant::fleet::Joins;
use keyrota::policy::meant::fleet::Learns;
use keyrota::policy::meant::fleet::Opens;
use keyrota::policy::meant::fleet::Writes;
use keyrota::policy::meant::key::Accept;
use keyrota::policy::meant::key::Retire;
use keyrota::policy::meant::project::Approval;
use keyrota::policy::meant::store::Place;
use keyrota::prove::check;
use keyrota::prove::check_with;
use keyrota::prove::world::Flaws;

/// A plan that is proved as it is, for tampering with it.
fn sound(scene: &Scene) -> Plan {
    let plan = scene.draw(None);
    if let Err(violation) = check(plan.clone()) {
        panic!("{}: {violation}", scene.name);
    }
    plan
}

fn refused(name: &str, plan: Plan) {
    refused_with(name, plan, Flaws::default());
}

fn refused_with(name: &str, plan: Plan, flaws: Flaws) {
    match check_with(plan, flaws) {
        Ok(_) => panic!("{name}: nobody noticed"),
        Err(violation) => insta::assert_snapshot!(name, violation.to_string()),
    }
}

/// A sound plan of this sample or case, spoilt.
fn spoilt(name: &str, of: &str, spoil: impl Fn(&mut Plan)) {
    let mut plan = sound(&find(of));
    spoil(&mut plan);
    refused(name, plan);
}

fn find(of: &str) -> Scene {
    if scene::SAMPLES.contains(&of) { scene::sample(of) } else { scene::case(of) }
}

fn readable(part: &Part) -> bool {
    matches!(part, Part::Wait { until: Waiting::Readable { .. } })
}

fn written(part: &Part) -> bool {
    matches!(part, Part::Wait { until: Waiting::Written { .. } })
}

fn waits(part: &Part, until: &Waiting) -> bool {
    matches!(part, Part::Wait { until: other } if other == until)
}

fn restarts(part: &Part, of: Why) -> bool {
    matches!(part, Part::Restart { why, .. } if *why == of)
}

#[test]
fn carried_out_with_faults() {
    let quickstart = sound(&find("quickstart"));
    let restored = sound(&find("restored-under-a-retired-version"));
    let no_compare_and_set = Flaws { no_compare_and_set: true, ..Flaws::default() };
    refused_with("no_compare_and_set", quickstart.clone(), no_compare_and_set);
    let doubled = Flaws { doubled: true, ..Flaws::default() };
    refused_with("a_doubled_executor", quickstart.clone(), doubled);
    refused_with("a_doubled_executor_that_enables_again", restored, doubled);
    refused_with("an_add_repeated_without_a_mark", quickstart.clone(), Flaws { add_twice: true, ..Flaws::default() });
    let quarantine_forgotten = Flaws { quarantine_forgotten: true, ..Flaws::default() };
    refused_with("a_quarantine_forgotten", quickstart, quarantine_forgotten);
    let window = sound(&find("notelett"));
    refused_with("a_begun_turn_gone_on_with", window, Flaws { begun_goes_on: true, ..Flaws::default() });
    let mut span = find("uptrakit");
    tamper::keys(&mut span, |key| key.window = Some("mek-maintenance".parse().unwrap()));
    let span = sound(&span);
    refused_with("a_begun_span_gone_on_with", span, Flaws { begun_goes_on: true, ..Flaws::default() });
    let no_undo = Flaws { no_undo: true, ..Flaws::default() };
    refused_with("what_turns_up_late_left_to_a_person", sound(&find("quickstart")), no_undo);
    let stale_proof = Flaws { stale_proof: true, ..Flaws::default() };
    let mut pods = sound(&find("certautopilot"));
    drop(&mut pods, |part| restarts(part, Why::Learn));
    refused_with("an_old_heartbeat_taken_for_a_fresh_one", pods, stale_proof);
}

/// A member is silent for longer than its fleet declares: a proof waits for it, a clock does not.
#[test]
fn a_silent_member() {
    let silent = Flaws { silent_member: true, ..Flaws::default() };
    let proved = find("members-that-prove-what-they-know");
    let mut plan = sound(&proved);
    assert!(check_with(plan.clone(), silent).is_ok(), "the proof waits for the silent one");
    wait_only(&mut plan, readable, "1h6m");
    assert!(check(plan.clone()).is_ok(), "nobody is silent");
    refused_with("a_clock_taken_for_proof_with_a_silent_member", plan, silent);
    let mut by_themselves = sound(&find("nvcf"));
    assert!(
        check_with(by_themselves.clone(), silent).is_ok(),
        "the run stops at the deadline, and the silent are restarted"
    );
    let gone_on = Flaws { deadline_ignored: true, ..silent };
    refused_with("a_missed_deadline_gone_on_with", by_themselves.clone(), gone_on);
    change(&mut by_themselves, readable, |step| step.gates.retain(|gate| !matches!(gate, Gate::NotAfter { .. })));
    refused_with("a_deadline_taken_out", by_themselves, silent);
}

#[test]
fn waits_too_short() {
    spoilt("the_first_write_before_all_have_looked", "a-key-after-another", |plan| wait_only(plan, readable, "30m"));
    spoilt("a_late_writer_after_the_last_round", "quickstart", |plan| wait_only(plan, written, "1h6m"));
    spoilt("nobody_waits_for_the_last_writers", "quickstart", |plan| drop(plan, written));
    spoilt("the_grace_period_cut_short", "quickstart", |plan| {
        wait_only(plan, |part| waits(part, &Waiting::Grace), "1h");
    });
    let mut scene = find("notelett");
    let no_soak = Retire::After { after: span("0s"), destroy_after: None };
    tamper::keys(&mut scene, |key| key.retire = no_soak);
    let mut plan = sound(&scene);
    wait_only(&mut plan, |part| waits(part, &Waiting::Soak), "30m");
    refused("caches_longer_than_the_wait", plan);
    spoilt("destroyed_before_the_watch_is_over", "destroy-where-nothing-disables", |plan| {
        wait_only(plan, |part| waits(part, &Waiting::Watch), "1s");
    });
    spoilt("retired_before_the_service_has_landed", "nico", |plan| {
        drop(plan, |part| waits(part, &Waiting::Landed));
    });
}

#[test]
fn steps_left_out() {
    spoilt("a_delivery_skipped", "certautopilot", |plan| {
        drop(plan, |part| matches!(part, Part::Deliver { fleet } if fleet.as_str() == "pods"));
    });
    spoilt("the_closing_round_dropped", "quickstart", |plan| drop(plan, |part| *part == Part::Close));
    spoilt("withdrawn_without_a_restart", "certautopilot", |plan| drop(plan, |part| restarts(part, Why::Forget)));
    let anew = "destroy-what-members-are-given-anew";
    spoilt("destroyed_and_still_in_every_copy", anew, |plan| drop(plan, |part| matches!(part, Part::Withdraw { .. })));
    spoilt("destroyed_and_still_remembered", anew, |plan| drop(plan, |part| restarts(part, Why::Forget)));
    spoilt("never_retired", "quickstart", |plan| drop(plan, |part| *part == Part::Retire));
    spoilt("a_check_left_out", "checks-at-every-moment", |plan| {
        drop(
            plan,
            |part| matches!(part, Part::Check { when, .. } if *when == keyrota::policy::meant::check::When::Moved),
        );
    });
    spoilt("destroyed_uncounted", "destroy-a-disabled-version", |plan| drop(plan, |part| *part == Part::Recount));
    spoilt("the_third_member_started_unswept", "three-members-take-turns", |plan| {
        let third = |part: &Part| part.member().is_some_and(|member| member.as_str() == "ctl-3");
        drop(plan, |part| matches!(part, Part::Sweep { .. }) && third(part));
    });
}

#[test]
fn gates_taken_out() {
    spoilt("an_empty_list_of_members", "certautopilot", |plan| {
        change(plan, readable, |step| {
            for gate in &mut step.gates {
                if let Gate::Proof { at_least, .. } = gate {
                    *at_least = 0;
                }
            }
        });
    });
    spoilt("the_window_taken_out", "notelett", |plan| {
        change(plan, |part| *part == Part::Add, |step| step.gates.clear())
    });
    spoilt("a_switch_passed_off_as_safe", "quickstart", |plan| {
        change(plan, |part| *part == Part::Switch, |step| step.risk = Risk::Safe);
    });
    let mut scene = find("destroy-a-disabled-version");
    let need = [(Risk::Switch, 1), (Risk::Irreversible, 2)].into();
    scene.project.settings.approval = Some(Approval { signers: "allowed_signers".into(), need });
    let mut plan = sound(&scene);
    change(&mut plan, |part| *part == Part::Destroy, |step| step.gates.clear());
    refused("nobody_asked", plan);
    spoilt("a_gate_while_members_cannot_start", "uptrakit", |plan| {
        let second = |part: &Part| part.member().is_some_and(|member| member.as_str() == "ctl-2");
        let starts = |part: &Part| restarts(part, Why::Follow) && second(part);
        change(plan, starts, |step| step.gates.push(Gate::Approval { class: Risk::Switch }));
    });
}

#[test]
fn destroyed_too_early() {
    spoilt("a_backup_may_come_back", "destroy-a-disabled-version", |plan| {
        for bound in plan.units.iter_mut().flat_map(|unit| &mut unit.bounds) {
            bound.there.span = span("34d");
        }
    });
    spoilt("nobody_has_counted_since_when", "destroy-a-disabled-version", |plan| {
        plan.units[0].bounds.retain(|bound| !bound.needed[0].name.contains("restorable_for"));
    });
    spoilt("kept_for_ever_by_the_policy", "destroy-a-disabled-version", |plan| {
        plan.policies[0].keys.values_mut().for_each(|key| key.retire = Retire::Never);
    });
    spoilt("values_that_nobody_sees", "quickstart", |plan| {
        plan.policies[0].stores.values_mut().for_each(|store| store.place = Place::Unseen);
    });
}

/// Policies that no order of steps can make safe.
#[test]
fn policies_that_cannot_be_safe() {
    let drawn = |name: &str, of: &str, spoil: &dyn Fn(&mut Scene)| {
        let mut scene = find(of);
        sound(&scene);
        spoil(&mut scene);
        refused(name, scene.draw(None));
    };
    drawn("a_joiner_with_only_the_old_version", "certautopilot", &|scene| {
        tamper::fleets(scene, |fleet| {
            if fleet.writes != Writes::Never {
                fleet.joins = Joins::Any;
            }
        });
    });
    drawn("holds_one_and_opens_at_any_time", "uptrakit", &|scene| {
        tamper::fleets(scene, |fleet| fleet.opens = Opens::AnyTime);
    });
    drawn("holds_one_and_values_change_one_by_one", "uptrakit", &|scene| {
        tamper::stores(scene, |store| store.atomic = false);
    });
    drawn("holds_one_and_deliveries_prove_nothing", "uptrakit", &|scene| {
        tamper::fleets(scene, |fleet| fleet.deliver.iter_mut().for_each(|deliver| deliver.proves = false));
    });
    drawn("holds_one_and_takes_another_while_it_runs", "uptrakit", &|scene| {
        tamper::fleets(scene, |fleet| fleet.learns = Learns::Every { every: span("1h"), margin: span("6m") });
    });
    drawn("slower_to_learn_than_others_to_write", "nvcf", &|scene| {
        tamper::fleets(scene, |fleet| {
            if fleet.writes != Writes::Current {
                fleet.writes = Writes::NewestAfter(span("20h"));
            }
        });
    });
    drawn("no_time_left_to_rescue_a_silent_member", "nvcf", &|scene| {
        tamper::fleets(scene, |fleet| {
            if fleet.writes != Writes::Current {
                fleet.writes = Writes::NewestAfter(span("26h30m"));
            }
        });
    });
    drawn("members_that_count_anew_whenever_they_start", "quickstart", &|scene| {
        tamper::fleets(scene, |fleet| fleet.writes = Writes::NewestAfter(span("4h")));
    });
    drawn("accepted_for_less_than_it_lasts", "nvcf", &|scene| {
        tamper::keys(scene, |key| key.accepts.iter_mut().for_each(|accept| accept.at_most = Some(span("25h"))));
    });
    // 10m each for the controllers' restarts: the scheduler would have to bear it for 20m.
    drawn("accepted_for_less_than_the_span_lasts", "uptrakit", &|scene| {
        tamper::fleets(scene, |fleet| {
            if let Some(restart) = &mut fleet.restart {
                restart.within = span("10m");
            }
        });
    });
    drawn("accepted_for_less_than_moving_so_much_takes", "uptrakit", &|scene| {
        let stores = scene.world.keys.values_mut().flat_map(|key| key.stores.values_mut());
        let counts = stores.filter_map(|store| store.census.as_mut()).flat_map(|census| census.under.values_mut());
        counts.for_each(|count| *count = 60_000_000);
    });
    drawn("accepted_until_yesterday", "nvcf", &|scene| {
        let hour = scene.world.hour;
        tamper::keys(scene, |key| key.accepts.iter_mut().for_each(|accept| accept.until = hour));
    });
}

/// What was accepted when the plan was drawn must be accepted when it is opened.
#[test]
fn an_acceptance_must_last_until_the_plan_is_opened() {
    use keyrota::approval;
    use keyrota::approval::Denied;
    use keyrota::journal::Ledger;
    use keyrota::plan::Document;
    let mut scene = find("uptrakit");
    scene.project.settings.plans_expire = Some(span("90d"));
    let proved = keyrota::prove::check(scene.draw(None)).unwrap();
    let open = |plan: &keyrota::plan::Plan, at: &str| {
        approval::grant(Document::of(plan.clone()), &Ledger::default(), at.parse().unwrap(), &[]).map(|_| ())
    };
    assert_eq!(open(&proved, "2026-12-31T23:59:59Z"), Ok(()));
    let denied = open(&proved, "2027-01-01T00:00:00Z").unwrap_err();
    assert!(matches!(&denied, Denied::NotAccepted { risk, .. } if risk == "K207"), "{denied}");
    let told = "this plan takes the risk K207 for `agent-1`, which the policy of `uptrakit/agent-1` accepted until \
                2027-01-01 00:00 UTC";
    assert_eq!(denied.to_string(), told);
    // A longer acceptance beside it is enough; destroying runs no such hazard.
    let mut longer = proved.clone();
    for key in longer.policies.iter_mut().flat_map(|policy| policy.keys.values_mut()) {
        let more = key
            .accepts
            .iter()
            .map(|accept| Accept { until: scene.world.hour + chrono::TimeDelta::days(80), ..accept.clone() });
        let more: Vec<Accept> = more.collect();
        key.accepts.extend(more);
    }
    assert_eq!(open(&longer, "2027-01-01T00:00:00Z"), Ok(()));
}

/// A hazard is accepted by its name for one fleet, and nothing else is.
#[test]
fn an_acceptance_mutes_one_story_only() {
    let without = |of: &str| {
        let mut scene = find(of);
        tamper::keys(&mut scene, |key| key.accepts.clear());
        scene.draw(None)
    };
    refused("k207_not_accepted", without("uptrakit"));
    refused("k203_not_accepted", without("nvcf"));
    let mut other = find("uptrakit");
    let fleet = Some("scheduler".parse().unwrap());
    tamper::keys(&mut other, |key| key.accepts.iter_mut().for_each(|accept| accept.fleet.clone_from(&fleet)));
    refused("k207_accepted_for_another_fleet", other.draw(None));
    spoilt("k207_accepted_and_a_sweep_left_out", "uptrakit", |plan| {
        drop(plan, |part| matches!(part, Part::Sweep { .. }))
    });
    spoilt("k207_accepted_and_a_delivery_left_out", "uptrakit", |plan| {
        drop(plan, |part| matches!(part, Part::Deliver { .. }));
    });
    spoilt("k207_accepted_and_late_writers_forgotten", "uptrakit", |plan| drop(plan, written));
    spoilt("k203_accepted_and_no_deadline_kept", "nvcf", |plan| {
        for fleet in plan.policies[0].fleets.values_mut().filter(|fleet| fleet.writes != Writes::Current) {
            fleet.writes = Writes::NewestAfter(span("12h"));
        }
    });
}

#[test]
fn keys_that_meet() {
    spoilt("keys_planned_apart", "two-keys-of-one-column", |plan| {
        let other = plan.units[0].clone();
        plan.units.push(other);
        for (unit, slot) in plan.units.iter_mut().zip([0, 1]) {
            let key = unit.keys[slot].clone();
            let first = unit.steps.iter().position(|step| step.key == slot).unwrap();
            unit.steps.retain(|step| step.key == slot);
            for step in &mut unit.steps {
                step.key = 0;
                step.needs.retain(|need| need.step >= first);
                step.needs.iter_mut().for_each(|need| need.step -= first);
            }
            unit.keys = vec![key];
        }
    });
}
