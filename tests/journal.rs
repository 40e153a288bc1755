//! The journal's home in the real world: processes that die, stop and race, and a reader in another language.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use keyrota::disk::crash;
use keyrota::home::Local;
use keyrota::journal;
use keyrota::journal::Clock;
use keyrota::journal::Draft;
use keyrota::journal::Event;
use keyrota::journal::Head;
use keyrota::journal::Tail;
use keyrota::model::Hour;
use keyrota::port::home::Home;
use keyrota::port::home::Lease;
use keyrota::port::home::Trouble;
use rustix::process::Pid;
use rustix::process::Signal;

const FOLDER: &str = "JOURNAL_TEST_FOLDER";
const ROLE: &str = "JOURNAL_TEST_ROLE";
const STOP: &str = "JOURNAL_TEST_STOP";

fn hour(seconds: i64) -> Hour {
    Hour::from_timestamp(1_772_366_400 + seconds, 0).unwrap()
}

fn note(text: &str) -> Draft {
    Draft::new(hour(0), "kim@ops", Event::Note { text: text.to_owned() })
}

fn begun() -> Draft {
    let event = Event::Begun { format: journal::FORMAT.into(), tool: "0.1.0".into(), clock: Clock::Virtual };
    Draft::new(hour(0), "kim@ops", event)
}

/// Opens the home, begins the journal where it has not begun, and names what was torn.
fn open(home: &mut Local, lease: &Lease) -> Result<(), Trouble> {
    let ready = home.open(lease)?;
    let mut drafts = Vec::new();
    if ready.journal.count() == 0 {
        drafts.push(begun());
    }
    drafts.extend(ready.aside.map(|aside| Draft::new(hour(0), "kim@ops", aside.event())));
    home.append(lease, drafts)?;
    Ok(())
}

fn start(role: &str, folder: &Path, stop: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .envs([(ROLE, role), (STOP, stop)])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(if role == "crasher" { Stdio::null() } else { Stdio::inherit() })
        .spawn()
        .unwrap()
}

/// The body of the other process. Without a role it is a test of nothing, and passes.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let folder = std::env::var_os(FOLDER).unwrap();
    let stop = std::env::var(STOP).unwrap();
    let mut home = Local::new(&folder);
    match role.as_str() {
        "writer" => write_for_ever(&mut home),
        "racer" => race(&mut home, &stop),
        "asked" => write_when_asked(&mut home),
        "crasher" => {
            let mut words = stop.split(' ');
            let at = words.next().unwrap().parse().unwrap();
            let stop = match words.next().unwrap() {
                "abort" => crash::Stop::Abort,
                _ => crash::Stop::Fail(std::io::ErrorKind::StorageFull),
            };
            crash::arm(Some(crash::Plan { record: None, stop: Some((at, stop)) })).unwrap();
            let done = if words.next() == Some("anew") { recover(&mut home) } else { work(&mut home) };
            crash::arm(None).unwrap();
            std::process::exit(if done.is_ok() { 0 } else { 3 });
        }
        other => unreachable!("{other}"),
    }
}

/// Says each entry's number once it is kept.
fn write_for_ever(home: &mut Local) {
    let lease = home.lock("writer").unwrap();
    open(home, &lease).unwrap();
    loop {
        let jotted = home.jot(&lease, vec![note("jotted")]).unwrap();
        let kept = home.append(&lease, vec![note("one"), note(&"two".repeat(2000))]).unwrap();
        if kept[0].n % 5 == 0 {
            home.seal_head(&lease).unwrap();
        }
        println!("kept {} {}", kept[1].n, kept[1].own);
        assert!(jotted[0].n < kept[0].n);
    }
}

#[test]
fn killed_while_it_writes_it_keeps_all_that_it_said_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join(".keyrota");
    let mut known = 0;
    for round in 0..25 {
        let mut child = start("writer", &at, "");
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut last = said.by_ref().find_map(|line| line.contains("kept ").then_some(line)).unwrap();
        std::thread::sleep(Duration::from_micros(round * 700));
        child.kill().unwrap();
        child.wait().unwrap();
        last = said.filter(|line| line.contains("kept ")).last().unwrap_or(last);
        let last: Head = last[last.find("kept ").unwrap()..].replace("kept", "keyrota-journal").parse().unwrap();

        let home = Local::new(&at);
        let journal = home.read().unwrap();
        assert!(last.count > known && journal.count() >= last.count, "round {round}");
        home.verify(Some(&last)).unwrap();
        known = last.count;
    }
    let entries = Local::new(&at).read().unwrap();
    assert!(entries.entries().all(|entry| entry.is_ok()));
}

