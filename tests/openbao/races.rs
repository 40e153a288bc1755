//! Somebody else writes the document too, and answers get lost.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread;

use keyrota::model::Change;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use serde_json::Value;
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
use crate::scene::empty;
use crate::scene::key;
use crate::scene::now;
use crate::scene::server;
use crate::scene::set;
use crate::scene::stands;
use crate::scene::states;
use crate::server::Server;
use crate::server::until;

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
    let failed = backend.change(AT, &prepared.add(true), Some(&prepared), now()).unwrap_err();
    assert!(matches!(&failed, Failed::Fault(fault) if fault.may_retry()), "{failed}");
    assert_eq!(stands(&server)["metadata"]["version"], json!(2));
    backend.change(AT, &prepared.add(true), Some(&prepared), now()).unwrap();
    assert_eq!(stands(&server)["metadata"]["version"], json!(3));
}

#[test]
fn a_first_document_is_signed_though_its_answer_was_lost() {
    let server = empty();
    let behind = backend(&once(&server, || Fate::Unanswered));
    behind.sign_as("run-1");
    add(&behind).unwrap();
    assert_eq!(stands(&server)["metadata"]["version"], json!(1));
    assert_eq!(backend(&server).look(AT).unwrap().run.as_deref(), Some("run-1"));
}

/// A server that answers a look at the `kind` of the document so, once the document was written.
fn afterwards(server: &Server, kind: &'static str, head: &'static str, body: &'static str) -> Server {
    let written = AtomicBool::new(false);
    before(server, move |question: &str| {
        if question.starts_with("PUT ") && question.contains("/kv/data/") {
            written.store(true, Ordering::SeqCst);
        }
        let looks = question.starts_with(&format!("GET /v1/kv/{kind}/{AT} "));
        if looks && written.load(Ordering::SeqCst) { Fate::Says(head, body) } else { Fate::Through }
    })
}

#[test]
fn a_key_is_destroyed_only_where_the_document_is_seen_as_it_was_written() {
    let (nothing, front) = (r#"{"errors":[]}"#, "<html>no such page</html>");
    for kind in ["data", "metadata"] {
        for said in [None, Some(nothing), Some(front)] {
            let server = server();
            add(&backend(&server)).unwrap();
            // A node that lags behind shows what was there before.
            let old: &'static str = server.get(&format!("kv/{kind}/{AT}")).to_string().leak();
            let (head, body) = said.map_or(("200 OK", old), |said| ("404 Not Found", said));
            let destroy = Change::Destroy { version: OLD.parse().unwrap() };
            let lagging = backend(&afterwards(&server, kind, head, body));
            let failed = lagging.change(AT, &destroy, None, now()).unwrap_err();
            assert!(matches!(&failed, Failed::Fault(fault) if fault.may_retry()), "{kind}, {body}: {failed}");
            let destroyed = || -> Vec<Value> {
                let metadata = server.get(&format!("kv/metadata/{AT}"))["data"]["versions"].clone();
                metadata.as_object().unwrap().values().map(|of| of["destroyed"].clone()).collect()
            };
            assert_eq!(destroyed(), [false, false, false], "{kind}, {body}");
            backend(&server).change(AT, &destroy, None, now()).unwrap();
            assert_eq!(destroyed(), [true, true, false], "{kind}, {body}");
        }
    }
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
                let told = server.ask("POST", &format!("kv/data/{AT}"), Some(&body)).0 == 200;
                // Whatever it was told: what the document holds was written.
                if told || stands(&server)["data"]["unknown"] == json!(count + 1) {
                    writes.store(count + 1, Ordering::SeqCst);
                }
                // Anybody else must have a chance too.
                thread::sleep(std::time::Duration::from_millis(3));
            }
        })
    };
    assert!(until(|| writes.load(Ordering::SeqCst) > 0), "the rival is at work");
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
