//! What is told to people is true: the tutorial of the README is typed in, its picture of a plan is held against what the
//! program prints, and the tests that `docs/safety.md` names are there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use std::path::Path;
use std::process::Command;

#[path = "support/canary.rs"]
mod canary;

const README: &str = include_str!("../README.md");
/// The screen that the picture in the README is cut from.
const SCREEN: &str = include_str!("shown/snapshots/shown__screens__the_quickstart.snap");

/// The blocks of the README that open with this fence.
fn blocks(fence: &str) -> Vec<&'static str> {
    let opened = format!("```{fence}\n");
    README.split(opened.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_commands_of_the_tutorial_work() {
    let folder = tempfile::tempdir().unwrap();
    let keyrota = Path::new(env!("CARGO_BIN_EXE_keyrota"));
    let path = format!("{}:{}", keyrota.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let blocks = blocks("sh");
    assert!(blocks.len() >= 8, "the tutorial has its commands in `sh` blocks");
    let script = format!("set -eu\n{}", blocks.concat());
    let done =
        Command::new("bash").arg("-c").arg(&script).current_dir(folder.path()).env("PATH", path).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{script}\n--- printed\n{out}\n--- said\n{err}");
    for sight in [
        "v2|1000",
        "\"disabled\"",
        "Every value opens: 1000",
        "1 key is well",
        "Done: every step",
        "Key rotation report",
    ] {
        assert!(out.contains(sight), "the tutorial shows `{sight}`:\n{out}\n{err}");
    }
    let tryout = folder.path().join("tryout");
    let ring = std::fs::read_to_string(tryout.join("keys/ring.json")).unwrap();
    assert!(ring.contains("\"destroyed\""), "{ring}");
    let canary = canary::Canary::of_folder(&tryout.join("keys"));
    canary.absent("what was printed", &[done.stdout.as_slice(), &done.stderr].concat());
    assert!(canary.absent_below(folder.path(), |name| name.ends_with("keys/v2.key")) > 5);
    assert!(!tryout.join("keys/disabled/v1.key").exists() && !tryout.join("keys/v1.key").exists());
}

#[test]
fn the_picture_of_a_plan_is_what_the_program_prints() {
    let pictures = blocks("console");
    let (_command, picture) = pictures[0].split_once('\n').unwrap();
    let parts: Vec<&str> = picture.split("...\n").collect();
    assert!(parts.len() > 1 && picture.len() > 1000);
    for part in parts {
        assert!(SCREEN.contains(part.trim_end()), "the README shows what `keyrota plan` does not print:\n{part}");
    }
}

#[test]
fn every_test_that_the_promises_name_is_there() {
    let safety = include_str!("../docs/safety.md");
    let named: Vec<&str> = safety.split('`').filter(|word| word.starts_with("tests/")).collect();
    assert!(named.len() > 15);
    for path in named {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "`{path}` is not there");
    }
}