/// All that a home does, harmless to repeat.
fn work(home: &mut Local) -> Result<(), Trouble> {
    let lease = home.lock("crasher")?;
    open(home, &lease)?;
    home.save_plan(&keyrota::digest::plain(b"plan"), b"plan")?;
    home.seal_head(&lease)?;
    home.append(&lease, vec![note("a"), note("b")])?;
    home.jot(&lease, vec![note("c")])?;
    home.seal_head(&lease)?;
    Ok(())
}

#[test]
fn dying_or_failing_at_every_crash_point_it_goes_on() {
    let mut reached = [0, 0];
    for (way, reached) in ["abort", "fail"].into_iter().zip(&mut reached) {
        for number in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path().join(".keyrota");
            // What a crash in an earlier run left.
            let torn = number % 2 == 1;
            if torn {
                work(&mut Local::new(&at)).unwrap();
                fs::OpenOptions::new()
                    .append(true)
                    .open(at.join("journal.jsonl"))
                    .unwrap()
                    .write_all(b"{\"n\":")
                    .unwrap();
            }
            let status = start("crasher", &at, &format!("{} {way}", number / 2)).wait().unwrap();
            let home = Local::new(&at);
            let before = home.read().unwrap_or_else(|why| panic!("point {number}, {way}: {why}"));
            work(&mut Local::new(&at)).unwrap_or_else(|why| panic!("point {number}, {way}: {why}"));
            let after = home.read().unwrap();
            assert!(after.lines().starts_with(before.lines()), "point {number}, {way}");
            assert!(after.count() >= before.count() + 3 && after.torn().is_none(), "point {number}, {way}");
            assert_eq!(home.head().unwrap(), Some(after.head()), "point {number}, {way}");
            assert_eq!(home.plans().unwrap().len(), 1);
            assert!(
                !torn
                    || fs::read_dir(&at)
                        .unwrap()
                        .any(|entry| { entry.unwrap().file_name().to_str().unwrap().starts_with("torn-") })
            );
            if status.success() && torn {
                break;
            }
            *reached = number;
        }
    }
    assert!(reached[0] > 40 && reached[0] == reached[1], "only {reached:?} points were reached");
}

/// A new journal takes the place of a broken one, as `journal recover` does it.
fn recover(home: &mut Local) -> Result<(), Trouble> {
    let (ledger, _) = journal::prefix(home.bytes()?.unwrap_or_default());
    let lease = home.lock("crasher")?;
    let told = journal::carried(&ledger, "the one before");
    home.begin_anew(&lease, &mut |asides| {
        let mut events = vec![Event::begun(Clock::Virtual)];
        events.extend(asides.iter().map(keyrota::port::home::Aside::event));
        let (wrong, why) = ("broken".to_owned(), "a test".to_owned());
        events.push(Event::Recovered { wrong, entries: ledger.count, head: None, plans: 0, open: Vec::new(), why });
        events.extend(told.clone());
        events.into_iter().map(|event| Draft::new(hour(1), "kim@ops", event)).collect()
    })?;
    Ok(())
}

