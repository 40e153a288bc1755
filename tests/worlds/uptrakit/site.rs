//! The site: two databases, four machines, the operators' scripts, and the project that rotates their keys.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use crate::stage::Actor;
use crate::stage::Stage;
use crate::stage::port;
use crate::stage::python;
use crate::stage::server;
use crate::stage::until;

/// Where the controllers' tables are.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Postgres,
    Sqlite,
}

/// What a site is made of.
pub(super) struct Wish {
    pub(super) kind: Kind,
    /// How many data keys the controllers' table holds.
    pub(super) rows: u32,
    /// Every so many turns of its life a controller makes a data key; 0 is never.
    pub(super) mints_every: u32,
    /// More words for the policy.
    pub(super) replaced: Vec<(String, String)>,
}

impl Wish {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind, rows: 12, mints_every: 60, replaced: Vec::new() }
    }

    /// With other words in the policy.
    pub(super) fn with(mut self, old: &str, new: &str) -> Self {
        self.replaced.push((old.to_owned(), new.to_owned()));
        self
    }
}

pub(super) struct Site {
    pub(super) stage: Stage,
    pub(super) database: String,
    front: u16,
    machines: Option<Actor>,
}

const SCRIPTS: [&str; 6] = ["put-key", "shred-key", "restart", "log-since", "all-run-v3", "members"];
const MEMBERS: [(&str, &str); 4] =
    [("ctl-1", "controller"), ("ctl-2", "controller"), ("scheduler", "scheduler"), ("agent-1", "agent")];

impl Site {
    /// Everything up and well, under version 1; what the judge compares with is written down.
    pub(super) fn new(wish: &Wish) -> Self {
        let stage = Stage::new();
        let front = port();
        let database = database(&stage, wish.kind);
        let mut site = Self { stage, database, front, machines: None };
        site.keys();
        site.python("judge.py", &["make", &site.database, "hosts/ctl-1/v1.key", &wish.rows.to_string()]);
        site.python("judge.py", &["make", &site.agent(), "hosts/agent-1/v1.key", "3", "bare"]);
        for name in MEMBERS {
            site.configuration(name, wish.mints_every);
        }
        for name in SCRIPTS {
            let me = script("site.py");
            let text = format!("#!/bin/sh\nexec {} {me} http://127.0.0.1:{front} {name} \"$@\"\n", python());
            site.stage.script(&format!("site/{name}"), &text);
        }
        site.policy(wish);
        for (place, file) in [(&site.database, "before.json"), (&site.agent(), "agent-before.json")] {
            site.python("judge.py", &["dump", place, file]);
        }
        site.power();
        site
    }

    pub(super) fn agent(&self) -> String {
        self.path("agents/agent-1/agent-ssh.db")
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.stage.at().join(name).display().to_string()
    }

    /// The keys of the backend, and on every host the copy that it begins with.
    fn keys(&self) {
        use std::os::unix::fs::PermissionsExt;
        for (folder, hosts, byte) in
            [("keys/master", &["ctl-1", "ctl-2"][..], "c1"), ("agents/agent-1/keys", &["agent-1"], "a9")]
        {
            let key = format!("{}\n", byte.repeat(32));
            self.private(&format!("{folder}/v1.key"), &key);
            fs::set_permissions(self.stage.at().join(folder), fs::Permissions::from_mode(0o700)).unwrap();
            for host in hosts {
                self.private(&format!("hosts/{host}/v1.key"), &format!("  {key}"));
            }
        }
    }

