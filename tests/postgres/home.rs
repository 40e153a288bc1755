//! A journal in PostgreSQL, by the real program: fresh machines, killed runners, cut wires, runners that sleep too long.

use std::fs;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use keyrota::journal;
use tempfile::TempDir;

use crate::proxy::At;
use crate::proxy::Proxy;
use crate::server::Database;
use crate::server::fresh;

/// A key, its table, and as many machines as come by: each has the policies and nothing else.
pub(crate) struct Site {
    place: TempDir,
    pub(crate) database: Database,
    url: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let database = Database::new("");
        let site = Self { url: database.url().to_owned(), place, database };
        let at = site.place.path().join("site");
        fs::create_dir(&at).unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_keyrota")).current_dir(&at).args(["init", "--example"]).output();
        assert!(made.unwrap().status.success());
        site
    }

    /// The server's `host:port`.
    pub(crate) fn address(&self) -> String {
        self.database.url().split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned()
    }

    /// Reached by another address from here on.
    pub(crate) fn by(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    /// Its home behind PgBouncer in transaction mode, which lends each transaction another of its two connections.
    fn behind_a_pooler() -> Self {
        let site = Self::new();
        let pooler = std::env::var("KEYROTA_TEST_POOLER").expect("run it by `tests/services.sh`");
        let name = site.database.url().rsplit_once('/').unwrap().1;
        let url = format!("{}/{name}", pooler.rsplit_once('/').unwrap().0);
        site.by(url)
    }

    /// A fresh machine: policies, a project that names the home, and nothing that a run before it left. Key folders know the
    /// project's folder, so it is always the same one.
    pub(crate) fn machine(&self) -> Machine<'_> {
        let at = self.place.path().join("machine");
        fs::remove_dir_all(&at).ok();
        let policies = at.join("policies");
        fs::create_dir_all(&policies).unwrap();
        let site = self.place.path().join("site");
        let text = fs::read_to_string(site.join("policies/example.toml")).unwrap();
        let text = text
            .replace("path = \"app.db\"", &format!("path = \"{}/app.db\"", site.display()))
            .replace("at = \"keys\"", &format!("at = \"{}/keys\"", site.display()));
        fs::write(policies.join("example.toml"), text).unwrap();
        let home = "[home]\ntype = \"postgres\"\nurl = { env = \"HOME_DB\" }\n";
        fs::write(at.join("keyrota.toml"), home).unwrap();
        Machine { site: self, at }
    }

    /// A plan that a machine drew and is kept elsewhere.
    fn plan(&self) -> String {
        let plan = self.place.path().join("plan.json").display().to_string();
        self.machine().done(&["plan", "-o", &plan]);
        plan
    }

    /// As if a minute had passed on the server: a lease that nobody renews is over.
    pub(crate) fn a_minute_passes(&self) {
        let late = "UPDATE keyrota.home SET expires = clock_timestamp() - interval '1 second'";
        self.database.connect().batch_execute(late).unwrap();
    }

    /// The journal's lines as they lie in the table.
    pub(crate) fn lines(&self) -> Vec<u8> {
        let rows = self.database.connect().query("SELECT bytes FROM keyrota.line ORDER BY n", &[]).unwrap();
        rows.iter().flat_map(|row| row.get::<_, Vec<u8>>(0)).collect()
    }
}

pub(crate) struct Machine<'a> {
    site: &'a Site,
    pub(crate) at: std::path::PathBuf,
}

impl Machine<'_> {
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyrota"));
        command.current_dir(&self.at).env("HOME_DB", &self.site.url).env("USER", "kim").args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        said(&self.command(words).output().unwrap())
    }

    pub(crate) fn done(&self, words: &[&str]) -> String {
        let (code, said) = self.run(words);
        assert_eq!(code, Some(0), "{words:?}: {said}");
        said
    }

    pub(crate) fn spawn(&self, words: &[&str]) -> Child {
        self.command(words).spawn().unwrap()
    }

    /// Goes on through every gate.
    pub(crate) fn to_the_end(&self) {
        let since = Instant::now();
        while !self.done(&["apply"]).contains("No run is open") {
            assert!(since.elapsed() < Duration::from_secs(90), "it does not end");
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

pub(crate) fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.clone(), output.stderr.clone()].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Every intent has at most one outcome, and no attempt was made twice.
fn no_act_twice(lines: &[u8]) {
    let journal = journal::read(lines.to_vec(), None).unwrap();
    journal::ledger(&journal).unwrap();
    let mut intents = std::collections::BTreeSet::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        if line["what"]["event"] == "intent" {
            let run = (line["run"].to_string(), line["what"]["step"].to_string(), line["what"]["attempt"].to_string());
            assert!(intents.insert(run.clone()), "{run:?} twice");
        }
    }
}

