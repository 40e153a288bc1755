//! A project in which somebody means ill: whatever stands in its files, the commands end soon, with words that are safe to
//! print, and show nobody's secrets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

#[path = "support/binary.rs"]
mod binary;
#[path = "support/canary.rs"]
mod canary;
#[path = "support/project.rs"]
mod project;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use binary::said;
use project::Kind;
use project::Project;

/// No command takes longer to say no.
const SOON: Duration = Duration::from_secs(20);

fn make(folder: &Path) -> Project {
    let at = folder.join("project");
    fs::create_dir(&at).unwrap();
    Project::make(&at, Kind::Plain, 20)
}

/// Every command that reads policies ends soon and without success, in safe words.
fn refused(project: &Project, what: &str) {
    for words in
        [&["validate"][..], &["validate", "--json"], &["plan"], &["status"], &["verify"], &["report"], &["schema"]]
    {
        let began = Instant::now();
        let output = binary::run(&project.at, words);
        assert!(began.elapsed() < SOON, "{what}: {words:?} took {:?}", began.elapsed());
        let told = [output.stdout.as_slice(), &output.stderr].concat();
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1 | 5)), "{what}: {words:?}: {}", said(&output));
        assert!(words != ["validate"] || code != Some(0), "{what} is taken for well");
        assert!(told.len() < 200_000, "{what}: {words:?} says {} bytes", told.len());
        let text = String::from_utf8(told.clone()).unwrap();
        let unsafe_for_terminals = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(unsafe_for_terminals), "{what}: {words:?} prints {text:?}");
        canary::Canary::new(project.secrets()).absent(what, &told);
    }
}

#[test]
fn a_hostile_text_gets_a_problem_and_nothing_else() {
    let folder = project::folder();
    let project = make(folder.path());
    let policy = project.at.join("policies/app.toml");
    let good = fs::read_to_string(&policy).unwrap();
    let keys: String = (0..100_000)
        .map(|n| format!("[key.k{n}]\nbackend = \"files\"\nat = \"k{n}\"\nalgorithm = \"aes-256\"\n"))
        .collect();
    let hostile = [
        ("deep arrays", format!("{good}a = {}", "[".repeat(200_000))),
        ("deep tables", format!("{good}{} = 1", vec!["x"; 50_000].join("."))),
        ("a long name", format!("{good}[key.{}]", "k".repeat(500_000))),
        ("a hundred thousand keys", format!("{good}{keys}")),
        ("nul", format!("{good}\u{0}")),
        ("bidi and escapes", format!("{good}about2 = \"\u{202e}live\u{1b}[2J\u{7}\"")),
        ("escaped escapes", good.replace("about = \"faults\"", "about = \"\\u001b[2J\\u202e\"")),
        ("a path that climbs", good.replace("\"app.db\"", "\"../../elsewhere.db\"")),
        ("a huge span", good.replace("\"90d\"", "\"99999999999999999999d\"")),
        ("a number out of the world", good.replace("\"90d\"", "1e309")),
        ("a name with markup", good.replace("[fleet.web]", "[fleet.\"<script>\"]")),
        ("a key after itself", good.replace("used_by", "after = [\"kek\"]\nused_by")),
    ];
    for (what, text) in hostile {
        assert_ne!(text, good, "{what}");
        fs::write(&policy, text).unwrap();
        refused(&project, what);
    }
    fs::write(&policy, &good).unwrap();
    // Names of tables may be anything, and are quoted.
    fs::write(&policy, good.replace("\"data_keys\"", r#""data_keys\"; DROP TABLE data_keys; --""#)).unwrap();
    for words in [&["plan"][..], &["verify"]] {
        let output = binary::run(&project.at, words);
        assert!(matches!(output.status.code(), Some(1 | 5)), "{}", said(&output));
    }
    assert_eq!(project.rows().values().sum::<u64>(), 20);
}

#[test]
fn a_link_shows_nobodys_secrets() {
    let folder = project::folder();
    let project = make(folder.path());
    let at = &project.at;
    let own = folder.path().join("other.toml");
    fs::write(&own, project::FIRST).unwrap();
    for target in [at.join("keys/v1.key"), own, at.join("app.db"), "/dev/zero".into(), at.join("nothing.toml")] {
        for link in ["policies/more.toml", "keyrota.toml"] {
            let link = at.join(link);
            let before = fs::read(&link).ok();
            let _absent = fs::remove_file(&link);
            symlink(&target, &link).unwrap();
            // A project file that is not there at all is no problem.
            if target.exists() || !link.ends_with("keyrota.toml") {
                refused(&project, &format!("{} to {}", link.display(), target.display()));
            }
            fs::remove_file(&link).unwrap();
            if let Some(before) = before {
                fs::write(&link, before).unwrap();
            }
        }
    }
    // As configurations are mounted: by links that stay inside.
    fs::create_dir(at.join("policies/..data")).unwrap();
    fs::rename(at.join("policies/app.toml"), at.join("policies/..data/app.toml")).unwrap();
    symlink("..data/app.toml", at.join("policies/app.toml")).unwrap();
    let read = binary::run(at, &["validate"]);
    assert!(read.status.success(), "{}", said(&read));
}

/// Whoever names a key file as the list of keys sees which value is wrong, and not the value.
#[test]
fn a_list_of_keys_that_is_a_key_is_told_by_place() {
    let folder = project::folder();
    let project = make(folder.path());
    let policy = project.at.join("policies/app.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let each = "each = { file = \"keys/v1.key\" }\nat = \"keys/{{ each }}\"";
    fs::write(&policy, text.replace("at = \"keys\"", each)).unwrap();
    refused(&project, "a key file as a list");
    let output = binary::run(&project.at, &["validate"]);
    assert!(said(&output).contains("value 1 of the file"), "{}", said(&output));
    // In hex it is made of a name's own characters, and only too long for one.
    let hex = hex::encode(project::FIRST);
    fs::write(project.at.join("keys/v1.key"), &hex).unwrap();
    let output = binary::run(&project.at, &["validate"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!said(&output).contains(&hex[..16]), "{}", said(&output));
}
