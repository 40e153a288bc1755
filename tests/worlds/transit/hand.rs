//! What somebody else did to the key: a version made by hand, and an engine that rotates by itself.

use serde_json::json;

use super::bao::Server;
use super::site::KEY;
use super::site::Site;
use super::site::in_a_line;
use super::site::prepared;

#[test]
fn a_version_made_by_hand_is_taken_over_and_its_values_move() {
    let site = Site::new(60);
    site.bao.put("transit/keys/records/rotate", json!({}));
    site.all_write(2);
    let shown = site.plan(&[]);
    assert!(!shown.contains("make the new version"), "{shown}");
    site.apply(&[]);
    assert_eq!(["latest_version", "min_decryption_version"].map(|word| site.number(word)), [2, 2]);
    site.all_under(2);
    site.nobody_failed();
    site.nothing_is_due();
}

#[test]
fn a_version_that_somebody_makes_after_the_plan_stops_the_run() {
    let site = Site::still(prepared(Server::fresh()), 10);
    site.plan(&["--key", KEY]);
    site.bao.put("transit/keys/records/rotate", json!({}));
    let said = site.stage.run(&["apply", "plan.json", "--wait"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert_eq!(site.number("latest_version"), 2, "none was made");
    assert!(in_a_line(&said).contains("`2`"), "{said:?}");
    // Planned anew, it is the version that everything moves to.
    site.plan(&[]);
    site.apply(&[]);
    site.all_under(2);
}

#[test]
fn an_engine_that_rotates_by_itself_is_reported() {
    let site = Site::still(prepared(Server::fresh()), 3);
    site.bao.put("transit/keys/records/config", json!({ "auto_rotate_period": "720h" }));
    for words in [&["plan"][..], &["status"]] {
        let said = site.stage.run(words);
        assert!(in_a_line(&said).contains("720h"), "{words:?}: {said:?}");
    }
}
