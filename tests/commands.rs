//! The commands as an operator types them: the real binary in a folder of its own. Standard output, standard error and
//! the exit code stand in one snapshot; what differs from run to run (hours, digests, folders) is replaced.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise, and makes its world itself"
)]

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use canary::Canary;

#[path = "support/canary.rs"]
mod canary;

/// The key of version 1: a canary that nothing may print.
const CANARY: [u8; 32] = *b"canary-canary-canary-canary-ok!!";

const POLICY: &str = r#"[policy]
name = "app"
owner = "kim@example.org"
about = "One key, one table, two readers."
controls = ["pci-dss-4.0.1:3.7.4"]

[backend.files]
type = "file"
as = "hex"
id = "v{{ n }}"

[store.db]
type = "sqlite"
path = "app.db"
restorable_for = "DESTROY"
[[store.db.sealed]]
table = "data_keys"
column = "wrapped"
seal = { cipher = "aes-256-gcm", as = "hex", layout = ["nonce", "ciphertext", "tag"] }
aad = "data_keys:{{ row.id }}"
version = { column = "kek_version" }

[fleet.web]
members = ["web-1", "web-2"]
learns = { every = "EVERY", margin = "0s" }
writes = "current"
in_flight = "1s"

[key.kek]
backend = "files"
at = "keys"
algorithm = "aes-256"
seals = ["db"]
used_by = ["web"]
rotate_every = "90d"
born = "BORN"
retire = { after = "1s", destroy_after = "DESTROY" }
"#;

struct World {
    folder: tempfile::TempDir,
    told: String,
}

/// A project whose key was born so many days ago, whose members learn so fast, and whose old versions stay so long.
fn world(days: i64, every: &str, destroy: &str) -> World {
    let world = World { folder: tempfile::tempdir().unwrap(), told: String::new() };
    let born = chrono::Utc::now() - chrono::TimeDelta::days(days);
    fs::create_dir(world.path("policies")).unwrap();
    let policy = POLICY.replace("BORN", &born.format("%Y-%m-%dT%H:%M:%SZ").to_string()).replace("EVERY", every);
    let policy = policy.replace("DESTROY", destroy);
    fs::write(world.path("policies/app.toml"), policy).unwrap();
    fs::write(world.path("keyrota.toml"), "actor = \"kim\"\n").unwrap();
    fs::create_dir(world.path("keys")).unwrap();
    fs::set_permissions(world.path("keys"), Permissions::from_mode(0o700)).unwrap();
    world.key("v1", CANARY);
    let db = world.db();
    db.execute("create table data_keys (id integer primary key, wrapped text, kek_version text)", ()).unwrap();
    for id in 1..=10_u8 {
        let sealed = seal(CANARY, &[id; 12], &format!("data_keys:{id}"));
        db.execute("insert into data_keys values (?, ?, 'v1')", (id, sealed)).unwrap();
    }
    world
}

