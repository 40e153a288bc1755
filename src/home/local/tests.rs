//! The home in true folders.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::Local;
use crate::digest;
use crate::home::contract;
use crate::home::contract::World;
use crate::home::contract::note;
use crate::journal::Head;
use crate::port::home::Home;

struct Folder(TempDir);

impl World for Folder {
    fn home(&self) -> Box<dyn Home> {
        Box::new(Local::new(self.0.path().join(".keyrota")))
    }

    fn lines(&self) -> Vec<u8> {
        fs::read(self.0.path().join(".keyrota/journal.jsonl")).unwrap_or_default()
    }

    fn put(&self, lines: Option<&[u8]>, head: Option<Head>) {
        put(&self.0.path().join(".keyrota/journal.jsonl"), lines);
        put(&self.0.path().join(".keyrota/head.json"), head.map(|head| head.to_bytes()).as_deref());
    }

    fn aside(&self, file: &str) -> Vec<u8> {
        fs::read(self.0.path().join(".keyrota").join(file)).unwrap()
    }
}

fn put(path: &Path, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
}

#[test]
fn holds_the_contract() {
    contract::holds(&|| Box::new(Folder(tempfile::tempdir().unwrap())));
}

#[test]
fn only_its_owner_enters() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("deep/.keyrota");
    let mut home = Local::new(&at);
    let lease = contract::begin(&mut home);
    home.seal_head(&lease).unwrap();
    let plan = digest::plain(b"plan");
    home.save_plan(&plan, b"plan").unwrap();
    let mode = |name: &str| fs::metadata(at.join(name)).unwrap().permissions().mode() & 0o7777;
    for name in ["", "plans"] {
        assert_eq!(mode(name), 0o700, "`{name}`");
    }
    for name in ["lock", "journal.jsonl", "head.json", &format!("plans/{plan}.json")] {
        assert_eq!(mode(name), 0o600, "`{name}`");
    }
    for name in ["journal.jsonl", "head.json", ""] {
        let before = fs::metadata(at.join(name)).unwrap().permissions();
        fs::set_permissions(at.join(name), fs::Permissions::from_mode(before.mode() | 0o020)).unwrap();
        assert!(home.read().unwrap_err().hint().unwrap().starts_with("`chmod "), "`{name}`");
        fs::set_permissions(at.join(name), before).unwrap();
    }
    home.read().unwrap();
}

#[test]
fn links_are_refused() {
    let plan = digest::plain(b"plan");
    for name in ["journal.jsonl", "head.json", "lock", "plans", "."] {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join(".keyrota");
        let mut home = Local::new(&at);
        drop(contract::begin(&mut home));
        home.save_plan(&plan, b"plan").unwrap();
        let path = if name == "." { at.clone() } else { at.join(name) };
        let away = folder.path().join("away");
        fs::rename(&path, &away).unwrap();
        symlink(&away, &path).unwrap();

        let mut home = Local::new(&at);
        let opens = home.lock("kim").is_ok_and(|lease| home.open(&lease).is_ok());
        assert_eq!(opens, name == "plans", "`{name}`");
        assert_eq!(home.read().is_ok(), ["plans", "lock"].contains(&name), "`{name}`");
        let plans = home.plan(&plan).is_ok() && home.plans().is_ok() && home.save_plan(&plan, b"plan").is_ok();
        assert_eq!(plans, !["plans", "."].contains(&name), "`{name}`");
    }
}

#[test]
fn another_file_in_its_place_stops() {
    for name in ["journal.jsonl", "lock"] {
        let folder = Folder(tempfile::tempdir().unwrap());
        let mut home = folder.home();
        let lease = contract::begin(home.as_mut());
        let path = folder.0.path().join(".keyrota").join(name);
        let copy = folder.0.path().join("copy");
        fs::copy(&path, &copy).unwrap();
        fs::rename(&copy, &path).unwrap();
        let lines = folder.lines();
        assert!(home.append(&lease, vec![note("a")]).is_err(), "`{name}`");
        assert!(home.seal_head(&lease).is_err(), "`{name}`");
        assert_eq!(folder.lines(), lines);
    }
}

#[test]
fn taking_the_lock_file_away_does_not_give_the_journal() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let (mut home, mut rival) = (folder.home(), folder.home());
    let lease = contract::begin(home.as_mut());
    fs::remove_file(folder.0.path().join(".keyrota/lock")).unwrap();
    let theirs = rival.lock("lee").unwrap();
    assert!(rival.open(&theirs).unwrap_err().hint().unwrap().contains("fuser"));
    assert!(home.append(&lease, vec![note("a")]).is_err());
    drop(lease);
    rival.open(&theirs).unwrap();
    rival.append(&theirs, vec![note("a")]).unwrap();
}

#[test]
fn a_lease_of_another_home_opens_nothing() {
    let (one, other) = (Folder(tempfile::tempdir().unwrap()), Folder(tempfile::tempdir().unwrap()));
    let lease = one.home().lock("kim").unwrap();
    assert!(other.home().open(&lease).is_err());
}
