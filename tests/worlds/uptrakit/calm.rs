//! Nothing goes wrong: from the first look to the end of the old key, on either database.

use super::site::Kind;
use super::site::Site;
use super::site::Wish;
use crate::stage::until;

const REFUSALS: &str = "a key file that is not there
a key file named by a relative path
a key file that others may read
a key of another length
a data key that names another master key
a fingerprint that is stale where the wrapping is right
a data key that does not open under the fingerprint that it names
a data key whose id is not its own
a wrapped key that stands in another row
a retired data key under another master key
a verification token of another master key
and a token that does not look right is skipped in silence
a controller exits
an agent runs on, and seals directly under the master key
";

#[test]
fn the_world_says_no_where_the_real_one_says_no() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(super::site::python_says("refusals.py", &[folder.path().to_str().unwrap()], folder.path()), REFUSALS);
}

fn rotates(kind: Kind) {
    let site = Site::new(&Wish::new(kind));
    let stage = &site.stage;
    assert_eq!(stage.done(&["validate"]), "2 keys in 1 policy read well\n");
    let asked = stage.done(&["validate", "--online"]);
    assert!(asked.contains("all of them fit; nothing was changed"), "{asked}");
    assert!(!stage.at().join(".keyrota").exists() && site.restarts().is_empty(), "{asked}");
    assert!(stage.done(&["verify"]).contains("Every value opens"));
    let planned = stage.run(&["plan", "--exit-code", "-o", "plan.json"]);
    assert_eq!(planned.code, Some(2), "{}{}", planned.out, planned.err);
    assert!(planned.out.contains("2 keys to rotate") && planned.out.contains("Proved safe"), "{}", planned.out);
    site.hook("put-key agent-1 v2", &["mint agent-1"]);
    let applied = stage.done(&["apply", "plan.json", "--wait"]);
    assert!(applied.contains("Safe to leave: yes."), "{applied}");
    let judged = site.judged("v2", "v1");
    assert!(judged["made since"].as_u64() > Some(0) && judged["token"] == true, "{judged}");
    assert!(judged["retired"].as_u64() > Some(0), "{judged}");
    site.nobody_was_stranded();
    // Only the one scalar of each configuration changed; the old file has left every host, and the old key is kept disabled.
    for name in ["ctl-1", "ctl-2", "agent-1"] {
        let text = site.points(name);
        assert!(text.contains("by hand") && text.contains("# the one that it holds"), "{text}");
        assert!(text.contains(&format!("hosts/{name}/v2.key")), "{text}");
        assert!(!stage.at().join(format!("hosts/{name}/v1.key")).exists());
    }
    // One that was started again because a data key came in before it was up is still the only one that is down.
    let mut restarts = site.restarts();
    restarts.dedup();
    assert_eq!(restarts, ["agent-1", "ctl-1", "ctl-2", "scheduler"]);
    assert!(stage.done(&["plan", "--exit-code"]).contains("nothing to do"));
    assert!(stage.done(&["verify"]).contains("Every value opens"));
    assert!(stage.done(&["status", "--all"]).contains("uptrakit/master: well"));
    let report = stage.done(&["report"]);
    assert!(report.contains("K207"), "{report}");
    the_old_key_ends(&site);
    site.nobody_was_stranded();
}

/// The old key is destroyed last, by a plan of its own, once no backup can bring back what it opens.
fn the_old_key_ends(site: &Site) {
    let (stage, old) = (&site.stage, site.stage.at().join("keys/master/disabled/v1.key"));
    site.keep("keys/master", "v1");
    site.keep("agents/agent-1/keys", "v1");
    assert!(old.exists());
    let drawn = || stage.run(&["plan", "--destroy", "-o", "end.json"]).out;
    until("both old keys to be due", || drawn().contains("2 to destroy"));
    let named = ["--destroy", "uptrakit/master@v1", "--destroy", "uptrakit/agent-1@v1"];
    assert_eq!(stage.run(&["apply", "end.json"]).code, Some(5), "nothing ends without being named again");
    assert!(old.exists());
    stage.done(&[&["apply", "end.json", "--wait"][..], &named].concat());
    assert!(!old.exists());
    site.judged("v2", "v1");
}

#[test]
fn both_keys_rotate_on_postgresql_while_everybody_lives() {
    rotates(Kind::Postgres);
}

#[test]
fn both_keys_rotate_on_sqlite_while_everybody_lives() {
    rotates(Kind::Sqlite);
}
