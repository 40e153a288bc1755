//! What goes wrong, one thing a test: a clear word that names the thing, the step and the way out, and nothing lost.

use super::site::Kind;
use super::site::Site;
use super::site::Wish;
use std::fs;

/// A site with a plan, whose members make no data keys by themselves.
fn planned(wish: Wish) -> Site {
    let site = Site::new(&Wish { mints_every: 0, ..wish });
    site.stage.done(&["plan", "-o", "plan.json"]);
    site
}

/// Without the breaks that a narrow paper asks for.
fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Goes on, and must stop with these words.
fn stops(site: &Site, words: &[&str]) -> String {
    let said = site.stage.run(&["apply", "plan.json", "--wait"]);
    let all = in_a_line(&(said.out + &said.err));
    assert_eq!(said.code, Some(1), "{all}");
    for word in words {
        assert!(all.contains(word), "no `{word}` in {all}");
    }
    all
}

/// Goes on to the end. Where a member's time is short, a slow machine may need another attempt.
fn ends_well(site: &Site) -> String {
    let mut told = String::new();
    for _ in 0..6 {
        let said = site.stage.run(&["apply", "plan.json", "--wait"]);
        told = said.out + &said.err;
        if said.code != Some(1) {
            assert_eq!(said.code, Some(0), "{told}");
            break;
        }
    }
    site.judged("v2", "v1");
    site.nobody_was_stranded();
    told
}

#[test]
fn a_wrong_key_on_one_host_is_seen_before_anything_moves_and_locks_nobody_out() {
    let site = planned(Wish::new(Kind::Sqlite));
    site.stage.write("hosts/ctl-2/wrong", "");
    stops(&site, &["uptrakit/master/4-deliver", "`ctl-2`", "not the SHA-256 of the key that was delivered"]);
    // The agent's key is another closure and goes on; the controllers' values and members are as they were.
    site.python("judge.py", &["untouched", &site.database, "before.json"]);
    site.nobody_was_stranded();
    let status = site.stage.done(&["status"]);
    assert!(status.contains("4-deliver") && status.contains("failed"), "{status}");
    for name in ["ctl-1", "ctl-2"] {
        site.act(&format!("{name}/restart"), "");
        site.act(&format!("{name}/settle"), "");
        assert_eq!(site.ask(&format!("{name}/health")).0, 200, "{}", site.log(name));
    }
    fs::remove_file(site.stage.at().join("hosts/ctl-2/wrong")).unwrap();
    ends_well(&site);
}

#[test]
fn given_up_before_the_values_move_nothing_is_left_of_it() {
    let site = planned(Wish::new(Kind::Postgres));
    for host in ["ctl-2", "agent-1"] {
        site.stage.write(&format!("hosts/{host}/wrong"), "");
    }
    stops(&site, &["4-deliver", "3-deliver"]);
    let status: serde_json::Value = serde_json::from_str(&site.stage.done(&["status", "--json"])).unwrap();
    let run = status["runs"][0]["run"].as_str().unwrap().to_owned();
    site.stage.done(&["cancel", &run]);
    site.untouched();
    site.nobody_was_stranded();
    let at = site.stage.at();
    assert!(!at.join("keys/master/v2.key").exists() && at.join("keys/master/v1.key").exists());
    for host in ["ctl-2", "agent-1"] {
        fs::remove_file(at.join(format!("hosts/{host}/wrong"))).unwrap();
    }
    // The next one begins anew.
    site.stage.done(&["plan", "-o", "plan.json"]);
    site.stage.done(&["apply", "plan.json", "--wait"]);
    site.nobody_was_stranded();
}

