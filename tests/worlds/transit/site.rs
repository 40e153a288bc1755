//! The site: a namespace of the server with its key, two databases, two applications and the project.

use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use postgres::NoTls;
use serde_json::Value;
use serde_json::json;

use super::bao::Server;
use super::bao::fresh;
use crate::stage::Actor;
use crate::stage::Said;
use crate::stage::Stage;
use crate::stage::python;
use crate::stage::server;
use crate::stage::until;

pub(super) const KEY: &str = "transit/records";

/// What the page asks for, and no more.
const RIGHTS: &str = include_str!("../../../docs/systems/transit.md");

pub(super) struct Site {
    pub(super) stage: Stage,
    /// The server, as its operator sees it.
    pub(super) bao: Server,
    pub(super) database: String,
    pub(super) rows: u64,
    apps: Vec<Actor>,
}

/// The policy for logins that stands on the page.
fn rights() -> &'static str {
    RIGHTS.split_once("```hcl\n").unwrap().1.split_once("```").unwrap().0
}

/// A server with an engine and a key, as an operator sets it up.
pub(super) fn prepared(server: Server) -> Server {
    server.put("sys/mounts/transit", json!({ "type": "transit" }));
    server.put("transit/keys/records", json!({}));
    server.policy("rotator", rights());
    let app = "path \"transit/encrypt/records\" { capabilities = [\"update\"] }\n\
               path \"transit/decrypt/records\" { capabilities = [\"update\"] }";
    server.policy("application", app);
    server
}

