//! The home in true databases: `tests/services.sh cargo test --all-features --lib home::`.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use postgres::Client;
use postgres::NoTls;

use super::Postgres;
use crate::fault::Fault;
use crate::home::Local;
use crate::home::contract;
use crate::home::contract::World;
use crate::home::contract::note;
use crate::journal::Head;
use crate::policy::meant::Address;
use crate::port::home::Home;
use crate::port::probe::Secrets;
use crate::postgresql::Login;
use crate::secret::Secret;
use crate::secret::Source;

struct Unasked;

impl Secrets for Unasked {
    fn reveal(&self, source: &Source) -> Result<Secret, Fault> {
        Err(Fault::give_up(format!("read {source}"), "no test asks for it"))
    }
}

/// A schema of a test's own, whose name has to be quoted.
struct Schema(String);

impl Schema {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self(format!("home-{}/{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    fn server() -> String {
        std::env::var("KEYROTA_TEST_POSTGRES").unwrap_or_else(|_| {
            unreachable!("this test needs a PostgreSQL server: `tests/services.sh cargo test --all-features`")
        })
    }

    fn client() -> Client {
        Client::connect(&Self::server(), NoTls).unwrap()
    }

    fn login() -> Login {
        Login { url: Address::Plain(Self::server()), tls: None, secrets: Arc::new(Unasked) }
    }

    fn postgres(&self) -> Postgres {
        Postgres::new(&self.0, Self::login())
    }

    fn run(&self, statement: &str) {
        Self::client().batch_execute(&statement.replace("HOME", &format!("\"{}\"", self.0))).unwrap();
    }

    fn count(&self, question: &str) -> i64 {
        let question = question.replace("HOME", &format!("\"{}\"", self.0));
        Self::client().query_one(&question, &[]).unwrap().get(0)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.run("DROP SCHEMA IF EXISTS HOME CASCADE");
    }
}

impl World for Schema {
    fn home(&self) -> Box<dyn Home> {
        Box::new(self.postgres())
    }

    fn lines(&self) -> Vec<u8> {
        let question = format!("SELECT bytes FROM \"{}\".line ORDER BY n", self.0);
        let rows = Self::client().query(&question, &[]).unwrap();
        rows.iter().flat_map(|row| row.get::<_, Vec<u8>>(0)).collect()
    }

    /// A stranger who knows the tables: the end is what the lines say, as if they had been appended.
    fn put(&self, lines: Option<&[u8]>, head: Option<Head>) {
        let mut client = Self::client();
        let lines = lines.unwrap_or_default();
        client.batch_execute(&format!("DELETE FROM \"{}\".line", self.0)).unwrap();
        let (mut count, mut digest) = (0_i64, Head::NONE.digest.hex());
        for (line, n) in lines.split_inclusive(|byte| *byte == b'\n').zip(1_i64..) {
            let insert = format!("INSERT INTO \"{}\".line VALUES ($1, $2)", self.0);
            client.execute(&insert, &[&n, &line]).unwrap();
            if let Some(whole) = line.strip_suffix(b"\"}\n") {
                let own = whole.last_chunk::<64>().unwrap();
                (count, digest) = (n, String::from_utf8(own.to_vec()).unwrap());
            }
        }
        let sealed = head.map(|head| (i64::try_from(head.count).unwrap(), head.digest.hex()));
        let update =
            format!("UPDATE \"{}\".home SET count = $1, digest = $2, sealed_count = $3, sealed_digest = $4", self.0);
        let (at, of) = (sealed.as_ref().map(|sealed| sealed.0), sealed.as_ref().map(|sealed| &sealed.1));
        client.execute(&update, &[&count, &digest, &at, &of]).unwrap();
    }

