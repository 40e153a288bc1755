//! Two executors of one plan: the second is refused by name, and a stopped one that wakes up again writes nothing wrong.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Signal;

use crate::binary;
use crate::project;
use crate::project::Kind;
use crate::project::Project;

/// A project, a plan, and an `apply` of it that has begun and waits at a gate.
fn begun(folder: &std::path::Path) -> (Project, String, Child) {
    let at = folder.join("project");
    fs::create_dir(&at).unwrap();
    let project = Project::make(&at, Kind::Plain, 300);
    let file = folder.join("plan.json").to_str().unwrap().to_owned();
    binary::plan(&at, &file);
    let child = binary::keyrota(&at, &["apply", &file, "--wait"]).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while !at.join("keys/v2.key").exists() {
        assert!(Instant::now() < until, "it does not begin");
        thread::sleep(Duration::from_millis(2));
    }
    (project, file, child)
}

fn finished(project: &Project) {
    assert_eq!(project.rows(), [("v2".to_owned(), 300)].into());
    assert_eq!(project.versions(), [("v1", "disabled"), ("v2", "current")].map(|(v, s)| (v.to_owned(), s.to_owned())));
}

#[test]
fn of_two_at_once_one_works_and_the_other_is_told_who_does() {
    let folder = project::folder();
    let (project, file, child) = begun(folder.path());
    let holder = format!("process {}", child.id());
    let second = binary::run(&project.at, &["apply", &file]);
    assert!(!second.status.success());
    assert!(binary::said(&second).contains(&holder), "{}", binary::said(&second));
    let first = child.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", binary::said(&first));
    finished(&project);
    let third = binary::run(&project.at, &["apply", &file]);
    assert_eq!(third.status.code(), Some(5), "{}", binary::said(&third));
}

#[test]
fn a_stopped_one_keeps_its_lock_and_goes_on_where_it_was() {
    let folder = project::folder();
    let (project, file, child) = begun(folder.path());
    binary::signal(&child, Signal::STOP);
    let journal = fs::read(project.at.join(".keyrota/journal.jsonl")).unwrap();
    let second = binary::run(&project.at, &["apply", &file, "--wait"]);
    assert!(!second.status.success(), "{}", binary::said(&second));
    assert!(binary::said(&second).contains(&format!("process {}", child.id())), "{}", binary::said(&second));
    // Nor does it get the journal by taking the lock file away.
    fs::remove_file(project.at.join(".keyrota/lock")).unwrap();
    let third = binary::run(&project.at, &["apply", &file, "--wait"]);
    assert!(!third.status.success(), "{}", binary::said(&third));
    assert_eq!(fs::read(project.at.join(".keyrota/journal.jsonl")).unwrap(), journal);
    binary::signal(&child, Signal::CONT);
    let first = child.wait_with_output().unwrap();
    // Its lock file is gone, so it cannot know who else works: it stops at its next line, and the next attempt goes on.
    assert!(!first.status.success(), "{}", binary::said(&first));
    project.rows();
    let last = binary::run(&project.at, &["apply", &file, "--wait"]);
    assert!(last.status.success(), "{}", binary::said(&last));
    finished(&project);
}

#[test]
fn one_whose_journal_was_taken_over_stops_at_its_next_line() {
    let folder = project::folder();
    let (project, file, child) = begun(folder.path());
    binary::signal(&child, Signal::STOP);
    // By force: another journal of the same bytes, another lock. The rival goes all the way.
    let home = project.at.join(".keyrota");
    fs::remove_file(home.join("lock")).unwrap();
    fs::copy(home.join("journal.jsonl"), home.join("copy")).unwrap();
    fs::rename(home.join("copy"), home.join("journal.jsonl")).unwrap();
    let rival = binary::run(&project.at, &["apply", &file, "--wait"]);
    assert!(rival.status.success(), "{}", binary::said(&rival));
    finished(&project);
    let journal = fs::read(home.join("journal.jsonl")).unwrap();
    binary::signal(&child, Signal::CONT);
    let first = child.wait_with_output().unwrap();
    assert!(!first.status.success(), "{}", binary::said(&first));
    finished(&project);
    assert_eq!(fs::read(home.join("journal.jsonl")).unwrap(), journal);
    project.search(&[("stdout", &first.stdout), ("stderr", &first.stderr), ("rival", &rival.stderr)]);
}
