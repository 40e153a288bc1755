//! The kinds of fleets and stores that the seeds go through. A shape is a policy's text and how its members behave; the site,
//! the executor and what is demanded in the end are the same for all.

use keyrota::model::Span;
use keyrota::model::State;
use keyrota::simulated::Manners;
use keyrota::simulated::Writes;

/// One of them.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    fleet: &'static str,
    /// Words that replace words of the common policy.
    with: &'static [(&'static str, &'static str)],
    /// How many databases the rows lie in.
    pub(crate) stores: usize,
    /// What the old version is in the end.
    pub(crate) old: State,
    /// Whether values of nobody, that do not open, may turn up.
    pub(crate) strange: bool,
    pub(crate) manners: Manners,
}

impl Shape {
    /// Whether values are ours to move.
    pub(crate) fn moves(&self) -> bool {
        self.old == State::Disabled
    }

    /// The policy.
    pub(crate) fn policy(&self) -> String {
        let members =
            if self.fleet.contains("members = ") { "" } else { "members = [\"web-1\", \"web-2\", \"web-3\"]\n" };
        let mut text = POLICY.replace("@fleet", &format!("{members}{}", self.fleet));
        for (place, words) in self.with {
            assert!(text.contains(place), "{}: `{place}`", self.name);
            text = text.replace(place, words);
        }
        text.lines().filter(|line| !line.starts_with('@')).map(|line| format!("{line}\n")).collect()
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Shape> {
    let looks = Shape {
        name: "looks again and again",
        fleet: "learns = { every = \"1h\" }\nwrites = \"current\"\n",
        with: &[],
        stores: 1,
        old: State::Disabled,
        strange: true,
        manners: Manners::default(),
    };
    vec![
        Shape {
            name: "holds one, opens at its start",
            fleet: ONE,
            with: &[("@atomic", "atomic = true"), ("@accepts", ACCEPTS)],
            strange: false,
            manners: Manners { handed: true, at_start: true, one: true, writes: Writes::Pointed, ..Manners::default() },
            ..looks_like(&looks)
        },
        Shape {
            name: "writes by itself with what it has known for long",
            fleet: "learns = { every = \"1h\" }\nwrites = { newest_after = \"24h\" }\n",
            with: &[
                ("\"app\"]", "\"unseen\"]"),
                ("retire = { after = \"24h\", destroy_after = \"40d\" }", "retire = \"never\""),
            ],
            old: State::DecryptOnly,
            strange: false,
            manners: Manners { writes: Writes::NewestAfter(Span::seconds(24 * 3600)), ..Manners::default() },
            ..looks_like(&looks)
        },
        Shape {
            name: "is handed keys, looks when it starts",
            fleet: RESTART,
            manners: Manners { handed: true, at_start: true, ..Manners::default() },
            ..looks_like(&looks)
        },
        Shape {
            name: "is handed keys, and pointed at one",
            fleet: RESTART,
            with: &[("@point", POINT)],
            manners: Manners { handed: true, at_start: true, writes: Writes::Pointed, ..Manners::default() },
            ..looks_like(&looks)
        },
        Shape {
            name: "says in a table what it knows, and keeps old values",
            fleet: PROOF,
            manners: Manners { says: true, caches: Span::seconds(5 * 3600), ..Manners::default() },
            ..looks_like(&looks)
        },
        Shape {
            name: "reads two stores, and keeps old values",
            fleet: "learns = { every = \"1h\" }\nwrites = \"current\"\ncaches = \"5h\"\n",
            with: &[("@side", SIDE), ("\"app\"]", "\"app\", \"side\"]")],
            stores: 2,
            manners: Manners { caches: Span::seconds(5 * 3600), ..Manners::default() },
            ..looks_like(&looks)
        },
        looks,
    ]
}

/// What a shape does not say is as with this one.
fn looks_like(shape: &Shape) -> Shape {
    Shape { manners: shape.manners.clone(), ..*shape }
}

const POLICY: &str = r#"
[policy]
name = "simulated"
owner = "the tests"
about = "one key in a simulated world"

[backend.files]
type = "file"
as = "hex"
id = "v{{ n }}"

[store.app]
type = "sqlite"
path = "app-0.db"
@atomic
restorable_for = "35d"
[[store.app.sealed]]
table = "data_keys"
column = "wrapped"
seal = { cipher = "aes-256-gcm", as = "hex", layout = ["nonce", "ciphertext", "tag"] }
aad = "data_keys:{{ row.id }}"
version = { column = "kek_version" }
@side

[store.unseen]
type = "unseen"
restorable_for = "35d"

[fleet.web]
in_flight = "1m"
@fleet

[key.kek]
backend = "files"
at = "keys"
algorithm = "aes-256"
seals = ["app"]
used_by = ["web"]
rotate_every = "90d"
grace = "2h"
retire = { after = "24h", destroy_after = "40d" }
@accepts
"#;

const SIDE: &str = r#"
[store.side]
type = "sqlite"
path = "app-1.db"
restorable_for = "35d"
[[store.side.sealed]]
table = "data_keys"
column = "wrapped"
seal = { cipher = "aes-256-gcm", as = "hex", layout = ["nonce", "ciphertext", "tag"] }
aad = "data_keys:{{ row.id }}"
version = { column = "kek_version" }
"#;

const POINT: &str = "point = { file = \"site/{{ member }}.toml\", at = \"key.version\", is = \"{{ id }}\" }\n";

const ONE: &str = r#"
holds = "one"
opens = "at-start"
learns = "restart"
writes = "current"
deliver = { command = ["site/put", "{{ member }}", "{{ id }}"], gives = "stdin", proves = "fingerprint" }
withdraw = { command = ["site/drop", "{{ member }}", "{{ id }}"] }
point = { file = "site/{{ member }}.toml", at = "key.version", is = "{{ id }}" }
restart = { each = ["site/restart", "{{ member }}"], within = "1h" }
[[fleet.web.healthy]]
name = "up"
command = ["site/up", "{{ member }}"]
"#;

const RESTART: &str = r#"
learns = "restart"
writes = "current"
deliver = { command = ["site/put", "{{ member }}", "{{ id }}"], gives = "stdin", proves = "fingerprint" }
withdraw = { command = ["site/drop", "{{ member }}", "{{ id }}"] }
@point
restart = { each = ["site/restart", "{{ member }}"] }
[[fleet.web.healthy]]
name = "up"
command = ["site/up", "{{ member }}"]
"#;

const PROOF: &str = r#"
members = { from = "proof", at_least = 3 }
learns = { every = "1h" }
writes = "current"
caches = "5h"
[fleet.web.proof]
from = "app"
table = "members"
member = "member"
knows = { field = "knows", is = "{{ id }}" }
seen_at = "beat"
"#;

const ACCEPTS: &str = r#"
[[key.kek.accepts]]
risk = "K207"
fleet = "web"
at_most = "3h"
until = "2099-01-01"
because = "no data is at risk"
"#;
