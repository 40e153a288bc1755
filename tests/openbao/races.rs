//! Somebody else writes the document too, and answers get lost.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread;

use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use serde_json::json;

use crate::proxy::Fate;
use crate::proxy::before;
use crate::scene::AT;
use crate::scene::OLD;
use crate::scene::OLD_K;
use crate::scene::THEIRS;
use crate::scene::THEIRS_K;
use crate::scene::add;
use crate::scene::backend;
use crate::scene::document;
use crate::scene::key;
use crate::scene::server;
use crate::scene::set;
use crate::scene::stands;
use crate::scene::states;
use crate::server::Server;

/// A server in front of which something happens once, right before our first write.
fn once(server: &Server, happens: impl Fn() -> Fate + Send + Sync + 'static) -> Server {
    let happened = AtomicBool::new(false);
    before(server, move |question: &str| {
        let ours = question.starts_with("PUT ") && question.contains("/kv/data/");
        if ours && !happened.swap(true, Ordering::SeqCst) { happens() } else { Fate::Through }
    })
}

#[test]
fn a_rival_that_writes_something_else_loses_nothing_and_neither_do_we() {
    let server = server();
    let rival = server.clone();
    let raced = once(&server, move || {
        let mut data = document();
        data["unknown"] = json!("written by a rival");
        rival.put(&format!("kv/data/{AT}"), json!({ "data": data, "options": { "cas": 1 } }));
        Fate::Through
    });
    let made = add(&backend(&raced)).unwrap();
    let after = stands(&server);
    assert_eq!(after["metadata"]["version"], json!(3));
    assert_eq!(after["data"]["unknown"], json!("written by a rival"));
    assert_eq!(after["data"]["current_kid"], json!(made.version.as_str()));
}

#[test]
fn a_rival_that_adds_a_version_stops_us() {
    let server = server();
    let rival = server.clone();
    let raced = once(&server, move || {
        let mut data = document();
        data["keys"] = json!(set(&[key(THEIRS, THEIRS_K), key(OLD, OLD_K)]));
        data["current_kid"] = json!(THEIRS);
        rival.put(&format!("kv/data/{AT}"), json!({ "data": data }));
        Fate::Through
    });
    let refused = add(&backend(&raced)).unwrap_err();
    assert!(
        matches!(&refused, Failed::Refused { why, .. } if why.contains("somebody else changed the versions")),
        "{refused}"
    );
    assert_eq!(stands(&server)["metadata"]["version"], json!(2), "nothing was forced");
}

#[test]
fn an_answer_that_was_lost_is_looked_for() {
    let server = server();
    let behind = once(&server, || Fate::Unanswered);
    let made = add(&backend(&behind)).unwrap();
    assert_eq!(states(&backend(&server)).last().unwrap().0, made.version);
    assert_eq!(stands(&server)["metadata"]["version"], json!(2));
    // One that never arrived is a fault that may be tried again, and then it is done once.
    let behind = once(&server, || Fate::Unheard);
    let backend = backend(&behind);
    let prepared = backend.prepare(AT, keyrota::policy::meant::key::Algorithm::Aes256).unwrap();
    let failed = backend.change(AT, &prepared.add(true), Some(&prepared), crate::scene::now()).unwrap_err();
    assert!(matches!(&failed, Failed::Fault(fault) if fault.may_retry()), "{failed}");
    assert_eq!(stands(&server)["metadata"]["version"], json!(2));
    backend.change(AT, &prepared.add(true), Some(&prepared), crate::scene::now()).unwrap();
    assert_eq!(stands(&server)["metadata"]["version"], json!(3));
}

#[test]
fn many_rivals_at_once() {
    let server = server();
    let (stop, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let rival = {
        let (server, stop, writes) = (server.clone(), Arc::clone(&stop), Arc::clone(&writes));
        thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let now = stands(&server);
                let mut data = now["data"].clone();
                let count = writes.load(Ordering::SeqCst);
                data["unknown"] = json!(count + 1);
                let body = json!({ "data": data, "options": { "cas": now["metadata"]["version"] } });
                if server.ask("POST", &format!("kv/data/{AT}"), Some(&body)).0 == 200 {
                    writes.store(count + 1, Ordering::SeqCst);
                }
                // Anybody else must have a chance too.
                thread::sleep(std::time::Duration::from_millis(3));
            }
        })
    };
    let backend = backend(&server);
    let mut made = vec![OLD.to_owned()];
    for _ in 0..5 {
        made.push(add(&backend).unwrap().version.to_string());
    }
    stop.store(true, Ordering::SeqCst);
    rival.join().unwrap();
    let found: Vec<String> = states(&backend).iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(found, made);
    assert_eq!(
        stands(&server)["data"]["unknown"],
        json!(writes.load(Ordering::SeqCst)),
        "no write of the rival's is lost"
    );
}
