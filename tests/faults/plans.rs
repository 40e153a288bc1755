//! Plans that are damaged, late, misplaced, used before, or left behind by the world.

use std::fs;
use std::path::Path;
use std::process::Command;

use keyrota::approval::Denied;
use keyrota::plan::Document;
use keyrota::port::home::Home;

use crate::binary;
use crate::binary::said;
use crate::calm::clock;
use crate::project;
use crate::project::Kind;
use crate::project::Project;
use crate::site;
use crate::site::Applied;
use crate::site::Silent;

fn project(folder: &Path) -> Project {
    let at = folder.join("project");
    fs::create_dir(&at).unwrap();
    Project::make(&at, Kind::Plain, 50)
}

#[test]
fn a_damaged_plan_is_refused() {
    let folder = project::folder();
    let project = project(folder.path());
    let world = site::site(&project, clock(&project, site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    // Begun: what follows must not go on with this run.
    let stop = std::sync::atomic::AtomicBool::new(false);
    let applied = site::apply_with(&world, &mut home, &plan, &mut Silent, &stop, false);
    assert!(!applied.finished(), "{applied:?}");
    let ledger = keyrota::journal::ledger(&home.read().unwrap()).unwrap();
    assert!(ledger.of_plan(&plan.id()).is_some());

    let bytes = plan.bytes();
    for end in 0..bytes.len() {
        assert!(Document::read(bytes[..end].to_vec()).is_err(), "cut to {end} bytes");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Document::read(flipped).is_err(), "bit {bit}");
    }
    // Who edits on purpose, the digest included, has made another plan: it has another id, which no approval names, and it
    // cannot go on with this run.
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (body, _) = text.rsplit_once("\"sha256\"").unwrap();
    let body = body.replace("the tests", "the pests");
    let forged = format!("{body}\"sha256\":\"{}\"}}\n", keyrota::digest::plain(body.as_bytes()));
    let forged = Document::read(forged.into_bytes()).unwrap();
    assert!(ledger.of_plan(&forged.id()).is_none() && forged.id() != plan.id());
}

#[test]
fn a_plan_is_opened_in_time_and_may_be_finished_late() {
    let folder = project::folder();
    let project = project(folder.path());
    let world = site::site(&project, clock(&project, site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let late = site::later(plan.plan().expires, 1);
    let stop = std::sync::atomic::AtomicBool::new(false);

    let world = site::site(&project, clock(&project, late));
    let denied = site::apply(&world, &mut home, &plan, &mut Silent);
    assert!(matches!(denied, Applied::Denied(Denied::Expired(_))), "{denied:?}");
    assert_eq!(project.versions().len(), 1);

    // In another folder the journal's hours begin anew.
    let (folder, kind) = (project::folder(), Kind::Plain);
    let at = folder.path().join("project");
    fs::create_dir(&at).unwrap();
    let project = Project::make(&at, kind, 50);
    let world = site::site(&project, clock(&project, site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let begun = site::apply_with(&world, &mut home, &plan, &mut Silent, &stop, false);
    assert!(matches!(begun, Applied::Ended(keyrota::executor::Ended::AtGate { .. })), "{begun:?}");
    let world = site::site(&project, clock(&project, late));
    assert!(site::apply(&world, &mut home, &plan, &mut Silent).finished());
    assert_eq!(project.rows(), [("v2".to_owned(), 50)].into());
}

#[test]
fn a_plan_is_for_one_folder_and_one_database() {
    let folder = project::folder();
    let project = project(folder.path());
    let file = folder.path().join("plan.json");
    let file = file.to_str().unwrap();
    binary::plan(&project.at, file);
    let elsewhere = folder.path().join("elsewhere");
    project::copy(&project.at, &elsewhere);
    let refused = binary::run(&elsewhere, &["apply", file]);
    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    assert!(said(&refused).contains("another one than the plan was drawn for"), "{}", said(&refused));
    project.connect().execute_batch("PRAGMA application_id = 7").unwrap();
    let refused = binary::run(&project.at, &["apply", file]);
    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    assert!(said(&refused).contains("store `app` is another one"), "{}", said(&refused));
    assert!(!elsewhere.join("keys/v2.key").exists() && !project.at.join("keys/v2.key").exists());
}

#[test]
fn a_plan_that_the_world_has_left_behind_says_what_changed() {
    let folder = project::folder();
    let project = project(folder.path());
    let (file, other) = (folder.path().join("plan.json"), folder.path().join("other.json"));
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    binary::plan(&project.at, file);
    binary::plan(&project.at, other);
    let done = binary::run(&project.at, &["apply", other, "--wait"]);
    assert!(done.status.success(), "{}", said(&done));
    let before = project.versions();
    // Equal plans of one minute may be one plan: then it is used; else the world is another.
    let refused = binary::run(&project.at, &["apply", file]);
    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    let text = said(&refused);
    let left =
        text.contains("version `v1` is disabled and was current") && text.contains("version `v2` appeared (current)");
    assert!(left || text.contains("was carried out on"), "{text}");
    assert_eq!(project.versions(), before);
}

#[test]
fn what_happens_to_another_key_voids_nothing() {
    let folder = project::folder();
    let project = project(folder.path());
    with_another_key(&project);
    let (file, other) = (folder.path().join("plan.json"), folder.path().join("other.json"));
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    binary::plan(&project.at, file);
    let drawn = binary::run(&project.at, &["plan", "--key", "other/kek", "-o", other]);
    assert!(drawn.status.success(), "{}", said(&drawn));
    let done = binary::run(&project.at, &["apply", other, "--wait"]);
    assert!(done.status.success(), "{}", said(&done));
    let done = binary::run(&project.at, &["apply", file, "--wait"]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(project.rows(), [("v2".to_owned(), 50)].into());
}

/// One run's policy was changed and its plan is gone from the home: the other run goes on, both are told, and the worst is
/// the exit code.
#[test]
fn a_run_that_cannot_go_on_keeps_no_other_from_it() {
    let folder = project::folder();
    let project = project(folder.path());
    with_another_key(&project);
    let (file, other) = (folder.path().join("plan.json"), folder.path().join("other.json"));
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    binary::plan(&project.at, file);
    let drawn = binary::run(&project.at, &["plan", "--key", "other/kek", "-o", other]);
    assert!(drawn.status.success(), "{}", said(&drawn));
    for plan in [file, other] {
        let begun = binary::run(&project.at, &["apply", plan]);
        assert_eq!(begun.status.code(), Some(0), "{}", said(&begun));
    }
    for (policy, key) in [("policies/app.toml", "app"), ("policies/other.toml", "other")] {
        let text = fs::read_to_string(project.at.join(policy)).unwrap();
        fs::write(project.at.join(policy), text.replace("after = \"1s\"", "after = \"2s\"")).unwrap();
        let both = binary::run(&project.at, &["apply", "--exit-code"]);
        let told = said(&both);
        assert_eq!(both.status.code(), Some(5), "{told}");
        assert!(told.contains(&format!("`{policy}` changed since the plan was drawn")), "{told}");
        let goes_on = if key == "app" { "other/kek/" } else { "app/kek/" };
        assert!(told.contains(goes_on) && !told.contains(&format!("  {key}/kek/")), "{told}");
        fs::write(project.at.join(policy), text).unwrap();
    }
    let done = binary::run(&project.at, &["apply", "--wait"]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(project.rows(), [("v2".to_owned(), 50)].into());
}

/// What is not granted leaves nothing behind.
#[test]
fn a_plan_that_may_not_be_carried_out_is_not_kept() {
    let folder = project::folder();
    let project = project(folder.path());
    let file = folder.path().join("plan.json");
    let file = file.to_str().unwrap();
    binary::plan(&project.at, file);
    let done = binary::run(&project.at, &["apply", file, "--wait"]);
    assert!(done.status.success(), "{}", said(&done));
    let kept = || project::files(&project.at.join(".keyrota/plans")).len();
    assert_eq!(kept(), 1);
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let drawn = binary::run(&project.at, &["plan", "--destroy", "-o", file]);
    assert!(drawn.status.success(), "{}", said(&drawn));
    let denied = binary::run(&project.at, &["apply", file]);
    assert_eq!(denied.status.code(), Some(5), "{}", said(&denied));
    assert!(said(&denied).contains("--destroy app/kek@v1"), "{}", said(&denied));
    assert_eq!(kept(), 1, "it was not granted");
    let done = binary::run(&project.at, &["apply", file, "--wait", "--destroy", "app/kek@v1"]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(kept(), 2);
}

/// A second key with a folder and a table of its own.
fn with_another_key(project: &Project) {
    let policy = fs::read_to_string(project.at.join("policies/app.toml")).unwrap();
    let policy = policy.replace("name = \"app\"", "name = \"other\"").replace("at = \"keys\"", "at = \"keys-other\"");
    let policy = policy.replace("table = \"data_keys\"", "table = \"other_keys\"");
    fs::write(project.at.join("policies/other.toml"), policy).unwrap();
    project
        .connect()
        .execute_batch("CREATE TABLE other_keys (id INTEGER PRIMARY KEY, kek_version TEXT, wrapped TEXT)")
        .unwrap();
    let mut make = Command::new("cp");
    assert!(make.args(["-a", "keys", "keys-other"]).current_dir(&project.at).status().unwrap().success());
    // The same bytes under two names would be one key; this one is its own.
    fs::write(project.at.join("keys-other/v1.key"), b"CANARY/another-key-encryption-k!").unwrap();
}

#[test]
fn a_policy_that_changed_in_mid_run_stops_it() {
    let folder = project::folder();
    let project = project(folder.path());
    let file = folder.path().join("plan.json");
    let file = file.to_str().unwrap();
    binary::plan(&project.at, file);
    let begun = binary::run(&project.at, &["apply", file, "--exit-code"]);
    assert_eq!(begun.status.code(), Some(3), "{}", said(&begun));
    let policy = project.at.join("policies/app.toml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, text.replace("after = \"1s\"", "after = \"0s\"")).unwrap();
    for words in [&["apply", file, "--wait"][..], &["apply", "--wait"]] {
        let refused = binary::run(&project.at, words);
        assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
        assert!(said(&refused).contains("`policies/app.toml` changed since the plan was drawn"), "{}", said(&refused));
    }
    assert_eq!(project.rows(), [("v1".to_owned(), 50)].into());
    fs::write(&policy, text).unwrap();
    let done = binary::run(&project.at, &["apply", "--wait"]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(project.rows(), [("v2".to_owned(), 50)].into());
}
