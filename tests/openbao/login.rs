//! Every way to log in, and staying so.

use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use keyrota::openbao::Right;
use serde_json::Value;
use serde_json::json;

use crate::server::Known;
use crate::server::Server;
use crate::server::by_token;
use crate::server::papers;
use crate::server::run_python;

const MAY_READ: &str = r#"path "kv/*" { capabilities = ["read", "list"] }"#;

fn server() -> Server {
    let server = Server::fresh();
    server.put("sys/mounts/kv", json!({ "type": "kv", "options": { "version": "2" } }));
    server.put("kv/data/a", json!({ "data": { "x": "1" } }));
    server.policy("may-read", MAY_READ);
    server
}

fn reads(client: &keyrota::openbao::Client) -> Result<Value, String> {
    let answer = client.get("read `a`", "kv/data/a").map_err(|fault| fault.to_string())?;
    Ok(answer.json::<Value>("read `a`").unwrap()["data"]["data"].clone())
}

fn approle(server: &Server, more: Value) -> (Value, std::sync::Arc<Known>) {
    server.put("sys/auth/approle", json!({ "type": "approle" }));
    let mut role = json!({ "token_policies": ["may-read"] });
    role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.put("auth/approle/role/keyrota", role);
    let id = server.get("auth/approle/role/keyrota/role-id")["data"]["role_id"].as_str().unwrap().to_owned();
    let secret = server.put("auth/approle/role/keyrota/secret-id", json!({}));
    let known = Known::new(&[("SECRET_ID", secret["data"]["secret_id"].as_str().unwrap())]);
    (json!({ "login": "approle", "role": id, "secret_id": { "env": "SECRET_ID" } }), known)
}

#[test]
fn by_approle_again_when_its_token_was_taken_away_and_ended_with_the_client() {
    let server = server();
    let (auth, known) = approle(&server, json!({}));
    let client = server.client(auth, &known);
    assert_eq!(reads(&client).unwrap(), json!({ "x": "1" }));
    let tokens =
        || server.ask("GET", "auth/token/accessors?list=true", None).1["data"]["keys"].as_array().map_or(0, Vec::len);
    assert_eq!(tokens(), 1);
    // Somebody ends every token of the role.
    let accessor = server.ask("GET", "auth/token/accessors?list=true", None).1["data"]["keys"][0].clone();
    server.put("auth/token/revoke-accessor", json!({ "accessor": accessor }));
    assert_eq!(tokens(), 0);
    assert_eq!(reads(&client).unwrap(), json!({ "x": "1" }));
    assert_eq!(tokens(), 1);
    drop(client);
    assert_eq!(tokens(), 0, "a job that runs every hour leaves none behind");
}

#[test]
fn by_approle_anew_after_a_lease_that_cannot_be_renewed() {
    let server = server();
    let (auth, known) = approle(&server, json!({ "token_ttl": "2s", "token_max_ttl": "2s" }));
    let client = server.client(auth, &known);
    for _ in 0..3 {
        reads(&client).unwrap();
        thread::sleep(Duration::from_millis(1500));
    }
}

#[test]
fn a_token_that_can_be_renewed_outlives_a_long_wait() {
    let server = server();
    let token = server.token(&["may-read"], json!({ "ttl": "2s", "renewable": true }));
    let client = server.client_with(&token);
    reads(&client).unwrap();
    thread::sleep(Duration::from_secs(5));
    reads(&client).unwrap();
    // And one that cannot: its end is said, and a new one in the same place is taken up.
    let known = Known::new(&[("TOKEN", &server.token(&["may-read"], json!({ "ttl": "1s", "renewable": false })))]);
    let client = server.client(by_token(), &known);
    reads(&client).unwrap();
    thread::sleep(Duration::from_millis(1500));
    let said = reads(&client).unwrap_err();
    assert!(said.contains("it does not know the token in variable `TOKEN`, or no longer"), "{said}");
    known.set("TOKEN", &server.token(&["may-read"], json!({})));
    reads(&client).unwrap();
}

#[test]
fn by_a_signed_token() {
    let server = server();
    server.put("sys/auth/ci", json!({ "type": "jwt" }));
    let made = run_python(
        r#"
import json, time
from jwcrypto import jwk, jwt
key = jwk.JWK.generate(kty="EC", crv="P-256")
token = jwt.JWT(header={"alg": "ES256"}, claims={"iss": "ci", "sub": "keyrota", "aud": "bao", "nbf": int(time.time()) - 60, "exp": int(time.time()) + 600})
token.make_signed_token(key)
print(json.dumps({"pem": key.export_to_pem().decode(), "jwt": token.serialize()}))
"#,
        &[],
    );
    let made: Value = serde_json::from_str(&made).unwrap();
    server.put("auth/ci/config", json!({ "jwt_validation_pubkeys": [made["pem"]], "bound_issuer": "ci" }));
    server.put(
        "auth/ci/role/keyrota",
        json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["bao"], "bound_subject": "keyrota", "token_policies": ["may-read"] }),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt");
    // With the newline that whoever wrote it left there.
    std::fs::write(&path, format!("{}\n", made["jwt"].as_str().unwrap())).unwrap();
    let auth = json!({ "login": "jwt", "role": "keyrota", "mount": "ci", "jwt": { "file": path } });
    assert_eq!(reads(&server.client(auth.clone(), &Known::new(&[]))).unwrap(), json!({ "x": "1" }));
    std::fs::write(&path, "a.b.c").unwrap();
    let said = reads(&server.client(auth, &Known::new(&[]))).unwrap_err();
    assert!(said.contains("login as role `keyrota` at `auth/ci`") && said.contains("was refused"), "{said}");
    assert!(!said.contains("a.b.c"), "{said}");
}

