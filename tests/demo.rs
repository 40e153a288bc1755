//! `keyrota demo`, whole: it ends well, leaves a true world behind, and its hours can never become those of a real run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use canary::Canary;

#[path = "support/canary.rs"]
mod canary;

fn keyrota(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keyrota")).args(args).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut found): (Vec<_>, Vec<_>) =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).partition(|path| path.is_dir());
    found.extend(folders.iter().flat_map(|folder| files(folder)));
    found
}

#[test]
fn the_demo_ends_well_and_stays_a_demo() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("demo");
    let at = folder.to_str().unwrap();
    let done = keyrota(&["demo", at]);
    let out = text(&done.stdout);
    assert!(done.status.success(), "{out}\n{}", text(&done.stderr));
    for sight in [
        "8192 rows are under v2",
        "kill -9",
        "that they could not open: 0",
        "which it does not know: it cannot open it [I1]",
        "Every value opens",
        "by the delays that the policy declares, nobody has written with `v1` since",
        "destroy the old version",
        "or were not what was sealed: 0.",
    ] {
        assert!(out.contains(sight), "`{sight}` is not in\n{out}");
    }
    // The story ends before now, and the journal says whose hours they are.
    let journal = fs::read_to_string(folder.join(".keyrota/journal.jsonl")).unwrap();
    assert!(journal.lines().next().unwrap().contains(r#""clock":"virtual""#));
    let last: serde_json::Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    let last: chrono::DateTime<chrono::Utc> = last["at"].as_str().unwrap().parse().unwrap();
    assert!(last < chrono::Utc::now());

    no_real_run_goes_on_with_it(at);
    no_key_is_written_anywhere_else(&folder);

    let again = keyrota(&["demo", at]);
    assert_eq!(again.status.code(), Some(5), "{}", text(&again.stderr));
    assert_eq!(fs::read_to_string(folder.join(".keyrota/journal.jsonl")).unwrap(), journal);
}

fn no_real_run_goes_on_with_it(at: &str) {
    let plan = format!("{at}/again.json");
    let drawn = keyrota(&["-C", at, "plan", "--key", "demo/app-kek", "-o", &plan]);
    assert!(drawn.status.success(), "{}", text(&drawn.stderr));
    let refused = keyrota(&["-C", at, "apply", &plan]);
    let why = text(&refused.stderr);
    assert!(!refused.status.success() && why.contains("its hours were made up by a simulation"), "{why}");
}

/// The key that the rotation made is in its own file, and in nothing else that anybody wrote.
fn no_key_is_written_anywhere_else(folder: &Path) {
    let searched = Canary::of_folder(&folder.join("keys")).absent_below(folder, |name| name == "keys/v2.key");
    assert!(searched > 7, "{searched}");
}

#[test]
fn the_part_that_is_killed_works_on_nothing_but_a_demo() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path().to_str().unwrap();
    assert!(keyrota(&["-C", at, "init", "--example"]).status.success());
    let plan = format!("{at}/plan.json");
    assert!(keyrota(&["-C", at, "plan", "-o", &plan]).status.success());
    let before = fs::read(place.path().join("app.db")).unwrap();
    // Neither before the first run nor after it.
    for _ in 0..2 {
        let refused = keyrota(&["demo", "--midway", at]);
        assert_eq!(refused.status.code(), Some(5), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains("not the folder of a demo"), "{}", text(&refused.stderr));
        assert_eq!(fs::read(place.path().join("app.db")).unwrap(), before);
        let _ = keyrota(&["-C", at, "apply", &plan]);
    }
}

#[test]
fn init_writes_over_nothing() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path().to_str().unwrap();
    fs::create_dir(place.path().join("keys")).unwrap();
    let refused = keyrota(&["-C", at, "init", "--example"]);
    assert_eq!(refused.status.code(), Some(5), "{}", text(&refused.stderr));
    assert_eq!(files(place.path()), Vec::<PathBuf>::new());
    assert!(keyrota(&["-C", at, "init"]).status.success());
    let before: Vec<_> = files(place.path()).iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(before.len(), 2);
    assert!(keyrota(&["-C", at, "validate"]).status.success());
    assert_eq!(keyrota(&["-C", at, "init"]).status.code(), Some(5));
    let after: Vec<_> = files(place.path()).iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(before, after);
}
