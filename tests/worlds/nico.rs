//! NICo: a secrets document, a pointer in TOML, instances that read both only when they start, and rows that the service seals
//! anew when it is asked. `nico_postgres` moves the same rows without it.

mod end;
mod paths;
mod site;
mod wrong;

use serde_json::json;
use site::Site;
use std::fs;

#[test]
fn the_world_refuses_what_the_real_one_refuses() {
    let site = Site::new();
    let [own, _] = site.ports;
    let said = site.script("refusals.py", &[&site.front.to_string(), "nico-api-0", &own.to_string()]);
    assert_eq!(said.lines().filter(|line| line.starts_with("refused: ")).count(), 10, "{said}");
    assert!(said.contains("all refused"), "{said}");
}

#[test]
fn an_instance_that_only_says_that_it_restarted_is_not_believed() {
    let site = Site::new();
    site.policy("nico.toml", &[]);
    site.script("check.py", &["--save", "was.json"]);
    let config = site.read("site/carbide.toml");
    site.plan(&[]);
    site.stage.write("site/nico-api-1/stuck", "");
    // Every second connection is answered by the one with the old pointer.
    let said = site.finish(&["plan.json"]);
    assert_eq!(said.code, Some(1), "{}\n{}", said.out, said.err);
    let told = said.out + &said.err;
    assert!(told.contains("it moves to `kv1`, not to `kv2`"), "{told}");
    assert!(told.contains("an instance that has not restarted may have answered"), "{told}");
    assert_eq!(site.check(&["--was", "was.json"])["bad"], json!([]));
    fs::remove_file(site.stage.at().join("site/nico-api-1/stuck")).unwrap();
    site.restart("nico-api-1");
    site.saw(1, "nico-api-1 started with kv2");
    site.finished(&[]);
    // Comments, order and blanks of the pointer's file survive.
    assert_eq!(site.read("site/carbide.toml"), config.replace("\"kv1\"", "\"kv2\""));
    assert_eq!(site.check(&["--was", "was.json"])["under"], json!({ "kv2": 72 }));
}

#[test]
fn an_unreadable_row_is_named_and_a_late_write_is_found() {
    let site = Site::new();
    site.policy("nico.toml", &[]);
    site.plan(&[]);
    site.script("plant.py", &["org-two", "encrypted_signing_key_2", "broken"]);
    let said = site.finish(&["plan.json"]);
    assert_eq!(said.code, Some(1), "{}\n{}", said.out, said.err);
    let told = said.out + &said.err;
    assert!(told.contains("encrypted_signing_key_2` where organization_id='org-two'"), "{told}");
    let listed = site.stage.done(&["quarantine", "list"]);
    assert!(
        listed.contains("org-two") && listed.contains("decryption failed") && listed.contains("names `kv1`"),
        "{listed}"
    );
    assert_eq!(site.check(&[])["under"], json!({ "kv1": 71 }), "nothing is moved before what fails is settled");
    let retried = site.stage.run(&["quarantine", "retry"]);
    assert_eq!(retried.code, Some(5), "{}", retried.out);
    site.script("plant.py", &["org-two", "encrypted_signing_key_2", "kv1"]);
    let retried = site.stage.run(&["quarantine", "retry"]);
    assert_eq!(retried.code, Some(0), "{}\n{}", retried.out, retried.err);
    // To the gate before the closing round.
    let said = site.stage.run(&["apply", "--exit-code"]);
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    assert_eq!(site.check(&[])["under"], json!({ "kv2": 72 }));
    site.script("plant.py", &["org-one", "encrypted_signing_key_1", "kv1"]);
    let ended = site.finished(&[]);
    assert_eq!(site.check(&[])["under"], json!({ "kv2": 72 }), "{ended}");
    let shown = site.stage.done(&["journal", "show"]);
    assert!(shown.contains("ahead again"), "{shown}");
}

#[test]
fn a_roll_out_goes_scope_by_scope_and_stops_at_one_that_is_not_there() {
    let site = Site::new();
    site.policy("nico.toml", &[("values = []", "values = [\"org-two\", \"org-nobody\"]")]);
    site.plan(&[]);
    let said = site.finish(&["plan.json"]);
    assert_eq!(said.code, Some(1), "{}\n{}", said.out, said.err);
    let told = said.out + &said.err;
    assert!(told.contains("organization org-nobody has no identity") && told.contains("`scope.values`"), "{told}");
    assert_eq!(site.check(&[])["under"], json!({ "kv1": 69, "kv2": 3 }), "the first scope is moved, the rest is not");
    let shown = site.stage.done(&["journal", "show"]);
    assert!(shown.contains("only `org-two`"), "{shown}");
    // It is a mistake of the policy: the run is given up, and another plan goes on from there.
    site.stage.done(&["cancel", &site.run()]);
    site.policy("nico.toml", &[("values = []", "values = [\"org-two\", \"org-one\"]")]);
    site.plan(&[]);
    site.finished(&["plan.json"]);
    assert_eq!(site.check(&[])["bad"], json!([]));
    assert_eq!(site.check(&[])["under"].as_object().unwrap().len(), 1);
}

#[test]
fn a_pointer_that_was_moved_by_hand_ends_in_a_rewrap_only_plan_and_back_again() {
    let site = Site::new();
    site.policy("nico.toml", &[]);
    site.script("check.py", &["--save", "was.json"]);
    site.plan(&[]);
    site.finished(&["plan.json"]);
    assert_eq!(site.check(&["--was", "was.json"])["under"], json!({ "kv2": 72 }));
    // Somebody points back: both keys stay, and the values follow.
    let config = site.read("site/carbide.toml");
    site.stage.write("site/carbide.toml", &config.replace("\"kv2\"", "\"kv1\""));
    let drawn = site.plan(&[]);
    assert!(!drawn.contains("make the new version") && drawn.contains("let the service move its values"), "{drawn}");
    site.finished(&["plan.json"]);
    assert_eq!(site.check(&["--was", "was.json"])["under"], json!({ "kv1": 72 }));
    assert!(site.read("site/secrets.json").contains("\"kv2\""));
}
