//! The plans of all samples, kept in `plans/`: as they are saved, as a terminal shows them, and as a pull request does.

use crate::scene;
use keyrota::plan::Document;
use keyrota::render;
use keyrota::render::Paper;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const FOLDER: &str = "plans";

/// Every sample's plan, by the file that it is kept in.
fn drawn() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for name in scene::SAMPLES {
        let plan =
            keyrota::prove::check(scene::sample(name).draw(None)).unwrap_or_else(|told| panic!("{name}: {told}"));
        let document = Document::of(plan);
        let (text, markdown) =
            (render::plan::text(&document, Paper { colour: false, width: 120 }), render::plan::markdown(&document));
        files.push((format!("{name}.json"), document.bytes().to_vec()));
        files.push((format!("{name}.txt"), text.into_bytes()));
        files.push((format!("{name}.md"), markdown.into_bytes()));
    }
    files
}

/// With `KEYROTA_REDRAW=1` they are written anew; look at what changed before you commit that.
#[test]
fn plans_are_as_they_are_drawn() {
    let drawn = drawn();
    if std::env::var_os("KEYROTA_REDRAW").is_some() {
        let _ = fs::create_dir(FOLDER);
        for (name, bytes) in &drawn {
            fs::write(Path::new(FOLDER).join(name), bytes).unwrap();
        }
    }
    let differs =
        |(name, bytes): &&(String, Vec<u8>)| fs::read(Path::new(FOLDER).join(name)).ok().as_ref() != Some(bytes);
    let stale: Vec<&str> = drawn.iter().filter(differs).map(|(name, _)| name.as_str()).collect();
    let how = "redraw them with `KEYROTA_REDRAW=1 cargo test --test plans plans_are`, and look at what changed";
    assert!(stale.is_empty(), "`{FOLDER}/` differs from what is drawn today in {}: {how}", stale.join(", "));
    let known: BTreeSet<&str> = drawn.iter().map(|(name, _)| name.as_str()).collect();
    let here = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strange: Vec<String> = here.filter(|name| !known.contains(name.as_str())).collect();
    assert!(strange.is_empty(), "nobody draws {} in `{FOLDER}/`", strange.join(", "));
}
