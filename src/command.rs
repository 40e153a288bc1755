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
use std::os::unix::fs::PermissionsExt;
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
    /// What must not be shown, should the program print it.
    pub hides: Option<&'a Secret>,
    /// How long it may take.
    pub within: Duration,
}

impl<'a> Job<'a> {
    /// A program with these words and nothing else.
    #[must_use]
    pub fn new(doing: impl Into<String>, words: Vec<String>, within: Duration) -> Self {
        Self { doing: doing.into(), words, env: Vec::new(), stdin: None, hides: None, within }
    }

    /// With a secret on its standard input.
    #[must_use]
    pub fn with_stdin(mut self, stdin: &'a Secret) -> Self {
        self.stdin = Some(stdin);
        self.hiding(stdin)
    }

    /// With a secret that must not be shown, should the program print it.
    #[must_use]
    pub fn hiding(mut self, secret: &'a Secret) -> Self {
        self.hides = Some(secret);
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

    /// Where a program is that may be run and can be. It is not run.
    ///
    /// # Errors
    /// It is not allowed, is not there, or is not executable.
    pub fn can_run(&self, doing: &str, program: &str) -> Result<PathBuf, Fault> {
        if !self.allow.contains(program) {
            return Err(Fault::ask_operator(doing, format!("`{}` is not a program that may run", printable(program)))
                .hint(format!("add it to `allow` under `[commands]` in `keyrota.toml`: \"{}\"", printable(program))));
        }
        let path = self.find(program).ok_or_else(|| {
            Fault::ask_operator(doing, format!("there is no program `{}`", printable(program)))
                .hint(format!("one named without a slash is looked for in {PATH}"))
        })?;
        let facts = path.metadata().map_err(|error| Fault::io(doing, &error))?;
        if facts.permissions().mode() & 0o111 == 0 {
            return Err(Fault::ask_operator(doing, format!("`{}` is not executable", printable(program)))
                .hint(format!("`chmod +x {}`", printable(program))));
        }
        Ok(path)
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
        let path = self.can_run(doing, program)?;
        let mut command = Command::new(path);
        command.args(arguments).current_dir(&self.root).env_clear().env("PATH", PATH).envs(&self.always);
        for (name, value) in &job.env {
            value.lend(|bytes| command.env(name, std::ffi::OsStr::from_bytes(bytes)));
        }
        // A group of its own: all that it starts can be ended with it, and a Ctrl-C meant for us does not reach it half-way.
        command.process_group(0);
        let (input, stdin) = talk::Input::new(job.stdin).map_err(|error| Fault::io(doing, &error))?;
        command.stdin(stdin);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| {
            let fault = Fault::io(doing, &error);
            match error.kind() {
                std::io::ErrorKind::PermissionDenied => fault.hint(format!("is `{}` executable?", printable(program))),
                _ => fault,
            }
        })?;
        // With it goes our hand on the program's end of the pipe.
        drop(command);
        let ran = talk::to(Group(child), input, job.within).map_err(|error| Fault::io(doing, &error))?;
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
        let said = match job.hides {
            Some(secret) if ran.shows(secret) => "(what it said holds the key, and is withheld)".to_owned(),
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
    /// Whether it printed a secret, as it is or in one of the usual writings.
    #[must_use]
    pub fn shows(&self, secret: &Secret) -> bool {
        print::shows(&self.stderr, secret) || print::shows(&self.stdout, secret)
    }

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
    /// Whether the program has ended, without reaping it.
    fn has_ended(&self) -> bool {
        use rustix::process::WaitId;
        use rustix::process::WaitIdOptions;
        let Some(pid) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) else { return true };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(rustix::process::waitid(WaitId::Pid(pid), look), Ok(None))
    }

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

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests {
    use super::Job;
    use super::OUTPUT_BYTES_MAX;
    use super::Ran;
    use super::Runner;
    use crate::fault::Fault;
    use crate::secret::Secret;
    use std::path::Path;
    use std::time::Duration;
    use std::time::Instant;

    fn job<'a>(script: &str) -> Job<'a> {
        let words = ["sh", "-c", script].map(str::to_owned).into();
        Job::new("try a script", words, Duration::from_secs(20))
    }

    fn runner(root: &Path) -> Runner {
        Runner::new(root, ["sh".to_owned(), "site/x".to_owned()])
    }

    fn run(job: &Job<'_>) -> Result<Ran, Fault> {
        runner(Path::new("/")).run(job)
    }

    fn printed(job: &Job<'_>) -> String {
        String::from_utf8(run(job).unwrap().stdout).unwrap()
    }

    #[test]
    fn only_programs_on_the_list_run() {
        let folder = tempfile::tempdir().unwrap();
        let said = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            let fault = runner(folder.path()).run(&Job::new("x", words, Duration::from_secs(1))).unwrap_err();
            format!("{fault} ({})", fault.hint.clone().unwrap_or_default())
        };
        assert!(said(&["/bin/sh", "-c", "exit"]).contains("`/bin/sh` is not a program that may run"));
        assert!(said(&["site/../site/x"]).contains("is not a program that may run"));
        assert!(said(&["site/x"]).contains("there is no program `site/x`"));
        assert!(said(&["\x1b[2J"]).contains("\\u{1b}"));
        std::fs::create_dir(folder.path().join("site")).unwrap();
        std::fs::write(folder.path().join("site/x"), "#!/bin/sh\n").unwrap();
        assert!(said(&["site/x"]).contains("`chmod +x site/x`"));
    }

    #[test]
    fn a_program_sees_only_what_it_is_given() {
        let mut job = job("env | sort; pwd; cat; echo oops >&2; exit 3");
        job.env.push(("TOKEN".to_owned(), Secret::from_vec(b"abc".to_vec())));
        let ran = runner(Path::new("/usr")).always("LANG", "C").run(&job).unwrap();
        let seen = String::from_utf8(ran.stdout).unwrap();
        let mut lines: Vec<&str> =
            seen.lines().filter(|line| !line.starts_with("_=") && !line.starts_with("PWD=")).collect();
        lines.retain(|line| !line.starts_with("SHLVL=") && !line.starts_with("OLDPWD"));
        assert_eq!(lines, ["LANG=C", &format!("PATH={}", super::PATH), "TOKEN=abc", "/usr"]);
        assert_eq!((ran.exit, ran.stderr.as_slice()), (Some(3), &b"oops\n"[..]));
    }

    #[test]
    fn material_goes_in_by_standard_input_whole() {
        let secret = Secret::from_vec(vec![b'x'; 300_000]);
        let counted = printed(&job("wc -c").with_stdin(&secret));
        assert_eq!(counted.trim(), "300000");
        let unread = run(&job("exit 0").with_stdin(&secret)).unwrap();
        assert_eq!(unread.exit, Some(0));
    }

    #[test]
    fn an_endless_talker_is_cut_and_a_sleeper_is_ended() {
        let ran = run(&job("head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2")).unwrap();
        assert_eq!((ran.stdout.len(), ran.stderr.len(), ran.cut), (OUTPUT_BYTES_MAX, OUTPUT_BYTES_MAX, true));
        for script in
            ["sleep 60", "yes", "yes >&2", "trap '' TERM; sleep 60 & wait; sleep 60", "exec >&- 2>&-; sleep 60"]
        {
            let mut job = job(script);
            job.within = Duration::from_millis(300);
            let begun = Instant::now();
            let fault = run(&job).unwrap_err();
            assert!(fault.may_retry() && fault.to_string().contains("took longer"), "{script}: {fault}");
            assert!(begun.elapsed() < Duration::from_secs(10), "{script}");
        }
    }

    #[test]
    fn what_a_sleeper_started_is_ended_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let mut job = job(&format!("(trap '' TERM; sleep 3; touch {}) & sleep 60", mark.display()));
        job.within = Duration::from_millis(200);
        assert!(run(&job).is_err());
        let pause = super::Job::new("wait", ["sh", "-c", "sleep 2"].map(str::to_owned).into(), Duration::from_secs(9));
        run(&pause).unwrap();
        assert!(!mark.exists());
    }

    #[test]
    fn a_daemon_that_keeps_our_pipes_does_not_hold_us() {
        let begun = Instant::now();
        let ran = run(&job("sleep 5 & echo started")).unwrap();
        assert_eq!((ran.exit, ran.stdout.as_slice()), (Some(0), &b"started\n"[..]));
        assert!(begun.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_failure_says_what_was_said_but_never_the_key() {
        let must = |job: &Job<'_>| runner(Path::new("/")).must(job).unwrap_err().to_string();
        assert_eq!(must(&job("echo one >&2; exit 4")), "could not try a script: `sh` exit 4: one");
        assert_eq!(must(&job("kill -9 $$")), "could not try a script: `sh` was ended by a signal");
        let secret = Secret::from_vec(b"canary-canary-canary".to_vec());
        let said = must(&job("cat >&2; exit 1").with_stdin(&secret));
        assert!(!said.contains("canary") && said.contains("withheld"), "{said}");
    }
}
