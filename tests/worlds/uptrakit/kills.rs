//! The program dies wherever it may, and goes on.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;

use super::site::Kind;
use super::site::Site;
use super::site::Wish;

/// Killed as each step begins, once, whatever that step does.
#[test]
fn killed_at_every_step_it_goes_on() {
    let site = Site::new(&Wish::new(Kind::Sqlite));
    site.stage.done(&["plan", "-o", "plan.json"]);
    let mut killed = BTreeSet::new();
    loop {
        assert!(killed.len() < 60);
        let mut run = site.stage.keyrota(&["apply", "plan.json", "--wait"]).spawn().unwrap();
        let mut new = None;
        for line in BufReader::new(run.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(step) = line.strip_suffix(" ...").and_then(|line| line.split(':').next())
                && killed.insert(step.to_owned())
            {
                new = Some(step.to_owned());
                break;
            }
        }
        if new.is_none() {
            assert!(run.wait().unwrap().success());
            break;
        }
        run.kill().unwrap();
        run.wait().unwrap();
    }
    assert!(killed.len() >= 35, "{killed:?}");
    site.judged("v2", "v1");
    site.nobody_was_stranded();
    assert!(site.stage.done(&["plan", "--exit-code"]).contains("nothing to do"));
}

/// Killed while a program of the operators' is at work, which goes on without us.
#[test]
fn killed_inside_a_delivery_a_restart_or_a_withdrawal_it_goes_on() {
    let site = Site::new(&Wish::new(Kind::Postgres));
    site.stage.done(&["plan", "-o", "plan.json"]);
    let events =
        ["all-run-v3", "put-key ctl-2 v2", "restart agent-1", "restart ctl-1", "restart ctl-2", "restart scheduler"];
    for event in events.into_iter().chain(["shred-key ctl-1 v1"]) {
        let mut run = site.stage.keyrota(&["apply", "plan.json", "--wait"]).spawn().unwrap();
        site.hook(event, &[&format!("die {}", run.id())]);
        let mut said = String::new();
        std::io::Read::read_to_string(&mut run.stderr.take().unwrap(), &mut said).unwrap();
        assert_eq!(run.wait().unwrap().code(), None, "{event}: {said}");
    }
    site.stage.done(&["apply", "plan.json", "--wait"]);
    site.judged("v2", "v1");
    site.nobody_was_stranded();
}
