//! A secrets server, OpenBao or Vault: logging in, staying logged in, asking, and saying in plain words what went wrong and
//! what to do about it. Never here: a key, an engine, or what an answer means.

mod health;
mod login;
mod refresh;
mod token;
mod trouble;

pub use self::health::Capabilities;
pub use self::login::Login;

use crate::disk::crash;
use crate::fault::Fault;
use crate::http::call::Answer as Heard;
use crate::http::call::Broken;
use crate::http::call::Call;
use crate::http::call::Caller;
use crate::http::call::Kind;
use crate::http::call::Limit;
use crate::openbao::token::Tokens;
use crate::policy::meant::Auth;
use crate::policy::meant::Tls;
use crate::port::probe::Secrets;
use crate::secret::Secret;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

/// How long one question may take.
const WITHIN: Duration = Duration::from_secs(60);
/// How often a question is asked that may be asked again.
const ASKED_MAX: u32 = 5;
/// The longest that we wait because the server asks for it; it is somebody else's to wait longer.
const PATIENCE_SECONDS_MAX: u64 = 5;
/// How long an answer may be: batches of values, and documents, are some megabytes at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a request may be by the server's own default, 32 MiB.
pub const REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Which of the policy's logins is used: planning needs only the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To look.
    Read,
    /// To change.
    Write,
}

/// One question. Its path is without the leading `/v1/`.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// What we are doing, to follow "could not".
    pub doing: &'a str,
    /// By which login.
    pub right: Right,
    /// `GET`, `LIST`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'a str,
    /// The path below `/v1/`, with its query.
    pub path: &'a str,
    /// What is sent, as JSON.
    pub body: Option<&'a Secret>,
    /// Whether the same may be asked again where nobody knows whether it was done.
    pub again: bool,
    /// Whether to wait and ask again when the server pushes back (429, 503), instead of saying so at once.
    pub patient: bool,
}

/// What the server said, where that is for the engine's client to judge: all is well (2xx), 400 or 404.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What came along about a limit on requests.
    pub limit: Option<Limit>,
    /// The body, whole.
    pub body: Secret,
}

impl From<Heard> for Answer {
    fn from(heard: Heard) -> Self {
        Self { status: heard.status, limit: heard.limit, body: heard.body }
    }
}

/// A client of one server, for as many threads as like to ask. Nothing is asked and no secret read before the first question.
pub struct Client {
    inner: Arc<Inner>,
}

/// Whom a question goes to, shared with the thread that keeps tokens alive.
struct Inner {
    /// The place's name in the policy, to be shown.
    name: String,
    addr: String,
    namespace: Option<String>,
    tls: Option<Tls>,
    secrets: Arc<dyn Secrets>,
    caller: OnceLock<Caller>,
    tokens: Tokens,
}

impl Client {
    /// A client for the place that the policy calls `name` (``backend `x` ``).
    ///
    /// # Errors
    /// The address is none, or the login is not one that is known.
    pub fn new(
        name: &str,
        addr: &str,
        namespace: Option<&str>,
        tls: Option<&Tls>,
        auth: &Auth,
        secrets: Arc<dyn Secrets>,
    ) -> Result<Self, Fault> {
        let doing = format!("use {name}");
        let addr = addr.trim_end_matches('/');
        let is_web = ["http://", "https://"].iter().any(|scheme| addr.len() > scheme.len() && addr.starts_with(scheme));
        if !is_web || addr.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@')) {
            return Err(Fault::ask_operator(&doing, format!("`{addr}` is no address of a secrets server"))
                .hint("write `addr` as `https://openbao.example.org:8200`"));
        }
        let namespace =
            namespace.map(|namespace| namespace.trim_matches('/').to_owned()).filter(|name| !name.is_empty());
        let tokens = Tokens::new(Login::both(&doing, auth)?);
        let inner = Inner {
            name: name.to_owned(),
            addr: addr.to_owned(),
            namespace,
            tls: tls.cloned(),
            secrets,
            caller: OnceLock::new(),
            tokens,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks to read.
    ///
    /// # Errors
    /// The server did not answer, or with what only a person or time can mend.
    pub fn get(&self, doing: &str, path: &str) -> Result<Answer, Fault> {
        self.ask(&Ask { doing, right: Right::Read, method: "GET", path, body: None, again: true, patient: true })
    }

    /// Asks for the names below a path.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn list(&self, doing: &str, path: &str) -> Result<Answer, Fault> {
        self.ask(&Ask { doing, right: Right::Read, method: "LIST", path, body: None, again: true, patient: true })
    }