/// What stands for the Kubernetes API server: it knows every service account.
fn token_reviews() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut buffer = [0; 4096];
            while !head.windows(4).any(|at| at == b"\r\n\r\n") {
                let count = stream.read(&mut buffer).unwrap();
                head.extend_from_slice(&buffer[..count]);
            }
            let known = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {
                "authenticated": true,
                "user": { "username": "system:serviceaccount:ops:keyrota", "uid": "u1" } } })
            .to_string();
            let head = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n";
            write!(stream, "{head}Content-Length: {}\r\n\r\n{known}", known.len()).unwrap();
        }
    });
    place
}

#[test]
fn by_a_pods_service_account() {
    let server = server();
    server.put("sys/auth/kubernetes", json!({ "type": "kubernetes" }));
    let folder = tempfile::tempdir().unwrap();
    papers(folder.path());
    let authority = std::fs::read_to_string(folder.path().join("authority.pem")).unwrap();
    server.put(
        "auth/kubernetes/config",
        json!({ "kubernetes_host": token_reviews(), "disable_local_ca_jwt": true, "token_reviewer_jwt": "x",
                "kubernetes_ca_cert": authority,
                "disable_iss_validation": true }),
    );
    server.put(
        "auth/kubernetes/role/keyrota",
        json!({ "bound_service_account_names": ["keyrota"], "bound_service_account_namespaces": ["ops"],
                "token_policies": ["may-read"] }),
    );
    let jwt = run_python(
        r#"
import time
from jwcrypto import jwk, jwt
key = jwk.JWK.generate(kty="EC", crv="P-256")
claims = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:ops:keyrota", "nbf": int(time.time()) - 60, "exp": int(time.time()) + 600,
          "kubernetes.io": {"namespace": "ops", "serviceaccount": {"name": "keyrota", "uid": "u1"}}}
token = jwt.JWT(header={"alg": "ES256"}, claims=claims)
token.make_signed_token(key)
print(token.serialize())
"#,
        &[],
    );
    let path = folder.path().join("token");
    std::fs::write(&path, jwt).unwrap();
    let auth = json!({ "login": "kubernetes", "role": "keyrota", "jwt": { "file": path } });
    assert_eq!(reads(&server.client(auth, &Known::new(&[]))).unwrap(), json!({ "x": "1" }));
}

#[test]
fn reading_and_writing_by_two_logins_and_from_many_threads() {
    let server = server();
    server.policy("may-write", r#"path "kv/data/*" { capabilities = ["create", "update"] }"#);
    let (read, write) = (server.token(&["may-read"], json!({})), server.token(&["may-write"], json!({})));
    let known = Known::new(&[("READ", &read), ("WRITE", &write)]);
    let auth = json!({ "read": { "token": { "env": "READ" } }, "write": { "token": { "env": "WRITE" } } });
    let client = server.client(auth, &known);
    let body = keyrota::openbao::json("write", &json!({ "data": { "x": "2" } })).ok().unwrap();
    thread::scope(|scope| {
        for n in 0..8 {
            let (client, body) = (&client, &body);
            scope.spawn(move || {
                for _ in 0..5 {
                    reads(client).unwrap();
                    assert!(client.put("write", &format!("kv/data/t{n}"), body).unwrap().is_good());
                }
            });
        }
    });
    let wanted: [(&str, &[&str]); 2] = [("kv/data/a", &["read"]), ("kv/data/t0", &["create", "update"])];
    client.may("x", Right::Read, &wanted[..1]).unwrap();
    client.may("x", Right::Write, &wanted[1..]).unwrap();
    let fault = client.may("rotate `k`", Right::Read, &wanted).unwrap_err();
    assert!(fault.to_string().contains(r#"may not: "create", "update" on `kv/data/t0`"#), "{fault}");
    let line = r#"`path "kv/data/t0" { capabilities = ["create", "update"] }`"#;
    assert!(fault.hint.as_deref().unwrap().contains(line), "{fault:?}");
    // Planning needs no more than to read.
    let known = Known::new(&[("READ", &read)]);
    let auth = json!({ "read": { "token": { "env": "READ" } }, "write": { "token": { "env": "WRITE" } } });
    reads(&server.client(auth, &known)).unwrap();
}