#[test]
fn runners_on_fresh_machines_share_one_history() {
    let site = Site::new();
    let first = site.machine();
    assert!(first.done(&["status"]).contains("example/app-kek"));
    assert_eq!(
        site.database.connect().query("SELECT 1 FROM pg_namespace WHERE nspname = 'keyrota'", &[]).unwrap().len(),
        0
    );
    first.done(&["plan", "-o", "plan.json"]);
    first.done(&["apply", "plan.json"]);
    assert!(!first.at.join(".keyrota/journal.jsonl").exists());
    // The first machine is gone; the second one has nothing but the policies.
    let second = site.machine();
    assert!(second.done(&["status"]).contains("run-"));
    assert!(second.done(&["journal", "show"]).contains("kim"));
    second.to_the_end();
    let third = site.machine();
    assert!(third.done(&["report"]).contains("example/app-kek"));
    assert!(third.done(&["plan"]).contains("well"));
    assert!(third.done(&["verify"]).contains("Every value opens: 1000 values"));
    third.done(&["quarantine", "list"]);

    // Byte for byte, and checked with nothing but the file.
    third.done(&["journal", "export", "-o", "journal.jsonl"]);
    let exported = fs::read(third.at.join("journal.jsonl")).unwrap();
    assert_eq!(exported, site.lines());
    let head = third.done(&["journal", "verify"]);
    let alone = Command::new(env!("CARGO_BIN_EXE_keyrota"))
        .current_dir(site.place.path())
        .args(["journal", "verify", "machine/journal.jsonl", "--witness", head.lines().next().unwrap()])
        .output()
        .unwrap();
    assert!(said(&alone).1.contains("whole: "), "{alone:?}");
    no_key_in(&site);

    // Without its journal the world bears the mark of a run that nobody knows.
    site.database.connect().batch_execute("DROP SCHEMA keyrota CASCADE").unwrap();
    for words in [&["plan"][..], &["report"]] {
        let (code, said) = third.run(words);
        assert!(code == Some(7) && said.contains("which this journal does not know"), "{said}");
    }
}

fn no_key_in(site: &Site) {
    let mut client = site.database.connect();
    let tables = "SELECT row_to_json(h)::text FROM keyrota.home h
                  UNION ALL SELECT convert_from(bytes, 'UTF8') FROM keyrota.line
                  UNION ALL SELECT convert_from(bytes, 'UTF8') FROM keyrota.plan";
    let all: String = client.query(tables, &[]).unwrap().iter().map(|row| row.get::<_, String>(0)).collect();
    let keys = fs::read_dir(site.place.path().join("site/keys")).unwrap();
    let mut searched = 0;
    for file in keys.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "key"))
    {
        let key = fs::read_to_string(file).unwrap();
        assert!(key.trim().len() == 64 && !all.contains(key.trim()));
        searched += 1;
    }
    assert!(searched > 0 && !all.contains(site.database.url()));
}

#[test]
fn killed_at_every_message_and_gone_on_with_from_another_machine() {
    let base = Site::new();
    let proxy = Proxy::new(&base.address());
    let url = base.url.replace(&base.address(), &format!("127.0.0.1:{}", proxy.port()));
    let site = base.by(url);
    let plan = site.plan();
    let words = ["apply", plan.as_str()];
    let (mut number, mut kills) = (1, 0);
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < Duration::from_secs(400), "it does not end: {kills} kills");
        let machine = site.machine();
        let at = if kills % 2 == 0 { At::KillBefore(number) } else { At::KillAfter(number) };
        proxy.arm(Some(at));
        let child = machine.spawn(&words);
        proxy.process(child.id());
        let (code, text) = said(&child.wait_with_output().unwrap());
        if proxy.hit() && code.is_none() {
            kills += 1;
            number += if kills % 2 == 0 { 1 } else { 0 };
            if site.database.connect().query_one("SELECT to_regclass('keyrota.home') IS NOT NULL", &[]).unwrap().get(0)
            {
                site.a_minute_passes();
                no_act_twice(&site.lines());
            }
            continue;
        }
        // So far nothing hit it: it went on to a gate, or it was used up.
        if text.contains("finished") || code == Some(5) {
            break;
        }
        assert_eq!(code, Some(0), "{text}");
        (number, _) = (12, std::thread::sleep(Duration::from_millis(300)));
    }
    proxy.arm(None);
    let last = site.machine();
    assert!(last.done(&["verify"]).contains("Every value opens: 1000 values"));
    assert!(last.done(&["report"]).contains("after 1,000 under `v2`"));
    assert!(kills > 60, "only {kills} kills");
    no_act_twice(&site.lines());
}

