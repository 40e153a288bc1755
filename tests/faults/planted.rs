//! A search that cannot find proves nothing: key material is planted in every kind of place and in every spelling.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::binary;
use crate::project;
use crate::project::FIRST;
use crate::project::Kind;
use crate::project::Project;

/// What somebody careless would write.
fn spellings() -> Vec<Vec<u8>> {
    let at = |skip: usize| [&b"abc"[..skip], FIRST, b"xyz"].concat();
    let mut all = vec![FIRST.to_vec(), hex::encode(FIRST).into_bytes(), hex::encode_upper(FIRST).into_bytes()];
    all.extend((0..3).map(|skip| STANDARD.encode(at(skip)).into_bytes()));
    all.extend((0..3).map(|skip| URL_SAFE_NO_PAD.encode(at(skip)).into_bytes()));
    all.push(format!("{:?}", FIRST).into_bytes());
    all.push(serde_json::to_vec(&FIRST[..]).unwrap());
    all
}

#[test]
fn the_search_finds_what_is_planted_wherever_it_is() {
    let folder = project::folder();
    let at = folder.path().join("project");
    fs::create_dir(&at).unwrap();
    let project = Project::make(&at, Kind::Plain, 40);
    let file = at.join("plan.json");
    binary::plan(&at, file.to_str().unwrap());
    let begun = binary::run(&at, &["apply", file.to_str().unwrap()]);
    assert!(begun.status.success(), "{}", binary::said(&begun));
    let look = || project.look(&[("stdout", &begun.stdout), ("stderr", &begun.stderr)]);
    assert!(look().unwrap() >= 6, "journal, head, plan, saved plan, policy, database");
    for spelling in spellings() {
        let planted = [b"some {\"text\":\"", &spelling[..], b"\"} around it\n"].concat();
        let shown = String::from_utf8_lossy(&spelling).into_owned();
        for place in
            [".keyrota/journal.jsonl", ".keyrota/torn-1", "plan.json", "tmp/deep/er/left-behind", "app.db-wal2"]
        {
            let place = at.join(place);
            let before = fs::read(&place).ok();
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, [before.as_deref().unwrap_or_default(), &planted].concat()).unwrap();
            let found = look().expect_err(&shown);
            assert!(found.contains(place.file_name().unwrap().to_str().unwrap()), "`{shown}`: {found}");
            match before {
                Some(before) => fs::write(&place, before).unwrap(),
                None => fs::remove_file(&place).unwrap(),
            }
        }
        for said in ["stdout", "stderr"] {
            assert!(project.look(&[(said, &planted)]).expect_err(&shown).contains(said));
        }
        // In a cell of the database, where only sealed values may be.
        let connection = project.connect();
        connection.execute("UPDATE data_keys SET note = ?1 WHERE id = 7", [&planted]).unwrap();
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        assert!(look().expect_err(&shown).contains("app.db"));
        connection
            .execute_batch("UPDATE data_keys SET note = NULL WHERE id = 7; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
    }
    look().unwrap();
}

#[test]
fn whatever_a_command_prints_holds_no_key() {
    for kind in Kind::ALL {
        let folder = project::folder();
        let at = folder.path().join("project");
        fs::create_dir(&at).unwrap();
        let project = Project::make(&at, kind, 40);
        if kind == Kind::Proof {
            project.members_look();
        }
        let file = at.join("plan.json");
        let file = file.to_str().unwrap();
        binary::plan(&at, file);
        let mut told = Vec::new();
        let words: [&[&str]; 14] = [
            &["validate"],
            &["show", file],
            &["show", file, "--json"],
            &["apply", file],
            &["status"],
            &["status", "--json"],
            &["why", project::KEY],
            &["why", "app/kek@v1", "--json"],
            &["verify"],
            &["journal", "show"],
            &["journal", "export"],
            &["report"],
            &["report", "--json"],
            &["cancel", "no-such-run"],
        ];
        for words in words {
            let output = binary::run(&at, words);
            assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{words:?} says nothing");
            told.extend([output.stdout, output.stderr].concat());
        }
        project.search(&[("stdout and stderr", &told)]);
    }
}
