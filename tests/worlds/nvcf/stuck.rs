//! A pod that cannot refresh: named while there is time, its restart offered, nothing taken away.

use std::time::Duration;
use std::time::Instant;

use super::bao::Server;
use super::site::Site;

#[test]
fn a_pod_that_cannot_refresh_is_named_before_the_deadline_and_its_restart_saves_it() {
    let site = Site::new(Server::fresh(), None, 50, &[]);
    site.plan();
    site.python("stuck.py", &["pods", "ess-2"]);
    let said = site.begin();
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    let new = site.current();
    assert_ne!(new, site.old);
    // While there is time: who is missing, and until when.
    let named = format!("{}{}", said.out, said.err);
    let status = site.stage.done(&["status"]);
    assert!(named.contains("ess-2") || status.contains("ess-2"), "{named}\n{status}");
    // After the deadline: it stops, keeps both versions, and says what saves the pod.
    let mut last = String::new();
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(180) {
        let said = site.stage.run(&["apply", "--exit-code"]);
        last = format!("{:?}\n{}\n{}", said.code, said.out, said.err);
        if last.contains("had to open") && last.contains("restart") {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    // The restart that is offered: before the first pod writes with the new key, every pod knows it.
    site.script("restart-ess");
    assert!(last.contains("ess-2") && last.contains("restart"), "{last}");
    let kids = site.python("audit.py", &["secrets.db"]);
    assert!(kids.contains(&site.old) && kids.contains(&new), "nothing is taken away: {kids}");
    site.until_all_write(&new);
    site.nobody_failed();
    assert!(site.audit()[&new] > 0);
}
