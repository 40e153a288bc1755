//! Going back by a plan, before the fuse and after it: the old key is first and current again, the new one stays behind it, and
//! whatever anybody wrote in between still opens.

use serde_json::Value;

use super::bao::Server;
use super::site::KEY;
use super::site::Site;
use super::site::until_last;

/// Goes back by a plan that is drawn and carried out to its end.
fn back(site: &Site) {
    let said = site.stage.run(&["plan", "--back", KEY, "-o", "back.json", "--exit-code"]);
    assert_eq!(said.code, Some(2), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("safe: proved"), "{}", said.out);
    let said = site.again(&["apply", "back.json", "--wait"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert_eq!(site.current(), site.old);
}

fn kids(site: &Site) -> Value {
    let said: Value = serde_json::from_str(&site.python("audit.py", &["secrets.db"])).unwrap();
    said["kids"].clone()
}

#[test]
fn going_back_before_the_fuse_is_a_plan_and_keeps_the_new_key_behind_the_old() {
    let site = Site::new(Server::fresh(), None, 200, &[]);
    site.plan();
    let said = site.begin();
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    let new = site.current();
    // The other service has written with the new key already, ESS has not.
    until_last(&site.others[0], "WRITES", &new);
    let refused = site.stage.run(&["plan", "--back", KEY, "-o", "back.json"]);
    let text = format!("{}{}", refused.out, refused.err);
    assert!(text.contains("keyrota cancel"), "an open run stands in the way, and the way out is said: {text}");
    site.cancel();
    back(&site);
    until_last(&site.others[0], "WRITES", &site.old);
    assert_eq!(kids(&site), serde_json::json!([site.old, new]));
    assert!(!site.audit().contains_key(&new), "no pod has written with it");
    site.nobody_failed();
    site.no_key_got_out();
}

#[test]
fn going_back_after_the_fuse_loses_nothing_that_was_written_with_the_new_key() {
    let site = Site::new(Server::fresh(), None, 200, &[]);
    site.plan();
    let said = site.begin();
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    let new = site.current();
    let said = site.again(&["apply", "--wait"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    site.until_all_write(&new);
    back(&site);
    site.until_all_write(&site.old);
    let counts = site.audit();
    assert!(counts[&new] > 0 && counts[&site.old] > 200, "{counts:?}");
    assert_eq!(kids(&site), serde_json::json!([site.old, new]));
    site.nobody_failed();
    // The key was taken back: it is a person who decides when it is turned again.
    let status = site.stage.done(&["status"]);
    assert!(status.contains("rolled back") || status.contains("taken back"), "{status}");
    site.no_key_got_out();
}
