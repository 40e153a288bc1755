//! Fleets and checks against real programs, files and a real server, in a folder of their own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use keyrota::command::Runner;
use keyrota::fault::Fault;
use keyrota::fleet::command::Commanded;
use keyrota::model::Member;
use keyrota::model::Span;
use keyrota::policy::meant;
use keyrota::policy::meant::Check;
use keyrota::policy::meant::Pointer;
use keyrota::policy::meant::check::Ask;
use keyrota::policy::meant::check::Expect;
use keyrota::policy::meant::check::HeaderValue;
use keyrota::policy::meant::fleet::Deliver;
use keyrota::policy::meant::fleet::Field;
use keyrota::policy::meant::fleet::Gives;
use keyrota::policy::meant::fleet::Members;
use keyrota::policy::meant::fleet::Proof;
use keyrota::policy::meant::fleet::ProofFrom;
use keyrota::policy::meant::fleet::Restart;
use keyrota::policy::meant::fleet::RestartHow;
use keyrota::port::facts::Facts;
use keyrota::port::fleet::Fleet;
use keyrota::port::probe::Probe;
use keyrota::port::probe::Secrets;
use keyrota::probe::Asker;
use keyrota::probe::secrets::Revealer;
use keyrota::secret::Secret;
use keyrota::secret::Source;
use keyrota::template::Template;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// What the operator's scripts do: keep a key where they are told, take it away, show its digest.
const PUT: &str = "umask 077; mkdir -p hosts/$1; cat > hosts/$1/$2.key; sha256sum < hosts/$1/$2.key | cut -d' ' -f1";
const PUT_PATH: &str = "umask 077; mkdir -p hosts/$1; stat -c %a \"$3\" > mode; echo \"$3\" > path; \
    cp \"$3\" hosts/$1/$2.key; sha256sum < hosts/$1/$2.key | cut -d' ' -f1";
const CANARY: &[u8] = b"canary-canary-canary-canary-1234";

struct World {
    root: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for member in ["ctl-1", "ctl-2"] {
            fs::create_dir_all(root.path().join("site")).unwrap();
            let text = format!("# {member}, by hand\n[master_key]\npath = '/etc/old.key' # careful\n");
            fs::write(root.path().join(format!("site/{member}.toml")), text).unwrap();
        }
        let world = Self { root };
        world.script("put", PUT);
        world.script("put-path", PUT_PATH);
        world.script("drop", "rm -f hosts/$1/$2.key");
        world.script("restart", "echo $1 >> restarts");
        world.script(
            "known",
            "echo '{\"pod\":\"ctl-1\",\"knows\":[\"v1\"]}'; echo; echo '{\"pod\":\"ctl-2\",\"knows\":[]}'",
        );
        world.script("gone", "case $1 in ctl-1) exit 1;; ctl-2) exit 0;; *) echo who >&2; exit 3;; esac");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn script(&self, name: &str, body: &str) {
        fs::write(self.path(&format!("site/{name}")), body).unwrap();
    }

    fn runner(&self) -> Arc<Runner> {
        Arc::new(Runner::new(self.root.path(), ["sh".to_owned()]))
    }

    fn secrets(&self) -> Arc<dyn Secrets> {
        let variable = |name: &str| (name == "APP_TOKEN").then(|| b"canary-token".to_vec());
        Arc::new(Revealer::new(variable, self.runner()))
    }

    fn fleet(&self, change: impl FnOnce(&mut meant::Fleet)) -> Commanded {
        let mut fleet = meant_fleet();
        change(&mut fleet);
        Commanded::new(fleet, self.runner(), self.secrets(), &self.path("scratch"))
    }

    /// Everything that the run wrote, for the canary search.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all = Vec::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => all.push((path.clone(), fs::read(path).unwrap())),
                }
            }
        }
        all
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn command(words: &[&str]) -> meant::Command {
    words.iter().map(|word| template(word)).collect()
}

fn member(name: &str) -> Member {
    name.parse().unwrap()
}