    /// Asks for something that changes nothing that outlives the question, such as opening a value.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(&self, doing: &str, path: &str, body: &serde_json::Value) -> Result<Answer, Fault> {
        let body = &json(doing, body)?;
        let body = Some(body);
        self.ask(&Ask { doing, right: Right::Write, method: "POST", path, body, again: true, patient: true })
    }

    /// Changes something: never asked again once the question may have arrived.
    ///
    /// # Errors
    /// As [`Client::get`]; a fault that may be retried leaves open whether it was done.
    pub fn put(&self, doing: &str, path: &str, body: &Secret) -> Result<Answer, Fault> {
        self.write(doing, "PUT", path, body)
    }

    /// Changes the parts that `body` names and leaves the others as they are.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub fn patch(&self, doing: &str, path: &str, body: &Secret) -> Result<Answer, Fault> {
        self.write(doing, "PATCH", path, body)
    }

    fn write(&self, doing: &str, method: &str, path: &str, body: &Secret) -> Result<Answer, Fault> {
        let body = Some(body);
        let ask = Ask { doing, right: Right::Write, method, path, body, again: false, patient: true };
        crash::point("openbao.write before");
        let answer = self.ask(&ask);
        crash::point("openbao.write after");
        answer
    }

    /// Asks one question.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Fault> {
        token::ask(&self.inner, ask)
    }

    /// The fault that a 400 or 404 is, where it was not expected.
    #[must_use]
    pub fn unexpected(&self, ask_doing: &str, path: &str, answer: &Answer) -> Fault {
        trouble::unexpected(&self.inner, ask_doing, path, answer)
    }

    /// The server's address and namespace, to be shown.
    #[must_use]
    pub fn place(&self) -> String {
        self.inner.place()
    }
}

impl Inner {
    fn place(&self) -> String {
        match &self.namespace {
            None => format!("`{}`", self.addr),
            Some(namespace) => format!("`{}`, namespace `{namespace}`", self.addr),
        }
    }

    fn caller(&self) -> Result<&Caller, Fault> {
        if self.caller.get().is_none() {
            // Two threads may both make one; the first that is put there stays.
            let made = Caller::new(self.tls.as_ref(), self.secrets.as_ref())?;
            self.caller.get_or_init(|| made);
        }
        self.caller.get().ok_or_else(|| Fault::report_bug(format!("use {}", self.name), "there is no caller"))
    }

    /// Asks once, with this token.
    fn once(&self, ask: &Ask<'_>, token: Option<&Secret>) -> Result<Result<Heard, Broken>, Fault> {
        self.called(ask, token, self.namespace.as_deref())
    }

    /// Asks the topmost namespace, without a token.
    fn without_namespace(&self, ask: &Ask<'_>) -> Result<Heard, Fault> {
        self.patiently_by(ask, || self.called(ask, None, None))
    }

