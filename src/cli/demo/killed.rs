//! This program, started once more: to be killed in the middle of the rewrap as a power cut would, and to be asked.

use crate::cli::demo::stage::PLAN;
use crate::cli::demo::stage::Stage;
use crate::cli::exit::Fail;
use crate::executor::Screen;
use crate::executor::Told;
use crate::fault::Fault;
use crate::model::Hour;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

/// What a command of this very program prints about the demo's folder.
pub(super) fn asked(folder: &Path, command: &[&str]) -> Result<String, Fail> {
    let doing = || format!("run `keyrota {}`", command.join(" "));
    let failed = |error: std::io::Error| Fault::io(doing(), &error);
    let program = std::env::current_exe().map_err(failed)?;
    let done =
        Command::new(program).arg("-C").arg(folder).args(command).stdin(Stdio::null()).output().map_err(failed)?;
    match done.status.success() {
        true => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
        false => Err(Fault::report_bug(doing(), String::from_utf8_lossy(&done.stderr).trim()).into()),
    }
}

/// What the child says when it is in the middle.
const IN_THE_MIDDLE: &str = "in the middle";

/// A child in the middle of its rewrap, holding still.
pub(super) struct Midway(Child);

impl Midway {
    /// Starts one, and waits until it is there.
    pub(super) fn start(folder: &Path, hour: Hour) -> Result<Self, Fail> {
        let doing = "start the executor that will be killed";
        let program = std::env::current_exe().map_err(|error| Fault::io(doing, &error))?;
        let mut command = Command::new(program);
        command.arg("demo").arg("--midway").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Self(command.spawn().map_err(|error| Fault::io(doing, &error))?);
        if let Some(stdin) = &mut child.0.stdin {
            writeln!(stdin, "{}", hour.to_rfc3339()).map_err(|error| Fault::io(doing, &error))?;
        }
        let mut line = String::new();
        if let Some(out) = child.0.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|error| Fault::io(doing, &error))?;
        }
        if line.trim() == IN_THE_MIDDLE {
            return Ok(child);
        }
        Err(Fault::report_bug(doing, "it ended before it came to the rewrap").into())
    }

    /// The id of its process.
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// `kill -9`.
    pub(super) fn kill(mut self) -> Result<(), Fail> {
        let killed = self.0.kill().and_then(|()| self.0.wait());
        killed.map(drop).map_err(|error| Fault::io("kill an executor", &error).into())
    }
}

impl Drop for Midway {
    fn drop(&mut self) {
        // Where the demo itself fails, nothing of it stays behind. One that is dead already is dead.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The child: goes on with the demo's plan, and holds still when a part of the values is moved. It is told the hour by its
/// parent, and goes on with no journal but one whose hours are simulated.
pub(super) fn child(folder: &Path) -> Result<(), Fail> {
    Stage::refuse_real(folder)?;
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Fault::io("read the hour", &error))?;
    let hour: Hour = line.trim().parse().map_err(|bad| Fault::report_bug("read the hour", bad))?;
    let mut stage = Stage::open(folder, hour)?;
    stage.apply(PLAN, &[], &mut Still).map(drop)
}

/// Holds still at the first rows that are moved, until somebody kills it; or gives up when nobody is there to do so.
struct Still;

impl Screen for Still {
    fn tell(&mut self, told: &Told<'_>) {
        if !matches!(told, Told::Moved { .. }) {
            return;
        }
        let _ = writeln!(std::io::stdout().lock(), "{IN_THE_MIDDLE}");
        let _ = std::io::stdout().lock().flush();
        let _ = std::io::stdin().lock().read(&mut [0]);
    }
}