fn meant_fleet() -> meant::Fleet {
    meant::Fleet {
        members: Members::Listed(vec![member("ctl-1"), member("ctl-2")]),
        learns: meant::fleet::Learns::Restart,
        writes: meant::fleet::Writes::Current,
        counts: meant::fleet::Counts::Seen,
        follows: None,
        point: Some(Pointer {
            file: template("site/{{ member }}.toml"),
            at: "master_key.path".to_owned(),
            is: template("/etc/{{ id }}.key"),
        }),
        holds: meant::fleet::Holds::One,
        opens: meant::fleet::Opens::AtStart,
        in_flight: Span::ZERO,
        caches: Span::ZERO,
        joins: meant::fleet::Joins::Waits,
        deliver: Some(Deliver {
            command: command(&["sh", "site/put", "{{ member }}", "{{ id }}"]),
            gives: Gives::Stdin,
            proves: true,
        }),
        withdraw: Some(command(&["sh", "site/drop", "{{ member }}", "{{ id }}"])),
        restart: Some(Restart {
            how: RestartHow::Each,
            command: command(&["sh", "site/restart", "{{ member }}"]),
            within: Span::seconds(20),
        }),
        healthy: Vec::new(),
        after: Vec::new(),
        proof: Some(Proof {
            from: ProofFrom::Command { command: command(&["sh", "site/known"]) },
            member: "pod".to_owned(),
            knows: Field { field: "knows".to_owned(), is: template("{{ id }}") },
            writes: None,
            started_at: None,
            seen_at: None,
            gone: Some(command(&["sh", "site/gone", "{{ member }}"])),
            canary: false,
        }),
    }
}

fn version() -> (Facts, Secret) {
    let material = Secret::from_vec(CANARY.to_vec());
    let print = material.fingerprint().hex().parse().unwrap();
    (Facts::version(&"v2".parse().unwrap(), Some(&print)), material)
}

#[test]
fn the_contract_holds_by_standard_input_and_by_path() {
    let world = World::new();
    for (script, gives) in [("site/put", Gives::Stdin), ("site/put-path", Gives::Path)] {
        let fleet = world.fleet(|fleet| {
            let deliver = fleet.deliver.as_mut().unwrap();
            deliver.command = command(&["sh", script, "{{ member }}", "{{ id }}"]);
            deliver.gives = gives;
            // The contract asks who is there whether they are gone.
            fleet.proof.as_mut().unwrap().gone = Some(command(&["sh", "-c", "exit 1"]));
        });
        assert_eq!(keyrota::fleet::contract::holds(&fleet, &template("/etc/{{ id }}.key")), Ok(()), "{script}");
    }
    assert_eq!(world.text("restarts"), "ctl-1\nctl-2\nctl-1\nctl-2\n");
    assert_eq!(world.text("site/ctl-1.toml"), "# ctl-1, by hand\n[master_key]\npath = '/etc/v1.key' # careful\n");
}

#[test]
fn what_is_handed_over_by_path_is_private_and_gone_after() {
    let world = World::new();
    let by_path = |script: &str| {
        let words = command(&["sh", script, "{{ member }}", "{{ id }}", "{{ path }}"]);
        world.fleet(|fleet| fleet.deliver = Some(Deliver { command: words, gives: Gives::Path, proves: true }))
    };
    let (facts, material) = version();
    // As a crash would leave it.
    fs::create_dir(world.path("scratch")).unwrap();
    fs::write(world.path("scratch/delivery-0123"), CANARY).unwrap();
    by_path("site/put-path").deliver(&member("ctl-1"), &facts, Some(&material)).unwrap();
    assert_eq!(
        (world.text("mode").trim(), fs::read(world.path("hosts/ctl-1/v2.key")).unwrap().as_slice()),
        ("600", CANARY)
    );
    assert!(!Path::new(world.text("path").trim()).exists());
    world.script("fail", "exit 9");
    assert!(by_path("site/fail").deliver(&member("ctl-1"), &facts, Some(&material)).is_err());
    fs::remove_file(world.path("hosts/ctl-1/v2.key")).unwrap();
    let found = world.everything();
    assert!(found.iter().all(|(_, bytes)| !bytes.windows(CANARY.len()).any(|window| window == CANARY)));
}

#[test]
fn a_delivery_that_does_not_prove_is_a_fault_that_shows_no_key() {
    let world = World::new();
    let (facts, material) = version();
    for script in [
        "exit 0",
        "cat",
        "cat >&2; exit 1",
        "od -An -tx1 | tr -d ' \\n' >&2; exit 1",
        "base64 >&2; exit 1",
        "echo 0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        world.script("put", script);
        let failed = world.fleet(|_| {}).deliver(&member("ctl-1"), &facts, Some(&material)).unwrap_err();
        let told = format!("{failed} {:?}", failed.hint);
        assert!(told.contains("deliver version `v2` to `ctl-1`"), "{told}");
        assert!(!told.contains("canary") && !told.contains("63616e617279") && !told.contains("Y2FuYXJ5"), "{told}");
    }
    let silent = world.fleet(|fleet| fleet.deliver.as_mut().unwrap().gives = Gives::Nothing);
    assert!(silent.deliver(&member("ctl-1"), &facts, None).is_err());
    assert!(world.fleet(|_| {}).deliver(&member("ctl-1"), &facts, None).is_err());
}

