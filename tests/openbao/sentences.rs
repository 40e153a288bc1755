//! Every failure of a real server, in its own sentence with the way out, and without the token.

use keyrota::fault::Fault;
use serde_json::json;

use crate::server::Server;
use crate::server::port;

/// The words of a fault and its hint, which hold no token.
pub(crate) fn words(fault: &Fault, token: &str) -> String {
    let text = format!("{fault} -> {}", fault.hint.clone().unwrap_or_default());
    assert!(!text.contains(token), "{text}");
    text
}

fn server() -> Server {
    let server = Server::fresh();
    server.put("sys/mounts/kv", json!({ "type": "kv", "options": { "version": "2" } }));
    server
}

fn get(server: &Server, token: &str, path: &str) -> String {
    let client = server.client_with(token);
    match client.get("read the key set", path) {
        Ok(answer) => words(&client.unexpected("read the key set", path, &answer), token),
        Err(fault) => words(&fault, token),
    }
}

#[test]
fn what_is_not_allowed_is_named_with_the_line_that_allows_it() {
    let server = server();
    server.policy("nothing", r#"path "other/*" { capabilities = ["read"] }"#);
    let token = server.token(&["nothing"], json!({}));
    let said = get(&server, &token, "kv/data/a?version=3");
    for wanted in [
        "could not read the key set",
        "permission denied: \"read\" on `kv/data/a`",
        "add to the policy of the token in variable `TOKEN`: `path \"kv/data/a\" { capabilities = [\"read\"] }`",
    ] {
        assert!(said.contains(wanted), "{said}");
    }
    let client = server.client_with(&token);
    let body = keyrota::openbao::json("x", &json!({ "data": {} })).ok().unwrap();
    let said = words(&client.put("write", "kv/data/a", &body).err().unwrap(), &token);
    assert!(said.contains(r#"`path "kv/data/a" { capabilities = ["create", "update"] }`"#), "{said}");
    let said = words(&client.list("list", "kv/metadata/a").err().unwrap(), &token);
    assert!(said.contains(r#"capabilities = ["list"]"#), "{said}");
}

#[test]
fn a_strange_token_a_wrong_namespace_and_a_wrong_mount() {
    let server = server();
    let said = get(&server, "s.nobodys-token-at-all-canary", "kv/data/a");
    assert!(said.contains("it does not know the token in variable `TOKEN`, or no longer"), "{said}");
    let lost = Server { namespace: Some("nowhere".to_owned()), ..server.clone() };
    let said = get(&lost, &server.token, "kv/data/a");
    assert!(
        said.contains("namespace `nowhere`: there is no such namespace -> look at the policy's `namespace`"),
        "{said}"
    );
    let said = get(&server, &server.token, "nothere/data/a");
    assert!(said.contains("nothing is mounted at `nothere/data/a` -> look at the policy's `mount`"), "{said}");
    let said = get(&server, &server.token, "kv/data/a");
    assert!(said.contains("there is nothing at `kv/data/a`"), "{said}");
}

#[test]
fn nobody_listens() {
    let nobody = Server { addr: format!("http://127.0.0.1:{}", port()), ..Server::shared() };
    let client = nobody.client_with("canary-token");
    let fault = client.get("read", "kv/data/a").err().unwrap();
    let said = words(&fault, "canary-token");
    assert!(fault.may_retry() && said.contains("onnection refused") && said.contains("is the server up"), "{said}");
    assert!(client.world("kv").unwrap_err().may_retry());
    for bad in ["", "vault.example.org", "https://", "https://a b", "http://user@host", "ftp://x"] {
        let server = Server { addr: bad.to_owned(), ..Server::shared() };
        let made = server.client_over(None, crate::server::by_token(), &crate::server::Known::new(&[]));
        assert!(made.err().unwrap().hint.unwrap().contains("https://openbao"), "{bad}");
    }
}

#[test]
fn a_quota_is_waited_for_while_that_is_short_and_told_otherwise() {
    let server = server();
    let name = crate::server::fresh("quota");
    let path = format!("{}/kv", server.namespace.clone().unwrap());
    let root = Server::shared();
    root.put(&format!("sys/quotas/rate-limit/{name}"), json!({ "path": path, "rate": 2, "interval": "1s" }));
    server.put("kv/data/a", json!({ "data": { "x": "1" } }));
    let client = server.client_with(&server.token);
    for _ in 0..6 {
        assert!(client.get("read", "kv/data/a").unwrap().is_good());
    }
    root.put(&format!("sys/quotas/rate-limit/{name}"), json!({ "path": path, "rate": 0.001, "interval": "3600s" }));
    let mut last = None;
    for _ in 0..3 {
        last = client.get("read", "kv/data/a").err().or(last);
    }
    let fault = last.unwrap();
    assert!(fault.may_retry() && fault.to_string().contains("too many requests"), "{fault}");
    assert_eq!(root.ask("DELETE", &format!("sys/quotas/rate-limit/{name}"), None).0, 204);
}

#[test]
fn a_world_is_a_cluster_a_namespace_and_a_mount() {
    let server = server();
    let world = |server: &Server, mount| server.client_with("not even a token").world(mount).unwrap();
    let here = world(&server, "kv/");
    let cluster = server.ask("GET", "sys/health", None).1;
    let cluster = if cluster["cluster_id"].is_string() { cluster } else { Server::shared().get("sys/health") };
    let wanted = format!(
        "cluster {}, namespace {}, mount kv",
        cluster["cluster_id"].as_str().unwrap(),
        server.namespace.clone().unwrap()
    );
    assert_eq!(here, wanted);
    assert_ne!(here, world(&server, "other"));
    assert_ne!(here, world(&Server::shared(), "kv"));
}
