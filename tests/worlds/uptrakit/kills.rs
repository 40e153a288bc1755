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
    killed_at_every_step(Kind::Sqlite);
}

#[test]
fn killed_at_every_step_it_goes_on_over_postgresql() {
    killed_at_every_step(Kind::Postgres);
}

fn killed_at_every_step(kind: Kind) {
    let site = Site::new(&Wish::new(kind));
    site.stage.done(&["plan", "-o", "plan.json"]);
    let mut killed = BTreeSet::new();
    loop {
        assert!(killed.len() < 60);
        let mut run = site.stage.keyrota(&["apply", "plan.json", "--wait"]).spawn().unwrap();
        let mut new = None;
        let mut said = String::new();
        for line in BufReader::new(run.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(step) = line.strip_suffix(" ...").and_then(|line| line.split(':').next())
                && killed.insert(step.to_owned())
            {
                new = Some(step.to_owned());
                break;
            }
            said.push_str(&line);
            said.push('\n');
        }
        if new.is_none() {
            let code = run.wait().unwrap().code();
            assert_eq!(code, Some(0), "after {killed:?}: {said}{}", site.log("agent-1"));
            break;
        }
        run.kill().unwrap();
        run.wait().unwrap();
    }
    // A wait may find its gate open.
    let acts = |step: &&String| !step.ends_with("-wait");
    assert!(killed.iter().filter(acts).count() >= 31, "{killed:?}");
    site.judged("v2", "v1");
    site.nobody_was_stranded();
    assert!(site.stage.done(&["plan", "--exit-code"]).contains("nothing to do"));
}

/// Killed in the middle of the one transaction: all of it or nothing of it is there, and it goes on.
#[test]
fn killed_inside_the_one_transaction_it_moves_whole_or_not_at_all() {
    let site = Site::new(&Wish { mints_every: 0, rows: 5_000, ..Wish::new(Kind::Postgres) });
    site.stage.done(&["plan", "--key", "uptrakit/master", "-o", "plan.json"]);
    let mut client = postgres::Client::connect(&site.database, postgres::NoTls).unwrap();
    let mut whole = || {
        let count = "SELECT count(DISTINCT kek_fingerprint), min(kek_fingerprint) FROM data_encryption_keys";
        let row = client.query_one(count, &[]).unwrap();
        assert_eq!(row.get::<_, i64>(0), 1, "a part of it was moved");
        row.get::<_, String>(1)
    };
    let old = whole();
    for turn in 0..12 {
        let mut run = site.stage.keyrota(&["apply", "plan.json", "--wait"]).spawn().unwrap();
        let lines = BufReader::new(run.stderr.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.starts_with("uptrakit/master/6-rewrap: move")));
        std::thread::sleep(std::time::Duration::from_millis(5 << turn));
        run.kill().unwrap();
        run.wait().unwrap();
        if whole() != old {
            assert!(turn > 0, "it was never killed before the end of the transaction");
            break;
        }
    }
    site.stage.done(&["apply", "plan.json", "--wait"]);
    assert!(whole() != old);
    site.nobody_was_stranded();
    assert!(site.stage.done(&["verify", "--key", "uptrakit/master"]).contains("Every value opens"));
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