fn seal(key: [u8; 32], nonce: &[u8; 12], aad: &str) -> String {
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    let sealed = cipher.encrypt(nonce.into(), Payload { msg: &[7; 32], aad: aad.as_bytes() }).unwrap();
    hex::encode([&nonce[..], &sealed].concat())
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn db(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("app.db")).unwrap()
    }

    fn key(&self, version: &str, bytes: [u8; 32]) {
        let path = self.path(&format!("keys/{version}.key"));
        fs::write(&path, hex::encode(bytes)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs a command, and tells what it said.
    fn run(&mut self, args: &str) {
        let (code, out, err) = self.quietly(args);
        self.told.push_str(&self.plain(&format!("$ keyrota {args}\n")));
        self.told.push_str(&out);
        if !err.is_empty() {
            self.told.push_str(&format!("--- stderr\n{err}"));
        }
        self.told.push_str(&format!("--- exit {code}\n\n"));
    }

    fn quietly(&self, args: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyrota"));
        command.args(words(args)).current_dir(self.folder.path()).env_clear();
        let output = command.env("COLUMNS", "200").env("NO_COLOR", "1").output().unwrap();
        let text = |bytes: Vec<u8>| self.plain(&String::from_utf8(bytes).unwrap());
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Goes on until a command exits so.
    fn until(&self, args: &str, code: i32) {
        for _ in 0..100 {
            if self.quietly(args).0 == code {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("`{args}` never exits with {code}: {:?}", self.quietly(args));
    }

    /// Opens a plan and goes on until it is carried out.
    fn carry_out(&self, plan: &str, key: &str) {
        assert_eq!(self.quietly(&format!("plan {key} -o {plan}")).0, 0);
        self.until(&format!("apply {plan} --exit-code"), 5);
    }

    fn run_name(&self) -> String {
        let shown = self.shown("status --json");
        let status: serde_json::Value = serde_json::from_str(&shown).unwrap();
        status["runs"][0]["run"].as_str().unwrap().to_owned()
    }

    /// What a command prints, as it is.
    fn shown(&self, args: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyrota"));
        command.args(words(args)).current_dir(self.folder.path()).env_clear().env("COLUMNS", "200");
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn plain(&self, text: &str) -> String {
        let folder = self.folder.path().canonicalize().unwrap();
        let text = text.replace(folder.to_str().unwrap(), "FOLDER");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            let (word, instead) =
                [hour(rest), digest(rest), span(rest)].into_iter().flatten().next().unwrap_or((0, ""));
            match word {
                0 => out.push(c),
                _ => out.push_str(instead),
            }
            rest = &rest[if word == 0 { c.len_utf8() } else { word }..];
        }
        out
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let canary = Canary::new([CANARY.to_vec()]);
            canary.absent_below(self.folder.path(), |name| name.ends_with(".key"));
            canary.absent("what was told", self.told.as_bytes());
            assert!(!self.told.contains("canary"));
        }
    }
}

fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { everything(&path) } else { vec![(path.clone(), fs::read(&path).unwrap())] })
        .collect()
}

/// Words of a command line; what stands between quotes is one.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// `Sat 2026-11-21 13:01[:30 UTC]` or `2026-11-21T13:01:30[.123]Z`: how long, and what stands instead.
fn hour(text: &str) -> Option<(usize, &'static str)> {
    let shape = |pattern: &str| {
        let fits = text.len() >= pattern.len() && text.is_char_boundary(pattern.len());
        let same = |(c, p): (char, char)| {
            if p == '0' {
                c.is_ascii_digit()
            } else if p == 'a' {
                c.is_ascii_alphabetic()
            } else {
                c == p
            }
        };
        (fits && text.chars().zip(pattern.chars()).all(same)).then_some(pattern.len())
    };
    let long = ["0000-00-00 00:00 UTC", "aaa 0000-00-00 00:00:00 UTC", "aaa 0000-00-00 00:00", "aaa 0000-00-00"];
    if let Some(length) = long.into_iter().find_map(shape) {
        return Some((length, "HOUR"));
    }
    let length = shape("0000-00-00T00:00:00")?;
    let end = text[length..].find(|c: char| c != '.' && !c.is_ascii_digit())?;
    Some((length + end + 1, "HOUR"))
}

fn digest(text: &str) -> Option<(usize, &'static str)> {
    let length = text.find(|c: char| !matches!(c, '0'..='9' | 'a'..='f')).unwrap_or(text.len());
    matches!(length, 12 | 64).then_some((length, "DIGEST"))
}

/// How long something has been so.
fn span(text: &str) -> Option<(usize, &'static str)> {
    let word = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_digit()) && text[word..].starts_with(" (passed since") {
        return Some((word, "SOME"));
    }
    // How large the prover's model is, is the prover's own.
    if text.starts_with(|c: char| c.is_ascii_digit()) && text[word..].starts_with(" states,") {
        return Some((word, "MANY"));
    }
    let before = "has been current for ";
    let rest = text.strip_prefix(before)?;
    let end = rest.find([',', ';', '\n'])?;
    // Days are the world's own; what is shorter is the machine's.
    (!rest[..end].contains('d')).then_some((before.len() + end, "has been current for a while"))
}

#[test]
fn the_whole_way() {
    // Slow enough that the gates which are shown shut are shut on a busy machine too.
    let mut world = world(80, "5s", "8s");
    for args in ["validate", "status", "status --all", "why app/kek", "why app/kek@v1", "apply", "report"] {
        world.run(args);
    }
    assert_eq!(world.quietly("plan --key app/kek -o plan.json --exit-code").0, 2);
    world.run("apply plan.json --exit-code");
    for args in ["status", "why app/kek", "why app/kek@v2", "adopt app/kek@v1"] {
        world.run(args);
    }
    world.until("apply plan.json --exit-code", 5);
    for args in ["apply plan.json", "status", "verify", "journal verify", "journal export -o copy.jsonl"] {
        world.run(args);
    }
    assert_eq!(fs::read(world.path("copy.jsonl")).unwrap(), fs::read(world.path(".keyrota/journal.jsonl")).unwrap());
    world.until("plan --destroy -o end.json --exit-code", 2);
    for args in ["status", "why app/kek@v1", "apply end.json", "apply end.json --destroy app/kek@v1"] {
        world.run(args);
    }
    world.until("apply end.json --exit-code", 5);
    for args in ["status", "why app/kek@v1", "report", "report --markdown --key app/kek", "journal show"] {
        world.run(args);
    }
    assert!(serde_json::from_str::<serde_json::Value>(&world.shown("report --json")).is_ok());
    insta::assert_snapshot!(world.told);
}

