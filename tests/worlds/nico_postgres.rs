//! Machine identities: keys in a JSON document, the current one named in a TOML file, rows that we move ourselves in PostgreSQL.
//! Two instances read pointer and keys at start only, and read and write rows throughout.

mod wrong;

use crate::stage::Actor;
use crate::stage::Stage;
use crate::stage::python;
use crate::stage::server;
use crate::stage::until;
use postgres::Client;
use postgres::NoTls;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

const KEY: &str = "nico-postgres/machine-identity";
const MEMBERS: [&str; 2] = ["nico-api-0", "nico-api-1"];

const SETTINGS: &str = "# The site's settings. Ask the platform team before you change anything.\n\
    [listen]\nport = 1079 # not the metrics' port\n\n\
    [machine_identity]\nenabled = true\n\
    # Moved by the rotation.\n\
    current_encryption_key_id = \"kv1\" # see the runbook\n\
    algorithm = \"ES256\"\n\n[tls]\nidentity = 'spiffe' # last\n";

const REFRESH: &str = "#!/bin/sh\nset -e\ncp site/secrets.json \"hosts/$1/secrets.new\"\nmv \"hosts/$1/secrets.new\" \"hosts/$1/secrets.json\"\n";
const RESTART: &str = "#!/bin/sh\nn=0\ntouch \"hosts/$1/restart\"\n\
    while [ -e \"hosts/$1/restart\" ] || ! [ -e \"hosts/$1/state.json\" ]; do n=$((n+1)); [ $n -lt 300 ] || exit 1; sleep 0.1; done\n";
const HEALTHY: &str = "#!/bin/sh\ngrep -q '\"rounds\"' \"hosts/$1/state.json\"\n";

struct World {
    stage: Stage,
    hosts: Actor,
    database: String,
}

impl World {
    /// A site that has never rotated. `kept` is how long pre-images are kept and a version stays after it is clean.
    fn new(name: &str) -> Self {
        let stage = Stage::new();
        let base = server("KEYROTA_TEST_POSTGRES");
        let database = format!("nico_{name}_{}", std::process::id());
        Client::connect(&base, NoTls).unwrap().batch_execute(&format!("CREATE DATABASE {database}")).unwrap();
        let url = format!("{}/{database}", base.rsplit_once('/').unwrap().0);
        stage.set("NICO_DB", &url);
        stage.write("site/carbide.toml", SETTINGS);
        stage.script("site/refresh-credentials", REFRESH);
        stage.script("site/restart", RESTART);
        stage.script("site/healthy", HEALTHY);
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/vectors/nico.json");
        check(&stage, &["seed", vectors.to_str().unwrap()]);
        let ops = check(&stage, &["identity", "ops.key"]);
        let allow = "[\"grep\", \"site/refresh-credentials\", \"site/restart\", \"site/healthy\"]";
        let project = format!("[commands]\nallow = {allow}\n\n[recipients]\nops = [\"{}\"]\n", ops.trim());
        stage.write("keyrota.toml", &project);
        for member in MEMBERS {
            fs::create_dir_all(stage.at().join("hosts").join(member)).unwrap();
            fs::copy(stage.at().join("site/secrets.json"), stage.at().join("hosts").join(member).join("secrets.json"))
                .unwrap();
        }
        let hosts = stage.start("hosts", "nico/hosts.py", &MEMBERS);
        let world = Self { stage, hosts, database: url };
        world.policy("30d", "7d");
        world.up();
        world
    }

    fn policy(&self, keep: &str, destroy_after: &str) {
        self.stage.policy(
            "nico-postgres.toml",
            &[
                (
                    "[\"systemctl\", \"restart\", \"{{ member }}\"]",
                    "[\"site/restart\", \"{{ member }}\"], within = \"30s\"",
                ),
                ("in_flight = \"1m\"", "in_flight = \"1s\""),
                ("keep = \"30d\"", &format!("keep = \"{keep}\"")),
                ("destroy_after = \"7d\"", &format!("destroy_after = \"{destroy_after}\"")),
            ],
        );
    }

    fn state(&self, member: &str) -> serde_json::Value {
        let path = self.stage.at().join("hosts").join(member).join("state.json");
        fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Every instance writes.
    fn up(&self) {
        for member in MEMBERS {
            until(&format!("{member} to write"), || {
                self.state(member)["rounds"].as_u64().is_some_and(|rounds| rounds > 2)
            });
        }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.stage.at().join(name)).unwrap()
    }

    /// Draws a plan, which must have something in it.
    fn plan(&self, words: &[&str]) -> String {
        let said = self.stage.run(&[&["plan", "-o", &self.next(), "--exit-code"], words].concat());
        assert_eq!(said.code, Some(2), "{}\n{}", said.out, said.err);
        said.out
    }

    /// Where plans are saved.
    fn next(&self) -> String {
        self.stage.at().join("next.plan").display().to_string()
    }

    /// Carries out the plan that was saved, to its end.
    fn apply(&self, words: &[&str]) {
        self.stage.done(&[&["apply", &self.next(), "--wait"], words].concat());
    }

    fn nothing_is_due(&self) {
        let said = self.stage.run(&["plan", "--exit-code"]);
        assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    }

