//! The whole way: killed after every line of the journal, with a rival at work on the same document.

use std::time::Duration;
use std::time::Instant;

use super::bao::Server;
use super::site::KEY;
use super::site::Site;

/// Runs the program until it has written so many lines into its journal. Whether it was killed then.
fn killed(site: &Site, words: &[&str], after: usize) -> bool {
    let Some(said) = site.stage.killed_after(words, after) else { return true };
    // On a busy machine a check may take longer than it may: the next attempt asks again.
    assert!(said.was_finished() || matches!(said.code, Some(0 | 1 | 3)), "{said:?}");
    false
}

#[test]
fn a_rotation_that_is_killed_after_every_line_strands_nobody() {
    let mut site = Site::new(Server::fresh(), None, 3_000, &[]);
    let found = site.document();
    let asked = site.stage.run(&["validate", "--online"]);
    assert_eq!(asked.code, Some(0), "{}\n{}", asked.out, asked.err);
    assert!(asked.out.contains("nothing was changed"), "{}", asked.out);
    assert_eq!(site.document(), found, "not even the document's version moved");
    let rival = site.stage.start("rival", "nvcf/rival.py", &["1.5"]);
    rival.until("ready");
    site.others.push(rival);
    let (before, _) = site.document();
    let validated = site.stage.run(&["validate"]);
    assert_eq!(validated.code, Some(0), "{}\n{}", validated.out, validated.err);
    site.plan();
    // One line later each time: what was begun is begun again by every attempt, and the next one comes further.
    let (mut kills, since) = (0, Instant::now());
    loop {
        if killed(&site, &["apply", "plan.json", "--exit-code"], kills + 1) {
            kills += 1;
            continue;
        }
        let status = site.stage.done(&["status"]);
        if site.current() != site.old && !status.contains("under way") {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(480), "it never ends: {status}");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(kills >= 6, "killed {kills} times");
    let new = site.current();
    site.until_all_write(&new);
    site.nobody_failed();
    let (after, _) = site.document();
    assert_eq!(after["unknown"], before["unknown"]);
    let counts = site.audit();
    assert!(counts[&site.old] >= 3_000 && counts[&new] > 0, "{counts:?}");
    let kids: Vec<&String> = counts.keys().collect();
    assert_eq!(kids.len(), 2, "one version was made, however often it died: {kids:?}");
    told(&site, &new);
    site.no_key_got_out();
}

/// What the program says afterwards.
fn told(site: &Site, new: &str) {
    let said = site.stage.run(&["plan", "--exit-code"]);
    assert_eq!(said.code, Some(0), "a second plan has nothing to do: {}\n{}", said.out, said.err);
    let status = site.stage.done(&["status"]);
    assert!(status.contains("1 key is well") && status.contains(KEY), "{status}");
    let why = site.stage.done(&["why", &format!("{KEY}@{}", site.old)]);
    assert!(why.contains("never") || why.contains("for ever"), "{why}");
    let report = site.stage.done(&["report"]);
    assert!(report.contains(new) && report.contains(&site.old), "{report}");
    assert_eq!(site.stage.run(&["journal", "verify"]).code, Some(0));
}