#[test]
fn a_wire_that_is_cut_at_any_message_costs_nothing() {
    let base = Site::new();
    let proxy = Proxy::new(&base.address());
    let url = base.url.replace(&base.address(), &format!("127.0.0.1:{}", proxy.port()));
    let site = base.by(url);
    let machine = site.machine();
    let (mut cuts, mut number) = (0, 0_u64);
    // A rotation that is opened and given up, again and again: all that a home is asked for.
    loop {
        // Every other message of each, turn about: opening and giving up ask alike.
        number += 2;
        let plan = site.plan();
        let turns = [At::CutBefore(number), At::CutAfter(number)];
        let at = |turn: u64| turns[usize::try_from((number / 2 + turn) % 2).unwrap()];
        proxy.arm(Some(at(0)));
        machine.done(&["apply", &plan]);
        let mut hit = proxy.hit();
        cuts += u64::from(proxy.hit());
        proxy.arm(None);
        let status = machine.done(&["status"]);
        let run = status.split(|c: char| c != '-' && !c.is_alphanumeric()).find(|word| word.starts_with("run-"));
        proxy.arm(Some(at(1)));
        machine.done(&["cancel", run.unwrap()]);
        hit |= proxy.hit();
        cuts += u64::from(proxy.hit());
        proxy.arm(None);
        no_act_twice(&site.lines());
        if !hit {
            break;
        }
    }
    assert!(cuts > 20, "only {cuts} cuts");
}

#[test]
fn a_runner_that_slept_through_its_lease_writes_nothing_more() {
    sleeps_through_its_lease(&Site::new());
}

/// The lease is a row, and no lock is held from one transaction to the next: a pooler is no hindrance.
#[test]
fn behind_a_pooler_that_lends_transactions_a_lease_holds_and_history_does_not_fork() {
    sleeps_through_its_lease(&Site::behind_a_pooler());
    two_at_once(&Site::behind_a_pooler());
}

fn sleeps_through_its_lease(site: &Site) {
    let plan = site.plan();
    let rival = site.machine();
    let child = rival.spawn(&["apply", &plan, "--wait"]);
    until("the run", || rival.run(&["status"]).1.contains("run-"));
    // While it lives nobody else gets in.
    let (code, text) = rival.run(&["apply"]);
    assert!(code == Some(1) && text.contains("`kim (process ") && text.contains("has it"), "{text}");
    signal(&child, "-STOP");
    site.a_minute_passes();
    rival.done(&["apply"]);
    let lines = site.lines();
    signal(&child, "-CONT");
    let (code, text) = said(&child.wait_with_output().unwrap());
    assert!(code == Some(1) && text.contains("the lease of this run ran out"), "{text}");
    assert_eq!(site.lines(), lines);
    rival.to_the_end();
    no_act_twice(&site.lines());
}

