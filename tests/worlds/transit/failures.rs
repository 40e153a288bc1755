//! What goes wrong: a clear word that names the thing, the step and the way out, and nothing changed.

use serde_json::json;

use super::bao::Own;
use super::bao::Server;
use super::site::KEY;
use super::site::Site;
use super::site::in_a_line;
use super::site::prepared;

/// The program ends so, with these words, and everything is as it was.
fn refused(site: &Site, words: &[&str], code: i32, wanted: &[&str]) {
    let before = site.everything();
    let said = site.stage.run(words);
    let all = in_a_line(&said);
    assert_eq!(said.code, Some(code), "{words:?}: {all}");
    wanted.iter().for_each(|wanted| assert!(all.contains(wanted), "{words:?}: no `{wanted}` in {all}"));
    assert_eq!(site.everything(), before, "{all}");
}

#[test]
fn what_the_login_may_not_is_named_before_the_first_act() {
    let site = Site::still(prepared(Server::fresh()), 5);
    site.plan(&["--key", KEY]);
    let lacks = "path \"transit/keys/records\" { capabilities = [\"read\"] }\n\
                 path \"transit/decrypt/records\" { capabilities = [\"update\"] }";
    site.bao.policy("rotator", lacks.lines().next().unwrap());
    site.plan(&["--key", KEY]);
    site.bao.policy("rotator", lacks);
    let wanted = [
        "may not: \"update\" on `transit/keys/records/rotate`",
        "add to its policy",
        "path \"transit/rewrap/records\"",
    ];
    refused(&site, &["apply", "plan.json", "--wait"], 1, &wanted);
    site.bao.policy("rotator", "path \"x\" { capabilities = [\"read\"] }");
    refused(&site, &["plan", "--key", KEY], 5, &["permission denied", "transit/keys/records"]);
    site.stage.set("BAO_TOKEN", "s.nobody");
    refused(&site, &["plan", "--key", KEY], 5, &["it does not know the token in variable `BAO_TOKEN`"]);
}

/// It is named, stays as it is and pins its version; all others move. Mended, it moves too.
#[test]
fn a_value_that_does_not_open_is_named_and_left_alone() {
    let site = Site::still(prepared(Server::fresh()), 5);
    let good = site.note(3);
    let bad = format!("{}AAAA{}", &good[..20], &good[24..]);
    let set = |body: &str| site.sqlite().execute("UPDATE notes SET body = ?1 WHERE id = 3", [body]).unwrap();
    set(&bad);
    refused(&site, &["verify"], 1, &["notes.body", "id=3", "does not open"]);
    site.plan(&["--key", KEY]);
    let said = site.stage.run(&["apply", "plan.json", "--wait"]);
    let all = in_a_line(&said);
    assert_eq!(said.code, Some(1), "{all}");
    for wanted in ["6-verify", "1 values are, or may be, under it", "keyrota quarantine list", "Safe to leave: yes"] {
        assert!(all.contains(wanted), "no `{wanted}` in {all}");
    }
    let listed = site.stage.done(&["quarantine", "list"]);
    assert!(listed.contains("id=3") && listed.contains("does not open"), "{listed}");
    assert_eq!(site.note(3), bad);
    assert_eq!(site.number("min_decryption_version"), 1, "what it may be under still opens");
    set(&good);
    site.apply(&[]);
    site.all_under(2);
    site.nothing_is_due();
}

/// Where nothing opens, the key is the wrong one: nothing is made.
#[test]
fn values_of_another_key_stop_it_before_the_first_act() {
    let site = Site::still(prepared(Server::fresh()), 5);
    site.bao.put("transit/keys/records/config", json!({ "deletion_allowed": true }));
    assert_eq!(site.bao.ask("DELETE", "transit/keys/records", None).0, 204);
    site.bao.put("transit/keys/records", json!({}));
    site.plan(&["--key", KEY]);
    let wanted = ["1-verify: could not open what `1`", "none of", "the key at hand is not the one that sealed them"];
    refused(&site, &["apply", "plan.json", "--wait"], 5, &wanted);
}

#[test]
fn a_server_that_is_sealed_or_gone_is_waited_for_by_hand() {
    let mut own = Own::start("");
    let site = Site::still(prepared(own.server.clone()), 20);
    site.plan(&["--key", KEY]);
    own.stop();
    let gone = ["nobody answers there", &site.bao.addr];
    let ends = |words: &[&str], code: i32, wanted: &[&str]| {
        let said = site.stage.run(words);
        let all = in_a_line(&said);
        assert_eq!(said.code, Some(code), "{words:?}: {all}");
        wanted.iter().for_each(|wanted| assert!(all.contains(wanted), "{words:?}: no `{wanted}` in {all}"));
    };
    ends(&["plan", "--key", KEY], 5, &gone);
    ends(&["apply", "plan.json"], 1, &gone);
    ends(&["verify"], 1, &gone);
    // It came back sealed.
    own.run();
    ends(&["plan", "--key", KEY], 5, &["the server is sealed", "bao operator unseal"]);
    ends(&["apply", "plan.json"], 1, &["the server is sealed"]);
    own.unseal();
    assert_eq!(site.number("latest_version"), 1);
    site.all_under(1);
    site.apply(&[]);
    site.all_under(2);
}
