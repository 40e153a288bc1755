//! Crash points: names before and after every durable act, at which a test can record, die or fail.
//!
//! In normal runs a point costs one relaxed load. Nothing here reads the environment: the command line arms it, once.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use crate::fault::Fault;

static ARMED: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<Option<State>> = Mutex::new(None);

/// What a test wants of the points.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Write each point that is passed into this file, one a line: `7 append.sync after`.
    pub record: Option<PathBuf>,
    /// At the point with this number, counted from 0, do this.
    pub stop: Option<(u64, Stop)>,
}

/// What happens at the chosen point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The process dies on the spot: no destructor runs, as in a power cut.
    Abort,
    /// The act fails with this kind of error: at `before` it was not done, at `after` it was done and only seems to have failed.
    /// A bare [`point`] cannot fail and passes.
    Fail(io::ErrorKind),
}

struct State {
    record: Option<File>,
    stop: Option<(u64, Stop)>,
    next: u64,
}

/// Arms the points for this process, or disarms them.
///
/// # Errors
/// The file to record into cannot be opened.
pub fn arm(plan: Option<Plan>) -> Result<(), Fault> {
    let state = match plan {
        None => None,
        Some(Plan { record, stop }) => {
            let record =
                match record {
                    None => None,
                    Some(path) => Some(OpenOptions::new().create(true).append(true).open(&path).map_err(|error| {
                        Fault::io(format!("record crash points into `{}`", path.display()), &error)
                    })?),
                };
            Some(State { record, stop, next: 0 })
        }
    };
    let armed = state.is_some();
    *STATE.lock().unwrap_or_else(PoisonError::into_inner) = state;
    ARMED.store(armed, Ordering::Relaxed);
    Ok(())
}

/// A place at which the process may be made to die: for acts that are not ours to fail, such as a database commit.
#[inline]
pub fn point(name: &'static str) {
    if ARMED.load(Ordering::Relaxed) {
        // A bare point has no way to fail, and says so in the words of `Stop::Fail`.
        let _passed = pass(name, "");
    }
}

/// Does a durable act between its two points.
///
/// # Errors
/// The act's own, or the one that a test asked for.
#[inline]
pub fn around<T>(name: &'static str, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if !ARMED.load(Ordering::Relaxed) {
        return act();
    }
    pass(name, " before")?;
    let done = act()?;
    pass(name, " after")?;
    Ok(done)
}

#[cold]
fn pass(name: &str, side: &str) -> io::Result<()> {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(state) = state.as_mut() else { return Ok(()) };
    let number = state.next;
    state.next = number.saturating_add(1);
    if let Some(file) = state.record.as_mut() {
        writeln!(file, "{number} {name}{side}")?;
    }
    match state.stop {
        Some((at, Stop::Abort)) if at == number => std::process::abort(),
        Some((at, Stop::Fail(kind))) if at == number => {
            Err(io::Error::new(kind, format!("made to fail at point {number}, {name}{side}")))
        }
        _ => Ok(()),
    }
}