#[test]
fn what_stands_in_the_way_has_its_own_sentence_and_its_way_out() {
    let role = fresh("runner");
    let mut site = Site::new();
    let mut client = site.database.connect();
    let whole = site.url.clone();
    client.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'tests'")).unwrap();
    let plan = site.plan();
    let apply = ["apply", plan.as_str()];
    let try_as = |site: &mut Site, url: String, words: &[&str], code: i32, parts: &[&str]| {
        site.url = url;
        let (found, text) = site.machine().run(words);
        for part in parts {
            assert!(found == Some(code) && text.contains(part), "{words:?} {part}: {found:?} {text}");
        }
        assert!(!text.contains("canary"), "{text}");
    };
    let as_role = whole.replace("keyrota:tests@", &format!("{role}:tests@"));
    let schema = format!("CREATE SCHEMA \"keyrota\" AUTHORIZATION \"{role}\"");
    try_as(&mut site, as_role.clone(), &apply, 1, &["may not make one", &schema]);
    // With its tables there, a role that only looks is told what it lacks, and then what it lacks to write.
    try_as(&mut site, whole.clone(), &apply, 0, &["keyrota-journal"]);
    let usage = format!("GRANT USAGE ON SCHEMA \"keyrota\" TO \"{role}\"");
    try_as(&mut site, as_role.clone(), &["status"], 1, &["lacks USAGE on schema `keyrota`", &usage]);
    client.batch_execute(&usage).unwrap();
    let reads = format!("GRANT SELECT ON \"keyrota\".home TO \"{role}\"");
    try_as(&mut site, as_role.clone(), &["status"], 1, &["SELECT on `home`", &reads]);
    client.batch_execute(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA keyrota TO {role}")).unwrap();
    try_as(&mut site, as_role.clone(), &["status"], 0, &["run-"]);
    try_as(&mut site, as_role.clone(), &["apply"], 1, &["lacks UPDATE on `home`", "GRANT INSERT ON \"keyrota\".line"]);
    let writes =
        "GRANT UPDATE ON keyrota.home TO ROLE; GRANT INSERT ON keyrota.line, keyrota.plan, keyrota.aside TO ROLE";
    client.batch_execute(&writes.replace("ROLE", &role)).unwrap();
    // Nobody who may run everything may change the past.
    try_as(&mut site, as_role.clone(), &["apply"], 0, &["keyrota-journal"]);
    let deny = site.database.store_as(&role);
    drop(deny);
    let mut theirs = postgres::Client::connect(&as_role, postgres::NoTls).unwrap();
    for statement in ["DELETE FROM keyrota.line", "UPDATE keyrota.line SET n = n + 1", "TRUNCATE keyrota.line"] {
        assert!(theirs.batch_execute(statement).is_err(), "{statement}");
    }
    // A server that only reads, as a replica does.
    client.batch_execute(&format!("ALTER ROLE {role} SET default_transaction_read_only = on")).unwrap();
    try_as(&mut site, as_role, &["apply"], 1, &["read-only", "name the primary"]);
    try_as(&mut site, "postgresql://keyrota:canary@127.0.0.1:1/x".into(), &["status"], 1, &["is the server up"]);
    // Broken by somebody who may: nothing takes its place there, and the way out is told before anybody is asked.
    let recover = ["journal", "recover", "--because", "tests", "--yes"];
    try_as(&mut site, whole.clone(), &recover, 5, &["the journal is whole"]);
    client
        .batch_execute("CREATE TABLE kept AS SELECT * FROM keyrota.line; DELETE FROM keyrota.line WHERE n = 2")
        .unwrap();
    try_as(&mut site, whole.clone(), &["status"], 7, &["journal"]);
    try_as(
        &mut site,
        whole.clone(),
        &recover,
        5,
        &["never changed or taken away", "name another `schema` in `[home]`"],
    );
    client.batch_execute("INSERT INTO keyrota.line SELECT * FROM kept WHERE n = 2").unwrap();
    try_as(&mut site, whole.clone(), &["journal", "verify"], 0, &["keyrota-journal"]);
    client.batch_execute("UPDATE keyrota.home SET format = 'keyrota-home/2'").unwrap();
    try_as(&mut site, whole, &["status"], 1, &["its format is `keyrota-home/2`", "a newer one"]);
}

#[test]
fn two_at_once_never_fork_the_history() {
    two_at_once(&Site::new());
}

fn two_at_once(site: &Site) {
    let plan = site.plan();
    let machine = site.machine();
    let since = Instant::now();
    let (mut refused, mut ended) = (0, false);
    while !ended {
        assert!(since.elapsed() < Duration::from_secs(90), "it does not end");
        let children: Vec<Child> = (0..2).map(|_| machine.spawn(&["apply", &plan])).collect();
        for child in children {
            let (code, text) = said(&child.wait_with_output().unwrap());
            match code {
                Some(0) => ended |= text.contains("finished"),
                Some(1) => refused += usize::from(text.contains("has it")),
                // The other one came first and finished it.
                Some(5) => ended = true,
                _ => panic!("{text}"),
            }
        }
        no_act_twice(&site.lines());
    }
    assert!(refused > 0, "they never met");
}
