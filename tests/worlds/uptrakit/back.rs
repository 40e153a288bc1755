//! The other direction: from the middle of the span, and from after the last restart.

use super::site::Kind;
use super::site::Site;
use super::site::Wish;

fn cancelled(site: &Site) {
    let status: serde_json::Value = serde_json::from_str(&site.stage.done(&["status", "--json"])).unwrap();
    let run = status["runs"][0]["run"].as_str().unwrap().to_owned();
    site.stage.done(&["cancel", &run]);
}

/// Takes the controllers' key back, and everything is under the old version again, with what was made since.
fn goes_back(site: &Site) {
    let planned = site.stage.run(&["plan", "--back", "uptrakit/master", "-o", "back.json"]);
    assert_eq!(planned.code, Some(0), "{}{}", planned.out, planned.err);
    site.stage.done(&["apply", "back.json", "--wait"]);
    site.python("judge.py", &["back", &site.database, "before.json", "keys/master/v1.key", "keys/master/v2.key"]);
    site.nobody_was_stranded();
    for name in ["ctl-1", "ctl-2"] {
        assert!(site.points(name).contains(&format!("hosts/{name}/v1.key")), "{}", site.points(name));
    }
    assert!(site.stage.done(&["verify"]).contains("Every value opens"));
}

#[test]
fn given_up_inside_the_span_it_goes_back() {
    let site =
        Site::new(&Wish { mints_every: 0, ..Wish::new(Kind::Postgres) }.with("within = \"2m\"", "within = \"20s\""));
    site.hook("restart ctl-2", &["mint ctl-1", "spoil ctl-2"]);
    site.stage.done(&["plan", "-o", "plan.json"]);
    let said = site.stage.run(&["apply", "plan.json", "--wait"]);
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    cancelled(&site);
    goes_back(&site);
}

#[test]
fn after_the_last_restart_it_goes_back() {
    let site = Site::new(
        &Wish::new(Kind::Sqlite)
            .with("after = \"2s\", destroy_after = \"6s\"", "after = \"1h\", destroy_after = \"36d\""),
    );
    site.stage.done(&["plan", "-o", "plan.json"]);
    crate::stage::until("normal traffic to run", || {
        let said = site.stage.done(&["apply", "plan.json"]);
        said.contains("18-wait: let normal traffic run") && said.contains("11-wait: let normal traffic run")
    });
    cancelled(&site);
    goes_back(&site);
}
