//! The site: two instances behind one address, tenants, a database, the operator's three commands.

use crate::stage::Actor;
use crate::stage::Said;
use crate::stage::Stage;
use crate::stage::port;
use crate::stage::python;
use crate::stage::server;
use crate::stage::until;
use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) const KEY: &str = "nico/machine-identity";
const MEMBERS: [&str; 2] = ["nico-api-0", "nico-api-1"];

pub(crate) struct Site {
    pub(crate) stage: Stage,
    actors: Vec<Actor>,
    tenants: Option<Actor>,
    pub(crate) front: u16,
    pub(crate) ports: [u16; 2],
}

const REFRESH: &str = r#"#!/bin/sh
set -e
umask 077
cp site/secrets.json "site/$1/secrets.new"
mv "site/$1/secrets.new" "site/$1/secrets.json"
echo "refreshed $1" >>logs/commands.log
"#;

const RESTART: &str = r#"#!/bin/sh
set -e
beat=$(cut -d' ' -f1 "site/$1/started")
kill -HUP "$(cut -d' ' -f2 "site/$1/started")"
tries=0
until [ "$(cut -d' ' -f1 "site/$1/started")" != "$beat" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || { echo "$1 does not come back"; exit 1; }
  sleep 0.05
done
echo "restarted $1" >>logs/commands.log
"#;

const HEALTHY: &str = r#"#!/bin/sh
kill -0 "$(cut -d' ' -f2 "site/$1/started")"
"#;

impl Site {
    pub(crate) fn new() -> Self {
        let stage = Stage::new();
        stage.script("site/refresh-credentials", REFRESH);
        stage.script("site/restart", RESTART);
        stage.script("site/healthy", HEALTHY);
        let allow =
            "[commands]\nallow = [\"site/refresh-credentials\", \"site/restart\", \"site/healthy\", \"grep\"]\n";
        stage.write("keyrota.toml", allow);
        stage.set("NICO_SERVER", &server("KEYROTA_TEST_POSTGRES"));
        let mut site = Self { stage, actors: Vec::new(), tenants: None, front: port(), ports: [port(), port()] };
        let own = site.script("build.py", &MEMBERS);
        // The project's folder and those with keys are the operator's alone.
        Command::new("chmod").args(["700", "site", "."]).current_dir(site.stage.at()).status().unwrap();
        site.stage.set("NICO_DB", own.trim());
        site.stage.set("NICO_ENDPOINT", &format!("https://127.0.0.1:{}", site.front));
        for (name, port) in MEMBERS.iter().zip(site.ports) {
            let actor = site.stage.start(name, "nico/api.py", &[name, &port.to_string()]);
            site.actors.push(actor);
        }
        let ports: Vec<String> = [site.front, site.ports[0], site.ports[1]].iter().map(u16::to_string).collect();
        let words: Vec<&str> = ports.iter().map(String::as_str).collect();
        let balancer = site.stage.start("balancer", "nico/balancer.py", &words);
        balancer.until("balancing");
        for actor in &site.actors {
            actor.until("started with kv1");
        }
        site.actors.push(balancer);
        site
    }

    /// The policy as it stands in `policies/`, with waits of seconds; `more` changes it further.
    pub(crate) fn policy(&self, name: &str, more: &[(&str, &str)]) {
        let mut replaced = vec![
            ("\"systemctl\", \"restart\"", "\"site/restart\""),
            ("in_flight = \"1m\"", "in_flight = \"2s\""),
            ("destroy_after = \"7d\"", "destroy_after = \"1s\""),
            ("pre_images = { to = \"age:ops\", keep = \"30d\" }\n", ""),
        ];
        replaced.extend(more);
        self.stage.policy(name, &replaced);
    }

    pub(crate) fn script(&self, name: &str, words: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds/python/nico").join(name);
        let mut command = Command::new(python());
        command.arg(script).args(words).current_dir(self.stage.at());
        self.stage.lend(&mut command);
        let output = command.output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{name} {words:?}: {out}{err}");
        out
    }

    /// How many values are under which key, all of them opened by another library.
    pub(crate) fn check(&self, words: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.script("check.py", words)).unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.stage.at().join(name)).unwrap()
    }

    /// Draws what is due; it must be something.
    pub(crate) fn plan(&self, words: &[&str]) -> String {
        let said = self.stage.run(&[&["plan", "-o", "plan.json", "--exit-code"], words].concat());
        assert_eq!(said.code, Some(2), "{}\n{}", said.out, said.err);
        said.out
    }

    /// Applies until nothing holds it back any more; gates are waited for by being asked again.
    pub(crate) fn finish(&self, words: &[&str]) -> Said {
        let mut last = String::new();
        for _ in 0..120 {
            let said = self.stage.run(&[&["apply", "--exit-code"], words].concat());
            if said.code != Some(3) {
                return said;
            }
            last = said.out + &said.err;
            std::thread::sleep(std::time::Duration::from_millis(700));
        }
        panic!("it waits for ever: {last}");
    }

    pub(crate) fn finished(&self, words: &[&str]) -> String {
        let said = self.finish(words);
        assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
        said.out + &said.err
    }

    /// Tenants come, and stay.
    pub(crate) fn let_tenants_in(&mut self) {
        let tenants = self.stage.start("tenants", "nico/tenants.py", &[&self.front.to_string()]);
        tenants.until("served ");
        self.tenants = Some(tenants);
    }

    /// No tenant was ever refused, none found anything else than it had left, and they are served still, by every instance.
    pub(crate) fn no_tenant_was_stranded(&self) {
        let log = || self.tenants.as_ref().unwrap().said();
        let served =
            || log().lines().filter_map(|line| line.strip_prefix("served ")?.parse().ok()).max().unwrap_or(0_u64);
        let before = served();
        until("tenants to be served", || served() > before + 40);
        for word in ["FAILED", "CHANGED", "Traceback"] {
            assert!(!log().contains(word), "{}", log());
        }
        for actor in &self.actors {
            assert!(!actor.said().contains("Traceback"), "{}", actor.said());
        }
    }

    /// Where the keys of a document and its copies are.
    pub(crate) fn held(&self, file: &str) -> Vec<String> {
        let document: serde_json::Value = serde_json::from_str(&self.read(file)).unwrap();
        document["machine_identity"]["encryption_keys"].as_object().unwrap().keys().cloned().collect()
    }

    /// The document and every instance's copy of it hold these keys, and every instance started with them.
    pub(crate) fn all_hold(&self, keys: &[&str], current: &str) {
        assert_eq!(self.held("site/secrets.json"), keys);
        let listed = keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
        for (place, member) in MEMBERS.iter().enumerate() {
            assert_eq!(self.held(&format!("site/{member}/secrets.json")), keys, "{member}");
            let said = self.actors[place].said();
            let last = said.lines().rfind(|line| line.contains(" started with ")).unwrap();
            assert_eq!(last, format!("{member} started with {current}, keys [{listed}]"));
        }
    }

    /// Nothing more is to be done.
    pub(crate) fn nothing_is_due(&self) {
        let said = self.stage.run(&["plan", "--exit-code"]);
        assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    }

    /// The run that was opened last.
    pub(crate) fn run(&self) -> String {
        let journal = self.read(".keyrota/journal.jsonl");
        let opened = journal.lines().rfind(|line| line.contains("\"run-opened\"")).unwrap();
        let entry: serde_json::Value = serde_json::from_str(opened).unwrap();
        let run = entry.pointer("/event/run").or_else(|| entry.get("run")).and_then(serde_json::Value::as_str);
        run.unwrap_or_else(|| panic!("{opened}")).to_owned()
    }

    pub(crate) fn restart(&self, member: &str) {
        let status = Command::new("site/restart").arg(member).current_dir(self.stage.at()).status();
        assert!(status.unwrap().success());
    }

    /// Waits until the instance at this place of the list has written this.
    pub(crate) fn saw(&self, member: usize, sight: &str) {
        until(sight, || self.actors[member].said().contains(sight));
    }
}
