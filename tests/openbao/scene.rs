//! A key set in a document, as the policy of `policies/nvcf.toml` has it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyrota::backend::openbao_kv::Layout;
use keyrota::backend::openbao_kv::OpenbaoKv;
use keyrota::model::Act;
use keyrota::model::Change;
use keyrota::model::Hour;
use keyrota::model::State;
use keyrota::model::VersionId;
use keyrota::policy::meant::backend::KeySet;
use keyrota::policy::meant::key::Algorithm;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use keyrota::port::backend::Prepared;
use keyrota::template::Template;
use serde_json::Value;
use serde_json::json;

use crate::server::Server;

pub(crate) const AT: &str = "encryption/keys/stored_data";

/// What a rotation does with a key set.
pub(crate) const ACTS: &[Act] = &[Act::Add, Act::Switch];

/// A key of a set, with the blanks of another library's writing.
pub(crate) fn key(kid: &str, k: &str) -> String {
    format!(r#"{{"kty": "oct", "use": "enc", "kid": "{kid}", "k": "{k}", "alg": "A256GCM"}}"#)
}

pub(crate) const OLD: &str = "52466a9c-e4ba-11f1-be23-02fc00000001";
pub(crate) const OLD_K: &str = "udaW4n-RhZhjSdyKZItt07Dfmwl29UDK9yVLXweOz0g";
pub(crate) const THEIRS: &str = "0e5f0c2a-e4ba-11f1-be23-02fc00000009";
pub(crate) const THEIRS_K: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub(crate) fn set(keys: &[String]) -> String {
    STANDARD.encode(format!(r#"{{"keys": [{}]}}"#, keys.join(", ")))
}

pub(crate) fn unset(field: &Value) -> Value {
    serde_json::from_slice(&STANDARD.decode(field.as_str().unwrap()).unwrap()).unwrap()
}

/// An engine with the document, and fields that no policy names.
pub(crate) fn server() -> Server {
    let server = empty();
    server.put(&format!("kv/data/{AT}"), json!({ "data": document() }));
    server
}

pub(crate) fn empty() -> Server {
    let server = Server::fresh();
    server.put("sys/mounts/kv", json!({ "type": "kv", "options": { "version": "2" } }));
    // Mounted a moment ago, it is not yet ready.
    let ready = || server.ask("POST", "kv/data/ready", Some(&json!({ "data": {} }))).0 == 200;
    assert!(crate::server::until(ready));
    server
}

pub(crate) fn document() -> Value {
    json!({
        "keys": set(&[key(OLD, OLD_K)]),
        "current_kid": OLD,
        "jwe_mapping": format!(r#"{{"payload_jwe_kid":"{OLD}"}}"#),
        "private_jwks": set(&[key(OLD, OLD_K), key(THEIRS, THEIRS_K)]),
        "unknown": { "text": "<&> \u{1f511} \"x\"\n", "number": 1.5, "large": 9007199254740991_u64, "list": [true, null, -7] },
    })
}

pub(crate) fn layout() -> Layout {
    Layout {
        mount: "kv".to_owned(),
        versions: KeySet {
            field: "keys".into(),
            codings: vec!["base64".into(), "jwks".into()],
            newest: "first".into(),
        },
        alongside: vec!["private_jwks".to_owned()],
        current: Some("current_kid".to_owned()),
        set: [("jwe_mapping".to_owned(), Template::parse(r#"{"payload_jwe_kid":"{{ current.id }}"}"#).unwrap())].into(),
        id: Template::parse("{{ uuid1 }}").unwrap(),
        mark: true,
    }
}

pub(crate) fn backend(server: &Server) -> OpenbaoKv {
    with_token(server, &server.token)
}

pub(crate) fn with_token(server: &Server, token: &str) -> OpenbaoKv {
    OpenbaoKv::new("openbao", server.client_with(token), layout()).unwrap()
}

pub(crate) fn now() -> Hour {
    std::time::SystemTime::now().into()
}

/// Adds a version.
pub(crate) fn add(backend: &OpenbaoKv) -> Result<Prepared, Failed> {
    let prepared = backend.prepare(AT, Algorithm::Aes256)?;
    backend.change(AT, &prepared.add(true), Some(&prepared), now())?;
    Ok(prepared)
}

pub(crate) fn switch(backend: &OpenbaoKv, to: &str) -> Result<(), Failed> {
    backend.change(AT, &Change::Switch { to: to.parse().unwrap() }, None, now())
}

/// Every version with its state, oldest first.
pub(crate) fn states(backend: &OpenbaoKv) -> Vec<(VersionId, State)> {
    let look = backend.look(AT).unwrap();
    look.key.versions.into_iter().map(|version| (version.id, version.state)).collect()
}

/// The document as it stands.
pub(crate) fn stands(server: &Server) -> Value {
    server.get(&format!("kv/data/{AT}"))["data"].clone()
}
