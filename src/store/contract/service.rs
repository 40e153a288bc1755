//! What every service that seals its own rows anew must hold when it is asked.

use crate::model::VersionId;
use crate::port::store::Known;
use crate::port::store::Service;
use crate::port::store::Versions;
use crate::port::store::service::Answer;

/// What a service begins with.
pub(in crate::store) struct World {
    /// The versions whose keys it has.
    pub(in crate::store) keys: &'static [&'static str],
    /// The version that it moves to.
    pub(in crate::store) current: &'static str,
    /// Scope, field (a row may have none), the version that it names, whether it opens.
    pub(in crate::store) fields: &'static [(&'static str, Option<&'static str>, &'static str, bool)],
}

/// A service, and a hand that points it at another version.
pub(in crate::store) type Fixture = (Box<dyn Service>, Box<dyn Fn(&str)>);

const ROWS: &[(&str, Option<&str>, &str, bool)] = &[
    ("one", Some("key_1"), "v1", true),
    ("two", Some("key_1"), "v1", true),
    ("two", Some("key_2"), "v1", true),
    ("none", None, "", true),
    ("bad", Some("key_1"), "v1", true),
    ("bad", Some("key_2"), "v1", false),
];

fn known(service: &dyn Service) -> Vec<Known> {
    let id = |id: &str| id.parse::<VersionId>().unwrap();
    service.written(&Versions::new().with(id("v1"), []).with(id("v2"), [])).unwrap()
}

fn ask(service: &dyn Service, scope: Option<&str>, dry_run: bool) -> Answer {
    service.call(scope, dry_run).unwrap().judged("ask", &known(service)).unwrap()
}

fn counts(answer: &Answer) -> (&str, u64, u64, u64) {
    (answer.target.as_str(), answer.moved, answer.there, answer.failed)
}

pub(in crate::store) fn serves(make: impl Fn(&World) -> Fixture) {
    let world = World { keys: &["v1", "v2"], current: "v1", fields: ROWS };
    let (service, point) = make(&world);
    let service = service.as_ref();
    assert_eq!(service.world().unwrap(), service.world().unwrap());
    assert!(!service.shapes().unwrap().is_empty() && !service.method().is_empty());
    // By the version's id alone everything is there, also what does not open.
    assert_eq!(counts(&ask(service, None, true)), ("v1", 0, 4, 0));
    assert_eq!(counts(&ask(service, None, false)), ("v1", 0, 4, 0));
    point("v2");
    // A look changes nothing, and a row counts once, however many fields it has.
    for _ in 0..2 {
        let look = ask(service, None, true);
        assert_eq!(counts(&look), ("v2", 2, 1, 1));
        let failures: Vec<_> = look.failures.iter().map(|one| (one.row.contains("bad"), one.field.as_str())).collect();
        assert_eq!(failures, [(true, "key_2")], "it names what fails, and nothing else");
        assert!(look.failures.iter().all(|one| !one.again && !one.why.is_empty()));
    }
    // One scope, and nothing beside it.
    assert_eq!(counts(&ask(service, Some("one"), true)), ("v2", 1, 0, 0));
    assert_eq!(counts(&ask(service, Some("one"), false)), ("v2", 1, 0, 0));
    assert_eq!(counts(&ask(service, Some("one"), false)), ("v2", 0, 1, 0), "twice is once");
    assert_eq!(counts(&ask(service, None, true)), ("v2", 1, 2, 1));
    // A field that fails leaves its row as it is, and no other.
    assert_eq!(counts(&ask(service, None, false)), ("v2", 1, 2, 1));
    assert_eq!(counts(&ask(service, None, true)), ("v2", 0, 3, 1));
    // Refusals say no, and time does not mend them.
    let unknown = service.call(Some("nobody"), true).unwrap_err();
    assert!(!unknown.may_retry(), "{unknown}");
    point("v9");
    let keyless = service.call(None, true).unwrap_err();
    assert!(!keyless.may_retry(), "{keyless}");
    // Back again.
    point("v1");
    assert_eq!(
        counts(&ask(service, None, false)),
        ("v1", 2, 2, 0),
        "under the version that it moves to it opens nothing"
    );
}
