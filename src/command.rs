//! Programs of the operator's: the only room that starts one. Without a shell, only by the allow-list, with a clean environment,
//! within a time limit, with what they print capped. Never here: key material in arguments or variables.

mod print;
mod talk;

pub use self::print::first_lines;
pub use self::print::printable;

use crate::fault::Fault;
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// Where programs named without a slash are looked for, and the `PATH` that they see themselves.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How much of each output is kept. The rest is read and dropped, so that no program waits for us.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Who runs programs, for one project.
#[derive(Debug, Clone)]
pub struct Runner {
    root: PathBuf,
    allow: BTreeSet<String>,
    always: BTreeMap<String, String>,
}

/// A program to run.
pub struct Job<'a> {
    /// What it is run for, to follow "could not".
    pub doing: String,
    /// The program and its arguments, every place filled.
    pub words: Vec<String>,
    /// The variables it sees beside `PATH` and those that the project always gives.
    pub env: Vec<(String, Secret)>,
    /// What it is given on its standard input; without it there is none.
    pub stdin: Option<&'a Secret>,
    /// How long it may take.
    pub within: Duration,
}

impl<'a> Job<'a> {
    /// A program with these words and nothing else.
    #[must_use]
    pub fn new(doing: impl Into<String>, words: Vec<String>, within: Duration) -> Self {
        Self { doing: doing.into(), words, env: Vec::new(), stdin: None, within }
    }

    /// With something on its standard input.
    #[must_use]
    pub fn with_stdin(mut self, stdin: Option<&'a Secret>) -> Self {
        self.stdin = stdin;
        self
    }
}

/// What a program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; nothing where a signal ended it.
    pub exit: Option<i32>,
    /// What it printed, as far as it was kept.
    pub stdout: Vec<u8>,
    /// What it complained of, as far as it was kept.
    pub stderr: Vec<u8>,
    /// Whether it printed more than was kept.
    pub cut: bool,
}

impl Runner {
    /// Runs the programs in `allow`, named exactly as there. One with a slash in its name is found from `root`, the project's
    /// folder, where all of them start.
    #[must_use]
    pub fn new(root: &Path, allow: impl IntoIterator<Item = String>) -> Self {
        Self { root: root.to_owned(), allow: allow.into_iter().collect(), always: BTreeMap::new() }
    }

    /// With a variable that every program sees: the wiring decides which, such as `HOME`.
    #[must_use]
    pub fn always(mut self, name: &str, value: &str) -> Self {
        self.always.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The project's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs a program to its end. Any exit code is an answer.
    ///
    /// # Errors
    /// It is not allowed, cannot be started, or took too long (then it and what it started are killed).
    pub fn run(&self, job: &Job<'_>) -> Result<Ran, Fault> {
        let doing = &job.doing;
        let Some((program, arguments)) = job.words.split_first() else {
            return Err(Fault::report_bug(doing, "the command has no program"));
        };
        if !self.allow.contains(program) {
            return Err(Fault::ask_operator(doing, format!("`{}` is not a program that may run", printable(program)))
                .hint(format!("add it to `allow` under `[commands]` in `keyrota.toml`: \"{}\"", printable(program))));
        }
        let path = self.find(program).ok_or_else(|| {
            Fault::ask_operator(doing, format!("there is no program `{}`", printable(program)))
                .hint(format!("one named without a slash is looked for in {PATH}"))
        })?;
        let mut command = Command::new(path);
        command.args(arguments).current_dir(&self.root).env_clear().env("PATH", PATH).envs(&self.always);
        for (name, value) in &job.env {
            value.lend(|bytes| command.env(name, std::ffi::OsStr::from_bytes(bytes)));
        }
        // A group of its own: all that it starts can be ended with it, and a Ctrl-C meant for us does not reach it half-way.
        command.process_group(0);
        command.stdin(if job.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| {
            let fault = Fault::io(doing, &error);
            match error.kind() {
                std::io::ErrorKind::PermissionDenied => fault.hint(format!("is `{}` executable?", printable(program))),
                _ => fault,
            }
        })?;
        let ran = talk::to(Group(child), job.stdin, job.within).map_err(|error| Fault::io(doing, &error))?;
        ran.ok_or_else(|| {
            Fault::retry(doing, format!("`{}` took longer than {}", printable(program), seconds(job.within)))
                .hint("it was killed, and what it had begun may be half done")
        })
    }

    /// Runs a program that must end well.
    ///
    /// # Errors
    /// As [`Runner::run`], and where its exit code is not 0: with the code and the first lines of what it complained of.
    pub fn must(&self, job: &Job<'_>) -> Result<Ran, Fault> {
        let ran = self.run(job)?;
        if ran.exit == Some(0) {
            return Ok(ran);
        }
        let program = job.words.first().map(|word| printable(word)).unwrap_or_default();
        let said = match job.stdin {
            // Whatever was given a key may print it.
            Some(secret) if print::shows(&ran.stderr, secret) => {
                "(what it said holds the key, and is withheld)".to_owned()
            }
            _ => first_lines(&ran.stderr),
        };
        let colon = if said.is_empty() { "" } else { ": " };
        Err(Fault::ask_operator(&job.doing, format!("`{program}` {}{colon}{said}", ran.ended())))
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            let path = self.root.join(program);
            return path.is_file().then_some(path);
        }
        PATH.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
    }
}

impl Ran {
    /// How it ended: `exit 3`, or that a signal ended it.
    #[must_use]
    pub fn ended(&self) -> String {
        self.exit.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("exit {code}"))
    }
}

fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs())
}

/// A program and what it started. Dropped before its end, all of them are killed.
struct Group(Child);

impl Group {
    fn kill(&mut self, signal: rustix::process::Signal) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // That it is gone already is well.
            let _gone = rustix::process::kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.kill(rustix::process::Signal::KILL);
            let _reaped = self.0.wait();
        }
    }
}