#[test]
fn a_run_is_given_up_before_and_after_its_turn() {
    let mut world = world(80, "1s", "40d");
    assert_eq!(world.quietly("plan --key app/kek -o a.json").0, 0);
    assert_eq!(world.quietly("apply a.json").0, 0);
    let run = world.run_name();
    for args in ["cancel run-0", &format!("cancel {run} --because 'web-2 is down'"), &format!("cancel {run}")] {
        world.run(args);
    }
    for args in ["apply a.json", "status --all", "apply"] {
        world.run(args);
    }
    // A version that was thrown away stands in nobody's way, and what was turned is finished by the next plan.
    assert_eq!(world.quietly("plan --key app/kek -o b.json").0, 0);
    assert_eq!(world.quietly("apply b.json").0, 0);
    while !world.shown("status").contains("`v3` current") {
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(world.quietly("apply b.json").0, 0);
    }
    let run = world.run_name();
    world.run(&format!("cancel {run}"));
    world.run("status");
    world.carry_out("c.json", "");
    for args in ["status --all", "journal show --run run-0", "report"] {
        world.run(args);
    }
    insta::assert_snapshot!(world.told);
}

/// From after the switch: both versions stay readable, the values come back, and nothing is planned until a person says so.
#[test]
fn somebody_goes_back() {
    let mut world = world(80, "1s", "40d");
    for args in
        ["plan --back app/kek", "plan --back app/kek --key app/kek", "plan --to app/kek@v9", "plan --to app/kek"]
    {
        world.run(args);
    }
    assert_eq!(world.quietly("plan --key app/kek -o a.json").0, 0);
    assert_eq!(world.quietly("apply a.json").0, 0);
    while !world.shown("status").contains("`v2` current") {
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(world.quietly("apply a.json").0, 0);
    }
    world.run("plan --back app/kek");
    let run = world.run_name();
    assert_eq!(world.quietly(&format!("cancel {run}")).0, 0);
    world.run("plan --back app/kek -o b.json --exit-code");
    world.until("apply b.json --exit-code", 0);
    let under: u32 =
        world.db().query_row("select count(*) from data_keys where kek_version = 'v1'", (), |row| row.get(0)).unwrap();
    assert_eq!(under, 10);
    for args in ["status", "why app/kek", "plan", "plan --back app/kek", "verify"] {
        world.run(args);
    }
    // Going on again is not going back: the newest version is current, and the plan after it finishes the rotation.
    assert_eq!(world.quietly("plan --to app/kek@v2 -o c.json").0, 0);
    world.until("apply c.json --exit-code", 0);
    world.run("status");
    // Back for good: whoever plans it by name takes the version out of use that was taken back.
    assert_eq!(world.quietly("plan --back app/kek -o d.json").0, 0);
    world.until("apply d.json --exit-code", 0);
    world.run("plan --key app/kek -o e.json");
    world.until("apply e.json --exit-code", 0);
    world.run("status --all");
    world.run("report");
    insta::assert_snapshot!(world.told);
}

#[test]
fn a_value_that_does_not_open_pins_its_version_until_somebody_settles_it() {
    let mut world = world(80, "1s", "2s");
    world
        .db()
        .execute(
            "update data_keys set wrapped = substr(wrapped, 1, 20) || '00' || substr(wrapped, 23) where id = 7",
            (),
        )
        .unwrap();
    for args in ["verify", "verify --key app/kek --json", "quarantine list"] {
        world.run(args);
    }
    assert_eq!(world.quietly("plan --key app/kek -o plan.json").0, 0);
    world.until("apply plan.json --exit-code", 1);
    for args in
        ["status", "why app/kek@v1", "quarantine list", "quarantine retry", "quarantine accept beef --because x"]
    {
        world.run(args);
    }
    let list: serde_json::Value = serde_json::from_str(&world.shown("quarantine list --json")).unwrap();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    world.run(&format!("quarantine accept {id} --because 'the row was empty'"));
    world.until("apply plan.json --exit-code", 5);
    for args in ["quarantine list", "verify"] {
        world.run(args);
    }
    world.until("plan --destroy -o end.json --exit-code", 2);
    insta::assert_snapshot!(world.told);
}

