//! Where a world is played: a project's folder, the processes that live in it, and the program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

/// A project in a folder of its own, with what its commands and places find in the environment.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    environment: RefCell<BTreeMap<String, String>>,
}

/// What the program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A process of the world; it is ended with its value.
pub(crate) struct Actor {
    child: Child,
    pub(crate) log: PathBuf,
}

impl Stage {
    /// An empty project.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["policies", "site", "tmp", "logs"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let environment = BTreeMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("USER".to_owned(), "the tests".to_owned()),
            ("TMPDIR".to_owned(), folder.path().join("tmp").display().to_string()),
            ("PYTHON".to_owned(), python()),
            ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
        ]);
        Self { folder, environment: RefCell::new(environment) }
    }

    pub(crate) fn at(&self) -> &Path {
        self.folder.path()
    }

    /// A variable for the program, its commands where they are allowed it, and every process from here on.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.environment.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// A file of the project.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.at().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A program of the site: an executable script.
    pub(crate) fn script(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        self.write(name, text);
        fs::set_permissions(self.at().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A policy of `policies/`, with shorter times and other places: every replacement must be found.
    pub(crate) fn policy(&self, name: &str, replaced: &[(&str, &str)]) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name);
        let mut text = fs::read_to_string(from).unwrap();
        for (old, new) in replaced {
            assert!(text.contains(old), "policies/{name} no longer says `{old}`");
            text = text.replace(old, new);
        }
        self.write(&format!("policies/{name}"), &text);
    }

    /// Starts a Python file of `tests/worlds/python`.
    pub(crate) fn start(&self, name: &str, script: &str, words: &[&str]) -> Actor {
        let log = self.at().join("logs").join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(python())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds/python").join(script))
            .args(words)
            .current_dir(self.at())
            .env_clear()
            .envs(&*self.environment.borrow())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Actor { child, log }
    }

    /// Gives a command what everything on this stage finds in its environment.
    pub(crate) fn lend(&self, command: &mut Command) {
        command.env_clear().envs(&*self.environment.borrow());
    }

    /// The command of the program, for those who want to kill it.
    pub(crate) fn keyrota(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyrota"));
        command
            .arg("-C")
            .arg(self.at())
            .args(words)
            .current_dir(self.at())
            .env_clear()
            .envs(&*self.environment.borrow());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        Said::of(self.keyrota(words).output().unwrap())
    }

    /// Runs the program and kills it as soon as it has written so many lines into its journal. What it said, where it came to
    /// an end before that.
    pub(crate) fn killed_after(&self, words: &[&str], lines: usize) -> Option<Said> {
        let journal = self.at().join(".keyrota/journal.jsonl");
        let written = || fs::read(&journal).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count());
        let before = written();
        let mut child = self.keyrota(words).spawn().unwrap();
        loop {
            if child.try_wait().unwrap().is_some() {
                let said = Said::of(child.wait_with_output().unwrap());
                // A child of one that was killed before may hold its lock for a moment.
                if said.code != Some(0) && said.err.contains("(process") {
                    std::thread::sleep(Duration::from_millis(100));
                    child = self.keyrota(words).spawn().unwrap();
                    continue;
                }
                return Some(said);
            }
            if written() >= before + lines {
                child.kill().unwrap();
                child.wait().unwrap();
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills the program after its first line, then after its second, and so on until a step is done; then it begins with the
    /// first again. So each step dies after every line that it writes. It must come to its end. How often it was killed.
    pub(crate) fn killed_at_every_line(&self, words: &[&str]) -> usize {
        let journal = || fs::read_to_string(self.at().join(".keyrota/journal.jsonl")).unwrap_or_default();
        let done = || journal().matches("\"event\":\"done\"").count();
        let (mut kills, mut lines, mut before) = (0, 1, done());
        loop {
            match self.killed_after(words, lines) {
                None => kills += 1,
                Some(said) if said.was_finished() || said.code == Some(0) => {
                    assert!(done() > 0, "no step is done: is that what a line says?");
                    return kills;
                }
                Some(said) => panic!("after {kills} kills: {said:?}"),
            }
            let now = done();
            lines = if now > before { 1 } else { lines + 1 };
            before = now;
            assert!(kills < 400, "it does not get on");
        }
    }

    /// Runs the program, which must end well.
    pub(crate) fn done(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.code, Some(0), "keyrota {words:?}:\n{}\n{}", said.out, said.err);
        said.out + &said.err
    }
}

impl Said {
    fn of(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Whether it found nothing to do any more: it was killed just after its last line.
    pub(crate) fn was_finished(&self) -> bool {
        self.err.contains("this plan was carried out")
    }
}

impl Actor {
    /// What it wrote until now.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until its log holds this.
    pub(crate) fn until(&self, sight: &str) {
        until(&format!("`{sight}` in {}", self.log.display()), || self.said().contains(sight));
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The interpreter that has the libraries of `tests/python/requirements.txt`.
pub(crate) fn python() -> String {
    std::env::var("KEYROTA_TEST_PYTHON").expect("set KEYROTA_TEST_PYTHON as ./test.sh does")
}

/// The address of a server that `tests/services.sh` starts.
pub(crate) fn server(variable: &str) -> String {
    std::env::var(variable).expect("run it as `tests/services.sh cargo test --all-features`")
}

/// A port that nobody listens on now.
pub(crate) fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
