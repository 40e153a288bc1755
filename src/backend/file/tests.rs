//! Key files in true folders, as operators and crashes leave them.

use super::KeyFiles;
use crate::backend::contract;
use crate::envelope::Coding;
use crate::fault::Fault;
use crate::inventory::key::Drift;
use crate::model::Change;
use crate::model::Hour;
use crate::model::State;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Backend;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::backend::Prepared;
use crate::template::Template;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

const CANARY: [u8; 64] = [b'c'; 64];

struct World {
    root: tempfile::TempDir,
    files: KeyFiles,
}

fn world() -> World {
    let root = tempfile::tempdir().unwrap();
    let files = KeyFiles::new(root.path(), &[Coding::Hex], &Template::parse("v{{ n }}").unwrap()).unwrap();
    World { root, files }
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("keys").join(name)
    }

    /// A folder with these files in it, as an operator would make it.
    fn with(self, files: &[(&str, &[u8])]) -> Self {
        fs::create_dir_all(self.path("")).unwrap();
        mode(&self.path(""), 0o700);
        for (name, bytes) in files {
            fs::write(self.path(name), bytes).unwrap();
            mode(&self.path(name), 0o600);
        }
        self
    }

    fn look(&self) -> Result<Look, Fault> {
        self.files.look("keys")
    }

    fn states(&self) -> Vec<(String, State)> {
        self.look().unwrap().key.versions.iter().map(|v| (v.id.to_string(), v.state)).collect()
    }

    fn add(&self) -> Result<Prepared, Failed> {
        let made = self.files.prepare("keys", Algorithm::Aes256)?;
        self.change(&made.add(false), Some(&made)).map(|()| made)
    }

    fn change(&self, change: &Change, made: Option<&Prepared>) -> Result<(), Failed> {
        self.files.change("keys", change, made, Hour::UNIX_EPOCH)
    }

    fn switch(&self, to: &str) -> Result<(), Failed> {
        self.change(&Change::Switch { to: to.parse().unwrap() }, None)
    }

    fn retire(&self, id: &str) -> Result<(), Failed> {
        self.change(&Change::Retire { version: id.parse().unwrap() }, None)
    }

    fn destroy(&self, id: &str) -> Result<(), Failed> {
        self.change(&Change::Destroy { version: id.parse().unwrap() }, None)
    }

    fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all = Vec::new();
        for folder in [self.path(""), self.path("disabled")] {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                all.push((path.clone(), fs::read(&path).unwrap_or_default()));
            }
        }
        all.sort();
        all
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn said(failed: impl Into<Failed>) -> String {
    let failed = failed.into();
    format!("{failed} ({})", failed.hint().unwrap_or_default())
}

#[test]
fn the_contract_holds_in_every_coding() {
    for codings in [&[Coding::Hex][..], &[Coding::Raw], &[Coding::Base64], &[]] {
        for id in ["v{{ n }}", "{{ n }}", "kek-{{ n }}"] {
            let root = tempfile::tempdir().unwrap();
            let files = KeyFiles::new(root.path(), codings, &Template::parse(id).unwrap()).unwrap();
            assert_eq!(contract::holds(&files, "deep/keys"), Ok(()), "{codings:?} {id}");
        }
    }
}