#[test]
fn what_others_did_is_named_and_adopted() {
    let mut world = world(100, "1s", "40d");
    world.run("status --exit-code");
    world.carry_out("plan.json", "");
    world.key("v7", [7; 32]);
    for args in ["status", "adopt app/kek@v8", "adopt app/kek@v7", "adopt app/kek@v7", "status --all", "why app/kek@v7"]
    {
        world.run(args);
    }
    fs::remove_file(world.path("keys/v2.key")).unwrap();
    for args in ["status --exit-code", "verify", "why app/kek"] {
        world.run(args);
    }
    insta::assert_snapshot!(world.told);
}

#[test]
fn a_journal_that_is_not_as_it_was_written_stops_everything() {
    let mut world = world(80, "1s", "40d");
    world.run("journal verify");
    assert_eq!(world.quietly("plan --key app/kek -o plan.json").0, 0);
    assert_eq!(world.quietly("apply plan.json").0, 0);
    let witness = world.shown("journal verify").trim().to_owned();
    world.run(&format!("journal verify --witness '{witness}'"));
    let other = witness.replace(' ', "  ");
    world.run(&format!("journal verify --witness '{other}'"));
    let journal = world.path(".keyrota/journal.jsonl");
    let good = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, good.replacen("kim", "lim", 3)).unwrap();
    for args in ["journal verify", "status", "apply", "report"] {
        world.run(args);
    }
    let cut: Vec<&str> = good.split_inclusive('\n').take(4).collect();
    fs::write(&journal, cut.concat()).unwrap();
    world.run("journal verify");
    fs::remove_file(&journal).unwrap();
    world.run("apply plan.json");
    insta::assert_snapshot!(world.told);
}

/// What is left of a broken journal is kept whole, a new one says so, and what the world shows decides from there on.
#[test]
fn a_broken_journal_makes_way_for_a_new_one() {
    let mut world = world(80, "1s", "40d");
    assert_eq!(world.quietly("plan --key app/kek -o plan.json").0, 0);
    world.run("journal recover --because x");
    assert_eq!(world.quietly("apply plan.json").0, 0);
    world.run("journal recover --because x --yes");
    let journal = world.path(".keyrota/journal.jsonl");
    let good = fs::read(&journal).unwrap();
    let spoilt = String::from_utf8(good.clone()).unwrap().replacen("app/kek/2-add", "app/kek/3-add", 1);
    fs::write(&journal, &spoilt).unwrap();
    world.run("journal recover --because 'the disk was full'");
    assert_eq!(fs::read(&journal).unwrap(), spoilt.as_bytes(), "nobody said yes");
    world.run("journal recover --because 'the disk was full' --yes");
    let kept = everything(&world.path(".keyrota")).into_iter();
    let kept: Vec<Vec<u8>> =
        kept.filter(|(path, _)| path.to_string_lossy().contains("broken-")).map(|(_, b)| b).collect();
    assert!(kept.len() == 2 && kept.contains(&spoilt.clone().into_bytes()), "it was kept whole, and its head");
    // Who died before the new head was written only says it again.
    let head = world.path(".keyrota/head.json");
    let (new, begun) = (fs::read(&head).unwrap(), fs::read(&journal).unwrap());
    let old = kept.iter().find(|bytes| **bytes != spoilt.as_bytes()).unwrap();
    fs::write(&head, old).unwrap();
    assert_eq!(world.quietly("journal verify").0, 7);
    assert_eq!(world.quietly("journal recover --because again --yes").0, 0);
    assert_eq!((fs::read(&head).unwrap(), fs::read(&journal).unwrap()), (new, begun));
    for args in ["journal verify", "journal show", "status", "adopt app/kek@v1", "status"] {
        world.run(args);
    }
    // Neither journal nor head: only plans are left of it.
    for name in ["journal.jsonl", "head.json"] {
        fs::remove_file(world.path(".keyrota").join(name)).unwrap();
    }
    world.run("journal recover --because 'the folder was cleaned' --yes");
    // How long a line is hangs on the fractions of its second.
    let told = world.told.split(" bytes").map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("SOME bytes"));
}

