//! A database of a test's own in the server that `tests/services.sh` starts.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use keyrota::executor::rewrap;
use keyrota::executor::rewrap::Job;
use keyrota::executor::rewrap::Outcome;
use keyrota::fault::Fault;
use keyrota::policy::meant::Address;
use keyrota::port::probe::Secrets;
use keyrota::secret::Secret;
use keyrota::secret::Source;
use keyrota::store::postgres::Login;
use keyrota::store::postgres::Postgres;
use postgres::Client;
use postgres::NoTls;

use crate::world::Seen;
use crate::world::ring;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A fresh name.
pub(crate) fn fresh(what: &str) -> String {
    format!("{what}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn base() -> String {
    std::env::var("KEYROTA_TEST_POSTGRES")
        .expect("this test needs a PostgreSQL server: run it as `tests/services.sh cargo test --all-features`")
}

pub(crate) struct Database {
    url: String,
}

impl Database {
    pub(crate) fn new(script: &str) -> Self {
        let name = fresh("shape");
        let base = base();
        Client::connect(&base, NoTls).unwrap().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let database = Self { url: format!("{}/{name}", base.rsplit_once('/').unwrap().0) };
        database.connect().batch_execute(script).unwrap();
        database
    }

    /// One that another process made.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.url, NoTls).unwrap()
    }

    pub(crate) fn store(&self) -> Postgres {
        self.store_at(&self.url)
    }

    /// As another role, whose password is `tests`.
    pub(crate) fn store_as(&self, role: &str) -> Postgres {
        self.store_at(&self.url.replace("keyrota:tests@", &format!("{role}:tests@")))
    }

    pub(crate) fn store_at(&self, url: &str) -> Postgres {
        Postgres::new("app", Login { url: Address::Plain(url.to_owned()), tls: None, secrets: Arc::new(Unasked) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn run(&self, job: &Job) -> (Result<Outcome, Fault>, Seen) {
        let mut seen = Seen::default();
        (rewrap::run(&self.store(), job, &ring(job, &[1, 2, 3]), &mut seen), seen)
    }

    /// Every row without these columns, as text.
    pub(crate) fn others(&self, table: &str, but: &[&str]) -> Vec<String> {
        let but = but.iter().fold(String::new(), |all, column| format!("{all} - '{}'", column.replace('\'', "''")));
        let query = format!("SELECT (to_jsonb(t){but})::text FROM {table} AS t ORDER BY 1");
        self.connect().query(&query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }
}

struct Unasked;

impl Secrets for Unasked {
    fn reveal(&self, source: &Source) -> Result<Secret, Fault> {
        Err(Fault::give_up(format!("read {source}"), "no test asks for it"))
    }
}
