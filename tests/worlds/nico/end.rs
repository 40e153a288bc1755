//! A key's whole life while tenants read and write: it takes over, goes back, takes over again, and the old one ends.

use super::site::KEY;
use super::site::Site;
use serde_json::json;
use std::thread;
use std::time::Duration;

/// The keys under which values are.
fn under(site: &Site) -> Vec<String> {
    let seen = site.check(&[]);
    assert_eq!(seen["bad"], json!([]));
    seen["under"].as_object().unwrap().keys().cloned().collect()
}

/// Draws a plan and carries it out, killed at every line of the journal.
fn killed(site: &Site, asked: &[&str], applied: &[&str], at_least: usize) -> String {
    let drawn = site.plan(asked);
    assert!(drawn.contains("safe: proved"), "{drawn}");
    let kills = site.stage.killed_at_every_line(&[&["apply", "plan.json", "--wait"], applied].concat());
    assert!(kills >= at_least, "killed only {kills} times");
    drawn
}

#[test]
fn it_rotates_and_the_old_key_ends_however_often_it_is_killed() {
    let mut site = Site::new();
    site.policy("nico.toml", &[]);
    let (config, secrets) = (site.read("site/carbide.toml"), site.read("site/secrets.json"));
    site.let_tenants_in();
    site.stage.done(&["validate"]);
    let status = site.stage.run(&["status"]);
    assert!(status.out.contains(KEY), "{}", status.out);
    let drawn = killed(&site, &[], &[], 5);
    assert!(drawn.contains("let the service move its values") && drawn.contains("let the service count"), "{drawn}");
    // Every value is under the new key, and every other byte of pointer and secrets is as it was.
    assert_eq!(under(&site), ["kv2"]);
    assert_eq!(site.read("site/carbide.toml"), config.replace("\"kv1\"", "\"kv2\""));
    let now = site.read("site/secrets.json");
    for line in secrets.lines().filter(|line| !line.contains("kv1")) {
        assert!(now.contains(line), "`{line}` is gone from {now}");
    }
    site.all_hold(&["kv1", "kv2"], "kv2");
    site.no_tenant_was_stranded();
    site.nothing_is_due();
    let verified = site.stage.done(&["verify"]);
    assert!(verified.contains("Services name no failure: 44 values"), "{verified}");
    let report = site.stage.done(&["report"]);
    assert!(report.contains("kv2") && report.contains("44"), "{report}");
    let why = site.stage.run(&["why", "nico/machine-identity@kv1"]);
    assert!(why.out.contains("kv1"), "{}", why.out);
    let shown = site.stage.done(&["journal", "show"]);
    assert!(shown.contains("asked the service of `tenant-identity`"), "{shown}");

    // Its end is a plan of its own: out of the document, and then out of every copy.
    thread::sleep(Duration::from_secs(2));
    let drawn = killed(&site, &["--destroy"], &["--destroy", &format!("{KEY}@kv1")], 3);
    let (ends, taken) = (drawn.find("destroy the old version"), drawn.find("take the old version from `api`"));
    assert!(ends.is_some() && ends < taken, "{drawn}");
    site.all_hold(&["kv2"], "kv2");
    assert_eq!(under(&site), ["kv2"]);
    assert_eq!(site.read("site/carbide.toml"), config.replace("\"kv1\"", "\"kv2\""));
    site.no_tenant_was_stranded();
    site.nothing_is_due();
    site.stage.done(&["verify"]);
    site.stage.done(&["journal", "verify"]);
    let report = site.stage.done(&["report"]);
    assert!(report.contains("destroyed"), "{report}");
}

#[test]
fn from_after_the_switch_it_goes_back_and_on_again() {
    let mut site = Site::new();
    site.policy("nico.toml", &[]);
    let config = site.read("site/carbide.toml");
    site.let_tenants_in();
    site.plan(&[]);
    site.finished(&["plan.json"]);
    let drawn = killed(&site, &["--back", KEY], &[], 3);
    assert!(!drawn.contains("make the new version\n"), "{drawn}");
    // Point back, then rewrap back; both keys stay.
    assert_eq!(under(&site), ["kv1"]);
    assert_eq!(site.read("site/carbide.toml"), config);
    site.all_hold(&["kv1", "kv2"], "kv1");
    site.no_tenant_was_stranded();
    let status = site.stage.run(&["status"]);
    assert!((status.out + &status.err).contains("rolled back"));
    killed(&site, &["--to", &format!("{KEY}@kv2")], &[], 3);
    assert_eq!(under(&site), ["kv2"]);
    site.all_hold(&["kv1", "kv2"], "kv2");
    site.no_tenant_was_stranded();
}

#[test]
fn a_removal_that_cannot_be_delivered_stops_and_goes_on() {
    let mut site = Site::new();
    site.policy("nico.toml", &[]);
    site.plan(&[]);
    site.finished(&["plan.json"]);
    site.let_tenants_in();
    thread::sleep(Duration::from_secs(2));
    site.plan(&["--destroy"]);
    let refresh = site.read("site/refresh-credentials");
    site.stage.script("site/refresh-credentials", "#!/bin/sh\nexit 4\n");
    let destroy = ["plan.json", "--destroy", &format!("{KEY}@kv1")];
    let stopped = |words: &[&str]| {
        let said = site.finish(&destroy);
        let told = said.out + &said.err;
        assert_eq!(said.code, Some(1), "{told}");
        words.iter().for_each(|word| assert!(told.contains(word), "no `{word}` in {told}"));
    };
    stopped(&["6-withdraw", "could not take version `kv1` from `nico-api-0`: `site/refresh-credentials` exit 4"]);
    assert_eq!(site.held("site/secrets.json"), ["kv2"]);
    assert_eq!(site.held("site/nico-api-0/secrets.json"), ["kv1", "kv2"]);
    // What comes up now can be opened by members alone: they keep what they have.
    site.stage.script("site/refresh-credentials", &refresh);
    site.script("plant.py", &["org-two", "encrypted_signing_key_2", "broken"]);
    stopped(&["withdraw", "members still hold it: nothing is taken from them"]);
    assert_eq!(site.held("site/nico-api-0/secrets.json"), ["kv1", "kv2"]);
    site.script("plant.py", &["org-two", "encrypted_signing_key_2", "kv2"]);
    site.finished(&destroy);
    site.all_hold(&["kv2"], "kv2");
    site.no_tenant_was_stranded();
    site.nothing_is_due();
}