/// Everything is reached and asked, and nothing is changed or run.
#[test]
fn what_the_policies_name_is_asked_whether_it_fits() {
    let mut world = world(80, "1s", "40d");
    let before = everything(world.folder.path());
    world.run("validate --online");
    world.run("validate --online --json");
    let policy = fs::read_to_string(world.path("policies/app.toml")).unwrap();
    let restart = "in_flight = \"1s\"\nrestart = { each = [\"site/restart\", \"{{ member }}\"] }";
    let check = "[[key.kek.check]]\nname = \"well\"\nwhen = \"before\"\ncommand = [\"true\"]\nenv = { TOKEN = { env = \"NO_SUCH_TOKEN\" } }\n";
    fs::write(world.path("policies/app.toml"), policy.replace("in_flight = \"1s\"", restart) + check).unwrap();
    fs::write(world.path("keyrota.toml"), "actor = \"kim\"\n[commands]\nallow = [\"site/restart\", \"true\"]\n")
        .unwrap();
    world.run("validate --online");
    fs::create_dir(world.path("site")).unwrap();
    fs::write(world.path("site/restart"), "#!/bin/sh\ntouch was-run\n").unwrap();
    world.run("validate --online");
    fs::set_permissions(world.path("site/restart"), Permissions::from_mode(0o755)).unwrap();
    world.db().execute("alter table data_keys rename column kek_version to other", ()).unwrap();
    world.run("validate --online");
    assert!(!world.path("was-run").exists() && !world.path(".keyrota").exists());
    assert!(before.iter().all(|(path, _)| path.exists()));
    insta::assert_snapshot!(world.told);
}

/// The traces that our runs leave in the world, against a home that is gone, or older than they are.
#[test]
fn a_lost_home_is_not_taken_for_a_new_one() {
    let mut world = world(80, "1s", "40d");
    assert_eq!(world.quietly("plan --key app/kek -o first.json").0, 0);
    assert_eq!(world.quietly("apply first.json").0, 0);
    let older = world.path("older");
    copy(&world.path(".keyrota"), &older);
    world.until("apply first.json --exit-code", 5);
    world.carry_out("second.json", "--key app/kek");
    // An older home, restored from a backup, does not know the second run.
    fs::remove_dir_all(world.path(".keyrota")).unwrap();
    copy(&older, &world.path(".keyrota"));
    world.run("apply");
    fs::remove_dir_all(world.path(".keyrota")).unwrap();
    for args in ["plan -o plan.json", "apply", "apply second.json", "report", "status", "why app/kek"] {
        world.run(args);
    }
    assert!(!world.path(".keyrota").exists() && !world.path("plan.json").exists(), "nothing was begun anew");
    // A version that somebody puts there by hand bears no mark, and changes none.
    world.key("v9", [9; 32]);
    for args in ["plan", "adopt app/kek@v8", "adopt app/kek@v3", "status", "plan", "apply", "journal show"] {
        world.run(args);
    }
    fs::remove_file(world.path("keys/v9.key")).unwrap();
    world.carry_out("third.json", "--key app/kek");
    // Plans are kept only once a journal has begun.
    for name in ["journal.jsonl", "head.json"] {
        fs::remove_file(world.path(".keyrota").join(name)).unwrap();
    }
    world.run("adopt app/kek@v4");
    insta::assert_snapshot!(world.told);
}

/// Folders and files that nobody told us of, and a key that was taken out of its policy.
#[test]
fn what_no_policy_names_is_shown_and_left_alone() {
    let mut world = world(80, "1s", "40d");
    world.carry_out("plan.json", "--key app/kek");
    for (name, file) in [("older", "v3.key"), ("notes", "README"), ("keys", "v1.key.bak"), (".hidden", "v1.key")] {
        fs::create_dir_all(world.path(name)).unwrap();
        fs::write(world.path(name).join(file), "not ours").unwrap();
    }
    let before = everything(&world.path("older"));
    for args in ["status", "plan"] {
        world.run(args);
    }
    assert_eq!(world.quietly("plan --key app/kek -o next.json").0, 0);
    let plan: serde_json::Value = serde_json::from_slice(&fs::read(world.path("next.json")).unwrap()).unwrap();
    assert_eq!(plan["unmanaged"].as_array().unwrap().len(), 2);
    assert_eq!(world.quietly("show next.json").0, 0, "what is written is read");
    let policy = world.path("policies/app.toml");
    fs::write(&policy, fs::read_to_string(&policy).unwrap().replace("[key.kek]", "[key.other]")).unwrap();
    for args in ["status", "report"] {
        world.run(args);
    }
    assert_eq!(everything(&world.path("older")), before);
    insta::assert_snapshot!(world.told);
}

