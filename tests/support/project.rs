//! Small true projects for tests: a folder with policies, key files and an SQLite database, whose every secret is a canary; and
//! a reader of sealed rows that shares no code with the engine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use rusqlite::Connection;
use sha2::Digest;
use sha2::Sha256;

use crate::canary::Canary;

/// The key's whole name in every project.
pub(crate) const KEY: &str = "app/kek";
/// The first version's material.
pub(crate) const FIRST: &[u8; 32] = b"CANARY/first-key-encryption-key!";
/// How every data key begins.
pub(crate) const DATA: &str = "CANARY/data-key/";

/// What kind of project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Two members that look again by themselves, many versions, a table that is moved in chunks.
    Plain,
    /// The same, moved in one transaction.
    Atomic,
    /// Members that hold one version: delivered, pointed at, restarted by scripts.
    One,
    /// Members that write what they know into a table.
    Proof,
    /// Checks by command at every moment that there is.
    Checks,
    /// Rows in two stores, old values kept for a while, and the values that are replaced kept in files.
    Two,
    /// Members that write by themselves under what they have known for a while; values that nobody moves.
    Itself,
    /// Values that only a service opens, whose versions a floor disables.
    Served,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] =
        [Kind::Plain, Kind::Atomic, Kind::One, Kind::Proof, Kind::Checks, Kind::Two, Kind::Itself];

    /// Whether values are ours to move.
    pub(crate) fn moves(self) -> bool {
        self != Kind::Itself
    }
}

/// A project in a folder.
pub(crate) struct Project {
    pub(crate) at: PathBuf,
    pub(crate) kind: Kind,
}

