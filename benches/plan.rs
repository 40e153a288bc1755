//! Plan: 2,000 keys, from policy text and a given inventory to a rendered and saved plan. The proof of their one
//! shape is counted apart. Run: `cargo bench --bench plan`; with `-- terraform` also against `terraform plan` of
//! as many chained resources as there are steps.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a benchmark prints, and may stop at the first surprise"
)]

use keyrota::decision;
use keyrota::decision::Wish;
use keyrota::inventory::Inventory;
use keyrota::inventory::KeySeen;
use keyrota::plan;
use keyrota::plan::Document;
use keyrota::policy;
use keyrota::policy::Text;
use keyrota::policy::Texts;
use keyrota::prove;
use keyrota::render;
use std::fmt::Write;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

const KEYS: usize = 2_000;
const RUNS: usize = 7;

fn policy_text() -> String {
    let mut text = String::from(
        r#"[policy]
name = "bench"
owner = "bench@example.org"
[backend.files]
type = "file"
as = "hex"
id = "v{{ n }}"
[store.app]
type = "sqlite"
path = "{{ each }}.db"
restorable_for = "35d"
[[store.app.sealed]]
table = "data_keys"
column = "wrapped"
seal = { cipher = "aes-256-gcm", as = "hex", layout = ["nonce", "ciphertext", "tag"] }
aad = "data_keys:{{ row.id }}"
version = { column = "kek_version" }
[fleet.web]
members = ["web-1", "web-2"]
learns = { every = "1h" }
writes = "current"
in_flight = "1m"
"#,
    );
    for key in 0..KEYS {
        let _ = write!(
            text,
            "[key.k{key:04}]\nbackend = \"files\"\nat = \"keys/k{key:04}-{{{{ each }}}}\"\nalgorithm = \"aes-256\"\nseals = [\"app\"]\n\
             used_by = [\"web\"]\nrotate_every = \"90d\"\nretire = {{ after = \"24h\", destroy_after = \"40d\" }}\neach = [\"t{key:04}\"]\n"
        );
    }
    text
}

fn inventory(texts: &Texts) -> Inventory {
    let sample: Inventory = toml::from_str(include_str!("../testdata/worlds/quickstart.toml")).unwrap();
    let seen: &KeySeen = sample.keys.values().next().unwrap();
    let project = read(texts);
    let mut keys = std::collections::BTreeMap::new();
    for (at, policy) in project.policies.iter().enumerate() {
        for name in policy.keys.keys() {
            let mut seen = seen.clone();
            for store in seen.stores.values_mut() {
                store.blocks = vec![format!("{at}/{name}")];
                store.world = format!("database of {name}");
            }
            keys.insert(policy.key_name(name), seen);
        }
    }
    Inventory { hour: sample.hour, keys, unmanaged: Vec::new() }
}

fn read(texts: &Texts) -> policy::Project {
    let env = |_: &str| None;
    let file = |name: &str| Err(keyrota::fault::Fault::give_up(format!("read `{name}`"), "no files here"));
    let around = policy::Around { env: &env, file: &file, built: &["file", "sqlite", "unseen", "http", "rsa"] };
    match policy::read(texts, &around) {
        Ok(read) => read.project,
        Err(problems) => unreachable!("{:?}", problems.first()),
    }
}

fn main() {
    let folder = std::env::temp_dir().join(format!("keyrota-bench-plan-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let texts = Texts { settings: None, policies: vec![Text::new("policies/bench.toml", policy_text())] };
    let world = inventory(&texts);
    let mut rows: Vec<[Duration; 6]> = Vec::new();
    let mut steps = 0;
    let mut bytes = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let project = read(&texts);
        let was_read = start.elapsed();
        let decisions = decision::decide(&project, &world, &Wish::WhatIsDue);
        let drawn = plan::draw(&project, &world, decisions, &Wish::WhatIsDue, None).unwrap();
        let was_drawn = start.elapsed();
        let proved = prove::check(drawn).unwrap();
        let was_proved = start.elapsed();
        steps = proved.units.iter().map(|unit| unit.steps.len()).sum();
        let document = Document::of(proved);
        let was_made = start.elapsed();
        let text = render::plan::text(&document, render::Paper::default());
        let was_rendered = start.elapsed();
        keyrota::disk::write_whole(&folder.join("plan.json"), document.bytes(), 0o600).unwrap();
        let saved = start.elapsed();
        assert!(text.lines().count() <= 200, "{} lines", text.lines().count());
        assert!(bytes.is_empty() || bytes == document.bytes(), "the same input gives the same bytes");
        bytes = document.bytes().to_vec();
        let proof = was_proved - was_drawn;
        rows.push([
            was_read,
            was_drawn - was_read,
            proof,
            was_made - was_proved,
            was_rendered - was_made,
            saved - was_rendered,
        ]);
    }
    let median = |at: usize| {
        let mut all: Vec<Duration> = rows.iter().map(|row| row[at]).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    let names = ["read", "decide and draw", "proof (apart)", "document", "render", "save"];
    println!("{KEYS} keys, {steps} steps, {} bytes of plan, median of {RUNS}:", bytes.len());
    let mut total = Duration::ZERO;
    for (at, name) in names.iter().enumerate() {
        println!("  {name:16} {:8.2} ms", median(at).as_secs_f64() * 1e3);
        total += if at == 2 { Duration::ZERO } else { median(at) };
    }
    println!("  all but proof    {:8.2} ms (bar: 40 ms)", total.as_secs_f64() * 1e3);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned();
    println!("  peak memory      {peak} (of this benchmark, which holds two plans; bar: 50 MB)");
    if std::env::args().any(|arg| arg == "terraform") {
        terraform(&folder, steps, total);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// As many `terraform_data` resources as there are steps, each chained to the one before it in its key.
fn terraform(folder: &std::path::Path, steps: usize, ours: Duration) {
    let each = steps / KEYS;
    let mut text = String::new();
    for key in 0..KEYS {
        for step in 0..each {
            let before = match step {
                0 => "0".to_owned(),
                _ => format!("terraform_data.k{key}_{}.output", step - 1),
            };
            let _ = write!(text, "resource \"terraform_data\" \"k{key}_{step}\" {{\n  input = {before}\n}}\n");
        }
    }
    let folder = folder.join("terraform");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("main.tf"), text).unwrap();
    let run = |args: &[&str]| {
        let start = Instant::now();
        let out = Command::new("terraform").args(args).current_dir(&folder).output();
        let out = out.expect("terraform must be on the PATH");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        start.elapsed()
    };
    run(&["init", "-input=false"]);
    let took = run(&["plan", "-input=false", "-out=plan.bin"]);
    println!(
        "  terraform plan of {} chained resources: {:.1} s, {:.0} times as long",
        each * KEYS,
        took.as_secs_f64(),
        took.as_secs_f64() / ours.as_secs_f64()
    );
}