#[test]
fn members_are_listed_and_an_empty_list_is_no_list() {
    let world = World::new();
    let listed = |script: &str, at_least| {
        let command = command(&["sh", "-c", script]);
        world.fleet(|fleet| fleet.members = Members::FromCommand { command, at_least }).members()
    };
    let names: Vec<String> =
        listed("echo pod/a; echo; echo ' pod/b '; echo pod/a", 1).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["pod/a", "pod/b"]);
    for (script, why) in [
        ("true", "there are 0, and the policy says at least 1"),
        ("echo a; exit 1", "`sh` exit 1"),
        ("echo '../a'", "is no member's name"),
        ("printf 'a\\033[2J'", "is no member's name"),
        ("head -c 100000 /dev/zero | tr '\\0' a", "printed more than is read"),
    ] {
        let said = listed(script, 1).unwrap_err().to_string();
        assert!(said.contains(why) && !said.contains('\u{1b}'), "{said}");
    }
    let proven = world.fleet(|fleet| fleet.members = Members::FromProof { at_least: 2 });
    assert_eq!(proven.members().unwrap(), [member("ctl-1"), member("ctl-2")]);
    assert_eq!(proven.proofs().unwrap()[0]["knows"], serde_json::json!(["v1"]));
    world.script("known", "echo '[1]'");
    assert!(proven.proofs().unwrap_err().to_string().contains("`[1]` is not a JSON object"));
}

#[test]
fn only_evidence_says_that_somebody_is_gone() {
    let world = World::new();
    let fleet = world.fleet(|_| {});
    assert_eq!([fleet.gone(&member("ctl-1")), fleet.gone(&member("ctl-2"))].map(Result::unwrap), [false, true]);
    assert!(fleet.gone(&member("ctl-3")).unwrap_err().to_string().contains("exit 3: who"));
    assert!(!world.fleet(|fleet| fleet.proof = None).gone(&member("ctl-2")).unwrap());
}

