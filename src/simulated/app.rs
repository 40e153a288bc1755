//! The application's own side: its table of sealed data keys, and how it seals and opens them. This is what the example
//! policies describe in words; it shares no code with the rewrap but the cipher.

use crate::digest;
use crate::digest::Digest;
use crate::disk;
use crate::envelope::Cipher;
use crate::envelope::NONCE_BYTES;
use crate::envelope::Parts;
use crate::envelope::Refused;
use crate::envelope::TAG_BYTES;
use crate::envelope::key::LocalKey;
use crate::fault::Fault;
use crate::secret::Secret;
use rusqlite::Connection;
use rusqlite::OpenFlags;
use std::path::Path;
use std::time::Duration;

/// The bytes of a data key, and of the key that seals it.
const KEY_BYTES: usize = 32;
/// How long the application waits for a locked database.
const BUSY: Duration = Duration::from_secs(10);

const SCHEMA: &str = "CREATE TABLE data_keys (\
    id INTEGER PRIMARY KEY, \
    customer TEXT NOT NULL, \
    kek_version TEXT NOT NULL, \
    wrapped TEXT NOT NULL)";

/// One sealed data key as it stands in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its id, which is bound into the seal.
    pub id: i64,
    /// The version that it says it is sealed under.
    pub version: String,
    /// The sealed value, in hex.
    pub wrapped: String,
}

/// The application's database.
pub struct App {
    rows: Connection,
}

/// Makes the application's key folder with a first key in it, written as the example policies say: hex, and nothing else.
///
/// # Errors
/// The disk's; something is there already.
pub fn first_key(folder: &Path) -> Result<LocalKey, Fault> {
    disk::make_folder(folder, disk::PRIVATE_FOLDER)?;
    let key = Secret::random(KEY_BYTES)?;
    let text = Secret::from_vec(key.lend(|bytes| hex::encode(bytes)).into_bytes());
    text.lend(|bytes| disk::create_new(&folder.join("v1.key"), bytes, disk::PRIVATE_FILE))?;
    usable(&key)
}

/// A key of the application from its bytes.
///
/// # Errors
/// It is not 32 bytes long.
pub fn usable(key: &Secret) -> Result<LocalKey, Fault> {
    LocalKey::new(Cipher::Aes256Gcm, key).map_err(|refused| Fault::give_up("use a key", refused))
}

