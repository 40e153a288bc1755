//! What the page for operators says is so.

use keyrota::port::backend::Backend;
use serde_json::json;

use crate::scene::AT;
use crate::scene::add;
use crate::scene::server;
use crate::scene::with_token;

const PAGE: &str = include_str!("../../docs/systems/nvcf.md");

#[test]
fn the_permissions_that_it_lists_are_enough() {
    let block = PAGE.split("```hcl\n").nth(1).unwrap().split("```").next().unwrap();
    let server = server();
    server.policy("page", &block.replace("services/all/kv/", "kv/"));
    let backend = with_token(&server, &server.token(&["page"], json!({})));
    backend.fit(AT, crate::scene::ACTS).unwrap();
    add(&backend).unwrap();
    assert!(backend.look(AT).unwrap().key.versions.iter().all(|version| version.born.is_some()));
    assert_eq!(backend.reach(AT).unwrap().newest, 2);
}

/// The source, its lines joined, so that a text may be written over two of them.
fn source(folder: &str) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all += &match path.is_dir() {
            true => source(path.to_str().unwrap()),
            false => std::fs::read_to_string(path).unwrap_or_default(),
        };
    }
    all
}

#[test]
fn the_failures_that_it_lists_are_said_in_these_words() {
    let root = env!("CARGO_MANIFEST_DIR");
    let said = source(&format!("{root}/src/openbao")) + &source(&format!("{root}/src/backend/openbao_kv"));
    let said = said + &std::fs::read_to_string(format!("{root}/src/openbao.rs")).unwrap();
    let said = said + &std::fs::read_to_string(format!("{root}/src/backend/openbao_kv.rs")).unwrap();
    for words in [
        "permission denied",
        "may not: ",
        "it does not know ",
        "the server is sealed",
        "this node is a standby",
        "the two do not trust each other",
        "nobody answers there",
        "too many requests",
        "of the document was ",
        "which one is current?",
        "somebody else changed the versions while we were about to",
        "the server would not keep ",
        "the document keeps ",
    ] {
        assert!(said.contains(words), "nothing says `{words}`");
        let known = words.trim_end_matches(['?', ' ']);
        assert!(PAGE.contains(known) || words.contains("which one"), "the page does not know `{words}`");
    }
}