/// Runs a Python file of this world.
pub(super) fn say(stage: &Stage, script: &str, words: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds/python/transit").join(script);
    let mut command = Command::new(python());
    stage.lend(&mut command);
    let ran = command.arg(path).args(words).current_dir(stage.at()).stdin(Stdio::null()).output().unwrap();
    assert!(ran.status.success(), "{script} {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

impl Site {
    /// Everything up and well, with so many rows in each table.
    pub(super) fn new(rows: u64) -> Self {
        let mut site = Self::still(prepared(Server::fresh()), rows);
        for name in ["api-1", "api-2"] {
            site.apps.push(site.stage.start(name, "transit/app.py", &[name, &rows.to_string()]));
        }
        site.apps.iter().for_each(|app| app.until("ready"));
        site
    }

    /// The same with nobody at work in it.
    pub(super) fn still(bao: Server, rows: u64) -> Self {
        let stage = Stage::new();
        let base = server("KEYROTA_TEST_POSTGRES");
        let name = fresh("transit").replace('-', "_");
        let mut operator = postgres::Client::connect(&base, NoTls).unwrap();
        operator.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let database = format!("{}/{name}", base.rsplit_once('/').unwrap().0);
        stage.set("TRANSIT_DB", &database);
        stage.set("BAO_ADDR", &bao.addr);
        stage.set("BAO_NAMESPACE", bao.namespace.as_deref().unwrap_or_default());
        stage.set("BAO_TOKEN", &bao.token(&["rotator"], json!({})));
        stage.set("APP_TOKEN", &bao.token(&["application"], json!({})));
        let site = Self { stage, bao, database, rows, apps: Vec::new() };
        say(&site.stage, "site.py", &["seed", &rows.to_string()]);
        site.policy(&[]);
        site
    }

    /// The policy with short times, and what else is replaced.
    pub(super) fn policy(&self, replaced: &[(&str, &str)]) {
        let namespace = self.bao.namespace.as_ref().map(|name| format!("namespace = \"{name}\"\n")).unwrap_or_default();
        let mount = format!("{namespace}mount =");
        let mut all = vec![
            ("mount =", mount.as_str()),
            ("in_flight = \"1m\"", "in_flight = \"4s\""),
            ("after = \"24h\", ", "after = \"1s\", "),
        ];
        all.extend_from_slice(replaced);
        self.stage.policy("transit.toml", &all);
    }

    /// Draws a plan to rotate the key into `plan.json`.
    pub(super) fn plan(&self, words: &[&str]) -> String {
        let said = self.stage.run(&[&["plan", "-o", "plan.json", "--exit-code"], words].concat());
        assert_eq!(said.code, Some(2), "{}\n{}", said.out, said.err);
        assert!(said.out.contains("safe: proved"), "{}", said.out);
        said.out
    }

    /// Carries out the plan that was drawn, to its end.
    pub(super) fn apply(&self, words: &[&str]) -> String {
        self.stage.done(&[&["apply", "plan.json", "--wait"], words].concat())
    }

    pub(super) fn nothing_is_due(&self) {
        let said = self.stage.run(&["plan", "--exit-code"]);
        assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    }

    /// What the engine says of the key.
    pub(super) fn key(&self) -> Value {
        self.bao.get("transit/keys/records")["data"].clone()
    }

    pub(super) fn number(&self, word: &str) -> u64 {
        self.key()[word].as_u64().unwrap()
    }

    /// Every value opens, asked by another library, and all are under this version; nothing else changed.
    pub(super) fn all_under(&self, version: u64) {
        let said: Value = serde_json::from_str(&say(&self.stage, "site.py", &["judge"])).unwrap();
        assert_eq!((&said["bad"], &said["strange"]), (&json!([]), &json!(0)), "{said}");
        let counted = said["count"].as_object().unwrap();
        assert_eq!(counted.keys().collect::<Vec<_>>(), [&version.to_string()], "{said}");
        assert!(counted[&version.to_string()].as_u64().unwrap() >= 4 * self.rows, "{said}");
    }

    /// Nobody ever met what they could not open, and everybody goes on.
    pub(super) fn nobody_failed(&self) {
        for app in &self.apps {
            let rounds = app.said().matches("ROUND").count();
            until("an application to go on", || app.said().matches("ROUND").count() > rounds);
            let said = app.said();
            let bad: Vec<&str> =
                said.lines().filter(|line| line.contains("FAIL") || line.contains("Traceback")).collect();
            assert!(bad.is_empty(), "{bad:#?}");
        }
    }

    /// Everybody has written with this version.
    pub(super) fn all_write(&self, version: u64) {
        self.apps.iter().for_each(|app| app.until(&format!("WRITES v{version}")));
    }

    pub(super) fn postgres(&self) -> postgres::Client {
        postgres::Client::connect(&self.database, NoTls).unwrap()
    }

    pub(super) fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.stage.at().join("notes.db")).unwrap()
    }

    /// A value as it stands.
    pub(super) fn note(&self, row: u64) -> String {
        self.kept(row).0
    }

    /// A value as it stands, and the digest of what it holds.
    pub(super) fn kept(&self, row: u64) -> (String, String) {
        let row = i64::try_from(row).unwrap();
        let both = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.sqlite().query_row("SELECT body, sum FROM notes WHERE id = ?1", [row], both).unwrap()
    }

    /// Every value as it stands, and the engine's own books.
    pub(super) fn everything(&self) -> String {
        let notes = self.sqlite();
        let mut notes = notes.prepare("SELECT id || coalesce(body, '') FROM notes ORDER BY id").unwrap();
        let notes: Vec<String> = notes.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let query = "SELECT string_agg(a::text, ',' ORDER BY id) FROM accounts a \
                     UNION ALL SELECT string_agg(d::text, ',' ORDER BY id) FROM documents d";
        let rows = self.postgres().query(query, &[]).unwrap();
        let rows: Vec<String> = rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect();
        format!("{notes:?} {rows:?} {}", self.key())
    }
}

/// All that was said, without the breaks that a narrow paper asks for.
pub(super) fn in_a_line(said: &Said) -> String {
    format!("{} {}", said.out, said.err).split_whitespace().collect::<Vec<_>>().join(" ")
}