#[test]
fn a_folder_with_one_file_is_taken_over_by_the_first_change_and_not_by_a_look() {
    let world = world().with(&[("v7.key", &CANARY), ("README", b"ours")]);
    let before = world.snapshot();
    assert_eq!(world.states(), [("v7".to_owned(), State::Current)]);
    assert_eq!(world.look().unwrap().unknown_files, ["README"]);
    assert_eq!(world.snapshot(), before);
    world.add().unwrap();
    assert_eq!(world.states(), [("v7".to_owned(), State::Current), ("v8".to_owned(), State::Staged)]);
    assert_eq!(fs::read(world.path("README")).unwrap(), b"ours");
    let file = fs::read(world.path("v8.key")).unwrap();
    assert!(file.len() == 64 && file.iter().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
    assert_eq!(fs::metadata(world.path("v8.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let given = world.files.encoded("keys", &"v8".parse().unwrap()).ok().unwrap();
    assert_eq!(given.lend(<[u8]>::to_vec), file);
}

#[test]
fn several_files_and_no_books_ask_which_is_current() {
    let world = world().with(&[("v9.key", &CANARY), ("v10.key", &[b'd'; 64])]);
    let asked = said(world.look().unwrap_err());
    assert!(asked.contains("holds `v9`, `v10` and no `ring.json`"), "{asked}");
    assert!(asked.contains("`keyrota adopt KEY@v10`"), "{asked}");
    assert!(world.add().is_err());
    assert!(!world.path("ring.json").exists());
    let adopt = |id: &str| world.files.adopt("keys", &id.parse().unwrap(), Hour::UNIX_EPOCH);
    assert!(matches!(adopt("v3"), Err(Failed::Refused { .. })));
    adopt("v10").unwrap();
    adopt("v10").unwrap();
    assert_eq!(world.states(), [("v9".to_owned(), State::DecryptOnly), ("v10".to_owned(), State::Current)]);
}

#[test]
fn what_others_can_read_is_refused() {
    let world = world().with(&[("v1.key", &CANARY)]);
    mode(&world.path("v1.key"), 0o640);
    assert!(said(world.look().unwrap_err()).contains("`chmod 600 "));
    assert!(said(world.add().unwrap_err()).contains("`chmod 600 "));
    mode(&world.path("v1.key"), 0o600);
    mode(&world.path(""), 0o750);
    assert!(said(world.look().unwrap_err()).contains("`chmod 700 "));
    assert!(said(world.add().unwrap_err()).contains("`chmod 700 "));
    assert!(!world.path("ring.json").exists());
}

#[test]
fn links_are_never_followed() {
    let world = world().with(&[("v1.key", &CANARY)]);
    fs::rename(world.path("v1.key"), world.root.path().join("elsewhere")).unwrap();
    symlink(world.root.path().join("elsewhere"), world.path("v1.key")).unwrap();
    assert!(said(world.look().unwrap_err()).contains("symbolic link"));
    symlink(world.path(""), world.root.path().join("link")).unwrap();
    for at in ["link", "link/deep", "keys/../keys", ".", ""] {
        assert!(world.files.look(at).is_err(), "{at}");
    }
    fs::remove_file(world.path("v1.key")).unwrap();
    symlink("/nowhere", world.path("ring.lock")).unwrap();
    assert!(world.add().is_err());
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn a_wrong_key_is_noticed_before_anything_is_written() {
    for bad in [&b"cc"[..], &[b'g'; 64], b"", &[b'c'; 62]] {
        let world = world().with(&[("v1.key", bad)]);
        let before = world.snapshot();
        assert!(world.look().is_err() && world.add().is_err());
        let after: Vec<_> = world.snapshot().into_iter().filter(|(path, _)| !path.ends_with("ring.lock")).collect();
        assert_eq!(after, before);
    }
}

#[test]
fn what_became_of_a_file_is_named_and_not_built_upon() {
    let world = world();
    world.add().unwrap();
    world.add().unwrap();
    world.switch("v1").unwrap();
    let good = fs::read(world.path("v2.key")).unwrap();
    let drift = || world.look().unwrap().drift;
    fs::write(world.path("v2.key"), CANARY).unwrap();
    assert_eq!(drift(), [Drift::MaterialChanged { version: "v2".parse().unwrap() }]);
    assert!(said(world.switch("v2").unwrap_err()).contains("not what it was"));
    assert!(world.files.material("keys", &"v2".parse().unwrap()).is_err());
    let discard = Change::Discard { version: "v2".parse().unwrap() };
    assert!(said(world.change(&discard, None).unwrap_err()).contains("does not hold version `v2`"));
    assert_eq!(fs::read(world.path("v2.key")).unwrap(), CANARY);
    fs::remove_file(world.path("v2.key")).unwrap();
    assert_eq!(drift(), [Drift::MaterialGone { version: "v2".parse().unwrap() }]);
    assert!(said(world.switch("v2").unwrap_err()).contains("gone"));
    fs::write(world.path("v2.key"), good).unwrap();
    mode(&world.path("v2.key"), 0o600);
    assert_eq!(drift(), []);
    world.switch("v2").unwrap();
    assert_eq!(world.states(), [("v1".to_owned(), State::DecryptOnly), ("v2".to_owned(), State::Current)]);
}

#[test]
fn a_version_that_somebody_put_there_is_named_adopted_and_never_overwritten() {
    let world = world();
    world.add().unwrap();
    world.switch("v1").unwrap();
    let chosen = world.files.prepare("keys", Algorithm::Aes256).unwrap();
    let world = world.with(&[("v2.key", &CANARY)]);
    assert_eq!(world.look().unwrap().drift, [Drift::VersionAppeared { version: "v2".parse().unwrap() }]);
    let refused = said(world.change(&chosen.add(false), Some(&chosen)).unwrap_err());
    assert!(refused.contains("is there already, and it is not ours"), "{refused}");
    assert_eq!(fs::read(world.path("v2.key")).unwrap(), CANARY);
    assert_eq!(world.add().unwrap().version.as_str(), "v3");
    world.files.adopt("keys", &"v2".parse().unwrap(), Hour::UNIX_EPOCH).unwrap();
    assert_eq!(world.look().unwrap().drift, []);
    assert_eq!(
        world.look().unwrap().key.version(&"v2".parse().unwrap()).unwrap().state,
        State::DecryptOnly,
        "somebody may have sealed under it"
    );
}

#[test]
fn a_backup_of_a_destroyed_version_is_left_alone() {
    let world = world();
    world.add().unwrap();
    let backup = fs::read(world.path("v1.key")).unwrap();
    world.switch("v1").unwrap();
    world.add().unwrap();
    world.switch("v2").unwrap();
    world.retire("v1").unwrap();
    assert!(world.path("disabled/v1.key").exists() && !world.path("v1.key").exists());
    world.destroy("v1").unwrap();
    assert!(!world.path("disabled/v1.key").exists());
    let world = world.with(&[("v1.key", &backup)]);
    world.add().unwrap();
    world.destroy("v1").unwrap();
    assert_eq!(fs::read(world.path("v1.key")).unwrap(), backup);
    assert_eq!(world.look().unwrap().unknown_files, ["v1.key"]);
}

#[test]
fn only_one_changes_a_folder_at_a_time() {
    let world = world();
    world.add().unwrap();
    let lock = fs::File::open(world.path("ring.lock")).unwrap();
    lock.lock().unwrap();
    let failed = world.switch("v1").unwrap_err();
    assert!(matches!(&failed, Failed::Fault(fault) if fault.may_retry()), "{failed}");
    assert_eq!(world.states(), [("v1".to_owned(), State::Staged)]);
    drop(lock);
    world.switch("v1").unwrap();
}

#[test]
fn books_that_make_no_sense_are_refused() {
    let world = world();
    world.add().unwrap();
    world.switch("v1").unwrap();
    let good = fs::read_to_string(world.path("ring.json")).unwrap();
    for (from, to) in [
        ("keyrota ring 1", "keyrota ring 2"),
        ("\"v1.key\"", "\"../v1.key\""),
        ("\"current\"", "\"kept\""),
        ("\"revision\"", "\"edition\""),
        ("{", "["),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(world.path("ring.json"), good.replacen(from, to, 1)).unwrap();
        assert!(world.look().is_err() && world.add().is_err(), "{from} -> {to}");
    }
}
