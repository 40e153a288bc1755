//! What the consumers refuse: a world is only as strict as the real thing if it says no where the real thing says no.

use std::io::Write;
use std::process::Command;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;

use crate::stage::python;

const KID: &str = "52466a9c-e4ba-11f1-be23-02fc00000001";
const K: &str = "udaW4n-RhZhjSdyKZItt07Dfmwl29UDK9yVLXweOz0g";

fn key() -> Value {
    json!({ "kty": "oct", "use": "enc", "kid": KID, "k": K, "alg": "A256GCM" })
}

fn set(keys: &[Value]) -> Value {
    json!(STANDARD.encode(json!({ "keys": keys }).to_string()))
}

fn document(keys: &[Value]) -> Value {
    json!({ "keys": set(keys), "current_kid": KID, "jwe_mapping": format!("{{\"payload_jwe_kid\":\"{KID}\"}}"),
            "private_jwks": set(&[key()]) })
}

fn with(word: &str, value: Value) -> Value {
    let mut key = key();
    key[word] = value;
    document(&[key])
}

fn but(word: &str, value: Value) -> Value {
    let mut document = document(&[key()]);
    document[word] = value;
    document
}

#[test]
fn the_consumers_say_no_where_the_real_ones_do() {
    let vector: Value = serde_json::from_str(include_str!("../../../testdata/vectors/nvcf.json")).unwrap();
    let other =
        json!({ "kty": "oct", "use": "enc", "kid": "0e5f0c2a-e4ba-11f1-be23-02fc00000009", "k": K, "alg": "A256GCM" });
    let cases = [
        (vector["document"].clone(), "taken"),
        (document(&[key()]), "taken"),
        (with("note", json!("x")), "ess: a key has the words"),
        (with("alg", json!("A128GCM")), "ess: a key is not for A256GCM"),
        (with("use", json!("sig")), "ess: a key is not for A256GCM"),
        (with("k", json!("AAAA")), "ess: a key has no 32 bytes"),
        (with("k", json!(format!("{K}="))), "ess: a key has no 32 bytes, unpadded"),
        (with("kid", json!("v2")), "ess: a kid is no uuid of version 1"),
        (with("kid", json!("52466a9c-e4ba-41f1-be23-02fc00000001")), "ess: a kid is no uuid of version 1"),
        (document(&[key(), key()]), "ess: two keys have one kid"),
        (document(&[key(), other]), "ess: two kids have one key"),
        (document(&[]), "ess: keys is no base64 of a set of keys"),
        (but("keys", json!("{}")), "ess: keys is no base64 of a set of keys"),
        (but("current_kid", json!("x")), "ess: current_kid is not the first key's"),
        (but("jwe_mapping", json!("{}")), "other: jwe_mapping is no mapping"),
        (but("jwe_mapping", json!("{\"payload_jwe_kid\":\"x\"}")), "other: jwe_mapping names a key that is not in"),
        (but("private_jwks", json!("")), "other: private_jwks is no base64"),
    ];
    let script = format!("{}/tests/worlds/python/nvcf/refusals.py", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(python()).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: Vec<String> = cases.iter().map(|(document, _)| document.to_string()).collect();
    child.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), cases.len());
    for ((_, wanted), said) in cases.iter().zip(said) {
        assert!(said.contains(wanted), "`{said}` and not `{wanted}`");
    }
}