/// Wherever it dies or fails, the journal is still broken and all that was said is still there, or the new one is whole and says
/// it again; and whoever begins again ends with that.
#[test]
fn recovering_it_dies_or_fails_at_every_crash_point_and_forgets_nothing() {
    let event = |text: &str| Draft::new(hour(0), "kim@ops", serde_json::from_str(text).unwrap());
    let said = || {
        vec![
            event(r#"{"event":"compromised","key":"a/k","version":"v1","why":"in a log"}"#),
            event(
                r#"{"event":"quarantined","key":"a/k","at":{"store":"db","table":"t","row":["7"],"column":"c"},"names":"v1","why":"x"}"#,
            ),
            event(r#"{"event":"taken-back","key":"b/k"}"#),
        ]
    };
    let key = |name: &str| name.parse::<keyrota::model::KeyName>().unwrap();
    let known = |home: &Local| {
        let ledger = journal::ledger(&home.read().ok()?).unwrap();
        let (a, b) = (ledger.keys.get(&key("a/k")), ledger.keys.get(&key("b/k")));
        Some(
            a.is_some_and(|known| known.compromised.len() == 1 && known.quarantine.len() == 1)
                && b.is_some_and(|known| known.rolled_back),
        )
    };
    for (way, lost) in [("abort", false), ("fail", false), ("abort", true)] {
        let mut reached = 0;
        for number in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path().join(".keyrota");
            work(&mut Local::new(&at)).unwrap();
            let mut home = Local::new(&at);
            let lease = home.lock("kim").unwrap();
            home.open(&lease).unwrap();
            home.append(&lease, said()).unwrap();
            home.append(&lease, vec![note("spoil me"), note("after")]).unwrap();
            home.seal_head(&lease).unwrap();
            drop((home, lease));
            let path = at.join("journal.jsonl");
            let whole = fs::read_to_string(&path).unwrap();
            fs::write(&path, whole.replace("spoil me", "spoilt.")).unwrap();
            if lost {
                fs::remove_file(at.join("head.json")).unwrap();
            }
            let status = start("crasher", &at, &format!("{number} {way} anew")).wait().unwrap();
            let between = known(&Local::new(&at));
            assert!(between != Some(false), "point {number}, {way}: it is whole, and does not say what was said");
            if between.is_none() {
                recover(&mut Local::new(&at)).unwrap_or_else(|why| panic!("point {number}, {way}: {why}"));
            }
            assert_eq!(known(&Local::new(&at)), Some(true), "point {number}, {way}");
            let names = fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let kept = names.filter(|name| name.starts_with("broken-") && name.ends_with(".jsonl"));
            assert_eq!(kept.count(), 1, "point {number}, {way}");
            if status.success() {
                break;
            }
            reached = number;
        }
        assert!(reached > 10, "only {reached} points were reached, {way}");
    }
}

/// Takes the journal, writes one entry, lets go; as often as it is told.
fn race(home: &mut Local, times: &str) {
    for _ in 0..times.parse::<u32>().unwrap() {
        let lease = loop {
            match home.lock("racer") {
                Ok(lease) => break lease,
                Err(fault) => assert!(fault.may_retry(), "{fault}"),
            }
            std::thread::sleep(Duration::from_micros(100));
        };
        open(home, &lease).unwrap();
        home.append(&lease, vec![note("raced")]).unwrap();
    }
}

#[test]
fn of_those_who_write_at_once_each_waits_for_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join(".keyrota");
    let racers: Vec<Child> = (0..3).map(|_| start("racer", &at, "40")).collect();
    for mut racer in racers {
        assert!(racer.wait().unwrap().success());
    }
    assert_eq!(Local::new(&at).read().unwrap().count(), 1 + 3 * 40);
}

/// Writes one entry for each line that it is told, and says how it went.
fn write_when_asked(home: &mut Local) {
    let lease = home.lock("asked").unwrap();
    open(home, &lease).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        match home.append(&lease, vec![note(&line.unwrap())]) {
            Ok(_) => println!("kept"),
            Err(fault) => println!("refused {fault}"),
        }
    }
}

#[test]
fn stopped_and_woken_it_writes_nothing_behind_another() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join(".keyrota");
    let mut child = start("asked", &at, "");
    let (mut ask, pid) = (child.stdin.take().unwrap(), child.id());
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut hear = |word: &str| said.by_ref().find(|line| line.contains(word)).unwrap();
    hear("ready");
    writeln!(ask, "a").unwrap();
    hear("kept");

    let signal = |signal| rustix::process::kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    signal(Signal::STOP);
    let mut rival = Local::new(&at);
    let refused = rival.lock("rival").unwrap_err().to_string();
    assert!(refused.contains(&format!("asked (process {pid})")), "{refused}");
    // The lock file alone does not give the journal.
    fs::remove_file(at.join("lock")).unwrap();
    let lease = rival.lock("rival").unwrap();
    assert!(rival.open(&lease).is_err());
    drop(lease);
    // A folder restored from a backup does: other files under the same names.
    fs::copy(at.join("journal.jsonl"), at.join("copy")).unwrap();
    fs::rename(at.join("copy"), at.join("journal.jsonl")).unwrap();
    let lease = rival.lock("rival").unwrap();
    open(&mut rival, &lease).unwrap();
    rival.append(&lease, vec![note("b")]).unwrap();
    let head = rival.seal_head(&lease).unwrap();

    signal(Signal::CONT);
    for _ in 0..2 {
        writeln!(ask, "c").unwrap();
        hear("refused");
    }
    drop(ask);
    assert!(child.wait().unwrap().success());
    rival.append(&lease, vec![note("d")]).unwrap();
    let journal = rival.read().unwrap();
    assert_eq!(journal.count(), head.count + 1);
    assert!(!String::from_utf8(journal.lines().to_vec()).unwrap().contains("\"c\""));
}

