//! The site: a namespace of the server with its document, the pods, the operators' scripts and the project.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;

use super::bao::Server;
use crate::canary::Canary;
use crate::stage::Actor;
use crate::stage::Said;
use crate::stage::Stage;
use crate::stage::python;
use crate::stage::until;

/// How often a pod reads the key set, and how long it has known a key before it writes with it, in seconds: the policy's
/// 24 and 48 hours, with their margins.
pub(super) const EVERY: &str = "5";
pub(super) const FUSE: &str = "75";
pub(super) const AT: &str = "services/all/kv/data/encryption/keys/stored_data";
pub(super) const KEY: &str = "nvcf/mek";

const SCRIPTS: [&str; 7] =
    ["pods", "other-services", "ess-known-keys", "ready", "restart-ess", "read-current-kid", "ess-errors-since"];

pub(super) struct Site {
    pub(super) stage: Stage,
    /// The server, as its operator sees it.
    pub(super) bao: Server,
    pub(super) pods: Vec<Actor>,
    pub(super) others: Vec<Actor>,
    /// The kid of the key that everything begins under.
    pub(super) old: String,
    environment: Vec<(&'static str, String)>,
}

/// Waits until an actor's last line with `mark` also says `word`.
pub(super) fn until_last(actor: &Actor, mark: &str, word: &str) {
    let last = || actor.said().lines().rev().find(|line| line.contains(mark)).is_some_and(|line| line.contains(word));
    // Longer than the fuse, on a machine that is busy.
    let since = Instant::now();
    while !last() {
        assert!(since.elapsed() < Duration::from_secs(240), "no `{mark} {word}` in {}", actor.log.display());
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Site {
    /// Everything up and well, with this many values under the first key. `seen` is the server's address as everybody but its
    /// operator sees it, with the authority to trust there; `replaced` are further words for the policy.
    pub(super) fn new(bao: Server, seen: Option<(&str, &str)>, values: u32, replaced: &[(&str, &str)]) -> Self {
        let stage = Stage::new();
        let own = bao.addr.clone();
        let (addr, authority) = seen.unwrap_or((&own, ""));
        let environment = vec![
            ("BAO_ADDR", addr.to_owned()),
            ("BAO_TOKEN", bao.token.clone()),
            ("BAO_CACERT", authority.to_owned()),
            ("BAO_NAMESPACE", bao.namespace.clone().unwrap_or_default()),
        ];
        environment.iter().for_each(|(name, value)| stage.set(name, value));
        fs::create_dir(stage.at().join("pods")).unwrap();
        bao.put("sys/mounts/services/all/kv", json!({ "type": "kv", "options": { "version": "2" } }));
        let mut site = Self { stage, bao, pods: Vec::new(), others: Vec::new(), old: String::new(), environment };
        let first: Value = serde_json::from_str(&site.python("first.py", &[])).unwrap();
        site.old = first["current_kid"].as_str().unwrap().to_owned();
        let ready = || site.bao.ask("POST", AT, Some(&json!({ "data": first }))).0 == 200;
        until("the engine", ready);
        site.python("make.py", &["secrets.db", &values.to_string()]);
        site.scripts(addr, authority);
        site.policy(replaced);
        for name in ["ess-1", "ess-2", "ess-3"] {
            let words = [name, EVERY, FUSE, "secrets.db", "pods"];
            site.pods.push(site.stage.start(name, "nvcf/ess.py", &words));
        }
        site.others.push(site.stage.start("other-1", "nvcf/other.py", &["other-1", "secrets.db"]));
        site.pods.iter().chain(&site.others).for_each(|actor| actor.until("ready"));
        site
    }

    fn scripts(&self, addr: &str, authority: &str) {
        let (python, folder) = (python(), self.stage.at().display().to_string());
        let me = format!("{}/tests/worlds/python/nvcf/site.py", env!("CARGO_MANIFEST_DIR"));
        let namespace = self.bao.namespace.as_deref().unwrap_or_default();
        let token = &self.bao.token;
        for name in SCRIPTS.into_iter().chain(["nvcf-secret-round-trip"]) {
            let text = format!(
                "#!/bin/sh\nexport BAO_ADDR='{addr}' BAO_TOKEN='{token}' BAO_NAMESPACE='{namespace}' BAO_CACERT='{authority}'\n\
                 exec {python} {me} '{folder}' {name} \"$@\"\n"
            );
            self.stage.script(&format!("site/{name}"), &text);
        }
        let allow: Vec<String> =
            SCRIPTS.into_iter().chain(["nvcf-secret-round-trip"]).map(|name| format!("\"site/{name}\"")).collect();
        self.stage.write(
            "keyrota.toml",
            &format!(
                "[commands]\nallow = [{}]\n\n[calendar.windows]\nmek-maintenance = [{{ from = \"00:00\", lasts = \"24h\" }}]\n",
                allow.join(", ")
            ),
        );
    }

    pub(super) fn policy(&self, replaced: &[(&str, &str)]) {
        let namespace = self
            .bao
            .namespace
            .as_deref()
            .map(|name| format!("namespace = \"{name}\"\nmount ="))
            .unwrap_or("mount =".into());
        let mut all = vec![
            (r#"["kubectl", "get", "pods", "-n", "ess", "-o", "name"]"#, r#"["site/pods"]"#),
            (r#"every = "24h", margin = "2h""#, r#"every = "5s", margin = "10s""#),
            (r#"newest_after = "48h""#, r#"newest_after = "75s""#),
            (r#"in_flight = "5m""#, r#"in_flight = "1s""#),
            (
                r#"["kubectl", "rollout", "restart", "deployment", "-n", "ess", "ess-api-helm-nvcf-ess-api-deployment"], within = "1h""#,
                r#"["site/restart-ess"], within = "25s""#,
            ),
            (
                r#"["kubectl", "wait", "--for=condition=Ready", "-n", "ess", "pod", "-l", "app.kubernetes.io/name=helm-nvcf-ess-api", "--timeout=30s"]"#,
                r#"["site/ready"]"#,
            ),
            ("writes = \"current\"\n", "writes = \"current\"\nin_flight = \"1s\"\n"),
            (r#"grace = "26h""#, r#"grace = "15s""#),
            ("mount =", &namespace),
        ];
        all.extend_from_slice(replaced);
        self.stage.policy("nvcf.toml", &all);
    }

    /// Runs a Python file of this world.
    pub(super) fn python(&self, script: &str, words: &[&str]) -> String {
        let path = format!("{}/tests/worlds/python/nvcf/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python());
        command.arg(path).args(words).current_dir(self.stage.at()).stdin(Stdio::null());
        let ran = command.envs(self.environment.iter().map(|(name, value)| (name, value))).output().unwrap();
        assert!(ran.status.success(), "{script} {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Runs one of the operators' scripts.
    pub(super) fn script(&self, name: &str) {
        let ran = Command::new(self.stage.at().join("site").join(name)).output().unwrap();
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Draws a plan to rotate the key into `plan.json`.
    pub(super) fn plan(&self) {
        let said = self.stage.run(&["plan", "--key", KEY, "-o", "plan.json", "--exit-code"]);
        assert_eq!(said.code, Some(2), "{}\n{}", said.out, said.err);
        assert!(said.out.contains("safe: proved"), "{}", said.out);
    }

    /// Begins the run and goes on to a gate. On a busy machine a check may take longer than it may: it is asked again.
    pub(super) fn begin(&self) -> Said {
        self.again(&["apply", "plan.json", "--exit-code"])
    }

    /// Runs the program, and again where a step failed.
    pub(super) fn again(&self, words: &[&str]) -> Said {
        let mut said = self.stage.run(words);
        for _ in 0..5 {
            if said.code != Some(1) {
                break;
            }
            said = self.stage.run(words);
        }
        said
    }

    /// The document as it stands, with its version.
    pub(super) fn document(&self) -> (Value, u64) {
        let read = self.bao.get(AT);
        (read["data"]["data"].clone(), read["data"]["metadata"]["version"].as_u64().unwrap())
    }

    pub(super) fn current(&self) -> String {
        self.document().0["current_kid"].as_str().unwrap().to_owned()
    }

    /// How many of the values are under each kid, once all of them were opened by another library.
    pub(super) fn audit(&self) -> BTreeMap<String, u64> {
        let said: Value = serde_json::from_str(&self.python("audit.py", &["secrets.db"])).unwrap();
        assert_eq!(said["bad"], json!([]));
        serde_json::from_value(said["count"]["ess"].clone()).unwrap()
    }

    /// The run that is open.
    pub(super) fn run(&self) -> String {
        let status: Value = serde_json::from_str(&self.stage.done(&["status", "--json"])).unwrap();
        status["runs"][0]["run"].as_str().unwrap().to_owned()
    }

    /// Gives the open run up.
    pub(super) fn cancel(&self) {
        self.stage.done(&["cancel", &self.run()]);
    }

    /// No file of the run, and nothing that the program prints, holds any of the keys that were ever in the document.
    pub(super) fn no_key_got_out(&self) {
        let (document, _) = self.document();
        let secrets = ["keys", "private_jwks"].into_iter().flat_map(|field| {
            let set: Value =
                serde_json::from_slice(&STANDARD.decode(document[field].as_str().unwrap()).unwrap()).unwrap();
            let keys = set["keys"].as_array().unwrap().clone();
            keys.into_iter().map(|key| URL_SAFE_NO_PAD.decode(key["k"].as_str().unwrap()).unwrap())
        });
        let canary = Canary::new(secrets);
        // Reports and the like go to a file beside the others.
        for (n, words) in [
            &["report"][..],
            &["report", "--markdown"],
            &["report", "--json"],
            &["status", "--json"],
            &["journal", "show"],
            &["journal", "export"],
            &["show", "plan.json"],
        ]
        .into_iter()
        .enumerate()
        {
            let said = self.stage.run(words);
            assert!(!said.out.is_empty(), "{words:?}: {}", said.err);
            self.stage.write(&format!("told/{n}"), &format!("{}{}", said.out, said.err));
        }
        let searched = canary.absent_below(self.stage.at(), |_| false);
        assert!(searched > 20, "{searched} files were searched");
    }

    /// Nobody ever met what they could not read, and nobody was refused.
    pub(super) fn nobody_failed(&self) {
        for actor in self.pods.iter().chain(&self.others) {
            let said = actor.said();
            let bad: Vec<&str> =
                said.lines().filter(|line| line.contains("FAIL") || line.contains("Traceback")).collect();
            assert!(bad.is_empty(), "{bad:#?}");
        }
    }

    /// Waits until every pod has begun to write with a key.
    pub(super) fn until_all_write(&self, kid: &str) {
        for pod in &self.pods {
            until_last(pod, "WRITES", kid);
        }
    }
}
