//! What is missing, wrong or gone: a clear word that names the thing and the way out, an exit code, and nothing changed.

use super::site::Site;
use serde_json::json;
use std::fs;

/// Without the breaks that a narrow paper asks for.
fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn says(site: &Site, asked: &[&str], code: i32, words: &[&str]) {
    let said = site.stage.run(asked);
    let told = in_a_line(&(said.out + &said.err));
    assert_eq!(said.code, Some(code), "{told}");
    words.iter().for_each(|word| assert!(told.contains(word), "no `{word}` in {told}"));
}

#[test]
fn each_ends_in_a_clear_word_and_changes_nothing() {
    let site = Site::new();
    site.policy("nico.toml", &[]);
    site.script("check.py", &["--save", "was.json"]);
    let (config, secrets) = (site.read("site/carbide.toml"), site.read("site/secrets.json"));
    let unchanged = |secrets: &str| {
        assert_eq!(
            (site.read("site/carbide.toml"), site.read("site/secrets.json")),
            (config.clone(), secrets.to_owned())
        );
    };
    let drawn = ["plan", "-o", "plan.json", "--exit-code"];
    let place = |name: &str| site.stage.at().join("site").join(name);

    // A missing permission.
    for kind in ["pem", "key"] {
        fs::rename(place(&format!("admin.{kind}")), place(&format!("kept.{kind}"))).unwrap();
        fs::copy(place(&format!("tenant.{kind}")), place(&format!("admin.{kind}"))).unwrap();
    }
    says(&site, &drawn, 5, &["nico/machine-identity", "the service does not let us", "only the Forge Admin CLI may"]);
    for kind in ["pem", "key"] {
        fs::rename(place(&format!("kept.{kind}")), place(&format!("admin.{kind}"))).unwrap();
    }
    // A dead server.
    let front = format!("https://127.0.0.1:{}", site.front);
    site.stage.set("NICO_ENDPOINT", &format!("https://127.0.0.1:{}", crate::stage::port()));
    says(&site, &drawn, 5, &["tenant-identity", "refuses connections"]);
    site.stage.set("NICO_ENDPOINT", &front);
    unchanged(&secrets);

    // Another key of that name: in the document alone it is seen before anything begins.
    says(&site, &drawn, 2, &["kv1"]);
    let other = wrong(&secrets);
    site.stage.write("site/secrets.json", &other);
    says(&site, &["apply", "plan.json"], 5, &["the material of version `kv1` is another", "nothing was changed"]);
    unchanged(&other);
    site.stage.write("site/secrets.json", &secrets);
    assert_eq!(site.check(&["--was", "was.json"]), json!({ "under": { "kv1": 72 }, "bad": [] }));
}

/// The service compares ids before it opens anything: while the pointer names the old key it opens nothing, whatever it holds.
#[test]
fn a_key_that_opens_nothing_is_found_by_a_tenant_or_by_the_first_dry_run_that_moves() {
    let site = Site::new();
    site.script("check.py", &["--save", "was.json"]);
    let (config, secrets) = (site.read("site/carbide.toml"), site.read("site/secrets.json"));
    let started_on = |text: &str| {
        site.stage.write("site/secrets.json", text);
        for member in ["nico-api-0", "nico-api-1"] {
            site.stage.write(&format!("site/{member}/secrets.json"), text);
            site.restart(member);
        }
    };
    started_on(&wrong(&secrets));
    let drawn = ["plan", "-o", "plan.json", "--exit-code"];
    // A check that has a token issued says so before anything begins.
    let issue = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/worlds/python/nico/issue.py");
    let script = format!("#!/bin/sh\nexec {} {issue} {} org-one >&2\n", crate::stage::python(), site.front);
    site.stage.script("site/issue-token", &script);
    site.stage.write("keyrota.toml", &site.read("keyrota.toml").replace("\"grep\"", "\"grep\", \"site/issue-token\""));
    let enabled = "[[key.machine-identity.check]]\nname = \"enabled\"";
    let token = "[[key.machine-identity.check]]\nname = \"token\"\nwhen = [\"before\", \"switched\", \"moved\"]\n\
        command = [\"site/issue-token\"]\n\n";
    site.policy("nico.toml", &[(enabled, &format!("{token}{enabled}"))]);
    says(&site, &drawn, 2, &["kv1"]);
    says(&site, &["apply", "plan.json"], 1, &["1-check", "pass check `token`"]);
    assert_eq!((site.read("site/carbide.toml"), site.read("site/secrets.json")), (config.clone(), wrong(&secrets)));
    site.stage.done(&["cancel", &site.run()]);
    // Without one it is the first call that would move something: nothing is moved, both keys stay, and it is named.
    site.policy("nico.toml", &[]);
    says(&site, &drawn, 2, &["kv1"]);
    says(&site, &["apply", "plan.json"], 1, &["9-rewrap", "decryption failed", "organization_id='org-000'"]);
    assert_eq!(site.held("site/secrets.json"), ["kv1", "kv2"]);
    let told = site.stage.run(&["why", "nico/machine-identity@kv1"]);
    assert!(told.out.contains("quarantine"), "{}", told.out);
    // The key is brought back, what failed is tried again, and it goes on.
    started_on(&wrong(&site.read("site/secrets.json")).replace(WRONG, &kv1(&secrets)));
    let retried = site.stage.run(&["quarantine", "retry"]);
    assert_eq!(retried.code, Some(0), "{}\n{}", retried.out, retried.err);
    site.finished(&[]);
    assert_eq!(site.check(&["--was", "was.json"]), json!({ "under": { "kv2": 72 }, "bad": [] }));
}

const WRONG: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn kv1(secrets: &str) -> String {
    let held: serde_json::Value = serde_json::from_str(secrets).unwrap();
    held["machine_identity"]["encryption_keys"]["kv1"].as_str().unwrap().to_owned()
}

/// The same document with another key of that name.
fn wrong(secrets: &str) -> String {
    secrets.replace(&kv1(secrets), WRONG)
}
