//! Against a server on another library, with names and kinds that no policy of ours has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test makes its world itself"
)]

use super::Grpc;
use crate::command::Runner;
use crate::fault::Fault;
use crate::fault::Remedy;
use crate::model::Span;
use crate::policy::meant;
use crate::policy::meant::Tls;
use crate::policy::meant::store::Counts;
use crate::policy::meant::store::Failures;
use crate::policy::meant::store::Reply;
use crate::policy::meant::store::Scope;
use crate::policy::meant::store::ScopeValues;
use crate::policy::meant::store::Shapes;
use crate::port::store::Service;
use crate::probe::secrets::Revealer;
use crate::secret::Source;
use crate::store::contract::serves;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

/// The server in a folder of its own, beside a state that the tests write.
struct Keeper {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl Keeper {
    fn start(words: &[&str]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let python = std::env::var("KEYROTA_TEST_PYTHON").expect("set KEYROTA_TEST_PYTHON as ./test.sh does");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/reseal.py");
        fs::write(folder.path().join("state.json"), state("v1", &["v1"]).to_string()).unwrap();
        let mut child = Command::new(python)
            .arg(script)
            .arg("state.json")
            .args(words)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { folder, child, port: line.trim().parse().expect("the server did not start") }
    }

    fn write(&self, state: &Value) {
        fs::write(self.folder.path().join("state.json"), state.to_string()).unwrap();
    }

    fn asked(&self) -> usize {
        let state: Value = serde_json::from_slice(&fs::read(self.folder.path().join("state.json")).unwrap()).unwrap();
        state.get("asked").and_then(Value::as_array).map_or(0, Vec::len)
    }

