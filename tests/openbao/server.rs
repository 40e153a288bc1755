//! The server that `tests/services.sh` starts, servers of a test's own, and what tests ask them as the operator.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use keyrota::fault::Fault;
use keyrota::openbao::Client;
use keyrota::policy::meant::Auth;
use keyrota::policy::meant::Tls;
use keyrota::port::probe::Secrets;
use keyrota::secret::Secret;
use keyrota::secret::Source;
use serde_json::Value;
use serde_json::json;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A fresh name.
pub(crate) fn fresh(what: &str) -> String {
    format!("{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn variable(name: &str) -> String {
    std::env::var(name).expect("run it as `tests/services.sh cargo test --all-features`")
}

/// A server, as its operator sees it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) addr: String,
    pub(crate) token: String,
    pub(crate) namespace: Option<String>,
}

impl Server {
    /// The one that is always there.
    pub(crate) fn shared() -> Self {
        Self { addr: variable("KEYROTA_TEST_OPENBAO"), token: "tests".to_owned(), namespace: None }
    }

    /// A namespace of a test's own in it, so that no two tests see each other.
    pub(crate) fn fresh() -> Self {
        let mut server = Self::shared();
        let name = fresh("ns");
        server.put(&format!("sys/namespaces/{name}"), json!({}));
        server.namespace = Some(name);
        server
    }

    /// Asks as the operator. A store of documents that was made just now may ask for a moment's patience.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        for _ in 0..600 {
            let (status, answer) = self.ask_once(method, path, body);
            if status != 400 || !answer.to_string().contains("Upgrading from non-versioned") {
                return (status, answer);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{path}: it is still made ready after a minute");
    }