#[test]
fn a_controller_that_does_not_come_up_stops_the_roll_out() {
    let site = planned(Wish::new(Kind::Postgres).with("within = \"2m\"", "within = \"20s\""));
    site.hook("restart ctl-1", &["spoil ctl-1"]);
    let said = stops(&site, &["10-restart", "see `ctl-1` well again", "look at the log of `ctl-1`"]);
    assert!(said.contains("Safe to leave: no: `ctl-1`, `ctl-2` and `scheduler` may not come up"), "{said}");
    assert!(site.log("ctl-1").contains("open to others"));
    // The others serve as before, under the key that they hold.
    assert!(!site.restarts().iter().any(|name| name == "ctl-2" || name == "scheduler"));
    assert_eq!((site.ask("ctl-2/health").0, site.ask("scheduler/health").0), (200, 200));
    assert!(site.points("ctl-2").contains("v1.key"));
    let status = in_a_line(&site.stage.done(&["status"]));
    for line in [
        "ctl-1: holds the new version; points at it; did not come back in 10-restart",
        "ctl-2: holds the new version; restarts in 13-restart",
    ] {
        assert!(status.contains(line), "{status}");
    }
    // What comes in meanwhile is moved before it is tried again.
    site.act("ctl-2/mint", "");
    site.act("ctl-1/mend", "");
    ends_well(&site);
}

/// Members that a command prints take turns in one step, and are named all the same.
#[test]
fn members_from_a_command_take_turns_too() {
    let wish = Wish::new(Kind::Sqlite).with("within = \"2m\"", "within = \"20s\"");
    let listed = "members = { from = [\"site/members\"], at_least = 2 }";
    let site = Site::new(&wish.with("members = [\"ctl-1\", \"ctl-2\"]", listed));
    site.stage.done(&["plan", "-o", "plan.json"]);
    site.hook("restart ctl-2", &["spoil ctl-2"]);
    let said = stops(&site, &["see `ctl-2` well again"]);
    assert!(said.contains("no: `ctl-1`, `ctl-2` and `scheduler` may not come up"), "{said}");
    assert_eq!(site.ask("ctl-1/health").0, 200);
    let status = in_a_line(&site.stage.done(&["status"]));
    assert!(status.contains("ctl-2: holds the new version; points at it; did not come back"), "{status}");
    site.act("ctl-2/mend", "");
    ends_well(&site);
    // The one that was down came first when it went on.
    let restarts = site.restarts();
    let again = restarts.iter().rposition(|name| name == "ctl-2").unwrap();
    assert!(restarts[again..].contains(&"ctl-1".to_owned()), "{restarts:?}");
}

#[test]
fn a_member_that_is_down_has_its_turn_first() {
    let site = planned(Wish::new(Kind::Sqlite).with("[\"site/all-run-v3\"]", "[\"site/all-run-v3\", \"ctl-1\"]"));
    site.hook("put-key ctl-2 v2", &["kill ctl-2"]);
    let said = ends_well(&site);
    assert!(said.contains("ctl-2 was down, and had its turn first"), "{said}");
    assert_eq!(site.restarts(), ["agent-1", "ctl-2", "ctl-1", "ctl-2", "scheduler"]);
}

#[test]
fn data_keys_made_inside_the_span_are_swept() {
    let site = planned(Wish::new(Kind::Postgres));
    // One while another member starts, and one at the worst moment: after the sweep, before its own restart.
    site.hook("restart ctl-1", &["mint ctl-2"]);
    site.hook("restart ctl-2", &["mint ctl-2"]);
    let said = ends_well(&site);
    assert!(said.contains("well at start 2"), "{said}");
    assert!(site.log("ctl-2").contains("configuration error: master key mismatch"), "{}", site.log("ctl-2"));
    assert_eq!(site.judged("v2", "v1")["made since"], 2);
}

#[test]
fn an_agent_that_runs_on_without_its_keys_is_seen_and_healed() {
    let site = planned(Wish::new(Kind::Sqlite));
    site.hook("restart agent-1", &["mint agent-1"]);
    site.stage.done(&["apply", "plan.json", "--wait"]);
    // What it made was moved, and it was started again, on a slow machine before it came to say that it has no keys.
    let (log, restarts) = (site.log("agent-1"), site.restarts());
    assert!(restarts.iter().filter(|name| *name == "agent-1").count() >= 2, "{restarts:?}: {log}");
    assert_eq!(site.ask("agent-1/health").0, 200, "{log}");
}