    fn service(&self, change: impl FnOnce(&mut meant::store::Grpc)) -> Grpc {
        let mut meant = meant(&format!("http://127.0.0.1:{}", self.port));
        change(&mut meant);
        let runner = Arc::new(Runner::new(self.folder.path(), []));
        let secrets = Arc::new(Revealer::new(|_: &str| None, Arc::clone(&runner)));
        Grpc::new(meant, self.folder.path(), secrets, runner)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn state(current: &str, keys: &[&str]) -> Value {
    json!({ "current": current, "keys": keys, "rows": { "a": { "x": { "version": "v1", "opens": true } } } })
}

fn meant(endpoint: &str) -> meant::store::Grpc {
    let text = |text: &str| Some(text.to_owned());
    meant::store::Grpc {
        endpoint: endpoint.to_owned(),
        tls: None,
        method: "keeper.v1.Keeper/Reseal".to_owned(),
        shapes: Shapes::Reflection,
        within: Span::seconds(20),
        idempotent: false,
        dry_run: [("mode".to_owned(), json!("LOOK")), ("limits".to_owned(), json!({ "rows": 7 }))].into(),
        apply: [("mode".to_owned(), json!("MOVE")), ("kinds".to_owned(), json!(["x", "y"]))].into(),
        scope: Some(Scope { field: "tenant".to_owned(), values: ScopeValues::Listed(vec!["a".to_owned()]) }),
        failures: Some(Failures {
            list: "bad".to_owned(),
            row: text("tenant"),
            field: text("part"),
            why: text("text"),
            again: vec!["busy".to_owned()],
        }),
        reply: Reply {
            target: "to".to_owned(),
            is: "kek-{{ id }}".parse().unwrap(),
            rows: Counts { seen: text("sum.all"), moved: text("sum.done"), there: None, failed: text("sum.bad") },
            fields: Counts::default(),
        },
    }
}

#[test]
fn it_keeps_the_contract_of_services() {
    serves(|world| {
        let keeper = Keeper::start(&[]);
        let mut rows = serde_json::Map::new();
        for (tenant, part, version, opens) in world.fields {
            let row = rows.entry((*tenant).to_owned()).or_insert_with(|| json!({}));
            if let Some((part, row)) = part.zip(row.as_object_mut()) {
                row.insert(part.to_owned(), json!({ "version": version, "opens": opens }));
            }
        }
        keeper.write(&json!({ "current": world.current, "keys": world.keys, "rows": rows }));
        let (service, file) = (keeper.service(|_| {}), keeper.folder.path().join("state.json"));
        let point = Box::new(move |to: &str| {
            // The server lives as long as the hand that points it.
            let _alive = &keeper;
            let mut state: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            state.as_object_mut().unwrap().insert("current".to_owned(), json!(to));
            fs::write(&file, state.to_string()).unwrap();
        });
        (Box::new(service), point)
    });
}

const SHAPES: &str = "\
keeper.v1.Keeper/Reseal
  asks keeper.v1.ResealRequest
    mode: keeper.v1.Mode - \"LOOK\" to look, \"MOVE\" to move
    tenant: string - the scope
    limits: keeper.v1.Limits - {\"rows\":7} to look, left out to move
    kinds: repeated string - left out to look, [\"x\",\"y\"] to move
  answers keeper.v1.ResealReply
    sum: keeper.v1.ResealReply.Sum - `all`: rows seen, `bad`: rows failed, `done`: rows moved
    to: string - the version
    bad: repeated keeper.v1.ResealReply.Bad - failures
    at: google.protobuf.Timestamp - not used
  each failure keeper.v1.ResealReply.Bad
    tenant: string - the row
    part: string - the sealed field
    text: string - why
";

#[test]
fn its_shapes_come_from_the_server_from_a_set_and_from_proto_files_alike() {
    let keeper = Keeper::start(&[]);
    let by_server = keeper.service(|_| {}).shapes().unwrap();
    assert_eq!(by_server, SHAPES);
    let silent = Keeper::start(&["--silent"]);
    let fault = silent.service(|_| {}).shapes().unwrap_err();
    assert!(fault.source.contains("does not speak server reflection"), "{fault}");
    assert!(fault.hint.unwrap().contains("descriptor_set"));
    let at = silent.folder.path();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/reseal.proto");
    fs::create_dir(at.join("shapes")).unwrap();
    fs::copy(from, at.join("shapes/reseal.proto")).unwrap();
    let proto = Shapes::Proto { file: "shapes/reseal.proto".to_owned(), include: Vec::new() };
    let by_proto = silent.service(|meant| meant.shapes = proto);
    assert_eq!(by_proto.shapes().unwrap(), by_server);
    assert_eq!(by_proto.call(None, true).unwrap().target, "kek-v1");
    let set = protox::compile([at.join("shapes/reseal.proto")], [at.join("shapes")]).unwrap();
    fs::write(at.join("set.pb"), prost::Message::encode_to_vec(&set)).unwrap();
    let by_set = silent.service(|meant| meant.shapes = Shapes::DescriptorSet("set.pb".to_owned()));
    assert_eq!(by_set.shapes().unwrap(), by_server);
    for broken in ["shapes/reseal.proto", "missing.pb"] {
        let service = silent.service(|meant| meant.shapes = Shapes::DescriptorSet(broken.to_owned()));
        assert!(service.shapes().unwrap_err().to_string().contains(broken));
    }
}

#[test]
fn what_does_not_fit_is_named_all_at_once_before_anything_is_asked() {
    let keeper = Keeper::start(&[]);
    let service = keeper.service(|meant| {
        meant.dry_run = [("mode".to_owned(), json!("PEEK")), ("dry".to_owned(), json!(true))].into();
        meant.apply = [("limits".to_owned(), json!({ "rows": -9_000_000_000_i64 }))].into();
        meant.scope.as_mut().unwrap().field = "kinds".to_owned();
        meant.reply.target = "at".to_owned();
        meant.reply.rows.moved = Some("sum.moved".to_owned());
        meant.reply.rows.failed = Some("to".to_owned());
        meant.failures.as_mut().unwrap().row = Some("org".to_owned());
    });
    let fault = service.call(None, true).unwrap_err();
    for part in [
        "`dry_run`: the request has no field `dry`",
        "`dry_run.mode`: \"peek\" is not of its kind",
        "`apply.limits`: -9000000000 is not of its kind",
        "`scope.field`: `kinds` is repeated string, not a text or number",
        "`reply.target`: `at` is google.protobuf.Timestamp, not a text",
        "`reply.rows.moved`: `ResealReply` has no field `sum.moved`",
        "`reply.rows.failed`: `to` is string, not a whole number",
        "`failures.row`: `Bad` has no field `org`",
    ] {
        assert!(fault.source.contains(part), "{part} is not in: {fault}");
    }
    assert!(fault.hint.as_ref().unwrap().contains("it asks for `mode`, `tenant`"), "{fault:?}");
    assert_eq!(keeper.asked(), 0);
    for (method, why) in [
        ("keeper.v1.Keeper/Rewrap", "has no method `Rewrap`"),
        ("keeper.v1.Keeper/Watch", "it streams"),
        ("keeper.v2.Keeper/Reseal", "keeper.v2.Keeper"),
    ] {
        let fault = keeper.service(|meant| meant.method = method.to_owned()).call(None, true).unwrap_err();
        assert!(fault.to_string().contains(why) && fault.hint.is_some(), "{fault}");
    }
}

#[test]
fn a_failure_of_which_the_words_say_so_passes_by_itself() {
    let keeper = Keeper::start(&[]);
    let service = keeper.service(|_| {});
    for (why, again) in [("row is busy", true), ("it does not open", false)] {
        let mut state = state("v2", &["v2"]);
        state.as_object_mut().unwrap().insert("why".to_owned(), json!(why));
        keeper.write(&state);
        let reply = service.call(Some("a"), false).unwrap();
        let [failure] = reply.failures.as_slice() else { unreachable!("{reply:?}") };
        assert_eq!((failure.row.as_str(), failure.field.as_str(), failure.again), ("tenant='a'", "x", again));
    }
}

#[test]
fn each_refusal_has_a_sentence_and_a_way_out() {
    let keeper = Keeper::start(&[]);
    let service = keeper.service(|_| {});
    for (code, remedy, why, hint) in [
        ("NOT_FOUND", Remedy::AskOperator, "finds nothing: told to say NOT_FOUND", "`scope.values`"),
        ("INVALID_ARGUMENT", Remedy::AskOperator, "refuses the request", "delivered to every instance"),
        ("UNAUTHENTICATED", Remedy::AskOperator, "does not know who asks", "`tls.cert`"),
        ("PERMISSION_DENIED", Remedy::AskOperator, "does not let us", "call `keeper.v1.Keeper/Reseal`"),
        ("UNAVAILABLE", Remedy::Retry, "is not available", "`keyrota apply`"),
        ("DEADLINE_EXCEEDED", Remedy::Retry, "did not answer in time", "`within`"),
        ("UNIMPLEMENTED", Remedy::AskOperator, "does not know the method", "`method`"),
        ("RESOURCE_EXHAUSTED", Remedy::Retry, "asks us to wait", "later"),
        ("FAILED_PRECONDITION", Remedy::AskOperator, "not in a state", "mend"),
        ("INTERNAL", Remedy::AskOperator, "the service failed", "log"),
    ] {
        let mut state = state("v1", &["v1"]);
        state.as_object_mut().unwrap().insert("refuse".to_owned(), json!([code]));
        keeper.write(&state);
        let fault = service.call(Some("a"), true).unwrap_err();
        assert_eq!(fault.remedy, remedy, "{fault:?}");
        assert!(fault.source.contains(why) && fault.hint.as_ref().unwrap().contains(hint), "{fault:?}");
        assert_eq!(keeper.asked(), 1, "{code} is not repeated where the policy does not allow it");
    }
}

#[test]
fn only_an_idempotent_call_is_repeated_and_only_where_the_service_was_away() {
    let keeper = Keeper::start(&[]);
    for (idempotent, refuse, asked, well) in [
        (true, &["UNAVAILABLE", "DEADLINE_EXCEEDED"][..], 3, true),
        (true, &["UNAVAILABLE"; 3], 3, false),
        (true, &["INTERNAL"], 1, false),
        (false, &["UNAVAILABLE"], 1, false),
    ] {
        let mut state = state("v1", &["v1"]);
        state.as_object_mut().unwrap().insert("refuse".to_owned(), json!(refuse));
        keeper.write(&state);
        let service = keeper.service(|meant| meant.idempotent = idempotent);
        assert_eq!(service.call(None, true).is_ok(), well, "{refuse:?}");
        assert_eq!(keeper.asked(), asked, "{refuse:?}");
    }
}

#[test]
fn a_service_that_is_slow_or_gone_is_told_so() {
    let keeper = Keeper::start(&[]);
    let service = keeper.service(|meant| meant.within = Span::seconds(1));
    service.shapes().unwrap();
    let mut state = state("v1", &["v1"]);
    state.as_object_mut().unwrap().insert("sleep".to_owned(), json!(4));
    keeper.write(&state);
    let fault = service.call(None, true).unwrap_err();
    assert!(fault.may_retry() && fault.hint.as_ref().unwrap().contains("`within`"), "{fault:?}");
    drop(keeper);
    let fault = service.call(None, true).unwrap_err();
    assert!(fault.may_retry() && fault.source.contains("refuses connections"), "{fault:?}");
}

#[test]
fn both_sides_show_who_they_are() {
    let keeper = Keeper::start(&["--tls", "."]);
    let tls = |ca: &str, pair: Option<&str>| {
        let file = |name: String| Some(Source::File(name));
        Some(Tls {
            ca: file(format!("{ca}.pem")),
            cert: pair.and_then(|pair| file(format!("{pair}.pem"))),
            key: pair.and_then(|pair| file(format!("{pair}.key"))),
        })
    };
    let service = |host: &str, tls: Option<Tls>| {
        let endpoint = format!("https://{host}:{}", keeper.port);
        keeper.service(|meant| {
            meant.endpoint = endpoint;
            meant.tls = tls;
        })
    };
    let good = service("127.0.0.1", tls("ca", Some("client")));
    assert_eq!(good.call(None, true).unwrap().target, "kek-v1");
    assert_eq!(good.world().unwrap(), service("127.0.0.1", tls("ca", Some("client"))).world().unwrap());
    assert!(good.world().unwrap().starts_with(&format!("grpc:127.0.0.1:{}:", keeper.port)));
    let refused = |service: Grpc| -> Fault { service.call(None, true).unwrap_err() };
    for (service, hint) in [
        (service("127.0.0.1", tls("ca", None)), "`tls.cert`"),
        (service("127.0.0.1", tls("ca", Some("stranger"))), "`tls.cert`"),
        (service("127.0.0.1", tls("other-ca", Some("client"))), "`tls.ca`"),
        (service("localhost", tls("ca", Some("client"))), "another name"),
    ] {
        let fault = refused(service);
        // A server that does not accept our certificate may have closed before its reason was read.
        let (told, closed) = (fault.source.contains("no trusted connection"), hint == "`tls.cert`");
        assert!(told || closed && fault.source.contains("closed the connection"), "{fault:?}");
        assert!(fault.hint.as_ref().unwrap().contains(hint), "{fault:?}");
    }
    // Without TLS to a server that wants it, and certificates that nobody would see.
    let plain = refused(keeper.service(|_| {}));
    assert!(plain.hint.is_some() && plain.may_retry(), "{plain:?}");
    assert!(refused(keeper.service(|meant| meant.tls = tls("ca", None))).source.contains("would not be used"));
}

#[test]
fn scopes_are_named_once_each() {
    let keeper = Keeper::start(&[]);
    let with = |values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        keeper.service(|meant| meant.scope.as_mut().unwrap().values = ScopeValues::Listed(values)).scopes()
    };
    assert_eq!(with(&["b", "a"]).unwrap(), ["b", "a"]);
    assert!(with(&["a", "a"]).unwrap_err().source.contains("named twice"));
    assert!(with(&["a", " "]).unwrap_err().source.contains("empty"));
}