    /// Nobody was ever stranded, and everybody still writes.
    fn well(&self, current: &str) {
        let log = self.hosts.said();
        assert!(!log.contains("STRANDED") && !log.contains("REFUSED") && !log.contains("Traceback"), "{log}");
        self.up();
        for member in MEMBERS {
            assert_eq!(self.state(member)["current"], current, "{member}");
        }
        check(&self.stage, &["rows", current]);
        assert_eq!(self.text("site/carbide.toml"), SETTINGS.replace("\"kv1\"", &format!("\"{current}\"")));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        fs::write(self.stage.at().join("hosts/stop"), "").ok();
        until("the hosts to stop", || {
            thread::sleep(Duration::from_millis(100));
            !Path::new(&format!("/proc/{}", self.hosts.id())).exists()
                || !self.stage.at().join("hosts/stop").exists()
                || zombie(self.hosts.id())
        });
    }
}

/// The keys in a secrets document.
fn held(text: &str) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(text).unwrap();
    document["machine_identity"]["encryption_keys"].as_object().unwrap().keys().cloned().collect()
}

/// Whether a process has ended and waits only for us to ask.
fn zombie(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// What a script on other libraries says.
fn check(stage: &Stage, words: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds/python/nico/rows.py");
    let database = stage.keyrota(&[]).get_envs().find(|(name, _)| *name == "NICO_DB").unwrap().1.unwrap().to_owned();
    let said = Command::new(python()).arg(script).args(words).current_dir(stage.at()).env("NICO_DB", database).output();
    let said = said.unwrap();
    assert!(said.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

#[test]
fn a_rotation_is_killed_everywhere_and_ends_as_if_nothing_had_happened() {
    let world = World::new("rotation");
    world.stage.done(&["validate"]);
    let files = || ["site/carbide.toml", "site/secrets.json"].map(|name| world.text(name));
    let before = (files(), check(&world.stage, &["rows", "kv1"]));
    let asked = world.stage.done(&["validate", "--online"]);
    assert!(asked.contains("all of them fit; nothing was changed"), "{asked}");
    assert_eq!((files(), check(&world.stage, &["rows", "kv1"])), before);
    assert!(!world.stage.at().join(".keyrota").exists(), "no home was begun");
    let shown = world.plan(&[]);
    assert!(shown.contains("Proved safe") && shown.contains(KEY), "{shown}");
    let next = world.next();
    let kills = world.stage.killed_at_every_line(&["apply", &next, "--wait"]);
    assert!(kills > 4, "killed only {kills} times");
    world.well("kv2");
    world.nothing_is_due();
    world.stage.done(&["verify"]);
    world.stage.done(&["journal", "verify"]);
    let kept = check(&world.stage, &["kept", "ops.key"]);
    assert!(kept.contains("1 documents"), "{kept}");

    // What was kept is deleted by a plan of its own; only then may the old version be destroyed, by another.
    world.policy("0s", "0s");
    world.plan(&[]);
    world.apply(&["--destroy", &format!("{KEY}@kv1")]);
    assert_eq!(fs::read_dir(world.stage.at().join(".keyrota/pre-images")).unwrap().count(), 0);
    assert!(world.text("site/secrets.json").contains("\"kv1\""));
    let shown = world.plan(&["--destroy"]);
    let (ends, taken) = (shown.find("destroy the old version"), shown.find("take the old version from `api`"));
    assert!(ends.is_some() && ends < taken, "{shown}");
    // Out of the document, then out of every instance's copy; each reads and writes on.
    let kills = world.stage.killed_at_every_line(&["apply", &next, "--wait", "--destroy", &format!("{KEY}@kv1")]);
    assert!(kills > 2, "killed only {kills} times");
    assert_eq!(held(&world.text("site/secrets.json")), ["kv2"]);
    world.well("kv2");
    for member in MEMBERS {
        assert_eq!(held(&world.text(&format!("hosts/{member}/secrets.json"))), ["kv2"], "{member}");
        assert_eq!(world.state(member)["keys"], serde_json::json!(["kv2"]), "{member}");
    }
    world.nothing_is_due();
    let report = world.stage.done(&["report"]);
    assert!(report.contains("kv1") && report.contains("destroyed"), "{report}");
    let mut rows = Client::connect(&world.database, NoTls).unwrap();
    assert_eq!(
        rows.query("SELECT FROM tenant_identity_config WHERE organization_id = 'org-without'", &[]).unwrap().len(),
        1
    );
}

#[test]
fn a_pointer_that_somebody_moved_ends_in_a_rewrap_and_back_again() {
    let world = World::new("pointer");
    world.plan(&[]);
    world.apply(&[]);
    world.well("kv2");
    // By hand, as the runbook goes back: point, restart, then rewrap.
    for to in ["kv1", "kv2"] {
        let from = if to == "kv1" { "kv2" } else { "kv1" };
        world.stage.write("site/carbide.toml", &world.text("site/carbide.toml").replace(from, to));
        for member in MEMBERS {
            let asked =
                Command::new(world.stage.at().join("site/restart")).arg(member).current_dir(world.stage.at()).status();
            assert!(asked.unwrap().success());
        }
        let shown = world.plan(&[]);
        assert!(shown.contains("move every value") && !shown.contains("make the new version"), "{shown}");
        world.apply(&[]);
        world.well(to);
    }
}