/// Wrapped values as they were are kept, pin their version, and are deleted by a plan.
#[test]
fn pre_images_are_kept_and_deleted_by_a_plan() {
    let mut world = world(80, "1s", "1s");
    let policy = world.path("policies/app.toml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, text.replace("born", "pre_images = { to = \"file\", keep = \"12s\" }\nborn")).unwrap();
    let before: String =
        world.db().query_row("select wrapped from data_keys where id = 3", (), |row| row.get(0)).unwrap();
    world.carry_out("plan.json", "--key app/kek");
    let kept = everything(&world.path(".keyrota/pre-images"));
    assert!(kept.len() == 1 && String::from_utf8_lossy(&kept[0].1).contains(&before));
    assert_eq!(fs::metadata(&kept[0].0).unwrap().permissions().mode() & 0o777, 0o600);
    for args in ["why app/kek@v1", "plan --destroy", "plan"] {
        world.run(args);
    }
    world.until("plan -o tidy.json --exit-code", 2);
    for args in ["status", "why app/kek", "plan --destroy", "show tidy.json"] {
        world.run(args);
    }
    // As a crash would leave it: the file is gone, and nobody wrote that down.
    fs::remove_file(&kept[0].0).unwrap();
    world.run("apply tidy.json");
    assert!(everything(&world.path(".keyrota/pre-images")).is_empty());
    assert_eq!(world.quietly("plan --destroy -o end.json --exit-code").0, 2);
    for args in ["apply tidy.json", "why app/kek@v1", "report --from 2026-01-01 --key app/kek"] {
        world.run(args);
    }
    insta::assert_snapshot!(world.told);
}