impl App {
    /// Makes the database with an empty table.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path) -> Result<Self, Fault> {
        let made = Connection::open(path).and_then(|rows| {
            rows.busy_timeout(BUSY)?;
            rows.pragma_update(None, "journal_mode", "wal")?;
            rows.execute_batch(SCHEMA)?;
            Ok(rows)
        });
        made.map(|rows| Self { rows })
            .map_err(|error| failed(format!("make the database `{}`", path.display()), &error))
    }

    /// Opens the database.
    ///
    /// # Errors
    /// It is not there.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|rows| {
            rows.busy_timeout(BUSY)?;
            // These rows are made up: only what the tool writes must outlive a power cut.
            rows.pragma_update(None, "synchronous", "normal")?;
            Ok(rows)
        });
        opened
            .map(|rows| Self { rows })
            .map_err(|error| failed(format!("open the database `{}`", path.display()), &error))
    }

    /// Adds data keys with these ids, sealed under one version, and says what each is.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn fill(
        &mut self,
        ids: std::ops::RangeInclusive<i64>,
        version: &str,
        key: &LocalKey,
    ) -> Result<Vec<Digest>, Fault> {
        let wrong = |error: rusqlite::Error| failed("add rows".into(), &error);
        let mut known = Vec::new();
        let whole = self.rows.transaction().map_err(wrong)?;
        for id in ids {
            let (row, digest) = sealed(id, version, key)?;
            put(&whole, &row).map_err(wrong)?;
            known.push(digest);
        }
        whole.commit().map_err(wrong)?;
        Ok(known)
    }

    /// Adds one row.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn insert(&self, row: &Row) -> Result<(), Fault> {
        put(&self.rows, row).map_err(|error| failed("add a row".into(), &error))
    }

    /// Writes into the table `members` what a member knows, with a sign of life.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn say(&self, member: &str, knows: &str, beat: u64) -> Result<(), Fault> {
        let text = "INSERT OR REPLACE INTO members (member, knows, beat) VALUES (?1, ?2, ?3)";
        let said = self.rows.prepare_cached(text).and_then(|mut said| said.execute((member, knows, beat.to_string())));
        said.map(drop).map_err(|error| failed("say what a member knows".into(), &error))
    }

    /// The rows with ids from here on, at most so many.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn rows(&self, from: i64, at_most: usize) -> Result<Vec<Row>, Fault> {
        let read = || -> rusqlite::Result<Vec<Row>> {
            let text = "SELECT id, kek_version, wrapped FROM data_keys WHERE id >= ?1 ORDER BY id LIMIT ?2";
            let mut rows = self.rows.prepare_cached(text)?;
            let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
            let rows = rows.query_map((from, at_most), |row| {
                Ok(Row { id: row.get(0)?, version: row.get(1)?, wrapped: row.get(2)? })
            })?;
            rows.collect()
        };
        read().map_err(|error| failed("read rows".into(), &error))
    }

    /// How many rows are under this version.
    ///
    /// # Errors
    /// They cannot be counted.
    pub fn count(&self, version: &str) -> Result<u64, Fault> {
        let text = "SELECT count(*) FROM data_keys WHERE kek_version = ?1";
        let count = self.rows.query_row(text, [version], |row| row.get::<_, i64>(0));
        let count = count.map_err(|error| failed("count rows".into(), &error))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// A new data key, sealed: nonce, ciphertext and tag in hex, bound to the row. With it the digest of what was sealed.
///
/// # Errors
/// The machine has no randomness.
pub fn sealed(id: i64, version: &str, key: &LocalKey) -> Result<(Row, Digest), Fault> {
    let plain = Secret::random(KEY_BYTES)?;
    let parts = plain.lend(|bytes| key.seal(bytes, aad(id).as_bytes()));
    let parts = parts.map_err(|refused| Fault::give_up("seal a data key", refused))?;
    let wrapped = hex::encode([parts.nonce, parts.ciphertext, parts.tag].concat());
    Ok((Row { id, version: version.to_owned(), wrapped }, told(&plain)))
}

/// Opens a row, and says what was in it.
///
/// # Errors
/// It does not open with this key.
pub fn opened(row: &Row, key: &LocalKey) -> Result<Digest, String> {
    let bytes = hex::decode(&row.wrapped).map_err(|_| "it is not hex".to_owned())?;
    let cut = || -> Option<Parts> {
        let (nonce, rest) = bytes.split_at_checked(NONCE_BYTES)?;
        let (ciphertext, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_BYTES)?)?;
        Some(Parts { nonce: nonce.into(), ciphertext: ciphertext.into(), tag: tag.into(), ..Parts::default() })
    };
    let parts = cut().ok_or("it is too short")?;
    key.open(&parts, aad(row.id).as_bytes()).map(|plain| told(&plain)).map_err(|refused: Refused| refused.to_string())
}

fn aad(id: i64) -> String {
    format!("data_keys:{id}")
}

fn told(plain: &Secret) -> Digest {
    plain.lend(|bytes| digest::of("simulated data key", &[bytes]))
}

fn put(rows: &Connection, row: &Row) -> rusqlite::Result<()> {
    let text = "INSERT INTO data_keys (id, customer, kek_version, wrapped) VALUES (?1, ?2, ?3, ?4)";
    let customer = format!("customer-{}", row.id);
    rows.prepare_cached(text)?.execute((row.id, customer, &row.version, &row.wrapped)).map(drop)
}

fn failed(doing: String, error: &rusqlite::Error) -> Fault {
    Fault::ask_operator(doing, error)
}
