//! Connections to PostgreSQL, for the store and the home: by an address that may be a secret, verified where they leave the
//! machine, kept for the next question; and what the server says, sorted by who can mend it.
//! Never here: a statement about anybody's tables, and a state of a session that outlives a transaction.

mod ident;
mod trouble;

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use postgres::Client;
use postgres::Config;
use postgres::NoTls;
use postgres::Row;
use postgres::config::Host;
use postgres::config::SslMode;
use postgres::types::ToSql;
use postgres::types::Type;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::disk::crash;
use crate::fault::Fault;
use crate::policy::meant::Address;
use crate::policy::meant::Tls;
use crate::port::probe::Secrets;
use crate::tls;

pub(crate) use self::ident::literal;
pub(crate) use self::ident::quote;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a wire may be silent while something of ours is on it: then it is dead.
const SILENT: Duration = Duration::from_secs(30);
/// How often, and how many times in vain, a silent server is knocked at before it is given up.
const KNOCK: Duration = Duration::from_secs(5);
const KNOCKS: u32 = 3;
/// How often a question is asked anew after its connection was lost or another transaction was in the way.
pub(crate) const ASKED_MAX: u32 = 5;
/// How many connections wait for the next question.
const KEPT: usize = 6;
/// What holds in each of our transactions: nobody waits for us for long, and what is committed is on the disk.
const LIMITS: &str =
    "SET LOCAL lock_timeout = '10s'; SET LOCAL synchronous_commit = on; SET LOCAL statement_timeout = ";

/// A parameter and its type.
pub(crate) type Given<'a> = (&'a (dyn ToSql + Sync), Type);

/// How to log in.
pub struct Login {
    /// The address.
    pub url: Address,
    /// How to reach it over TLS.
    pub tls: Option<Tls>,
    /// Where secrets are read.
    pub secrets: Arc<dyn Secrets>,
}

/// Where the database is.
pub(crate) struct Server {
    name: String,
    login: Login,
    kept: Mutex<Vec<Client>>,
}

impl Server {
    /// The server of this login. Messages call it by `name`, as "store `app`": an address may hold a password.
    pub(crate) fn new(name: impl Into<String>, login: Login) -> Self {
        Self { name: name.into(), login, kept: Mutex::default() }
    }

    /// A connection, an old one where one is left.
    pub(crate) fn session(self: &Arc<Self>) -> Result<Session, Fault> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let client = match kept.filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connect()?,
        };
        Ok(Session { server: Arc::clone(self), client: Some(client) })
    }

    fn connect(&self) -> Result<Client, Fault> {
        let doing = format!("connect to {}", self.name);
        let config = self.config(&doing)?;
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(tls::client(self.login.tls.as_ref(), self.login.secrets.as_ref())?)),
        };
        let mut asked = 0_u32;
        loop {
            asked = asked.saturating_add(1);
            let connected = match &tls {
                None => config.connect(NoTls),
                Some(tls) => config.connect(tls.clone()),
            };
            match connected {
                // A server that starts, or a wire that was cut while we were greeted: it may well work now.
                Err(error) if asked < ASKED_MAX && trouble::is_lost(&error) => pause(asked),
                connected => return connected.map_err(|error| trouble::fault(doing, &error)),
            }
        }
    }

    fn config(&self, doing: &str) -> Result<Config, Fault> {
        let read = |text: &str| {
            // Whoever asks for TLS gets it verified, whatever they call it.
            let text =
                text.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
            Config::from_str(&text).map(|config| (config, text.contains("sslmode=disable")))
        };
        let read = match &self.login.url {
            Address::Plain(url) => read(url),
            Address::Secret(source) => {
                self.login.secrets.reveal(source)?.lend(|bytes| read(&String::from_utf8_lossy(bytes)))
            }
        };
        // The parser's own words could quote the password.
        let (mut config, unsealed) = read.map_err(|_| {
            Fault::ask_operator(doing, "its address cannot be read")
                .hint("write `postgresql://user:password@host:5432/database?sslmode=require`")
        })?;
        let near = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
        };
        // An address in numbers goes before the name, and may stand without one.
        let near = config.get_hosts().iter().all(near) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let local = near && self.login.tls.is_none();
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(if local { SslMode::Disable } else { SslMode::Require });
        } else if unsealed && self.login.tls.is_some() {
            return Err(Fault::ask_operator(doing, "its address says `sslmode=disable`, and the policy has `tls`")
                .hint("take one of them away"));
        }
        config.application_name("keyrota").connect_timeout(CONNECT).tcp_user_timeout(SILENT);
        // A server that dies after it took our question leaves nothing unanswered on the wire: only asking shows it.
        config.keepalives_idle(SILENT).keepalives_interval(KNOCK).keepalives_retries(KNOCKS);
        Ok(config)
    }
}

/// Longer each time.
#[expect(
    clippy::disallowed_methods,
    reason = "a server comes back in the machine's own time, and no hour is judged by it"
)]
fn pause(asked: u32) {
    std::thread::sleep(Duration::from_millis(50).saturating_mul(asked.saturating_mul(asked)));
}

