//! What `keyrota report` tells a reviewer of whole rotations, in its three forms: each thing that the design promises is
//! brought about for real, and looked for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

#[path = "support/binary.rs"]
mod binary;
#[path = "support/canary.rs"]
mod canary;
#[path = "support/project.rs"]
mod project;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use binary::said;
use project::Kind;
use project::Project;

fn done(at: &Path, words: &[&str]) -> String {
    let output = binary::run(at, words);
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A project with an edited policy.
fn make(folder: &Path, kind: Kind, edits: &[(&str, &str)]) -> Project {
    let at = folder.join("project");
    fs::create_dir(&at).unwrap();
    let project = Project::make(&at, kind, 30);
    let policy = at.join("policies/app.toml");
    let mut text = fs::read_to_string(&policy).unwrap();
    for (from, to) in edits {
        assert!(text.contains(from), "`{from}` in\n{text}");
        text = text.replace(from, to);
    }
    fs::write(policy, text).unwrap();
    project
}

/// Rotates, destroys, and tells both in three forms.
fn tell(project: &Project, folder: &Path, older: &str) -> [String; 3] {
    let at = &project.at;
    let file = |name: &str| folder.join(format!("{name}-{older}")).to_str().unwrap().to_owned();
    done(at, &["plan", "--key", project::KEY, "-o", &file("plan")]);
    done(at, &["apply", &file("plan"), "--wait"]);
    thread::sleep(Duration::from_millis(1100));
    done(at, &["plan", "--destroy", "-o", &file("destroy")]);
    done(at, &["apply", &file("destroy"), "--wait", "--destroy", &format!("app/kek@{older}")]);
    let told = [&["report"][..], &["report", "--markdown"], &["report", "--json"]].map(|words| done(at, words));
    project.search(&[("report", told.concat().as_bytes())]);
    told
}

/// Each of these is in the text and in the Markdown; lines are broken where the paper ends.
fn in_both(told: &[String; 3], sights: &[&str]) {
    for form in &told[..2] {
        let plain = form.replace("<code>", "`").replace("</code>", "`").replace("&#95;", "_");
        let flat = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        for sight in sights {
            assert!(flat.contains(sight), "`{sight}` is not in\n{form}");
        }
    }
}

fn json(told: &[String; 3]) -> serde_json::Value {
    serde_json::from_str(&told[2]).unwrap()
}

const WITHDRAW: &str = "withdraw = { command = [\"site/drop-key\", \"{{ member }}\", \"{{ id }}\"] }\n";

#[test]
fn of_copies_that_nobody_took_back() {
    let folder = project::folder();
    let edits = [(WITHDRAW, ""), ("about = \"faults\"", "about = \"faults\"\ncontrols = [\"soc2:cc6.1\"]")];
    let project = make(folder.path(), Kind::One, &edits);
    let told = tell(&project, folder.path(), "v1");
    in_both(
        &told,
        &[
            "soc2:cc6.1",
            "`web` could read the new version",
            "every member proved it",
            "ctl-1: holds it, proven",
            "`v1` destroyed",
            "2 delivered copies of which nobody proved that they are gone: web/ctl-1, web/ctl-2",
            "K207 for `web`",
            "nobody knows since when `v1` was current",
            "before 30 under `v1`; after 30 under `v2`",
            "keyrota journal verify --witness",
        ],
    );
    let report = json(&told);
    let (rotation, destruction) = (&report["rotations"][0], &report["rotations"][1]);
    assert_eq!(rotation["readable"][0]["proven"], true);
    assert_eq!(rotation["readable"][0]["delivered"]["ctl-2"], "holds it, proven");
    // Before anybody wrote.
    let turned = report["keys"][0]["timeline"].as_array().unwrap().iter().find(|turn| turn["how"] == "switched to");
    let hour = |value: &serde_json::Value| value.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(hour(&rotation["readable"][0]["at"]) <= hour(&turned.unwrap()["at"]));
    assert_eq!(destruction["certificates"][0]["what"], "destroyed");
    assert_eq!(destruction["certificates"][0]["unproven_copies"], serde_json::json!(["web/ctl-1", "web/ctl-2"]));
    // Forecast beside fact, for every step.
    for step in rotation["steps"].as_array().unwrap() {
        assert!(step["expected"].is_string() && step["done_at"].is_string(), "{step}");
    }
    // The population for sampling, the basis included; a second rotation has its own copies to tell of.
    assert_eq!(report["due"].as_array().unwrap().len(), 2);
    let again = tell(&project, folder.path(), "v2");
    in_both(&again, &["`v2` destroyed", "2 delivered copies of which nobody proved that they are gone"]);
    let due = &json(&again)["due"];
    assert_eq!(due.as_array().unwrap().len(), 3);
    assert_eq!(due[1]["version"], "v2");
    assert_eq!(due[1]["basis"], "our own switch, by the journal");
    assert!(due[1]["early"].is_string() && due[1]["late"].is_null() && due[2]["changed_at"].is_null(), "{due}");
}

#[test]
fn of_copies_that_were_taken_back() {
    let folder = project::folder();
    let project = make(folder.path(), Kind::One, &[]);
    let told = tell(&project, folder.path(), "v1");
    assert!(!told[0].contains("delivered cop") && !told[1].contains("delivered cop"), "{}", told[0]);
    assert_eq!(json(&told)["rotations"][1]["certificates"][0]["unproven_copies"], serde_json::json!([]));
    in_both(&told, &["accepted by the policy: K207 for `web`, for at most 1h, until", "no data is at risk"]);
    assert_eq!(json(&told)["rotations"][0]["accepted"][0]["risk"], "K207");
}

#[test]
fn of_what_was_timed_and_not_proven_and_of_rules_gone_past() {
    let folder = project::folder();
    let project = make(folder.path(), Kind::Plain, &[]);
    let at = &project.at;
    project.connect().execute("UPDATE data_keys SET wrapped = ?1 WHERE id = 9", ["00".repeat(60)]).unwrap();
    let file = folder.path().join("plan");
    let file = file.to_str().unwrap();
    done(at, &["plan", "--key", project::KEY, "-o", file]);
    let stopped = binary::run(at, &["apply", file, "--wait"]);
    assert_eq!(stopped.status.code(), Some(1), "{}", said(&stopped));
    let waiting = done(at, &["quarantine", "list", "--json"]);
    let waiting: serde_json::Value = serde_json::from_str(&waiting).unwrap();
    let id = waiting[0]["id"].as_str().unwrap();
    done(at, &["quarantine", "accept", id, "--because", "it was broken before"]);
    done(at, &["apply", "--wait"]);
    let told = [&["report"][..], &["report", "--markdown"], &["report", "--json"]].map(|words| done(at, words));
    in_both(
        &told,
        &[
            "`web` could read the new version",
            "timed, not proven: by the delay that the policy declares",
            "by the delays that the policy declares, nobody has written with `v1` since",
            "it was broken before",
            "may be lost",
        ],
    );
    let report = json(&told);
    assert_eq!(report["rotations"][0]["readable"][0]["proven"], false);
    assert_eq!(report["overrides"].as_array().unwrap().len(), 1);
    assert!(!report["failures"].as_array().unwrap().is_empty(), "{report}");
}
