//! What stands in the way is found before the first act, by name and with the way out.

use keyrota::backend::openbao_kv::Layout;
use keyrota::backend::openbao_kv::OpenbaoKv;
use keyrota::model::Span;
use keyrota::port::backend::Backend;
use serde_json::Value;
use serde_json::json;

use crate::scene::AT;
use crate::scene::add;
use crate::scene::backend;
use crate::scene::document;
use crate::scene::empty;
use crate::scene::layout;
use crate::scene::now;
use crate::scene::server;
use crate::scene::with_token;
use crate::server::Server;

fn said(backend: &OpenbaoKv) -> String {
    let fault = backend.fit(AT, crate::scene::ACTS).unwrap_err();
    format!("{fault} -> {}", fault.hint.clone().unwrap_or_default())
}

fn allowed(server: &Server, policy: &str) -> OpenbaoKv {
    server.policy("some", policy);
    with_token(server, &server.token(&["some"], json!({})))
}

#[test]
fn a_permission_that_is_missing_is_named_before_anything_is_done() {
    let server = server();
    backend(&server).fit(AT, crate::scene::ACTS).unwrap();
    let data = format!("kv/data/{AT}");
    let said_of = |policy: &str| said(&allowed(&server, policy));
    let text = said_of(r#"path "other" { capabilities = ["read"] }"#);
    assert!(text.contains(&format!(r#"may not: "read" on `{data}`"#)), "{text}");
    let text = said_of(&format!(r#"path "{data}" {{ capabilities = ["read"] }}"#));
    assert!(text.contains(&format!(r#"`path "{data}" {{ capabilities = ["update"] }}`"#)), "{text}");
    // Whoever may not sign the metadata is told so, and can still rotate by saying that he does without.
    let rights = format!(r#"path "{data}" {{ capabilities = ["read", "update"] }}"#);
    let text = said_of(&rights);
    assert!(text.contains(&format!(r#"may not: "read" on `kv/metadata/{AT}`"#)), "{text}");
    let seen = format!(r#"{rights} path "kv/metadata/{AT}" {{ capabilities = ["read"] }}"#);
    let text = said_of(&seen);
    assert!(text.contains(r#"capabilities = ["patch"]"#) && text.contains("or write `mark = false`"), "{text}");
    let more = format!(r#"{rights} path "kv/metadata/{AT}" {{ capabilities = ["read", "patch"] }}"#);
    let signs = allowed(&server, &more);
    signs.fit(AT, crate::scene::ACTS).unwrap();
    // What a destroy takes is asked for where one is planned.
    let fault = signs.fit(AT, &[keyrota::model::Act::Destroy]).unwrap_err();
    assert!(fault.to_string().contains(&format!(r#""update" on `kv/destroy/{AT}`"#)), "{fault}");
    let unsigned = Layout { mark: false, ..layout() };
    server.policy("some", &rights);
    let token = server.token(&["some"], json!({}));
    let enough = OpenbaoKv::new("openbao", server.client_with(&token), unsigned).unwrap();
    enough.fit(AT, crate::scene::ACTS).unwrap();
    add(&enough).unwrap();
    assert_eq!(enough.look(AT).unwrap().key.versions.len(), 2);
    // Where there is no document yet, it must be made.
    let empty = empty();
    let text = said(&allowed(&empty, &format!(r#"path "{data}" {{ capabilities = ["read", "update"] }}"#)));
    assert!(text.contains(r#"capabilities = ["create", "update"]"#), "{text}");
}

#[test]
fn a_history_that_is_too_short_and_documents_that_end_by_themselves() {
    let server = server();
    let metadata = format!("kv/metadata/{AT}");
    server.put(&metadata, json!({ "max_versions": 2 }));
    let text = said(&backend(&server));
    assert!(text.contains("keeps 2 of its versions, and a way back needs 3"), "{text}");
    assert!(text.contains("max_versions=10"), "{text}");
    server.put(&metadata, json!({ "max_versions": 3 }));
    backend(&server).fit(AT, crate::scene::ACTS).unwrap();
    server.put(&metadata, json!({ "delete_version_after": "768h" }));
    let text = said(&backend(&server));
    assert!(text.contains("delete_version_after"), "{text}");
    server.put(&metadata, json!({ "delete_version_after": "0s", "max_versions": 0 }));
    // The engine's own setting, where the document has none.
    server.put("kv/config", json!({ "max_versions": 1 }));
    let text = said(&backend(&server));
    assert!(text.contains("keeps 1 of its versions"), "{text}");
    server.put("kv/config", json!({ "max_versions": 0 }));
    let reach = backend(&server).reach(AT).unwrap();
    assert_eq!((reach.kept_max, reach.newest, reach.oldest), (10, 1, 1));
    assert!(reach.oldest_written.is_some() && !reach.deletes_itself);
}

#[test]
fn a_busy_writer_pushes_what_was_out_of_the_history() {
    let server = server();
    let (day, hour): (Span, Span) = ("1d".parse().unwrap(), "1h".parse().unwrap());
    let later = |hours: i64| now() + chrono::TimeDelta::hours(hours);
    let backend = backend(&server);
    for n in 0..9 {
        backend.history(AT, day, now()).unwrap();
        server.put(&format!("kv/data/{AT}"), json!({ "data": { "n": n } }));
    }
    server.put(&format!("kv/data/{AT}"), json!({ "data": document() }));
    let fault = backend.history(AT, day, later(2)).unwrap_err();
    let text = format!("{fault} -> {}", fault.hint.clone().unwrap());
    assert!(text.contains("its 10 versions reach back 2h") && text.contains("24h are to be kept"), "{text}");
    assert!(text.contains("max_versions=100") && text.contains("age:NAME"), "{text}");
    backend.history(AT, hour, later(2)).unwrap();
}

#[test]
fn an_engine_of_version_1_is_not_written_to() {
    let server = Server::fresh();
    server.put("sys/mounts/kv", json!({ "type": "kv", "options": { "version": "1" } }));
    let text = said(&backend(&server));
    assert!(text.contains("no KV engine of version 2") && text.contains("enable-versioning kv"), "{text}");
}

#[test]
fn what_the_server_would_rewrite_is_refused_by_name() {
    // Not one of OpenBao's own answers: what an older server has kept as it was, a newer one would write anew.
    let server = server();
    let answer = server.get(&format!("kv/data/{AT}"));
    let text = serde_json::to_string(&answer).unwrap().replace("9007199254740991", "12345678901234567890");
    let before = text.len();
    let old = old_server(text);
    let text = said(&backend(&old));
    assert!(text.contains("would not keep `12345678901234567890` in field `unknown` as it is"), "{text}");
    assert!(text.contains("nothing was changed") && before > 0, "{text}");
    let refused = add(&backend(&old)).unwrap_err();
    assert!(refused.to_string().contains("`12345678901234567890`"), "{refused}");
}

/// A server that keeps numbers as they are.
fn old_server(document: String) -> Server {
    use std::io::Write;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(question) = crate::proxy::heard(&mut stream) else { continue };
            let question = String::from_utf8_lossy(&question).into_owned();
            let body = match question.lines().next().unwrap_or_default() {
                line if line.contains("/kv/data/") => document.clone(),
                line if line.contains("capabilities-self") => {
                    let root = json!(["root"]);
                    json!({ "data": { format!("kv/data/{AT}"): root, format!("kv/metadata/{AT}"): root } }).to_string()
                }
                line if line.starts_with("PUT") => panic!("nothing is written: {line}"),
                _ => json!({ "data": { "ttl": 0 } }).to_string(),
            };
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).ok();
        }
    });
    Server { addr, token: "canary-token".to_owned(), namespace: None }
}

#[test]
fn a_document_that_was_deleted_or_destroyed_is_noticed() {
    let server = server();
    let backend = backend(&server);
    assert_eq!(server.ask("DELETE", &format!("kv/data/{AT}"), None).0, 204);
    let fault = backend.look(AT).unwrap_err();
    let text = format!("{fault} -> {}", fault.hint.clone().unwrap());
    assert!(text.contains("version 1 of the document was deleted at 20") && text.contains("bao kv undelete"), "{text}");
    server.put(&format!("kv/undelete/{AT}"), json!({ "versions": [1] }));
    backend.look(AT).unwrap();
    server.put(&format!("kv/destroy/{AT}"), json!({ "versions": [1] }));
    let fault = backend.look(AT).unwrap_err();
    let text = format!("{fault} -> {}", fault.hint.clone().unwrap());
    assert!(text.contains("was destroyed") && text.contains("bao kv rollback"), "{text}");
    assert!(add(&backend).is_err(), "no document is begun anew over one that was destroyed");
}

#[test]
fn a_set_of_others_that_is_not_there_or_makes_no_sense() {
    let server = server();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut data = document();
        change(&mut data);
        server.put(&format!("kv/data/{AT}"), json!({ "data": data }));
        let text = said(&backend(&server));
        let refused = add(&backend(&server)).unwrap_err().to_string();
        assert!(refused.contains("`private_jwks`"), "{refused}");
        text
    };
    let text = with(&|data| drop(data.as_object_mut().unwrap().remove("private_jwks")));
    assert!(text.contains("`private_jwks`, which gets the new version too: the document has no such field"), "{text}");
    let text = with(&|data| data["private_jwks"] = json!("!!"));
    assert!(text.contains("it is not base64"), "{text}");
    // An engine of version 1, and a mount that is not there.
    server.put("sys/mounts/kv1", json!({ "type": "kv" }));
    server.put("kv1/data/x", json!({ "a": "b" }));
    for (mount, wanted) in [("kv1", "no KV engine of version 2"), ("nothere", "nothing is mounted")] {
        let mut layout = layout();
        layout.mount = mount.to_owned();
        let backend = OpenbaoKv::new("openbao", server.client_with(&server.token), layout).unwrap();
        let fault = backend.look("x").unwrap_err();
        assert!(fault.to_string().contains(wanted), "{fault}");
    }
}