    /// A file that only its owner may read.
    pub(super) fn private(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        self.stage.write(name, text);
        fs::set_permissions(self.stage.at().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn configuration(&self, (name, role): (&str, &str), mints_every: u32) {
        // An agent that makes one between the sweep and its restart runs on without a ring: that is a test of its own.
        let mints_every = if role == "controller" { mints_every } else { 0 };
        let place = if role == "agent" { self.agent() } else { self.database.clone() };
        let mut text = format!("# {name}: kept by hand\ndatabase = \"{place}\"\nmints_every = {mints_every}\n");
        if role == "scheduler" {
            let front = self.front;
            let address = |name: &str| format!("\"http://127.0.0.1:{front}/{name}/service-credentials\"");
            text += &format!("controllers = [{}, {}]\n", address("ctl-1"), address("ctl-2"));
        } else {
            let key = self.path(&format!("hosts/{name}/v1.key"));
            text += &format!("\n[master_key] # the one that it holds\npath = \"{key}\"\n");
        }
        self.stage.write(&file_of(name), &text);
    }

    fn policy(&self, wish: &Wish) {
        let front = self.front;
        let at = self.stage.at().display().to_string();
        let mut replaced: Vec<(String, String)> = vec![
            ("http://{{ member }}:8080/health".into(), format!("http://127.0.0.1:{front}/{{{{ member }}}}/health")),
            ("/etc/uptrakit/{{ id }}.key".into(), format!("{at}/hosts/{{{{ member }}}}/{{{{ id }}}}.key")),
            ("/etc/uptrakit-agent/{{ id }}.key".into(), format!("{at}/hosts/{{{{ member }}}}/{{{{ id }}}}.key")),
            ("in_flight = \"1m\"".into(), "in_flight = \"1s\"".into()),
            ("after = \"1h\", destroy_after = \"36d\"".into(), "after = \"2s\", destroy_after = \"6s\"".into()),
            ("restorable_for = \"35d\"".into(), "restorable_for = \"3s\"".into()),
            (", within = \"2m\" }".into(), " }".into()),
            (
                "[\"site/restart\", \"{{ member }}\"] }".into(),
                "[\"site/restart\", \"{{ member }}\"], within = \"2m\" }".into(),
            ),
        ];
        if wish.kind == Kind::Sqlite {
            let there = "type = \"postgres\"\nurl = { env = \"UPTRAKIT_DB\" }";
            replaced.push((there.into(), "type = \"sqlite\"\npath = \"uptrakit.db\"".into()));
        }
        replaced.extend(wish.replaced.iter().cloned());
        let replaced: Vec<(&str, &str)> = replaced.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        self.stage.policy("uptrakit.toml", &replaced);
        let allow: Vec<String> = SCRIPTS.iter().map(|name| format!("\"site/{name}\"")).collect();
        let text = format!("actor = \"the tests\"\n\n[commands]\nallow = [{}]\n", allow.join(", "));
        self.stage.write("keyrota.toml", &text);
    }

    /// Starts the machines, and every member on them.
    fn power(&mut self) {
        let config = |name: &str| file_of(name);
        let members: Vec<String> =
            MEMBERS.iter().map(|(name, role)| format!("\"{name}\": [\"{role}\", \"{}\"]", config(name))).collect();
        self.stage.write("site.json", &format!("{{{}}}", members.join(", ")));
        let machines = self.stage.start("machines", "uptrakit/hosts.py", &[&self.front.to_string(), "site.json"]);
        machines.until("serving");
        self.machines = Some(machines);
        for (name, _) in MEMBERS {
            until(&format!("`{name}` to be well: {}", self.log(name)), || self.ask(&format!("{name}/health")).0 == 200);
        }
    }

    /// Asks the front of the machines.
    pub(super) fn ask(&self, path: &str) -> (u16, String) {
        self.talk(&format!("GET /{path} HTTP/1.0\r\n\r\n"))
    }

    /// Has something done to a member: `ctl-1/restart`.
    pub(super) fn act(&self, path: &str, body: &str) {
        let (status, said) =
            self.talk(&format!("POST /{path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        assert_eq!(status, 200, "{path}: {said}");
    }

    /// When the site is about to do the first, the others happen before it, once.
    pub(super) fn hook(&self, on: &str, acts: &[&str]) {
        let acts: Vec<String> = acts.iter().map(|act| format!("\"{act}\"")).collect();
        self.act("hook", &format!("{{\"on\": \"{on}\", \"do\": [{}]}}", acts.join(", ")));
    }

    fn talk(&self, words: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.front)).unwrap();
        stream.write_all(words.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())
    }

    /// A member's log.
    pub(super) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.stage.at().join(format!("logs/{name}.log"))).unwrap_or_default()
    }