    fn aside(&self, file: &str) -> Vec<u8> {
        let question = format!("SELECT bytes FROM \"{}\".aside WHERE file = $1", self.0);
        Self::client().query_one(&question, &[&file]).unwrap().get(0)
    }
}

#[test]
fn holds_the_contract() {
    contract::holds(&|| Box::new(Schema::new()));
}

#[test]
fn a_lease_is_renewed_while_it_is_held_and_over_once_it_ran_out() {
    let schema = Schema::new();
    let mut home = schema.postgres().with_leases_of(Duration::from_secs(1));
    let lease = contract::begin(&mut home);
    std::thread::sleep(Duration::from_secs(3));
    home.append(&lease, vec![note("the heartbeat kept it")]).unwrap();
    // It sleeps through its hour. Nobody else came, and still it is over.
    schema.run("UPDATE HOME.home SET expires = clock_timestamp() - interval '1 second'");
    let over = home.append(&lease, vec![note("a")]).unwrap_err();
    assert!(over.to_string().contains("the lease of this run ran out, while this run slept"), "{over}");
    assert_eq!(home.read().unwrap().count(), 2);
}

#[test]
fn whoever_comes_after_a_lease_ran_out_has_a_greater_token_and_the_slower_writes_nothing() {
    let schema = Schema::new();
    let (mut slow, mut quick) = (schema.postgres(), schema.postgres());
    let late = contract::begin(&mut slow);
    let refused = quick.lock("lee").unwrap_err();
    assert!(
        refused.source.contains("kim (process") && refused.hint.as_deref().unwrap().contains("runs out in"),
        "{refused:?}"
    );
    let before = schema.count("SELECT token FROM HOME.home");
    schema.run("UPDATE HOME.home SET expires = clock_timestamp()");
    let theirs = quick.lock("lee").unwrap();
    assert_eq!(schema.count("SELECT token FROM HOME.home"), before + 1);
    quick.open(&theirs).unwrap();
    let lines = schema.lines();
    let over = slow.jot(&late, vec![note("a")]).unwrap_err();
    assert!(over.source.contains("`lee (process") && over.source.contains("has taken the journal since"), "{over}");
    assert!(slow.seal_head(&late).is_err());
    // Letting go of a lease that is over does not let go of the one that came after it.
    drop(late);
    assert_eq!(schema.lines(), lines);
    quick.append(&theirs, vec![note("b")]).unwrap();
}

#[test]
fn a_line_that_is_taken_away_or_changed_is_found_without_a_sealed_head() {
    let schema = Schema::new();
    let mut home = schema.postgres();
    let lease = contract::begin(&mut home);
    home.append(&lease, vec![note("a"), note("b")]).unwrap();
    schema.run("DELETE FROM HOME.line WHERE n = 3");
    // The sealed head has seen nothing yet; the row's own end has.
    assert!(home.read().unwrap_err().to_string().contains("the journal was cut"));
    assert!(home.verify(None).is_err());
    assert!(home.append(&lease, vec![note("c")]).is_err());
}

#[test]
fn a_journal_moves_there_and_back_and_is_the_same() {
    let (schema, folder) = (Schema::new(), tempfile::tempdir().unwrap());
    contract::moves(&mut Local::new(folder.path().join(".keyrota")), &mut schema.postgres());
}

#[test]
fn what_stands_in_the_way_is_said_in_its_own_sentence() {
    let cases: [(&str, &str, &str); 4] = [
        ("UPDATE HOME.home SET format = 'keyrota-home/2'", "its format is `keyrota-home/2`", "a newer one"),
        ("DROP TABLE HOME.plan", "has no table `plan`", "restore it from a backup"),
        ("ALTER TABLE HOME.line RENAME bytes TO text", "has no table `line` as a home has it", "a schema of its own"),
        ("DELETE FROM HOME.home", "the journal's head is gone", "restore the head"),
    ];
    for (statement, why, way_out) in cases {
        let schema = Schema::new();
        let mut home = schema.postgres();
        drop(contract::begin(&mut home));
        schema.run(statement);
        let trouble = home.read().unwrap_err();
        assert!(trouble.to_string().contains(why), "{trouble}");
        assert!(trouble.hint().unwrap().contains(way_out), "{trouble:?}");
        assert!(home.lock("kim").is_err() || home.read().is_err());
    }
    let schema = Schema::new();
    schema.run("CREATE SCHEMA HOME; CREATE TABLE HOME.orders (id int)");
    for fault in [schema.postgres().lock("kim").unwrap_err(), schema.postgres().plans().unwrap_err()] {
        assert!(fault.source.contains("no table `home` as a home has it, but `orders`"), "{fault}");
    }
}