    fn ask_once(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.addr))
            .header("X-Vault-Token", &self.token);
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let body = body.map(|body| serde_json::to_vec(body).unwrap()).unwrap_or_default();
        let mut answer = agent.run(request.body(body.as_slice()).unwrap()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Changes something as the operator.
    pub(crate) fn put(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask("POST", path, Some(&body));
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// Looks as the operator.
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, None);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// A policy of the server's, by its text.
    pub(crate) fn policy(&self, name: &str, text: &str) {
        self.put(&format!("sys/policies/acl/{name}"), json!({ "policy": text }));
    }

    /// A token with these policies and settings.
    pub(crate) fn token(&self, policies: &[&str], more: Value) -> String {
        let mut body = json!({ "policies": policies });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.put("auth/token/create", body);
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Our client, by this login.
    pub(crate) fn client(&self, auth: Value, secrets: &Arc<Known>) -> Client {
        self.client_over(None, auth, secrets).unwrap()
    }

    pub(crate) fn client_over(&self, tls: Option<&Tls>, auth: Value, secrets: &Arc<Known>) -> Result<Client, Fault> {
        let auth: Auth = serde_json::from_value(auth).unwrap();
        let secrets: Arc<dyn Secrets> = Arc::clone(secrets) as Arc<dyn Secrets>;
        Client::new("backend `vault`", &self.addr, self.namespace.as_deref(), tls, &auth, secrets)
    }

    /// Our client, with this token.
    pub(crate) fn client_with(&self, token: &str) -> Client {
        self.client(by_token(), &Known::new(&[("TOKEN", token)]))
    }
}

/// The login by the token in the variable `TOKEN`.
pub(crate) fn by_token() -> Value {
    json!({ "token": { "env": "TOKEN" } })
}

/// Secrets that a test knows: variables by name, and files.
#[derive(Default)]
pub(crate) struct Known(Mutex<BTreeMap<String, String>>);

impl Known {
    pub(crate) fn new(known: &[(&str, &str)]) -> Arc<Self> {
        let known = known.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Arc::new(Self(Mutex::new(known.collect())))
    }

    pub(crate) fn set(&self, name: &str, value: &str) {
        self.0.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }
}

impl Secrets for Known {
    fn reveal(&self, source: &Source) -> Result<Secret, Fault> {
        let found = match source {
            Source::Env(name) => self.0.lock().unwrap().get(name).cloned(),
            Source::File(path) => fs::read_to_string(path).ok(),
            Source::Command(_) => None,
        };
        let found = found.map(|value| Secret::from_vec(value.into_bytes()));
        found.ok_or_else(|| Fault::ask_operator(format!("read {source}"), "no test knows it"))
    }
}

/// A port that nobody listens on now.
pub(crate) fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server of a test's own, on a disk: it listens in the clear for the test, and over TLS as the test says.
pub(crate) struct Own {
    folder: tempfile::TempDir,
    child: Option<Child>,
    unseal: String,
    /// As its operator sees it.
    pub(crate) server: Server,
    /// Its address over TLS.
    pub(crate) sealed_addr: String,
}

impl Own {
    /// Started, initialised and unsealed; `tls` goes into the listener that speaks TLS.
    pub(crate) fn start(tls: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        papers(folder.path());
        let (plain, sealed) = (port(), port());
        let at = folder.path().display();
        let config = format!(
            r#"
            disable_mlock = true
            storage "pebbledb" {{ path = "{at}/data" }}
            listener "tcp" {{ address = "127.0.0.1:{plain}" tls_disable = true }}
            listener "tcp" {{
                address = "127.0.0.1:{sealed}"
                tls_cert_file = "{at}/server.pem"
                tls_key_file = "{at}/server.key"
                {}
            }}
            "#,
            tls.replace("{at}", &at.to_string())
        );
        fs::write(folder.path().join("config.hcl"), config).unwrap();
        let server = Server { addr: format!("http://127.0.0.1:{plain}"), token: String::new(), namespace: None };
        let sealed_addr = format!("https://127.0.0.1:{sealed}");
        let mut own = Self { folder, child: None, unseal: String::new(), server, sealed_addr };
        own.run();
        let made = own.server.put("sys/init", json!({ "secret_shares": 1, "secret_threshold": 1 }));
        own.server.token = made["root_token"].as_str().unwrap().to_owned();
        own.unseal = made["keys"][0].as_str().unwrap().to_owned();
        own.unseal();
        own
    }

    pub(crate) fn at(&self) -> &Path {
        self.folder.path()
    }

    /// Begins the process, and waits until it answers, sealed as it is.
    pub(crate) fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.at().join("log")).unwrap();
        let child = Command::new(variable("KEYROTA_TEST_BAO"))
            .args(["server", "-config"])
            .arg(self.at().join("config.hcl"))
            .env("HOME", self.at())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let place = self.server.addr.trim_start_matches("http://").to_owned();
        let listens = until(|| std::net::TcpStream::connect(&place).is_ok());
        assert!(listens, "{}", fs::read_to_string(self.at().join("log")).unwrap());
    }

    pub(crate) fn unseal(&self) {
        self.server.put("sys/unseal", json!({ "key": self.unseal }));
        assert!(until(|| self.server.ask("GET", "sys/health", None).0 == 200), "it stays sealed");
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// The same server, by its address over TLS.
    pub(crate) fn over_tls(&self) -> Server {
        Server { addr: self.sealed_addr.clone(), ..self.server.clone() }
    }

    /// A file of its folder, as the policy names it.
    pub(crate) fn file(&self, name: &str) -> Option<Source> {
        Some(Source::File(self.at().join(name).display().to_string()))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits up to half a minute until something holds.
pub(crate) fn until(holds: impl Fn() -> bool) -> bool {
    let since = Instant::now();
    while !holds() {
        if since.elapsed() > Duration::from_secs(30) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    true
}

fn python() -> String {
    std::env::var("KEYROTA_TEST_PYTHON").expect("set KEYROTA_TEST_PYTHON as ./test.sh does")
}

/// Runs a Python text with the libraries of the tests; gives what it prints.
pub(crate) fn run_python(text: &str, words: &[&str]) -> String {
    let ran = Command::new(python()).arg("-c").arg(text).args(words).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

pub(crate) fn papers(folder: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/papers.py");
    let ran = Command::new(python()).arg(script).arg(folder).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
