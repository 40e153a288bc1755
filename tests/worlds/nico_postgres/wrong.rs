//! What the instances refuse; and what is missing, wrong or gone: a clear word that names the thing and the way out, an exit
//! code, and nothing changed.

use super::World;
use super::check;
use crate::stage::python;
use postgres::Client;
use postgres::NoTls;
use std::path::Path;
use std::process::Command;

#[test]
fn the_instances_refuse_what_the_real_ones_refuse() {
    let world = World::new("refusals");
    let said = python_says(&world, "direct_refusals.py", &[]);
    assert_eq!(said.lines().filter(|line| line.starts_with("refused: ")).count(), 18, "{said}");
    assert!(said.contains("all refused"), "{said}");
}

/// What a script says that must end well.
fn python_says(world: &World, script: &str, words: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds/python/nico").join(script);
    let mut command = Command::new(python());
    command.arg(script).args(words).current_dir(world.stage.at());
    world.stage.lend(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}

fn says(world: &World, asked: &[&str], code: i32, words: &[&str]) {
    let said = world.stage.run(asked);
    let told = (said.out + " " + &said.err).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said.code, Some(code), "{told}");
    words.iter().for_each(|word| assert!(told.contains(word), "no `{word}` in {told}"));
}

fn give_up(world: &World) {
    let status: serde_json::Value = serde_json::from_str(&world.stage.done(&["status", "--json"])).unwrap();
    world.stage.done(&["cancel", status["runs"][0]["run"].as_str().unwrap()]);
}

#[test]
fn each_ends_in_a_clear_word_and_changes_nothing() {
    let world = World::new("wrong");
    let (settings, secrets) = (world.text("site/carbide.toml"), world.text("site/secrets.json"));
    let next = world.next();
    let drawn = ["plan", "-o", &next, "--exit-code"];
    let apply = ["apply", &next];
    // A dead server.
    world.stage.set("NICO_DB", "postgresql://keyrota:tests@127.0.0.1:1/x");
    says(&world, &drawn, 5, &["store `tenant-identity`", "is the server up"]);
    // A role that may only read.
    let mut client = Client::connect(&world.database, NoTls).unwrap();
    let role = format!("reader_{}", world.database.rsplit('/').next().unwrap());
    let make =
        format!("CREATE ROLE {role} LOGIN PASSWORD 'tests'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    client.batch_execute(&make).unwrap();
    let (_, place) = world.database.split_once('@').unwrap();
    world.stage.set("NICO_DB", &format!("postgresql://{role}:tests@{place}"));
    says(&world, &drawn, 5, &["may not read it and set", "GRANT SELECT, UPDATE"]);
    world.stage.set("NICO_DB", &world.database);
    // Another key of that name: after the plan was drawn, and before.
    says(&world, &drawn, 2, &["kv1"]);
    let held: serde_json::Value = serde_json::from_str(&secrets).unwrap();
    let kv1 = held["machine_identity"]["encryption_keys"]["kv1"].as_str().unwrap().trim();
    let wrong = secrets.replace(kv1, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert_ne!(wrong, secrets);
    world.stage.write("site/secrets.json", &wrong);
    says(&world, &apply, 5, &["the material of version `kv1` is another", "nothing was changed"]);
    says(&world, &drawn, 2, &["kv1"]);
    says(
        &world,
        &apply,
        5,
        &["2-verify: could not open what `kv1`", "the key at hand is not the one that sealed them"],
    );
    assert_eq!((world.text("site/carbide.toml"), world.text("site/secrets.json")), (settings.clone(), wrong));
    give_up(&world);
    world.stage.write("site/secrets.json", &secrets);
    check(&world.stage, &["rows", "kv1"]);
    assert_eq!((world.text("site/carbide.toml"), world.text("site/secrets.json")), (settings, secrets));
    says(&world, &drawn, 2, &["kv1"]);
    world.apply(&[]);
    check(&world.stage, &["rows", "kv2"]);
}
