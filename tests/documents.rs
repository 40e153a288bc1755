//! Dies at every crash point, and fails at every one, while a document and its pointer change: opened again, they end as if
//! nothing had happened, and every byte that is not a version's is as it was.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use keyrota::backend::document::Document;
use keyrota::envelope::Coding;
use keyrota::model::Change;
use keyrota::policy::meant::Pointer;
use keyrota::port::backend::Backend;
use keyrota::template::Template;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[path = "support/deaths.rs"]
mod deaths;

use deaths::Files;
use deaths::Life;
use deaths::Told;

const SECRETS: &str = "{ \"other\": 1.0, // ours\n  \"keys\": {\n    \"kv1\": \
    \"0101010101010101010101010101010101010101010101010101010101010101\"\n  }\n}\n";
const SETTINGS: &str = "# ours\n[key]\ncurrent = \"kv1\" # the first\n";

fn document(root: &Path) -> Document {
    let template = |text: &str| Template::parse(text).unwrap();
    let current = Pointer { file: template("site.toml"), at: "key.current".into(), is: template("{{ id }}") };
    Document::new(root, "secrets.json", &[Coding::Hex], &template("kv{{ n }}"), Some(&current)).unwrap()
}

/// A table of keys in somebody else's file.
struct Secrets;

impl Life for Secrets {
    const NAMED: &'static str = "kv";

    fn open(root: &Path) -> Box<dyn Backend> {
        Box::new(document(root))
    }

    fn begin(root: &Path) {
        fs::create_dir_all(root).unwrap();
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(root.join("secrets.json"), SECRETS).unwrap();
        fs::set_permissions(root.join("secrets.json"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(root.join("site.toml"), SETTINGS).unwrap();
    }

    /// A life of a key: every kind of change. A number goes with those that make a version.
    fn story(_: &Path) -> Vec<Told> {
        let id = |n: u8| format!("kv{n}").parse().unwrap();
        let add = deaths::add::<Secrets>;
        let then = |change: Change| (change, None);
        vec![
            add(2),
            then(Change::Switch { to: id(2) }),
            then(Change::Switch { to: id(1) }),
            then(Change::Switch { to: id(2) }),
            then(Change::Destroy { version: id(1) }),
            add(3),
            then(Change::Discard { version: id(3) }),
            add(4),
            then(Change::Switch { to: id(4) }),
        ]
    }

    /// Wherever we died: both files are whole, and the current version's key can be read.
    fn judge(root: &Path, line: &str) {
        let document = document(root);
        let look = document.look("keys").unwrap_or_else(|fault| panic!("{line}: {fault}"));
        let current = look.key.current().unwrap_or_else(|| panic!("{line}: nothing is current"));
        document.material("keys", &current.id).unwrap_or_else(|failed| panic!("{line}: {failed}"));
        let text = fs::read_to_string(root.join("secrets.json")).unwrap();
        assert!(
            text.starts_with("{ \"other\": 1.0, // ours\n  \"keys\": {\n    \"kv") && text.ends_with("\"\n  }\n}\n"),
            "{line}"
        );
        assert_eq!(fs::metadata(root.join("secrets.json")).unwrap().permissions().mode() & 0o777, 0o600, "{line}");
    }

    /// Every file there is.
    fn end(root: &Path) -> Files {
        let files = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.file_name().unwrap().display().to_string(), fs::read(&path).unwrap())).collect()
    }
}

/// Not a test of its own: see there.
#[test]
fn child() {
    deaths::child::<Secrets>();
}

#[test]
fn every_point_is_survived() {
    // Where memory can stand for a disk, a thousand syncs cost nothing.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    deaths::survive::<Secrets>(folder.path(), 80, |end| {
        let key = |n: u8| format!("{n:02x}").repeat(32);
        let secrets = SECRETS.replace("kv1", "kv2").replace(&key(1), &key(2));
        let secrets = secrets.replace("\"\n  }", &format!("\",\n    \"kv4\": \"{}\"\n  }}", key(4)));
        assert_eq!(end.get("secrets.json"), Some(&secrets.into_bytes()));
        assert_eq!(end.get("site.toml"), Some(&SETTINGS.replace("kv1", "kv4").into_bytes()));
    });
}

#[test]
fn the_same_change_twice_is_once_at_every_step() {
    let folder = tempfile::tempdir().unwrap();
    Secrets::begin(folder.path());
    deaths::tell::<Secrets>(folder.path(), true).unwrap();
    let look = document(folder.path()).look("keys").unwrap();
    let ids: Vec<&str> = look.key.versions.iter().map(|version| version.id.as_str()).collect();
    assert_eq!(ids, ["kv2", "kv4"]);
}