impl Project {
    /// A fresh project with so many rows under `v1`.
    pub(crate) fn make(at: &Path, kind: Kind, rows: i64) -> Self {
        let project = Self { at: at.to_owned(), kind };
        project.folder("policies", 0o755);
        project.folder("keys", 0o700);
        fs::write(at.join("policies/app.toml"), policy(kind)).unwrap();
        fs::write(at.join("keyrota.toml"), SETTINGS).unwrap();
        project.private("keys/v1.key", FIRST);
        if matches!(kind, Kind::One | Kind::Checks) {
            project.scripts();
        }
        let connection = project.connect();
        connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        connection.execute_batch(TABLES).unwrap();
        connection.execute_batch("BEGIN").unwrap();
        for id in 1..=rows {
            insert(&connection, id, "v1", FIRST).unwrap();
        }
        if kind == Kind::Two {
            let side = "INSERT INTO side_keys SELECT id, kek_version, wrapped FROM data_keys WHERE id % 3 = 0; DELETE FROM data_keys WHERE id % 3 = 0";
            connection.execute_batch(side).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        project
    }

    fn folder(&self, name: &str, mode: u32) {
        fs::create_dir_all(self.at.join(name)).unwrap();
        fs::set_permissions(self.at.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn private(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at.join(name), bytes).unwrap();
        fs::set_permissions(self.at.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn scripts(&self) {
        self.folder("site", 0o755);
        for (name, text) in SCRIPTS {
            fs::write(self.at.join("site").join(name), text).unwrap();
            fs::set_permissions(self.at.join("site").join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        for member in ["ctl-1", "ctl-2"] {
            self.folder(&format!("site/{member}-keys"), 0o700);
            fs::write(self.at.join(format!("site/{member}.toml")), "# mine\n[key]\nversion = \"v1\" # today\n")
                .unwrap();
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.at.join("app.db")
    }

    pub(crate) fn connect(&self) -> Connection {
        let connection = Connection::open(self.database()).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        connection
    }

    pub(crate) fn ring(&self) -> serde_json::Value {
        match fs::read(self.at.join("keys/ring.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Err(_) => serde_json::json!({ "versions": [{ "id": "v1", "state": "current", "file": "v1.key" }] }),
        }
    }

    /// Every version and its state, as the books say.
    pub(crate) fn versions(&self) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let ring = self.ring();
        let all = ring["versions"].as_array().unwrap();
        all.iter().map(|version| (text(&version["id"]), text(&version["state"]))).collect()
    }

    /// The current version and its material.
    pub(crate) fn current(&self) -> (String, Vec<u8>) {
        let ring = self.ring();
        let current =
            ring["versions"].as_array().unwrap().iter().find(|version| version["state"] == "current").unwrap();
        let file = self.at.join("keys").join(current["file"].as_str().unwrap());
        (current["id"].as_str().unwrap().to_owned(), fs::read(file).unwrap())
    }

    /// The material of every version that opens something.
    pub(crate) fn opening(&self) -> BTreeMap<String, Vec<u8>> {
        let ring = self.ring();
        let opens = |version: &&serde_json::Value| {
            ["staged", "current", "decrypt-only"].contains(&version["state"].as_str().unwrap())
        };
        let all = ring["versions"].as_array().unwrap().iter().filter(opens);
        all.map(|version| {
            let file = self.at.join("keys").join(version["file"].as_str().unwrap());
            (version["id"].as_str().unwrap().to_owned(), fs::read(file).unwrap())
        })
        .collect()
    }

    /// How many rows each version seals. Every row must open, with the version that it names, to what was sealed.
    pub(crate) fn rows(&self) -> BTreeMap<String, u64> {
        self.rows_with(&self.opening())
    }

    /// The same, with these keys.
    pub(crate) fn rows_with(&self, keys: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, u64> {
        let mut under = BTreeMap::new();
        for (id, version, wrapped) in sealed(&self.connect(), 0, i64::MAX) {
            let key =
                keys.get(&version).unwrap_or_else(|| panic!("row {id} is under `{version}`, which opens nothing"));
            assert!(opens(key, id, &wrapped), "row {id} under {version}");
            *under.entry(version).or_insert(0) += 1;
        }
        under
    }

    /// Some rows from this id on must open; quickly done.
    pub(crate) fn some_rows(&self, from: i64, at_most: i64) {
        let keys = self.opening();
        for (id, version, wrapped) in sealed(&self.connect(), from, at_most) {
            assert!(keys.get(&version).is_some_and(|key| opens(key, id, &wrapped)), "row {id} under {version}");
        }
    }

    /// Every cell that is not sealed is as the application wrote it, however many rows there are by now.
    pub(crate) fn untouched(&self) {
        let connection = self.connect();
        let mut rows = connection.prepare("SELECT id, payload, note FROM data_keys").unwrap();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let id: i64 = row.get(0).unwrap();
            let (payload, note): (Vec<u8>, Option<String>) = (row.get(1).unwrap(), row.get(2).unwrap());
            assert_eq!((payload, note.as_deref()), (beside(id).0, beside(id).1), "row {id}");
        }
        let bystanders = "SELECT group_concat(quote(a) || quote(b)) FROM bystander";
        let bystanders: String = connection.query_row(bystanders, [], |row| row.get(0)).unwrap();
        assert_eq!(bystanders, "1'x',2.5NULL,'three'X'00FF'");
    }

    /// A digest of everything in the database but the sealed column and its version, and how many rows there are.
    pub(crate) fn others(&self) -> String {
        let connection = self.connect();
        let mut hash = Sha256::new();
        for query in [
            "SELECT quote(id) || typeof(id) || quote(payload) || quote(note) || typeof(wrapped) || typeof(kek_version) \
             FROM data_keys ORDER BY id",
            "SELECT quote(a) || quote(b) FROM bystander ORDER BY rowid",
            "SELECT quote(sql) FROM sqlite_schema ORDER BY name",
        ] {
            let mut rows = connection.prepare(query).unwrap();
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                hash.update(row.get::<_, String>(0).unwrap());
                hash.update("\n");
            }
        }
        hex::encode(hash.finalize())
    }

    /// Lets every member say that it knows what the books say opens, and that it lives.
    pub(crate) fn members_look(&self) {
        static BEAT: AtomicU64 = AtomicU64::new(1);
        let known: Vec<String> = self.opening().into_keys().collect();
        let known = serde_json::to_string(&known).unwrap();
        let connection = self.connect();
        for member in ["web-1", "web-2"] {
            let beat = BEAT.fetch_add(1, Ordering::Relaxed).to_string();
            connection.execute("INSERT OR REPLACE INTO members VALUES (?1, ?2, ?3)", (member, &known, beat)).unwrap();
        }
    }

    /// All key material that lies in the key folder now, and that of the first version.
    pub(crate) fn secrets(&self) -> Vec<Vec<u8>> {
        let mut secrets = vec![FIRST.to_vec(), DATA.as_bytes().to_vec()];
        for folder in ["keys", "keys/disabled"] {
            for entry in fs::read_dir(self.at.join(folder)).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|ending| ending == "key") {
                    secrets.push(fs::read(entry.path()).unwrap());
                }
            }
        }
        secrets
    }

    /// Nothing that was written or printed holds a secret: no file but those where keys belong (the backend's folder, and what
    /// members were handed), and nothing of what lies `beside`. The database may hold sealed values only, so it is searched too.
    pub(crate) fn search(&self, beside: &[(&str, &[u8])]) -> usize {
        self.look(beside).unwrap_or_else(|found| panic!("{found}"))
    }

    /// The same, told.
    pub(crate) fn look(&self, beside: &[(&str, &[u8])]) -> Result<usize, String> {
        let canary = Canary::new(self.secrets());
        for (name, bytes) in beside {
            if let Some(how) = canary.found(bytes) {
                return Err(format!("`{name}` holds a secret, {how}"));
            }
        }
        canary.look_below(&self.at, |name| name.starts_with("keys/") || name.contains("-keys/"))
    }
}

/// A folder of its own, in memory where the machine has such a place: a test that syncs thousands of times waits for no disk.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// Copies a folder, modes included.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

pub(crate) fn plain(id: i64) -> Vec<u8> {
    format!("{DATA}{id:016}").into_bytes()
}

fn aad(id: i64) -> String {
    format!("data_keys:{id}")
}

/// Seals as the application would.
pub(crate) fn seal(key: &[u8], id: i64) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut nonce = [0x5A; 12];
    nonce[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    // Writers in several processes share a key: their nonces must differ.
    nonce[8..].copy_from_slice(&std::process::id().to_le_bytes());
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let sealed = cipher.encrypt((&nonce).into(), Payload { msg: &plain(id), aad: aad(id).as_bytes() }).unwrap();
    hex::encode([&nonce[..], &sealed].concat())
}

fn open(key: &[u8], id: i64, wrapped: &str) -> Option<Vec<u8>> {
    let sealed = hex::decode(wrapped).ok()?;
    let (nonce, sealed) = sealed.split_first_chunk::<12>()?;
    let cipher = Aes256Gcm::new_from_slice(key).ok()?;
    cipher.decrypt(nonce.into(), Payload { msg: sealed, aad: aad(id).as_bytes() }).ok()
}

/// What stands beside a sealed value.
fn beside(id: i64) -> (Vec<u8>, Option<&'static str>) {
    (vec![(id % 251) as u8; 40], (id % 3 == 0).then_some("note"))
}

/// Sealed rows from this id on: id, version and value.
pub(crate) fn sealed(connection: &Connection, from: i64, at_most: i64) -> Vec<(i64, String, String)> {
    let text = "SELECT id, kek_version, wrapped FROM data_keys WHERE id >= ?1 UNION ALL \
                SELECT id, kek_version, wrapped FROM side_keys WHERE id >= ?1 ORDER BY id LIMIT ?2";
    let mut rows = connection.prepare_cached(text).unwrap();
    let rows = rows.query_map((from, at_most), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Whether a row's value opens with this key to what was sealed.
pub(crate) fn opens(key: &[u8], id: i64, wrapped: &str) -> bool {
    open(key, id, wrapped).is_some_and(|found| found == plain(id))
}

pub(crate) fn insert(connection: &Connection, id: i64, version: &str, key: &[u8]) -> rusqlite::Result<usize> {
    let (payload, note) = beside(id);
    let row = (id, version, seal(key, id), payload, note);
    connection.prepare_cached("INSERT INTO data_keys VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(row)
}

const TABLES: &str = "
CREATE TABLE data_keys (id INTEGER PRIMARY KEY, kek_version TEXT NOT NULL, wrapped TEXT NOT NULL, payload BLOB, note TEXT);
CREATE TABLE side_keys (id INTEGER PRIMARY KEY, kek_version TEXT NOT NULL, wrapped TEXT NOT NULL);
CREATE TABLE bystander (a, b);
INSERT INTO bystander VALUES (1, 'x'), (2.5, NULL), ('three', x'00ff');
CREATE TABLE members (member TEXT PRIMARY KEY, knows TEXT, beat TEXT);
";

const SETTINGS: &str = r#"
actor = "the tests"

[commands]
allow = ["site/put-key", "site/drop-key", "site/restart", "site/healthy", "site/check"]
"#;

/// The members' side: what is delivered lies in a folder a member; a start reads the pointer and needs the key it names.
const SCRIPTS: [(&str, &str); 5] = [
    (
        "put-key",
        "#!/bin/sh\nset -eu\numask 077\nf=\"site/$1-keys/$2\"\ncat >\"$f.new\"\nmv \"$f.new\" \"$f\"\nsha256sum <\"$f\" | cut -c1-64\n",
    ),
    ("drop-key", "#!/bin/sh\nset -eu\nrm -f \"site/$1-keys/$2\"\n"),
    (
        "restart",
        "#!/bin/sh\nset -eu\nv=$(sed -n 's/^version = \"\\(.*\\)\".*/\\1/p' \"site/$1.toml\")\ntest -s \"site/$1-keys/$v\"\necho \"$v\" >\"site/$1.runs\"\n",
    ),
    (
        "healthy",
        "#!/bin/sh\nset -eu\nv=$(sed -n 's/^version = \"\\(.*\\)\".*/\\1/p' \"site/$1.toml\")\ntest \"$(cat \"site/$1.runs\")\" = \"$v\"\n",
    ),
    ("check", "#!/bin/sh\nset -eu\ntest ! -e site/ill\necho well\n"),
];

fn policy(kind: Kind) -> String {
    let atomic = if matches!(kind, Kind::Atomic | Kind::One) { "atomic = true" } else { "" };
    let fleet = match kind {
        Kind::One => FLEET_ONE,
        Kind::Proof => FLEET_PROOF,
        Kind::Itself => FLEET_ITSELF,
        Kind::Two => FLEET_CACHES,
        Kind::Served => FLEET_ASKS,
        Kind::Plain | Kind::Atomic | Kind::Checks => FLEET,
    };
    let (side, seals) = match kind {
        Kind::Two => (SIDE, "\"app\", \"side\""),
        Kind::Itself => ("[store.others]\ntype = \"unseen\"", "\"others\""),
        _ => ("", "\"app\""),
    };
    let retire = if kind.moves() { "{ after = \"1s\", destroy_after = \"1s\" }" } else { "\"never\"" };
    let more = match kind {
        Kind::One => ACCEPTS,
        Kind::Checks => CHECKS,
        Kind::Two => "pre_images = { to = \"file\", keep = \"1s\" }",
        Kind::Plain | Kind::Atomic | Kind::Proof | Kind::Itself | Kind::Served => "",
    };
    let seal = if kind == Kind::Served {
        r#"{ cipher = "backend", as = "hex", layout = ["ciphertext"] }"#
    } else {
        r#"{ cipher = "aes-256-gcm", as = "hex", layout = ["nonce", "ciphertext", "tag"] }"#
    };
    format!(
        r#"
[policy]
name = "app"
owner = "the tests"
about = "faults"

[backend.files]
type = "file"
as = "raw"
id = "v{{{{ n }}}}"

[store.app]
type = "sqlite"
path = "app.db"
{atomic}
[[store.app.sealed]]
table = "data_keys"
column = "wrapped"
seal = {seal}
aad = "data_keys:{{{{ row.id }}}}"
version = {{ column = "kek_version" }}
{side}
{fleet}
[key.kek]
backend = "files"
at = "keys"
algorithm = "aes-256"
seals = [{seals}]
used_by = ["web"]
rotate_every = "90d"
retire = {retire}
{more}"#
    )
}

/// Members that ask the service for every value: they follow what is current there at once.
const FLEET_ASKS: &str = r#"
[fleet.web]
members = ["web-1", "web-2"]
learns = "always"
writes = "current"
in_flight = "1s"
"#;

const FLEET: &str = r#"
[fleet.web]
members = ["web-1", "web-2"]
learns = { every = "1s", margin = "0s" }
writes = "current"
in_flight = "1s"
"#;

const FLEET_CACHES: &str = r#"
[fleet.web]
members = ["web-1", "web-2"]
learns = { every = "1s", margin = "0s" }
writes = "current"
in_flight = "1s"
caches = "1s"
"#;

const FLEET_ITSELF: &str = r#"
[fleet.web]
members = ["web-1", "web-2"]
learns = { every = "1s", margin = "0s" }
writes = { newest_after = "1h" }
in_flight = "1s"
"#;

const SIDE: &str = r#"
[store.side]
type = "sqlite"
path = "app.db"
[[store.side.sealed]]
table = "side_keys"
column = "wrapped"
seal = { cipher = "aes-256-gcm", as = "hex", layout = ["nonce", "ciphertext", "tag"] }
aad = "data_keys:{{ row.id }}"
version = { column = "kek_version" }
"#;

const FLEET_PROOF: &str = r#"
[fleet.web]
members = { from = "proof", at_least = 2 }
learns = { every = "1s", margin = "0s" }
writes = "current"
in_flight = "1s"
[fleet.web.proof]
from = "app"
table = "members"
member = "member"
knows = { field = "knows", is = "{{ id }}" }
seen_at = "beat"
"#;

const FLEET_ONE: &str = r#"
[fleet.web]
members = ["ctl-1", "ctl-2"]
holds = "one"
opens = "at-start"
learns = "restart"
writes = "current"
in_flight = "1s"
deliver = { command = ["site/put-key", "{{ member }}", "{{ id }}"], gives = "stdin", proves = "fingerprint" }
withdraw = { command = ["site/drop-key", "{{ member }}", "{{ id }}"] }
point = { file = "site/{{ member }}.toml", at = "key.version", is = "{{ id }}" }
restart = { each = ["site/restart", "{{ member }}"] }
[[fleet.web.healthy]]
name = "up"
command = ["site/healthy", "{{ member }}"]
"#;

const ACCEPTS: &str = r#"
[[key.kek.accepts]]
risk = "K207"
fleet = "web"
at_most = "1h"
until = "2099-01-01"
because = "no data is at risk"
"#;

const CHECKS: &str = r#"
[[key.kek.check]]
name = "well"
when = ["before", "added", "readable", "switched", "written", "moved", "retired"]
command = ["site/check"]
"#;
