//! The whole way: killed after every line of the journal, disabled, enabled again for what a backup brought back, and ended.

use super::site::KEY;
use super::site::Site;
use super::site::in_a_line;
use crate::stage::until;

/// Carries out `plan.json` and is killed after one line more each time: what was begun is begun again by every attempt.
fn killed_everywhere(site: &Site, words: &[&str]) -> usize {
    let words = [&["apply", "plan.json", "--wait"], words].concat();
    let mut kills = 0;
    loop {
        match site.stage.killed_after(&words, kills + 1) {
            None => kills += 1,
            Some(said) => {
                assert!(said.was_finished() || said.code == Some(0), "after {kills} kills: {said:?}");
                return kills;
            }
        }
    }
}

#[test]
fn a_rotation_that_is_killed_after_every_line_strands_nobody_and_its_old_version_ends() {
    let site = Site::new(400);
    assert!(site.stage.done(&["validate"]).contains("1 key in 1 policy read well"));
    assert!(site.stage.done(&["verify"]).contains("Every value opens"));
    site.nothing_is_due();
    let shown = site.plan(&["--key", KEY]);
    assert!(shown.contains("No way back"), "{shown}");
    let old = site.kept(7);
    let kills = killed_everywhere(&site, &[]);
    assert!(kills >= 6, "killed {kills} times");
    // However often it died, it made one version; the floor disables the old one.
    let floors = ["latest_version", "min_encryption_version", "min_decryption_version"].map(|word| site.number(word));
    assert_eq!(floors, [2, 2, 2]);
    site.all_write(2);
    site.nobody_failed();
    site.all_under(2);
    told(&site);
    a_restored_value_enables_it_again(&site, &old);
    the_old_version_ends(&site);
    site.nobody_failed();
}

/// What the program says afterwards.
fn told(site: &Site) {
    site.nothing_is_due();
    assert!(site.stage.done(&["verify"]).contains("Every value opens"));
    let status = site.stage.done(&["status", "--all"]);
    assert!(status.contains("transit/records: well"), "{status}");
    let why = site.stage.done(&["why", &format!("{KEY}@1")]);
    assert!(why.contains("Destroy `1`? No.") && why.contains("pre-images under it are kept"), "{why}");
    let report = site.stage.done(&["report"]);
    assert!(report.contains(KEY) && report.contains("disabled"), "{report}");
    site.stage.done(&["journal", "verify"]);
    // Nothing makes an older version of a transit key current again.
    for words in [["plan", "--back", KEY], ["plan", "--to", "transit/records@1"]] {
        let said = site.stage.run(&words);
        assert_eq!(said.code, Some(5), "{words:?}: {said:?}");
        assert!(in_a_line(&said).contains("cannot"), "{words:?}: {said:?}");
    }
}

/// A value under the disabled version turns up, as after a restore: it is enabled, moved, and disabled again.
fn a_restored_value_enables_it_again(site: &Site, old: &(String, String)) {
    let (body, sum) = old;
    site.sqlite().execute("INSERT INTO notes VALUES (2000, ?1, ?2, x'00ff')", [body, sum]).unwrap();
    let shown = site.plan(&[]);
    assert!(shown.contains("reopened"), "{shown}");
    site.apply(&[]);
    assert_eq!(site.number("min_decryption_version"), 2);
    assert!(site.note(2000).starts_with("vault:v2:"));
    site.all_under(2);
    site.nothing_is_due();
}

/// The end of the old version is a plan of its own.
fn the_old_version_ends(site: &Site) {
    site.policy(&[
        ("restorable_for = \"35d\"", "restorable_for = \"1s\""),
        ("destroy_after = \"40d\"", "destroy_after = \"2s\""),
        ("keep = \"7d\"", "keep = \"1s\""),
    ]);
    // What two runs kept is deleted first, by plans of its own.
    until("the old version to be due", || {
        if site.stage.run(&["plan", "-o", "plan.json"]).out.contains("delete the pre-images") {
            site.apply(&["--destroy", "transit/records@1"]);
        }
        site.stage.run(&["plan", "--destroy", "-o", "plan.json"]).out.contains("1 to destroy")
    });
    assert_eq!(site.number("min_available_version"), 0);
    let said = site.stage.run(&["apply", "plan.json"]);
    assert_eq!(said.code, Some(5), "nothing ends without being named again: {said:?}");
    assert_eq!(site.number("min_available_version"), 0);
    killed_everywhere(site, &["--destroy", "transit/records@1"]);
    assert_eq!(site.number("min_available_version"), 2);
    site.all_under(2);
    assert!(site.stage.done(&["report"]).contains("destroyed"));
}
