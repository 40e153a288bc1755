//! The span in which values are under the new version and members still hold the old one.

use super::site::Kind;
use super::site::Site;
use super::site::Wish;

const ACCEPTED: &str = "[[key.master.accepts]]
risk = \"K207\"
fleet = \"controllers\"
at_most = \"10m\"
until = \"2027-01-01\"
because = \"a controller that starts inside the span may fail until its turn; no data is at risk\"
";

#[test]
fn the_prover_names_the_hazard_that_nobody_accepted() {
    let site = Site::new(&Wish::new(Kind::Sqlite).with(ACCEPTED, ""));
    let planned = site.stage.run(&["plan", "-o", "plan.json"]);
    assert_eq!(planned.code, Some(5), "{}{}", planned.out, planned.err);
    let said = planned.out + &planned.err;
    assert!(said.contains("K207") && said.contains("ctl-"), "{said}");
    assert!(!site.stage.at().join("plan.json").exists());
}

/// A controller that somebody restarts inside the span fails as the real one does, and is well again at its turn.
#[test]
fn a_controller_restarted_inside_the_span_fails_until_its_turn() {
    let site = Site::new(&Wish { mints_every: 0, ..Wish::new(Kind::Postgres) });
    site.hook("restart ctl-1", &["restart ctl-2", "settle ctl-2"]);
    let stage = &site.stage;
    stage.done(&["plan", "-o", "plan.json"]);
    stage.done(&["apply", "plan.json", "--wait"]);
    let log = site.log("ctl-2");
    assert!(log.contains("configuration error: master key mismatch"), "{log}");
    site.judged("v2", "v1");
    site.nobody_was_stranded();
}