/// A connection in use.
pub(crate) struct Session {
    server: Arc<Server>,
    client: Option<Client>,
}

impl Session {
    /// What the server is called.
    pub(crate) fn shown(&self) -> String {
        self.server.name.clone()
    }

    /// What the server said while we were `doing` something.
    pub(crate) fn fault(&self, doing: &str, error: &postgres::Error) -> Fault {
        trouble::fault(format!("{doing} of {}", self.shown()), error)
    }

    fn client(&mut self) -> Result<&mut Client, Fault> {
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.server.connect()?,
        };
        Ok(self.client.insert(client))
    }

    /// The rows of a statement that only reads; asked anew where the connection was lost.
    pub(crate) fn query(&mut self, doing: &str, query: &str, given: &[Given<'_>]) -> Result<Vec<Row>, Fault> {
        self.patiently(doing, |client| client.query_typed(query, given))
    }

    /// Does `work` in one transaction; all of it anew where the connection was lost or another transaction was in the way.
    pub(crate) fn transaction<T>(
        &mut self,
        doing: &str,
        within: Duration,
        work: impl FnMut(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, Fault> {
        self.planned(doing, (within, ""), work)
    }

    /// The same, with settings for the server's planner that hold in this transaction.
    pub(crate) fn planned<T>(
        &mut self,
        doing: &str,
        (within, plan): (Duration, &str),
        mut work: impl FnMut(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, Fault> {
        let begin = begin(within, plan);
        self.patiently(doing, |client| {
            client.batch_execute(&begin)?;
            let done = work(client);
            crash::point("postgres.commit before");
            // Where it fails there is no transaction any more.
            let ended = client.batch_execute(if done.is_ok() { "COMMIT" } else { "ROLLBACK" });
            crash::point("postgres.commit after");
            done.and_then(|done| ended.map(|()| done))
        })
    }

    fn patiently<T>(
        &mut self,
        doing: &str,
        mut ask: impl FnMut(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, Fault> {
        let mut asked = 0_u32;
        loop {
            asked = asked.saturating_add(1);
            match ask(self.client()?) {
                Ok(done) => return Ok(done),
                Err(error) => {
                    let lost = trouble::is_cut(&error);
                    if asked >= ASKED_MAX || !(lost || trouble::is_passing(&error)) {
                        return Err(self.fault(doing, &error));
                    }
                    if lost {
                        self.client = None;
                    }
                    pause(asked);
                }
            }
        }
    }

    /// Begins a transaction that is not repeated by us.
    pub(crate) fn begin(&mut self, doing: &str, within: Duration) -> Result<(), Fault> {
        let begun = self.client()?.batch_execute(&begin(within, ""));
        begun.map_err(|error| self.fault(doing, &error))
    }

    /// Does something inside the transaction that was begun.
    pub(crate) fn inside<T>(
        &mut self,
        doing: &str,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, Fault> {
        let Some(client) = self.client.as_mut() else {
            return Err(Fault::report_bug(doing, "there is no connection"));
        };
        work(client).map_err(|error| self.fault(doing, &error))
    }

    /// Ends what was begun without a trace, by ending the connection: nothing can go wrong then.
    pub(crate) fn abandon(&mut self) {
        self.client = None;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut kept = self.server.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = self.client.take().filter(|client| !client.is_closed() && kept.len() < KEPT) {
            kept.push(client);
        }
    }
}

fn begin(within: Duration, plan: &str) -> String {
    format!("BEGIN; {LIMITS}{}; {plan}", within.as_millis())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Login;
    use super::Server;
    use crate::fault::Fault;
    use crate::policy::meant::Address;
    use crate::port::probe::Secrets;
    use crate::secret::Secret;
    use crate::secret::Source;
    use postgres::config::SslMode;
    use std::sync::Arc;

    struct Unasked;

    impl Secrets for Unasked {
        fn reveal(&self, source: &Source) -> Result<Secret, Fault> {
            Err(Fault::give_up(format!("read {source}"), "no test asks for it"))
        }
    }

    #[test]
    fn what_leaves_this_machine_is_sealed_unless_somebody_says_otherwise() {
        let mode = |url: &str| {
            let login = Login { url: Address::Plain(url.to_owned()), tls: None, secrets: Arc::new(Unasked) };
            Server::new("app", login).config("connect").unwrap().get_ssl_mode()
        };
        for near in ["postgresql://me@127.0.0.1/x", "postgresql://me@localhost/x", "host=/run/postgresql user=me"] {
            assert_eq!(mode(near), SslMode::Disable, "{near}");
        }
        for far in [
            "postgresql://me@db.example.org/x",
            "postgresql://me@db.example.org/x?sslmode=prefer",
            "postgresql://me@db.example.org/x?sslmode=verify-full",
            "postgresql://me@localhost,db.example.org/x",
            "hostaddr=192.0.2.1 user=me",
            "host=localhost hostaddr=192.0.2.1 user=me",
            "host=127.0.0.1 user=me sslmode=require",
        ] {
            assert_eq!(mode(far), SslMode::Require, "{far}");
        }
        assert_eq!(mode("postgresql://me@db.example.org/x?sslmode=disable"), SslMode::Disable);
    }
}