#[test]
fn what_is_missing_wrong_or_gone_is_named_before_anything_changes() {
    let site = Site::new(&Wish { mints_every: 0, ..Wish::new(Kind::Postgres) });
    let refused = |words: &[&str]| {
        let said = site.stage.run(&["plan", "--key", "uptrakit/master", "-o", "plan.json"]);
        let all = in_a_line(&(said.out + &said.err));
        assert_eq!(said.code, Some(5), "{all}");
        words.iter().for_each(|word| assert!(all.contains(word), "no `{word}` in {all}"));
    };
    let right = site.database.clone();
    let mut client = postgres::Client::connect(&right, postgres::NoTls).unwrap();
    // A dead server.
    site.stage.set("UPTRAKIT_DB", "postgresql://keyrota:tests@127.0.0.1:1/x");
    refused(&["store `db`", "is the server up"]);
    // A role that may only read.
    let role = format!("reader_{}", right.rsplit('/').next().unwrap());
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'tests'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .unwrap();
    site.stage.set("UPTRAKIT_DB", &right.replace("keyrota:tests@", &format!("{role}:tests@")));
    refused(&["may not read it and set", "GRANT SELECT, UPDATE"]);
    site.stage.set("UPTRAKIT_DB", &right);
    // Another key where the one of today should be.
    let key = site.stage.at().join("keys/master/v1.key");
    let text = fs::read_to_string(&key).unwrap();
    fs::write(&key, text.replace("c1", "c2")).unwrap();
    site.stage.done(&["plan", "--key", "uptrakit/master", "-o", "wrong.json"]);
    let said = site.stage.run(&["apply", "wrong.json"]);
    let said = in_a_line(&(said.out + &said.err));
    assert!(said.contains("2-verify: could not open what `v1`") && said.contains("none of 13 values opens"), "{said}");
    assert!(
        said.contains("the key at hand is not the one that sealed them") && said.contains("Safe to leave: yes"),
        "{said}"
    );
    let status: serde_json::Value = serde_json::from_str(&site.stage.done(&["status", "--json"])).unwrap();
    site.stage.done(&["cancel", status["runs"][0]["run"].as_str().unwrap()]);
    fs::write(&key, text).unwrap();
    // A corrupt row stops the run before the first act, and is named.
    client
        .batch_execute(
            "UPDATE data_encryption_keys SET wrapped_key = 'ff' || substr(wrapped_key, 3) WHERE status = 'retired'",
        )
        .unwrap();
    site.stage.done(&["plan", "--key", "uptrakit/master", "-o", "plan.json"]);
    let said = stops(
        &site,
        &["2-verify: could not open what `v1`", "data_encryption_keys.wrapped_key` where id=", "mend or remove"],
    );
    assert!(said.contains("Safe to leave: yes"), "{said}");
    let key = site.stage.at().join("keys/master/v2.key");
    assert!(!key.exists(), "{said}");
}

/// A controller passes over a token that does not look right, so nobody there would ever notice.
#[test]
fn a_verification_token_in_wrong_quotes_is_named_though_controllers_start() {
    for (kind, spoil) in [(Kind::Postgres, "twice"), (Kind::Sqlite, "bare")] {
        let site = planned(Wish::new(kind));
        let token = |how: &str| site.python("judge.py", &["token", &site.database, how, "hosts/ctl-1/v1.key"]);
        token(spoil);
        site.act("ctl-1/restart", "");
        site.act("ctl-1/settle", "");
        assert_eq!(site.ask("ctl-1/health").0, 200, "it starts as if nothing were wrong: {}", site.log("ctl-1"));
        let words =
            ["2-verify: could not open what `v1`", "global_settings.value` where key='crypto.master_key_verification'"];
        let said = stops(&site, &words);
        assert!(said.contains("quotes") && said.contains("mend or remove"), "{said}");
        assert!(said.contains("Safe to leave: yes"), "{said}");
        let verified = site.stage.run(&["verify", "--key", "uptrakit/master"]);
        assert!(in_a_line(&verified.out).contains("crypto.master_key_verification"), "{}", verified.out);
        token("mended");
        ends_well(&site);
    }
}

#[test]
fn one_row_and_a_hundred_thousand() {
    for (kind, rows) in [(Kind::Sqlite, 1), (Kind::Postgres, 100_000)] {
        let site = planned(Wish { rows, ..Wish::new(kind) });
        site.stage.done(&["apply", "plan.json", "--wait"]);
        let judged = site.judged("v2", "v1");
        // Eight hex digits are not unique among very many, and the table keeps one of each.
        assert!(judged["keys"].as_u64() > Some(u64::from(rows) * 99 / 100), "{judged}");
        site.nobody_was_stranded();
    }
}
