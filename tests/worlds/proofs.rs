//! Members that prove what they know: each by an address of its own, or all in a table of PostgreSQL. The gate before anybody
//! writes opens for nothing less, and names who is missing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::Mutex;

use keyrota::secret::Secret;

use crate::stage::Stage;
use crate::stage::server;

const MEMBERS: [&str; 2] = ["web-1", "web-2"];

/// What each member says that it knows: fingerprints. One that is not there does not answer.
type Known = Arc<Mutex<BTreeMap<&'static str, Vec<String>>>>;

/// The example's project, whose fleet proves what it knows in this way.
fn project(proof: &str) -> Stage {
    let stage = Stage::new();
    stage.done(&["init", "--example"]);
    let policy = stage.at().join("policies/example.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let (old, new) = ("in_flight = \"1s\"", format!("in_flight = \"1s\"\nproof = {proof}"));
    assert!(text.contains(old));
    fs::write(&policy, text.replace(old, &new)).unwrap();
    stage
}

/// Answers for each member at `/NAME`, with another sign of life each time.
fn answers(known: &Known) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let known = Arc::clone(known);
    std::thread::spawn(move || {
        for (beat, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { continue };
            let mut asked = [0; 2048];
            let read = stream.read(&mut asked).unwrap_or(0);
            let asked = String::from_utf8_lossy(&asked[..read]).into_owned();
            let member = asked.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
            let found = known.lock().unwrap().get(member.as_str()).cloned();
            let (status, body) = match found {
                Some(knows) => {
                    ("200 OK", serde_json::json!({ "member": "web-1", "knows": knows, "beat": beat }).to_string())
                }
                None => ("503 Away", String::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).ok();
        }
    });
    port
}

/// Plays both fleets: nobody knows the new version, then one, then both; the gate names who is missing until nobody is.
fn opens_for_both_and_nothing_less(stage: &Stage, say: &mut dyn FnMut(&str, &[String])) {
    let print = |id: &str| {
        let text = fs::read_to_string(stage.at().join(format!("keys/{id}.key"))).unwrap();
        let key = Secret::from_vec(hex::decode(text.trim()).unwrap());
        key.fingerprint().hex()[..16].to_owned()
    };
    let apply = || {
        let said = stage.run(&["apply", "plan.json", "--exit-code"]);
        (said.code, (said.out + &said.err).split_whitespace().collect::<Vec<_>>().join(" "))
    };
    stage.done(&["plan", "-o", "plan.json"]);
    let old = vec![print("v1")];
    MEMBERS.iter().for_each(|member| say(member, &old));
    let (code, said) = apply();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("`web` to prove it: web-1, web-2 not yet"), "{said}");
    let both = vec![old[0].clone(), print("v2")];
    // Its sign of life has to change between two looks of ours: a row that was left behind proves nothing.
    for _ in 0..2 {
        say("web-1", &both);
        apply();
    }
    say("web-1", &both);
    let (code, said) = apply();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("`web` to prove it: web-2 not yet"), "{said}");
    for _ in 0..2 {
        MEMBERS.iter().for_each(|member| say(member, &both));
        apply();
    }
    MEMBERS.iter().for_each(|member| say(member, &both));
    stage.done(&["apply", "plan.json", "--wait"]);
    assert!(stage.done(&["verify"]).contains("Every value opens"));
    let report = stage.done(&["report"]);
    assert!(report.contains("every member proved it"), "{report}");
}

#[test]
fn each_member_proves_it_at_an_address_of_its_own() {
    let known = Known::default();
    let port = answers(&known);
    let proof = format!(
        "{{ http = \"http://127.0.0.1:{port}/{{{{ member }}}}\", knows = {{ field = \"knows\", is = \"{{{{ sha256[:16] }}}}\" }}, seen_at = \"beat\" }}"
    );
    let stage = project(&proof);
    opens_for_both_and_nothing_less(&stage, &mut |member, knows| {
        let member = MEMBERS.into_iter().find(|known| *known == member).unwrap();
        known.lock().unwrap().insert(member, knows.to_vec());
    });
}

#[test]
fn members_prove_it_in_a_table_of_postgresql() {
    let proof = "{ from = \"app\", table = \"heartbeats\", knows = { field = \"knows\", is = \"{{ sha256[:16] }}\" }, seen_at = \"beat\" }";
    let stage = project(proof);
    let address = server("KEYROTA_TEST_POSTGRES");
    let name = format!("beats_{}", std::process::id());
    let make = format!("CREATE DATABASE {name}");
    postgres::Client::connect(&address, postgres::NoTls).unwrap().batch_execute(&make).unwrap();
    let address = format!("{}/{name}", address.rsplit_once('/').unwrap().0);
    stage.set("APP_DB", &address);
    let mut client = postgres::Client::connect(&address, postgres::NoTls).unwrap();
    client
        .batch_execute(
            "CREATE TABLE data_keys (id int8 PRIMARY KEY, kek_version text, wrapped text);
             CREATE TABLE heartbeats (member text PRIMARY KEY, knows text[], beat serial)",
        )
        .unwrap();
    move_to(&stage, &mut client);
    opens_for_both_and_nothing_less(&stage, &mut |member, knows| {
        client.execute("DELETE FROM heartbeats WHERE member = $1", &[&member]).unwrap();
        client.execute("INSERT INTO heartbeats (member, knows) VALUES ($1, $2)", &[&member, &knows]).unwrap();
    });
}

/// Moves the example's table to the server.
fn move_to(stage: &Stage, client: &mut postgres::Client) {
    let policy = stage.at().join("policies/example.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let place = "type = \"postgres\"\nurl = { env = \"APP_DB\" }";
    fs::write(&policy, text.replace("type = \"sqlite\"\npath = \"app.db\"", place)).unwrap();
    let sqlite = rusqlite::Connection::open(stage.at().join("app.db")).unwrap();
    let mut all = sqlite.prepare("SELECT id, kek_version, wrapped FROM data_keys LIMIT 100").unwrap();
    let mut all = all.query([]).unwrap();
    while let Some(row) = all.next().unwrap() {
        let (id, version, wrapped): (i64, String, String) = (row.get_unwrap(0), row.get_unwrap(1), row.get_unwrap(2));
        client.execute("INSERT INTO data_keys VALUES ($1, $2, $3)", &[&id, &version, &wrapped]).unwrap();
    }
}