    fn called(
        &self,
        ask: &Ask<'_>,
        token: Option<&Secret>,
        namespace: Option<&str>,
    ) -> Result<Result<Heard, Broken>, Fault> {
        // A server that is asked by its own pages' scripts wants this; it does no harm elsewhere.
        let asked = Secret::from_vec(b"true".to_vec());
        let namespace = namespace.map(|name| Secret::from_vec(name.as_bytes().to_vec()));
        let mut headers = vec![("X-Vault-Request", &asked)];
        headers.extend(namespace.as_ref().map(|name| ("X-Vault-Namespace", name)));
        headers.extend(token.map(|token| ("X-Vault-Token", token)));
        // Not every HTTP client knows the server's own method, so it also goes by another name.
        let (method, listed) = match ask.method {
            "LIST" => ("GET", "?list=true"),
            other => (other, ""),
        };
        let url = format!("{}/v1/{}{listed}", self.addr, ask.path);
        Ok(self.caller()?.call(&Call {
            method,
            url: &url,
            headers: &headers,
            body: ask.body,
            within: WITHIN,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }))
    }

    /// Asks with this token, again where that can do no harm and may help; any status is an answer.
    fn patiently(&self, ask: &Ask<'_>, token: Option<&Secret>) -> Result<Heard, Fault> {
        self.patiently_by(ask, || self.once(ask, token))
    }

    fn patiently_by(
        &self,
        ask: &Ask<'_>,
        once: impl Fn() -> Result<Result<Heard, Broken>, Fault>,
    ) -> Result<Heard, Fault> {
        let mut asked = 0_u32;
        loop {
            asked = asked.saturating_add(1);
            let last = asked >= ASKED_MAX;
            match once()? {
                Ok(heard) if trouble::wants_tls(&heard) => return Err(trouble::no_tls(self, ask.doing)),
                Ok(heard) => {
                    let wait = heard.retry_after.unwrap_or(0);
                    let may = ask.patient && trouble::passes(heard.status, &heard.body, ask.again);
                    if last || !may || wait > PATIENCE_SECONDS_MAX {
                        return Ok(heard);
                    }
                    pause(asked, wait);
                }
                Err(broken) => {
                    let may = ask.patient && (broken.kind == Kind::Lost && ask.again);
                    if last || !may {
                        return Err(trouble::broken(self, ask.doing, &broken));
                    }
                    pause(asked, 0);
                }
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.inner.tokens.refresher.ring();
        token::end(&self.inner);
    }
}

/// Longer each time, and at least as long as the server asks.
#[expect(
    clippy::disallowed_methods,
    reason = "a server comes back in the machine's own time, and no hour is judged by it"
)]
fn pause(asked: u32, seconds: u64) {
    let own = Duration::from_millis(50).saturating_mul(asked.saturating_mul(asked));
    std::thread::sleep(own.max(Duration::from_secs(seconds)));
}

/// A body that holds no secret, or one whose parts are wiped elsewhere.
///
/// # Errors
/// It cannot be written down, which is our bug.
pub fn json(doing: &str, value: &impl serde::Serialize) -> Result<Secret, Fault> {
    let written = serde_json::to_vec(value).map(Secret::from_vec);
    written.map_err(|error| Fault::report_bug(doing, format!("the question cannot be written as JSON: {error}")))
}

impl Answer {
    /// Whether it was done.
    #[must_use]
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What it says, read as JSON.
    ///
    /// # Errors
    /// It is not what such a server says.
    pub fn json<T: serde::de::DeserializeOwned>(&self, doing: &str) -> Result<T, Fault> {
        // Not the parser's own words, which may quote what it read.
        let read = self.body.lend(|bytes| serde_json::from_slice(bytes));
        read.map_err(|_| {
            Fault::ask_operator(doing, "the answer is not what a secrets server says")
                .hint("does `addr` lead to OpenBao or Vault, and not to a page in front of it?")
        })
    }

    /// Whether the server itself says that there is nothing. What stands in front of it may answer 404 as well and knows of
    /// nothing: only the server's own list of errors, an empty one, counts.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.status == 404 && trouble::errors(&self.body).is_some_and(|errors| errors.is_empty())
    }

    /// The server's own words about what it did not do.
    #[must_use]
    pub fn said(&self) -> String {
        trouble::said(&self.body)
    }
}