#[test]
fn pointers_go_nowhere_else() {
    let world = World::new();
    let (facts, _) = version();
    let at = |file: &str, path: &str| {
        let pointer = Pointer { file: template(file), at: path.to_owned(), is: template("{{ id }}") };
        world.fleet(|fleet| fleet.point = Some(pointer))
    };
    let said = |failed: Result<(), Fault>| failed.unwrap_err().to_string();
    fs::set_permissions(world.path("site/ctl-1.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    at("site/{{ member }}.toml", "master_key.path").point(&member("ctl-1"), &facts).unwrap();
    assert_eq!(world.text("site/ctl-1.toml"), "# ctl-1, by hand\n[master_key]\npath = 'v2' # careful\n");
    assert_eq!(fs::metadata(world.path("site/ctl-1.toml")).unwrap().permissions().mode() & 0o777, 0o640);
    let ctl = member("ctl-1");
    assert!(said(at("site/../site/ctl-1.toml", "a").point(&ctl, &facts)).contains("leads up by `..`"));
    assert!(said(at("site/ctl-1.conf", "a").point(&ctl, &facts)).contains("neither TOML, JSON nor YAML"));
    assert!(said(at("site/ctl-9.toml", "a").point(&ctl, &facts)).contains("ctl-9.toml"));
    assert!(said(at("site/ctl-1.toml", "master_key.nobody").point(&ctl, &facts)).contains("there is nothing at"));
    symlink(world.path("site/ctl-2.toml"), world.path("site/link.toml")).unwrap();
    symlink(world.path("site"), world.path("other")).unwrap();
    for file in ["site/link.toml", "other/ctl-2.toml"] {
        assert!(said(at(file, "master_key.path").point(&ctl, &facts)).contains("is a symbolic link"), "{file}");
    }
    assert!(world.text("site/ctl-2.toml").contains("/etc/old.key"));
    assert_eq!(world.fleet(|fleet| fleet.point = None).pointed(&ctl).unwrap(), None);
}

#[test]
fn a_restart_takes_no_longer_than_it_may() {
    let world = World::new();
    let slow = world.fleet(|fleet| {
        let restart = fleet.restart.as_mut().unwrap();
        restart.command = command(&["sh", "-c", "sleep 30"]);
        restart.within = Span::seconds(1);
    });
    assert!(
        slow.restart(Some(&member("ctl-1")), &Facts::none()).unwrap_err().to_string().contains("took longer than 1s")
    );
    assert!(slow.restart(None, &Facts::none()).is_err(), "each of this fleet is restarted by itself");
}

fn check(ask: Ask, expect: Expect) -> Check {
    Check { name: "app".parse().unwrap(), when: Vec::new(), ask, expect, timeout_seconds: 5 }
}

fn asker(world: &World) -> Asker {
    Asker::new(world.runner(), world.secrets())
}

fn script(body: &str) -> Ask {
    let token = HeaderValue::Secret(Source::Env("APP_TOKEN".to_owned()));
    let env = BTreeMap::from([("TOKEN".to_owned(), token), ("MODE".to_owned(), HeaderValue::Plain("read".to_owned()))]);
    Ask::Command { command: command(&["sh", "-c", body, "sh", "{{ since }}"]), env }
}

#[test]
fn commands_answer_checks() {
    let world = World::new();
    let asker = asker(&world);
    let facts = Facts::none().with("since", "2026-01-01T00:00:00Z").with("member", "web-1");
    let contains = |text: &str| Expect { contains: Some(template(text)), ..Expect::default() };
    let told = |body: &str, expect: Expect| {
        let answer = asker.ask(&check(script(body), expect), &facts).unwrap();
        format!("{}: {}", answer.passed, answer.saw)
    };
    assert_eq!(told("echo $1 $TOKEN $MODE", contains("2026-01-01T00:00:00Z canary-token read")), "true: exit 0");
    assert_eq!(told("echo $HOME.$USER.", contains("..")), "true: exit 0");
    assert_eq!(told("echo bad >&2; exit 4", Expect::default()), "false: exit 4: bad");
    assert!(!told("echo $TOKEN >&2; exit 4", Expect::default()).contains("canary"));
    let missing = HeaderValue::Secret(Source::Env("NOBODY".to_owned()));
    let ask = Ask::Command { command: command(&["sh"]), env: BTreeMap::from([("X".to_owned(), missing)]) };
    assert!(asker.ask(&check(ask, Expect::default()), &facts).unwrap_err().to_string().contains("`NOBODY`"));
}

/// A server that answers so many questions with what `answer` makes of the path that was asked for.
#[cfg(feature = "http")]
fn serve(
    count: usize,
    answer: impl Fn(&str) -> (&'static str, String) + Send + 'static,
) -> (std::net::SocketAddr, std::thread::JoinHandle<()>) {
    use std::io::Read;
    use std::io::Write;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for _ in 0..count {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            assert!(head.contains("canary-token"), "{head}");
            let (status, body) = answer(head.split(' ').nth(1).unwrap());
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    (place, server)
}

#[cfg(feature = "http")]
fn web(url: String) -> (Template, BTreeMap<String, HeaderValue>) {
    let token = HeaderValue::Secret(Source::Env("APP_TOKEN".to_owned()));
    (template(&url), BTreeMap::from([("Authorization".to_owned(), token)]))
}

#[cfg(feature = "http")]
#[test]
fn a_web_server_answers_checks() {
    let (place, server) = serve(3, |path| match path {
        "/ill" => ("500 Oh", String::new()),
        _ => ("200 OK", r#"{"ready":true,"by":"web-1"}"#.to_owned()),
    });
    let world = World::new();
    let ask = |path: &str| {
        let (url, headers) = web(format!("http://{place}/{path}"));
        Ask::Http { url, headers }
    };
    let json = BTreeMap::from([("ready".to_owned(), serde_json::json!(true))]);
    let well = check(ask("well"), Expect { json, ..Expect::default() });
    let ill = check(ask("ill"), Expect::default());
    let mute = check(script("sleep 30"), Expect::default());
    let mute = Check { timeout_seconds: 1, ..mute };
    assert_eq!(keyrota::probe::contract::holds(&asker(&world), &well, &ill, &mute), Ok(()));
    server.join().unwrap();
    assert!(asker(&world).ask(&well, &Facts::none()).unwrap_err().may_retry(), "nobody listens any more");
}

#[cfg(feature = "http")]
#[test]
fn members_prove_for_themselves_by_http() {
    // The first speaks for another, which counts for itself alone; the second is ill, which proves nothing.
    let (place, server) = serve(2, |path| match path {
        "/ctl-1/keys" => ("200 OK", r#"{"pod":"ctl-2","knows":["v1"]}"#.to_owned()),
        _ => ("503 Busy", String::new()),
    });
    let world = World::new();
    let (url, headers) = web(format!("http://{place}/{{{{ member }}}}/keys"));
    let fleet = world.fleet(|fleet| fleet.proof.as_mut().unwrap().from = ProofFrom::Http { url, headers });
    let rows = fleet.proofs().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(serde_json::Value::from(rows[0].clone()), serde_json::json!({"pod":"ctl-1","knows":["v1"]}));
    server.join().unwrap();
    assert_eq!(fleet.proofs().unwrap().len(), 0, "nobody answers, and nothing is proven");
}