/// What the script of sixty lines says: its words, and whether the journal is whole.
fn python(journal: &Path, more: &[&str]) -> (String, bool) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify_journal.py");
    let said = Command::new("python3").arg(script).arg(journal).args(more).output();
    let said = said.unwrap_or_else(|why| panic!("this test needs `python3`: {why}"));
    let words = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    match said.status.code() {
        Some(0) => (words, true),
        Some(7) => (words, false),
        other => panic!("it ended with {other:?}: {words}"),
    }
}

#[test]
fn a_reader_in_another_language_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let mut drafts = vec![begun()];
    drafts.extend((0..19).map(|n| Draft { at: hour(n), ..note(&format!("line {n} \u{e9}\u{2028}\n")) }));
    let drawn = Tail::NONE.draw(drafts).unwrap();
    let (bytes, head) = (drawn.bytes, drawn.tail.head());
    let (count, digest) = (head.count.to_string(), head.digest.hex());
    fs::write(folder.path().join("head.json"), head.to_bytes()).unwrap();

    let agree = |bytes: &[u8], with: Option<Head>| {
        fs::write(&path, bytes).unwrap();
        let ours = journal::read(bytes.to_vec(), with.as_ref());
        let words = [count.as_str(), digest.as_str()];
        let (said, well) = python(&path, if with.is_some() { &words } else { &[] });
        match ours {
            Ok(journal) => {
                assert!(well && said.contains(&journal.head().to_string()), "{said}");
                assert_eq!(journal.torn().is_some(), said.contains("torn"), "{said}");
            }
            Err(broken) => {
                let entry = broken.entry.map(|n| format!("entry {n} ")).unwrap_or_default();
                assert!(!well && said.contains(&entry), "{broken}, but: {said}");
            }
        }
    };
    agree(&bytes, Some(head));
    for at in (0..bytes.len()).step_by(307) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        agree(&flipped, Some(head));
        agree(&bytes[..at], (at % 2 == 0).then_some(head));
    }
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    agree(&[&lines[..7], &lines[8..]].concat().concat(), None);
    agree(&[&lines[..7], &[lines[8], lines[7]], &lines[9..]].concat().concat(), None);
    agree(&[&lines[..7], &lines[6..]].concat().concat(), None);
    agree(&bytes[..bytes.len() - 1], None);
    fs::write(&path, &bytes).unwrap();
    assert!(python(&path, &[folder.path().join("head.json").to_str().unwrap()]).1);
}

#[test]
fn the_page_of_formats_shows_a_true_journal() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md")).unwrap();
    let mut lines = String::new();
    for line in
        page.lines().filter_map(|line| line.strip_prefix("    {\"n\":")).filter(|line| line.contains("\"own\":\""))
    {
        lines += &format!("{{\"n\":{line}\n");
    }
    let witness = page.lines().filter_map(|line| line.strip_prefix("    ")?.parse::<Head>().ok()).next().unwrap();
    let journal = journal::read(lines.clone().into_bytes(), Some(&witness)).unwrap();
    assert_eq!(journal.head(), witness);
    let entries: Vec<_> = journal.entries().map(Result::unwrap).collect();
    journal::ledger(&journal).unwrap();
    // Written anew from what was read, it has the same bytes: the page shows what we write.
    let drafts =
        entries.into_iter().map(|entry| Draft { at: entry.at, actor: entry.actor, run: entry.run, event: entry.event });
    assert_eq!(String::from_utf8(Tail::NONE.draw(drafts.collect()).unwrap().bytes).unwrap(), lines);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    fs::write(&path, &lines).unwrap();
    assert_eq!(python(&path, &[]), (format!("{witness}\n"), true));
    let head = String::from_utf8(witness.to_bytes()).unwrap();
    assert!(page.contains(head.trim_end()), "`head.json` of the example is {head}");
}
