//! Staying logged in: a token for reading and one for writing, made when they are first needed, kept alive while the client
//! lives, and made anew when the server no longer knows them.

use crate::fault::Fault;
use crate::http::call::Answer as Heard;
use crate::openbao::Answer;
use crate::openbao::Ask;
use crate::openbao::Inner;
use crate::openbao::Login;
use crate::openbao::Right;
use crate::openbao::json;
use crate::openbao::refresh;
use crate::openbao::trouble;
use crate::secret::Secret;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;
use zeroize::Zeroizing;

/// The logins of a client and what came of them.
pub(super) struct Tokens {
    logins: [Login; 2],
    held: [Mutex<Option<Held>>; 2],
    pub(super) refresher: refresh::Bell,
}

/// A token, and how long it lives.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: Arc<Secret>,
    /// Until when, where it ends.
    pub(super) ends: Option<Instant>,
    /// How long it lives from a renewal on.
    pub(super) lease: Duration,
    /// Whether it can be renewed.
    pub(super) renewable: bool,
    /// Whether we made it, and so may end it.
    pub(super) ours: bool,
}

/// What a login or a renewal says.
#[derive(serde::Deserialize)]
struct LoggedIn {
    auth: Granted,
}

#[derive(serde::Deserialize)]
struct Granted {
    #[serde(default)]
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

/// What a token says of itself.
#[derive(serde::Deserialize)]
struct LookedUp {
    data: Lookup,
}

#[derive(serde::Deserialize)]
struct Lookup {
    #[serde(default)]
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

const LOOKUP: &str = "auth/token/lookup-self";
pub(super) const RENEW: &str = "auth/token/renew-self";

impl Tokens {
    pub(super) fn new(logins: [Login; 2]) -> Self {
        Self { logins, held: [Mutex::new(None), Mutex::new(None)], refresher: refresh::Bell::default() }
    }

    /// Where the login and its token lie; the same for both where the policy has one login.
    fn at(&self, right: Right) -> (&Login, &Mutex<Option<Held>>) {
        let [read, write] = &self.logins;
        let [for_reading, for_writing] = &self.held;
        if right == Right::Read || read == write { (read, for_reading) } else { (write, for_writing) }
    }

    /// The login that is used.
    pub(super) fn login(&self, right: Right) -> &Login {
        self.at(right).0
    }