/// Others know a version: neither its window nor a freeze keeps anybody from leaving it, what would break is told before, and
/// nobody forgets it afterwards.
#[test]
fn a_version_that_others_know_is_left_at_once() {
    let mut world = world(10, "1s", "40d");
    let day = |days: i64| (chrono::Utc::now() + chrono::TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let windows = "[calendar.windows]\nnever = [{ days = [\"DAY\"], from = \"00:00\", lasts = \"1h\" }]\n";
    let closed = (chrono::Utc::now() + chrono::TimeDelta::days(3)).format("%a").to_string().to_lowercase();
    let freeze = format!("[[calendar.freezes]]\nfrom = \"{}\"\nto = \"{}\"\nbecause = \"sale\"\n", day(-2), day(3));
    fs::write(world.path("keyrota.toml"), format!("actor = \"kim\"\n{}{freeze}", windows.replace("DAY", &closed)))
        .unwrap();
    let policy = fs::read_to_string(world.path("policies/app.toml")).unwrap();
    let slow =
        policy.replace("retire = { after = \"1s\"", "window = \"never\"\ngrace = \"1s\"\nretire = { after = \"3d\"");
    fs::write(world.path("policies/app.toml"), slow).unwrap();
    for args in [
        "plan --compromised app/kek@v9",
        "plan --compromised app/other@v1",
        "plan --compromised app/kek@v1 --key app/kek",
    ] {
        world.run(args);
    }
    world.run("plan --compromised app/kek@v1 -o away.json --exit-code");
    world.run("status --all");
    world.until("apply away.json --exit-code", 0);
    let under: u32 =
        world.db().query_row("select count(*) from data_keys where kek_version = 'v2'", (), |row| row.get(0)).unwrap();
    assert_eq!(under, 10);
    for args in ["status --all", "why app/kek@v1", "plan --back app/kek", "plan --to app/kek@v1", "report"] {
        world.run(args);
    }
    // Said again, there is nothing to rotate.
    world.run("plan --compromised app/kek@v1 -o again.json --exit-code");
    world.until("apply again.json --exit-code", 0);
    world.run("plan --compromised app/kek@v2 -o next.json --exit-code");
    insta::assert_snapshot!(world.told);
}

/// Where nothing is to be rotated, that others know a version is still something to write down: once.
#[test]
fn what_is_only_to_be_written_down_is_planned_as_well() {
    let world = world(80, "1s", "40d");
    world.carry_out("plan.json", "--key app/kek");
    let say = "plan --compromised app/kek@v1 -o say.json --exit-code";
    assert_eq!(world.quietly(say).0, 2);
    world.until("apply say.json --exit-code", 0);
    assert_eq!(world.quietly(say).0, 0);
}

/// A program counts what a version has sealed: the figures are told, at the limit the key is due, and what nobody can count is
/// not called well.
#[test]
fn a_counter_says_when_a_version_is_used_up() {
    let mut world = world(10, "1s", "40d");
    fs::write(world.path("keyrota.toml"), "actor = \"kim\"\n[commands]\nallow = [\"site/uses\"]\n").unwrap();
    let policy = fs::read_to_string(world.path("policies/app.toml")).unwrap();
    let counter = "max_uses = { at_most = 100, counter = [\"site/uses\", \"{{ id }}\", \"{{ key }}\"] }\n";
    fs::write(world.path("policies/app.toml"), policy + counter).unwrap();
    fs::create_dir(world.path("site")).unwrap();
    for said in ["echo 99", "echo 100", "echo many", "echo \"$1 of $2 is not known here\" >&2; exit 3"] {
        let path = world.path("site/uses");
        fs::write(&path, format!("#!/bin/sh\n{said}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        world.told.push_str(&format!("# {said}\n"));
        for args in ["validate --online", "why app/kek"] {
            world.run(args);
        }
        let (code, out, err) = world.quietly("plan --exit-code");
        let first: Vec<&str> = out.lines().take(9).collect();
        world.told.push_str(&format!("$ keyrota plan --exit-code\n{}\n{err}--- exit {code}\n\n", first.join("\n")));
    }
    insta::assert_snapshot!(world.told);
}

/// Checks that only read are asked before anything is rotated; programs are not, and nothing is changed.
#[test]
fn checks_that_only_read_are_asked_before_anything_is_rotated() {
    let mut world = world(80, "1s", "40d");
    world.db().execute("create table state (id integer primary key, word text)", ()).unwrap();
    world.db().execute("insert into state values (1, 'ready')", ()).unwrap();
    let page = Page::serve("ok");
    let policy = fs::read_to_string(world.path("policies/app.toml")).unwrap();
    let http = |name: &str, when: &str, more: &str| {
        format!(
            "[[key.kek.check]]\nname = \"{name}\"\nwhen = \"{when}\"\nhttp = \"{}/{{{{ key }}}}\"\n{more}\n",
            page.url
        )
    };
    let sql = |name: &str, when: &str, query: &str, more: &str| {
        format!(
            "[[key.kek.check]]\nname = \"{name}\"\nwhen = \"{when}\"\nstore = \"side\"\nsql = \"{query}\"\n{more}\n"
        )
    };
    let side = "[store.side]\ntype = \"sqlite\"\npath = \"app.db\"\n";
    let word = "select word from state";
    let checks = [
        http("page", "before", "expect = { contains = \"ok\" }"),
        http("page-later", "moved", "expect = { contains = \"moved\" }"),
        http("page-with-the-new", "added", "expect = { contains = \"{{ new.id }}\" }"),
        sql("state", "before", word, "expect = { contains = \"ready\" }"),
        sql("other-state", "before", word, "expect = { contains = \"asleep\" }"),
        sql("writes", "before", "delete from state returning id", ""),
        "[[key.kek.check]]\nname = \"program\"\nwhen = \"before\"\ncommand = [\"site/run\"]\n".to_owned(),
    ];
    fs::write(world.path("keyrota.toml"), "actor = \"kim\"\n[commands]\nallow = [\"site/run\"]\n").unwrap();
    fs::create_dir(world.path("site")).unwrap();
    fs::write(world.path("site/run"), "#!/bin/sh\ntouch was-run\n").unwrap();
    fs::set_permissions(world.path("site/run"), Permissions::from_mode(0o755)).unwrap();
    let healthy = format!(
        "[[fleet.web.healthy]]\nname = \"up\"\nhttp = \"{}/{{{{ member }}}}\"\nexpect = {{ contains = \"ok\" }}\n",
        page.url
    );
    fs::write(world.path("policies/app.toml"), policy + side + &healthy + &checks.concat()).unwrap();
    let before = everything(world.folder.path());
    world.run("validate --online");
    assert!(before == everything(world.folder.path()), "nothing was changed");
    let asked = page.asked();
    let mut wanted = vec!["/app/kek", "/app/kek", "/web-1", "/web-2"];
    wanted.sort_unstable();
    world.told = world.told.replace(&page.url, "http://PAGE");
    insta::assert_snapshot!(world.told);
    assert_eq!(asked, wanted);
}

/// A page that says one word to whoever asks, and remembers what was asked for.
struct Page {
    url: String,
    asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Page {
    fn serve(word: &'static str) -> Self {
        use std::io::BufRead;
        use std::io::Write;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = std::sync::Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                heard.lock().unwrap().push(first.split(' ').nth(1).unwrap().to_owned());
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{word}", word.len())
                    .unwrap();
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

/// In a freeze nothing begins that changes anything, and no more keys are under way than may be at once.
#[test]
fn the_calendar_is_obeyed() {
    let mut world = world(80, "1s", "40d");
    let day = |days: i64| (chrono::Utc::now() + chrono::TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let freeze = format!("[[calendar.freezes]]\nfrom = \"{}\"\nto = \"{}\"\nbecause = \"sale\"\n", day(-2), day(3));
    let settings = "actor = \"kim\"\n[calendar]\nat_once = 1\n";
    fs::write(world.path("keyrota.toml"), format!("{settings}{freeze}")).unwrap();
    assert_eq!(world.quietly("plan --key app/kek -o frozen.json").0, 0);
    for args in ["apply frozen.json --exit-code", "status", "why app/kek"] {
        world.run(args);
    }
    assert_eq!(fs::read_dir(world.path("keys")).unwrap().count(), 1, "nothing was made");
    let run = world.run_name();
    assert_eq!(world.quietly(&format!("cancel {run}")).0, 0);
    // Two keys, of which one may be under way.
    fs::write(world.path("keyrota.toml"), settings).unwrap();
    let policy = fs::read_to_string(world.path("policies/app.toml")).unwrap();
    let (before, key) = policy.split_at(policy.find("[key.kek]").unwrap());
    let second = key.replace("[key.kek]", "[key.second]").replace("at = \"keys\"", "at = \"more/second\"");
    let both = format!("{before}{key}{}", second.replace("seals = [\"db\"]", "seals = [\"none\"]"));
    let none = "[store.none]\ntype = \"unseen\"\n";
    let both = both.replace("rotate_every = \"90d\"", "rotate_every = \"70d\"");
    let at = both.rfind("retire = ").unwrap();
    fs::write(world.path("policies/app.toml"), format!("{}retire = \"never\"\n{none}", &both[..at])).unwrap();
    fs::create_dir_all(world.path("more/second")).unwrap();
    fs::set_permissions(world.path("more/second"), Permissions::from_mode(0o700)).unwrap();
    fs::copy(world.path("keys/v1.key"), world.path("more/second/v1.key")).unwrap();
    assert_eq!(world.quietly("plan -o one.json").0, 0);
    assert_eq!(world.quietly("plan --key app/second -o other.json").0, 0);
    for args in ["plan", "apply one.json", "apply other.json", "status", "why app/second"] {
        world.run(args);
    }
    insta::assert_snapshot!(world.told);
}

/// What makes a key due beside its age, and what is past a guard though its time has not come.
#[test]
fn another_algorithm_is_due_and_a_guard_is_watched() {
    let mut world = world(60, "1s", "40d");
    let guard = "actor = \"kim\"\n[[guard]]\nkeys = \"app/*\"\ncurrent_at_most = \"55d\"\n";
    fs::write(world.path("keyrota.toml"), guard).unwrap();
    let policy = world.path("policies/app.toml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, text.replace("\"90d\"", "\"50d\"")).unwrap();
    world.run("status --exit-code");
    let text = text.replace("algorithm = \"aes-256\"", "algorithm = \"aes-128\"");
    fs::write(&policy, text.replace("path = \"app.db\"", "path = \"app.db\"\npace = { rows_per_second = 5 }")).unwrap();
    fs::write(world.path("keyrota.toml"), "actor = \"kim\"\n").unwrap();
    world.run("why app/kek");
    insta::assert_snapshot!(world.told);
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in everything(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::set_permissions(to.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
        fs::write(&to, bytes).unwrap();
        fs::set_permissions(&to, Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn what_is_wrong_is_said_with_the_way_out() {
    let mut world = world(80, "1s", "40d");
    for args in [
        "--help",
        "",
        "frobnicate",
        "why app/kok",
        "why app/kek@v9",
        "why kek",
        "adopt app/kek",
        "verify --key app/kok",
        "explain K999",
        "explain k012",
        "report --from 2027-01-01 --to 2026-01-01",
        "report --from yesterday",
        "quarantine accept",
        "journal show --run run-1",
        "-C nowhere status",
    ] {
        world.run(args);
    }
    let policy = world.path("policies/app.toml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, text.replace("rotate_every", "rotate_evry")).unwrap();
    for args in ["validate", "status", "journal verify"] {
        world.run(args);
    }
    let sarif: serde_json::Value = serde_json::from_str(&world.shown("validate --sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let json: serde_json::Value = serde_json::from_str(&world.shown("validate --json")).unwrap();
    assert!(json.as_array().is_some_and(|problems| !problems.is_empty()));
    let schema: serde_json::Value = serde_json::from_str(&world.shown("schema")).unwrap();
    assert!(schema["$schema"].is_string());
    for shell in ["bash", "zsh", "fish"] {
        assert!(world.shown(&format!("completions {shell}")).contains("quarantine"), "{shell}");
    }
    insta::assert_snapshot!(world.told);
}