    /// What the site was about to do, in order.
    pub(super) fn happened(&self) -> Vec<String> {
        serde_json::from_str(&self.ask("happened").1).unwrap()
    }

    /// No value was touched: the tables are as they were found, beside what the members wrote since.
    pub(super) fn untouched(&self) {
        self.python("judge.py", &["untouched", &self.database, "before.json"]);
        self.python("judge.py", &["untouched", &self.agent(), "agent-before.json"]);
    }

    /// Who was restarted, in order.
    pub(super) fn restarts(&self) -> Vec<String> {
        self.happened().iter().filter_map(|event| Some(event.strip_prefix("restart ")?.to_owned())).collect()
    }

    /// Runs one of the world's own scripts to its end; it must be content.
    pub(super) fn python(&self, name: &str, words: &[&str]) -> String {
        python_says(name, words, self.stage.at())
    }

    /// Keeps a copy of a version for the judge, before it is destroyed.
    pub(super) fn keep(&self, folder: &str, version: &str) {
        let text = fs::read_to_string(self.stage.at().join(self.kept(folder, version))).unwrap();
        self.private(&format!("kept/{folder}/{version}.key"), &text);
    }

    /// The judge: every value opens under this version's file, everything else is byte for byte as it was.
    pub(super) fn judged(&self, new: &str, old: &str) -> serde_json::Value {
        let all = |place: &str, before: &str, at: &str| {
            let (new, old) = (self.kept(at, new), self.kept(at, old));
            self.python("judge.py", &["same", place, before, &new, &old])
        };
        all(&self.agent(), "agent-before.json", "agents/agent-1/keys");
        serde_json::from_str(&all(&self.database, "before.json", "keys/master")).unwrap()
    }

    /// Where the backend keeps a version now.
    fn kept(&self, folder: &str, version: &str) -> String {
        let places = [
            format!("{folder}/{version}.key"),
            format!("{folder}/disabled/{version}.key"),
            format!("kept/{folder}/{version}.key"),
        ];
        places.into_iter().find(|place| self.stage.at().join(place).exists()).unwrap()
    }

    /// No member ever failed to read, sealed directly under a master key, or could not work.
    pub(super) fn nobody_was_stranded(&self) {
        for (name, _) in MEMBERS {
            let log = self.log(name);
            for bad in ["cannot read", "sealed directly", "Traceback"] {
                assert!(!log.contains(bad), "{name}: {log}");
            }
            assert_eq!(self.ask(&format!("{name}/health")).0, 200, "{name}: {log}");
        }
    }

    /// Where a member's configuration points.
    pub(super) fn points(&self, name: &str) -> String {
        fs::read_to_string(self.stage.at().join(file_of(name))).unwrap()
    }
}

fn file_of(name: &str) -> String {
    match name.strip_prefix("agent") {
        Some(_) => format!("agents/{name}/agent.toml"),
        None => format!("site/{name}.toml"),
    }
}

/// What one of the world's own scripts says when it runs to its end; it must be content.
pub(super) fn python_says(name: &str, words: &[&str], at: &Path) -> String {
    let output = Command::new(python()).arg(script(name)).args(words).current_dir(at).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{name} {words:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// A file of the world's own.
fn script(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/worlds/python/uptrakit").join(name).display().to_string()
}

/// A database of this site's own.
fn database(stage: &Stage, kind: Kind) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if kind == Kind::Sqlite {
        return stage.at().join("uptrakit.db").display().to_string();
    }
    let name = format!("uptrakit_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let address = server("KEYROTA_TEST_POSTGRES");
    let mut client = postgres::Client::connect(&address, postgres::NoTls).unwrap();
    client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let address = format!("{}/{name}", address.rsplit_once('/').unwrap().0);
    stage.set("UPTRAKIT_DB", &address);
    address
}
