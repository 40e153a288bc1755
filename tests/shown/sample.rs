//! Plans for tests: the policies of `policies/` drawn from the worlds of `testdata/worlds/`, and many equal keys.

use keyrota::decision::Wish;
use keyrota::decision::decide;
use keyrota::fault::Fault;
use keyrota::inventory::Inventory;
use keyrota::model::KeyName;
use keyrota::plan::Plan;
use keyrota::plan::draw;
use keyrota::policy::Around;
use keyrota::policy::Project;
use keyrota::policy::Text;
use keyrota::policy::Texts;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// What the policies of `policies/` need of their project.
pub(crate) const SETTINGS: &str = include_str!("../../testdata/policies/keyrota.toml");

const BUILT: [&str; 12] = [
    "http",
    "file",
    "document",
    "openbao-kv",
    "azure-key-vault",
    "pkcs11",
    "sqlite",
    "postgres",
    "mongodb",
    "cosmos",
    "grpc",
    "unseen",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The policies of these texts.
pub(crate) fn project(policies: Vec<Text>, settings: Option<&str>) -> Project {
    let env = |name: &str| Some(format!("https://{}.example", name.to_lowercase().replace('_', "-")));
    let file = |path: &str| Err(Fault::ask_operator(format!("read `{path}`"), "no such file"));
    let settings = settings.map(|text| Text::new("keyrota.toml", text));
    let around = Around { env: &env, file: &file, built: &BUILT };
    keyrota::policy::read(&Texts { settings, policies }, &around).unwrap().project
}

/// A policy of `policies/`, with the world of the same name.
pub(crate) fn case(name: &str, settings: Option<&str>) -> (Project, Inventory) {
    let file = format!("policies/{name}.toml");
    let text = Text::new(file.clone(), fs::read(root().join(file)).unwrap());
    let world = fs::read_to_string(root().join(format!("testdata/worlds/{name}.toml"))).unwrap();
    (project(vec![text], settings), toml::from_str(&world).unwrap())
}

/// The plan of what is due.
pub(crate) fn plan_of(project: &Project, inventory: &Inventory, wish: &Wish) -> Plan {
    let decisions = decide(project, inventory, wish);
    draw(project, inventory, decisions, wish, None).unwrap()
}

/// The proved plan of a policy of `policies/` in the world of the same name.
pub(crate) fn plan(name: &str) -> Plan {
    let (project, inventory) = case(name, Some(SETTINGS));
    keyrota::prove::check(plan_of(&project, &inventory, &Wish::WhatIsDue)).unwrap_or_else(|told| panic!("{told}"))
}

/// The quickstart's key so many times, with counts and ages that differ.
pub(crate) fn many(keys: usize) -> (Project, Inventory) {
    let text = fs::read_to_string(root().join("policies/quickstart.toml")).unwrap();
    let (head, key) = text.split_once("[key.app-kek]").unwrap();
    let mut many = head
        .replace("name = \"quickstart\"", "name = \"many\"")
        .replace("column = \"wrapped\"", "where = { tenant = \"{{ each }}\" }\ncolumn = \"wrapped\"");
    let values: Vec<String> = (0..keys).map(|at| format!("\"tenant-{at:04}\"")).collect();
    let key = key.replace("at = \"keys\"", "at = \"keys/{{ each }}\"");
    write!(many, "[key.kek]\neach = [{}]\n{key}", values.join(", ")).unwrap();
    let project = project(vec![Text::new("policies/many.toml", many)], None);
    let (_, one) = case("quickstart", None);
    let (_, seen) = one.keys.iter().next().unwrap();
    let mut inventory = Inventory { keys: Default::default(), ..one.clone() };
    for at in 0..keys {
        let name: KeyName = format!("many/kek/tenant-{at:04}").parse().unwrap();
        let mut seen = seen.clone();
        seen.world = format!("folder-{at}");
        for store in seen.stores.values_mut() {
            store.blocks = vec![format!("app/data_keys.wrapped/{at}")];
            for count in store.census.as_mut().unwrap().under.values_mut() {
                *count = 100 + u64::try_from(at % 7).unwrap() * 1000;
            }
        }
        inventory.keys.insert(name, seen);
    }
    (project, inventory)
}