    /// Every token that is held.
    pub(super) fn slots(&self) -> [&Mutex<Option<Held>>; 2] {
        let [read, write] = &self.held;
        [read, write]
    }
}

pub(super) fn lock(slot: &Mutex<Option<Held>>) -> MutexGuard<'_, Option<Held>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks, logged in; logs in anew, once, where the token turns out to have ended.
pub(super) fn ask(client: &Arc<Inner>, ask: &Ask<'_>) -> Result<Answer, Fault> {
    let (login, slot) = client.tokens.at(ask.right);
    let held = token(client, ask.doing, login, slot)?;
    let heard = client.patiently(ask, Some(&held.token))?;
    if heard.status != 403 {
        return judged(client, ask, login, heard);
    }
    if knows(client, ask.doing, &held)? {
        return Err(trouble::forbidden(client, ask, &login.shown()));
    }
    // The token has ended, or whoever makes it has made another. Only if nobody else has replaced it meanwhile.
    {
        let mut slot = lock(slot);
        if slot.as_ref().is_some_and(|now| Arc::ptr_eq(&now.token, &held.token)) {
            *slot = None;
        }
    }
    let again = token(client, ask.doing, login, slot)?;
    if again.token.same(&held.token) {
        return Err(trouble::unknown_token(client, ask.doing, &login.shown()));
    }
    let heard = client.patiently(ask, Some(&again.token))?;
    judged(client, ask, login, heard)
}

fn judged(client: &Inner, ask: &Ask<'_>, login: &Login, heard: Heard) -> Result<Answer, Fault> {
    let namespace_gone = heard.status == 404 && trouble::said(&heard.body).contains("namespace not found");
    match heard.status {
        404 if namespace_gone => {
            let answer = Answer::from(heard);
            Err(trouble::unexpected(client, ask.doing, ask.path, &answer))
        }
        200..=299 | 400 | 404 => Ok(Answer::from(heard)),
        403 => Err(trouble::forbidden(client, ask, &login.shown())),
        _ => Err(trouble::fault(client, ask, &heard)),
    }
}

/// A question about the token itself.
fn about(
    client: &Inner,
    doing: &str,
    method: &'static str,
    path: &'static str,
    token: &Secret,
) -> Result<Heard, Fault> {
    let body = (method == "POST").then(|| Secret::from_vec(b"{}".to_vec()));
    let ask = Ask { doing, right: Right::Read, method, path, body: body.as_ref(), again: true, patient: true };
    client.patiently(&ask, Some(token))
}

/// Whether the server still knows a token. Any answer but a plain no is taken for a yes: the question was another one.
fn knows(client: &Inner, doing: &str, held: &Held) -> Result<bool, Fault> {
    Ok(about(client, doing, "GET", LOOKUP, &held.token)?.status != 403)
}

/// The token, where one is at hand that lives long enough; otherwise a new one. Whoever comes second waits for the first.
fn token(client: &Arc<Inner>, doing: &str, login: &Login, slot: &Mutex<Option<Held>>) -> Result<Held, Fault> {
    let mut slot = lock(slot);
    if let Some(held) = slot.as_ref() {
        let left = held.ends.map(|ends| ends.saturating_duration_since(Instant::now()));
        if left.is_none_or(|left| !left.is_zero()) {
            return Ok(held.clone());
        }
    }
    let made = match login {
        Login::Token(source) => given(client, doing, client.secrets.reveal(source)?)?,
        _ => log_in(client, doing, login)?,
    };
    *slot = Some(made.clone());
    drop(slot);
    if made.renewable && made.ends.is_some() {
        refresh::start(client);
    }
    Ok(made)
}

/// A token that somebody else made. What it says of itself tells how long it lives; one that may not even ask that is used
/// as long as it works.
fn given(client: &Inner, doing: &str, token: Secret) -> Result<Held, Fault> {
    let begun = Instant::now();
    let heard = about(client, doing, "GET", LOOKUP, &token)?;
    let token = Arc::new(token);
    let mut held = Held { token, ends: None, lease: Duration::ZERO, renewable: false, ours: false };
    match heard.status {
        200..=299 => {
            let answer = Answer::from(heard);
            let lookup = answer.json::<LookedUp>(doing)?.data;
            // A token that never ends says 0.
            if lookup.ttl > 0 {
                held.lease = Duration::from_secs(lookup.ttl);
                held.ends = begun.checked_add(held.lease);
                held.renewable = lookup.renewable;
            }
            Ok(held)
        }
        400 | 403 => Ok(held),
        404 => Err(trouble::unexpected(client, doing, LOOKUP, &Answer::from(heard))),
        _ => {
            let ask =
                Ask { doing, right: Right::Read, method: "GET", path: LOOKUP, body: None, again: true, patient: true };
            Err(trouble::fault(client, &ask, &heard))
        }
    }
}

fn log_in(client: &Inner, doing: &str, login: &Login) -> Result<Held, Fault> {
    let text = |secret: &Secret| {
        let text = secret.lend(|bytes| std::str::from_utf8(bytes).map(|text| Zeroizing::new(text.trim().to_owned())));
        text.map_err(|_| Fault::ask_operator(doing, format!("{} is no text", login.shown())))
    };
    let (mount, body) = match login {
        Login::Token(_) => return Err(Fault::report_bug(doing, "a token is not logged in with")),
        Login::AppRole { role, secret_id, mount } => {
            let secret_id = text(&client.secrets.reveal(secret_id)?)?;
            (mount, json(doing, &Fields([("role_id", role), ("secret_id", &secret_id)]))?)
        }
        Login::Signed { role, jwt, mount } => {
            let jwt = text(&client.secrets.read(jwt)?)?;
            (mount, json(doing, &Fields([("role", role), ("jwt", &jwt)]))?)
        }
    };
    let path = format!("auth/{mount}/login");
    // A secret id may be good for one use only: not asked again where nobody knows whether it was.
    let ask =
        Ask { doing, right: Right::Read, method: "POST", path: &path, body: Some(&body), again: false, patient: true };
    let begun = Instant::now();
    let heard = client.patiently(&ask, None)?;
    match heard.status {
        200..=299 => {}
        404 => {
            return Err(trouble::unexpected(client, doing, &path, &Answer::from(heard)));
        }
        400..=403 => return Err(trouble::refused_login(client, doing, &login.shown(), &heard.body)),
        _ => return Err(trouble::fault(client, &ask, &heard)),
    }
    let answer = Answer::from(heard);
    let mut granted = answer.json::<LoggedIn>(doing)?.auth;
    let token = Secret::from_vec(std::mem::take(&mut granted.client_token).into_bytes());
    if token.is_empty() {
        return Err(Fault::ask_operator(doing, format!("login as {} gave no token", login.shown())));
    }
    let lease = Duration::from_secs(granted.lease_duration);
    let ends = if lease.is_zero() { None } else { begun.checked_add(lease) };
    Ok(Held { token: Arc::new(token), ends, lease, renewable: granted.renewable, ours: true })
}

/// Renews a token; nothing where the server will not.
pub(super) fn renew(client: &Inner, held: &Held) -> Result<Option<Held>, Fault> {
    let doing = format!("renew the token of {}", client.name);
    let begun = Instant::now();
    let heard = about(client, &doing, "POST", RENEW, &held.token)?;
    if !(200..300).contains(&heard.status) {
        return Ok(None);
    }
    let answer = Answer::from(heard);
    let granted = answer.json::<LoggedIn>(&doing)?.auth;
    let lease = Duration::from_secs(granted.lease_duration);
    let ends = begun.checked_add(lease);
    Ok(Some(Held { lease, ends, renewable: granted.renewable, token: Arc::clone(&held.token), ours: held.ours }))
}

/// Ends the tokens that we made, so that a job that runs every hour leaves none behind. Nobody waits for the answer to be good.
pub(super) fn end(client: &Inner) {
    for slot in client.tokens.slots() {
        let held = lock(slot).take();
        let Some(held) = held.filter(|held| held.ours) else { continue };
        let body = Secret::from_vec(b"{}".to_vec());
        let ask = Ask {
            doing: "end a token",
            right: Right::Read,
            method: "POST",
            path: "auth/token/revoke-self",
            body: Some(&body),
            again: false,
            patient: false,
        };
        // It ends by itself where the server cannot be asked.
        let _best_effort = client.once(&ask, Some(&held.token));
    }
}

/// Fields that are written down in one go, so that no copy of a value is left behind.
struct Fields<'a>([(&'static str, &'a str); 2]);

impl serde::Serialize for Fields<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0)
    }
}
