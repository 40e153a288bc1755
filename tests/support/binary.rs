//! The real binary in a project's folder, in real time.

use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

/// `keyrota` with these arguments, in this project.
pub(crate) fn keyrota(at: &Path, words: &[&str]) -> Command {
    // Temporary files too go where the tests search.
    let temporary = at.join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyrota"));
    command.arg("-C").arg(at).args(words).env_clear().env("USER", "the tests").env("TMPDIR", temporary);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(at: &Path, words: &[&str]) -> Output {
    keyrota(at, words).output().unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    format!(
        "exit {:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Draws a rotation into `plan.json` beside the project.
pub(crate) fn plan(at: &Path, file: &str) {
    let drawn = run(at, &["plan", "--key", crate::project::KEY, "-o", file]);
    assert!(drawn.status.success() && Path::new(file).exists(), "{}", said(&drawn));
}

/// A signal to a process of ours.
pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}
