//! Documents in true folders, as operators and other programs leave them.

use super::Document;
use crate::backend::contract;
use crate::envelope::Coding;
use crate::fault::Fault;
use crate::model::Change;
use crate::model::Hour;
use crate::model::State;
use crate::policy::meant::Pointer;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Backend;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::backend::Prepared;
use crate::template::Template;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

const KV1: &str = "DdF1vY39kHnYF0xeevRSGEhV3PsqHOzZTCQ9pluI6+o=";
const AT: &str = "machine_identity.encryption_keys";
const POINT: &str = "machine_identity.current_encryption_key_id";
const SETTINGS: &str = "# ours\n[machine_identity] # the site's\nenabled = true\n\
    current_encryption_key_id = 'kv1' # moved by hand until now\nalgorithm = \"ES256\"\n";

struct World {
    root: tempfile::TempDir,
    document: Document,
}

fn secrets() -> String {
    format!(
        "{{\n  \"database\": {{ \"password\": \"hunter2\" }},\n  \"machine_identity\": {{\n    \"encryption_keys\": {{\n      \
         \"kv1\": \"{KV1}\"\n    }}\n  }},\n  \"retries\": 1.50\n}}\n"
    )
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn pointer(file: &str, at: &str, is: &str) -> Pointer {
    Pointer { file: template(file), at: at.to_owned(), is: template(is) }
}

/// As an operator would make it.
fn world_of(file: &str, text: &str, settings: &str) -> World {
    let root = tempfile::tempdir().unwrap();
    let current = pointer("carbide.toml", POINT, "{{ id }}");
    let document = Document::new(root.path(), file, &[Coding::Base64], &template("kv{{ n }}"), Some(&current)).unwrap();
    fs::write(root.path().join(file), text).unwrap();
    fs::write(root.path().join("carbide.toml"), settings).unwrap();
    mode(&root.path().join(file), 0o600);
    mode(&root.path().join("carbide.toml"), 0o644);
    World { root, document }
}

fn world() -> World {
    world_of("secrets.json", &secrets(), SETTINGS)
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn look(&self) -> Result<Look, Fault> {
        self.document.look(AT)
    }

    fn states(&self) -> Vec<(String, State)> {
        self.look().unwrap().key.versions.iter().map(|v| (v.id.to_string(), v.state)).collect()
    }

    fn add(&self) -> Result<Prepared, Failed> {
        let made = self.document.prepare(AT, Algorithm::Aes256)?;
        self.change(&made.add(false), Some(&made)).map(|()| made)
    }

    fn change(&self, change: &Change, made: Option<&Prepared>) -> Result<(), Failed> {
        self.document.change(AT, change, made, Hour::UNIX_EPOCH)
    }

    fn switch(&self, to: &str) -> Result<(), Failed> {
        self.change(&Change::Switch { to: to.parse().unwrap() }, None)
    }

    fn destroy(&self, id: &str) -> Result<(), Failed> {
        self.change(&Change::Destroy { version: id.parse().unwrap() }, None)
    }

    /// The versions' names in the file, and nothing else in the folder.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
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
fn the_contract_holds_in_every_format_and_with_every_pointer() {
    let texts = [
        ("s.json", "{ \"a\": { \"keys\": {} }, \"now\": \"\" }"),
        ("s.toml", "now = ''\n[a]\n[a.keys]\n[b]\nx = 1\n"),
        ("s.toml", "now = \"\"\na = { keys = {} }\n"),
        ("s.yaml", "now: ''\na:\n  keys:\n  z: 1\n"),
        ("s.yml", "{now: '', a: {keys: {}}}"),
    ];
    for (file, text) in texts {
        for current in [None, Some(pointer(file, "now", "{{ id }}")), Some(pointer("p.toml", "x.y", "key-{{ n }}"))] {
            for codings in [&[Coding::Base64][..], &[Coding::Hex], &[Coding::Json, Coding::Base64url]] {
                let root = tempfile::tempdir().unwrap();
                fs::write(root.path().join(file), text).unwrap();
                mode(&root.path().join(file), 0o600);
                fs::write(root.path().join("p.toml"), "[x]\ny = \"\"").unwrap();
                let document = Document::new(root.path(), file, codings, &template("k{{ n }}"), current.as_ref());
                let document = document.unwrap();
                assert_eq!(contract::holds(&document, "a.keys"), Ok(()), "{text} {current:?} {codings:?}");
                assert_eq!(document.fit("a.keys", &[]), Ok(()));
            }
        }
    }
}

#[test]
fn a_rotation_leaves_every_other_byte_as_it_was() {
    let world = world();
    let made = world.add().unwrap();
    assert_eq!(made.version.as_str(), "kv2");
    assert_eq!(world.states(), [("kv1".to_owned(), State::Current), ("kv2".to_owned(), State::Staged)]);
    let given =
        world.document.encoded(AT, &made.version).ok().unwrap().lend(|v| String::from_utf8(v.to_vec())).unwrap();
    let with = secrets().replace(&format!("\"{KV1}\"\n"), &format!("\"{KV1}\",\n      \"kv2\": \"{given}\"\n"));
    assert_eq!((world.text("secrets.json"), world.text("carbide.toml")), (with.clone(), SETTINGS.to_owned()));
    world.switch("kv2").unwrap();
    assert_eq!((world.text("secrets.json"), world.text("carbide.toml")), (with, SETTINGS.replace("'kv1'", "'kv2'")));
    assert_eq!(world.states(), [("kv1".to_owned(), State::DecryptOnly), ("kv2".to_owned(), State::Current)]);
    world.destroy("kv1").unwrap();
    let alone = secrets().replace(&format!("\"kv1\": \"{KV1}\""), &format!("\"kv2\": \"{given}\""));
    assert_eq!(world.text("secrets.json"), alone);
    assert_eq!(world.names(), ["carbide.toml", "secrets.json"]);
    let facts = |name: &str| fs::metadata(world.path(name)).unwrap().mode() & 0o7777;
    assert_eq!((facts("secrets.json"), facts("carbide.toml")), (0o600, 0o644));
}

#[test]
fn ids_that_were_given_are_not_given_again() {
    let world = world();
    let made = world.add().unwrap();
    world.change(&Change::Discard { version: made.version.clone() }, None).unwrap();
    assert_eq!(world.text("secrets.json"), secrets());
    world.document.reserve(AT, &["kv1".parse().unwrap(), made.version]);
    assert_eq!(world.add().unwrap().version.as_str(), "kv3");
}

#[test]
fn what_others_can_read_or_change_is_refused() {
    let world = world();
    mode(&world.path("secrets.json"), 0o640);
    assert!(said(world.look().unwrap_err()).contains("`chmod 600 "));
    assert!(said(world.add().unwrap_err()).contains("`chmod 600 "));
    mode(&world.path("secrets.json"), 0o600);
    mode(&world.path(""), 0o777);
    assert!(said(world.look().unwrap_err()).contains("`chmod 755 "));
    mode(&world.path(""), 0o755);
    assert_eq!(world.states(), [("kv1".to_owned(), State::Current)]);
    assert_eq!(world.text("secrets.json"), secrets());
}

#[test]
fn links_are_never_followed() {
    for name in ["secrets.json", "carbide.toml"] {
        let world = world();
        fs::rename(world.path(name), world.path("elsewhere")).unwrap();
        symlink(world.path("elsewhere"), world.path(name)).unwrap();
        let told = said(world.look().unwrap_err());
        assert!(told.contains("symbolic link") && told.contains("name the file that it points to"), "{told}");
        assert!(world.add().is_err() && world.switch("kv1").is_err());
        assert!(fs::symlink_metadata(world.path(name)).unwrap().is_symlink());
    }
}

#[test]
fn what_makes_no_sense_is_told_with_its_place_and_nothing_is_written() {
    let id = |id: &str, value: &str| secrets().replace(&format!("\"kv1\": \"{KV1}\""), &format!("\"{id}\": {value}"));
    let at = |name: &str| SETTINGS.replace("kv1", name);
    let key = format!("\"{KV1}\"");
    let twice = format!("{key}, \"kv1\": {key}");
    let cases = [
        (id("kv1", "\"not a key\""), SETTINGS.to_owned(), "it is not base64"),
        (id("kv1", "\"AAAA\""), SETTINGS.to_owned(), "it holds 3 bytes, and a key has 16 or 32"),
        (id("kv1", "{}"), SETTINGS.to_owned(), "could not read version `kv1` in"),
        (id("kv1", &twice), SETTINGS.to_owned(), "`kv1` stands in `machine_identity.encryption_keys` twice"),
        (id("old", &key), SETTINGS.to_owned(), "says `kv1`, and `machine_identity.encryption_keys` holds no version"),
        (secrets(), at("kv7"), "says `kv7`, and `machine_identity.encryption_keys` holds `kv1`"),
        (secrets(), at("kv01"), "says `kv01`, and"),
        (secrets().replace('}', ""), SETTINGS.to_owned(), "it is not JSON"),
        (
            secrets().replace("encryption_keys", "keys"),
            SETTINGS.to_owned(),
            "there is nothing at `machine_identity.enc",
        ),
        (secrets(), "x = 1".to_owned(), "there is nothing at `machine_identity.current_encryption_key_id`"),
        (secrets(), "[".to_owned(), "it is not TOML"),
    ];
    for (text, settings, why) in cases {
        let world = world_of("secrets.json", &text, &settings);
        let told = said(world.look().unwrap_err());
        assert!(told.contains(why) && !told.contains(KV1), "{told}, not {why}");
        assert!(world.add().is_err() && world.switch("kv1").is_err() && world.destroy("kv1").is_err(), "{why}");
        assert_eq!((world.text("secrets.json"), world.text("carbide.toml")), (text, settings));
    }
    let world = world();
    fs::remove_file(world.path("secrets.json")).unwrap();
    assert!(said(world.look().unwrap_err()).contains("could not read"));
    assert!(said(world.document.world().unwrap_err()).contains("make it first"));
}

#[test]
fn what_is_no_version_is_named_and_left_alone() {
    let text = secrets()
        .replace("\"kv1\"", "\"note\": [\"kv9\"],\n      \"kv01\": \"x\",\n      \"hmac\": \"AAAA\",\n      \"kv1\"");
    let world = world_of("secrets.json", &text, SETTINGS);
    let named = ["note", "kv01", "hmac"].map(|name| format!("{AT}.{name}"));
    assert_eq!(world.look().unwrap().unknown_files, named);
    world.add().unwrap();
    world.switch("kv2").unwrap();
    world.destroy("kv1").unwrap();
    assert_eq!(world.look().unwrap().unknown_files, named);
    for id in ["hmac", "kv01"] {
        // It is no version, so there is nothing to destroy.
        world.destroy(id).unwrap();
    }
    assert_eq!(world.look().unwrap().unknown_files, named);
}

#[test]
fn a_rival_that_adds_the_same_id_is_never_written_over() {
    let world = world();
    let made = world.document.prepare(AT, Algorithm::Aes256).unwrap();
    let rival = secrets().replace(&format!("\"{KV1}\"\n"), &format!("\"{KV1}\", \"kv2\": \"{KV1}\"\n"));
    world.write("secrets.json", &rival);
    let told = said(world.change(&made.add(false), Some(&made)).unwrap_err());
    assert!(told.contains("there is a version `kv2` already, and its material is not ours"), "{told}");
    assert_eq!(world.text("secrets.json"), rival);
}

#[test]
fn only_one_changes_a_file_at_a_time() {
    let world = world();
    let lock = fs::File::open(world.path("secrets.json")).unwrap();
    lock.lock().unwrap();
    let failed = world.add().unwrap_err();
    assert!(matches!(&failed, Failed::Fault(fault) if fault.may_retry()), "{failed}");
    assert_eq!(world.text("secrets.json"), secrets());
    drop(lock);
    world.add().unwrap();
}

#[test]
fn what_a_document_cannot_do_it_says() {
    let world = world();
    let retire = Change::Retire { version: "kv1".parse().unwrap() };
    assert!(said(world.change(&retire, None).unwrap_err()).contains("cannot disable"));
    assert!(said(world.document.prepare(AT, Algorithm::Rsa4096).unwrap_err()).contains("aes-256"));
    let raw = Document::new(world.root.path(), "s.json", &[Coding::Raw], &template("kv{{ n }}"), None);
    assert!(raw.unwrap_err().contains("as = \"base64\""));
    let ids = Document::new(world.root.path(), "s.json", &[Coding::Hex], &template("{{ uuid1 }}"), None);
    assert!(ids.unwrap_err().contains("{{ n }}"));
    for file in ["secrets", "../s.json", "s.ini"] {
        let other = Document::new(world.root.path(), file, &[Coding::Hex], &template("kv{{ n }}"), None).unwrap();
        assert!(other.look(AT).is_err(), "{file}");
    }
}
