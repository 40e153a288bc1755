//! The tables of a home: whether they are there, made by this format, and open to our role; and how they are made.
//!
//! Lines are only ever put in, so a role that may not change or delete them can still run everything.

use postgres::Client;
use postgres::types::Type;

use crate::fault::Fault;
use crate::postgresql::Session;
use crate::postgresql::quote;

/// What the tables hold, as their one row states it.
pub(super) const FORMAT: &str = "keyrota-home/1";

/// Each table with its columns and what a role needs to write.
const TABLES: [(&str, &[&str], &[&str]); 4] = [
    (
        "home",
        &[
            "format",
            "count",
            "digest",
            "sealed_count",
            "sealed_digest",
            "token",
            "lease",
            "holder",
            "expires",
            "elsewhere",
        ],
        &["SELECT", "UPDATE"],
    ),
    ("line", &["n", "bytes"], &["SELECT", "INSERT"]),
    ("plan", &["id", "bytes"], &["SELECT", "INSERT"]),
    ("aside", &["file", "bytes"], &["SELECT", "INSERT"]),
];

/// What a role that only looks needs to read.
const READ: [&str; 3] = ["home", "line", "plan"];

const LOOK: &str = "
    SELECT c.relname::text,
           array_agg(a.attname::text),
           array_remove(ARRAY[
               CASE WHEN has_table_privilege(c.oid, 'SELECT') THEN 'SELECT' END,
               CASE WHEN has_table_privilege(c.oid, 'INSERT') THEN 'INSERT' END,
               CASE WHEN has_table_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END], NULL),
           has_schema_privilege(n.oid, 'USAGE'),
           current_user::text
    FROM pg_namespace AS n
    JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = $1
    GROUP BY c.oid, c.relname, n.oid";

const MAY_MAKE: &str = "
    SELECT current_user::text,
           coalesce((SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE')
                     FROM pg_namespace WHERE nspname = $1),
                    has_database_privilege(current_database(), 'CREATE'))";

/// A table that is there.
struct Table {
    name: String,
    columns: Vec<String>,
    granted: Vec<String>,
    usage: bool,
    role: String,
}

/// Whether a home's tables are there, and may be read. Others in this schema are a fault.
pub(super) fn is_laid(session: &mut Session, schema: &str) -> Result<bool, Fault> {
    let found = look(session, schema)?;
    if found.is_empty() {
        return Ok(false);
    }
    foreign(&found, schema)?;
    let reading = TABLES.iter().filter(|(name, ..)| READ.contains(name)).map(|(name, ..)| (*name, &["SELECT"][..]));
    granted(&found, schema, "read", reading)?;
    Ok(true)
}

/// Lays the tables where there are none, and makes sure that our role may write them.
pub(super) fn lay(session: &mut Session, schema: &str) -> Result<(), Fault> {
    let mut found = look(session, schema)?;
    if found.is_empty() {
        may_make(session, schema)?;
        let (lock, script) = (format!("keyrota home {schema}"), script(schema));
        let within = super::WITHIN;
        session.transaction("make the tables", within, |client| make(client, &lock, schema, &script))?;
        found = look(session, schema)?;
    }
    foreign(&found, schema)?;
    granted(&found, schema, "write", TABLES.iter().map(|(name, _, needs)| (*name, *needs)))
}

fn look(session: &mut Session, schema: &str) -> Result<Vec<Table>, Fault> {
    let rows = session.query("look for the tables", LOOK, &[(&schema, Type::TEXT)])?;
    let table = |row: &postgres::Row| {
        Ok(Table {
            name: row.try_get(0)?,
            columns: row.try_get(1)?,
            granted: row.try_get(2)?,
            usage: row.try_get(3)?,
            role: row.try_get(4)?,
        })
    };
    let tables: Result<Vec<Table>, postgres::Error> = rows.iter().map(table).collect();
    tables.map_err(|error| session.fault("look for the tables", &error))
}

/// Refuses a schema that somebody else uses, or that a part of a home was taken from.
fn foreign(found: &[Table], schema: &str) -> Result<(), Fault> {
    let lacks = |(name, columns, _): &&(&str, &[&str], &[&str])| {
        let table = found.iter().find(|table| table.name == *name);
        !table.is_some_and(|table| columns.iter().all(|column| table.columns.iter().any(|has| has == column)))
    };
    let Some((missing, ..)) = TABLES.iter().find(lacks) else { return Ok(()) };
    let names: Vec<String> = found.iter().take(5).map(|table| format!("`{}`", table.name)).collect();
    let why = format!("schema `{schema}` has no table `{missing}` as a home has it, but {}", names.join(", "));
    Err(Fault::ask_operator("use the journal's home", why)
        .hint("name a schema of its own in `[home] schema`; where a home stood in this one, restore it from a backup"))
}

fn granted<'a>(
    found: &[Table],
    schema: &str,
    verb: &str,
    needs: impl Iterator<Item = (&'a str, &'a [&'a str])>,
) -> Result<(), Fault> {
    let mut lacks = Vec::new();
    let role = found.first().map(|table| table.role.clone()).unwrap_or_default();
    let (named, to) = (quote(schema), quote(&role));
    let mut grants = Vec::new();
    if found.iter().any(|table| !table.usage) {
        lacks.push(format!("USAGE on schema `{schema}`"));
        grants.push(format!("GRANT USAGE ON SCHEMA {named} TO {to}"));
    }
    for (name, needed) in needs {
        let has = found.iter().find(|table| table.name == name).map(|table| &table.granted);
        let missing = |right: &&&str| !has.is_some_and(|has| has.iter().any(|has| has == **right));
        let missing: Vec<&str> = needed.iter().filter(missing).copied().collect();
        if !missing.is_empty() {
            lacks.push(format!("{} on `{name}`", missing.join(" and ")));
            grants.push(format!("GRANT {} ON {named}.{name} TO {to}", missing.join(", ")));
        }
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let why = format!("role `{role}` lacks {}", lacks.join(", "));
    Err(Fault::ask_operator(format!("{verb} the journal's home"), why).hint(format!("run `{}`", grants.join("; "))))
}

fn may_make(session: &mut Session, schema: &str) -> Result<(), Fault> {
    let rows = session.query("look for the right to make tables", MAY_MAKE, &[(&schema, Type::TEXT)])?;
    let may = rows.first().and_then(|row| row.try_get::<_, bool>(1).ok());
    if may != Some(false) {
        return Ok(());
    }
    let role: String = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
    let why = format!("there is none in schema `{schema}`, and role `{role}` may not make one");
    let hint = format!("let its owner run `CREATE SCHEMA {} AUTHORIZATION {}`", quote(schema), quote(&role));
    Err(Fault::ask_operator("make the journal's home", why).hint(hint))
}

/// Of two that come at once the second finds the tables.
fn make(client: &mut Client, lock: &str, schema: &str, script: &str) -> Result<(), postgres::Error> {
    client.query_typed("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[(&lock, Type::TEXT)])?;
    let there = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = $1), \
                 (SELECT count(*) FROM pg_tables WHERE schemaname = $1)";
    let rows = client.query_typed(there, &[(&schema, Type::TEXT)])?;
    let counts = rows.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose();
    let (schemas, tables): (i64, i64) = counts?.unwrap_or_default();
    if schemas == 0 {
        client.batch_execute(&format!("CREATE SCHEMA {}", quote(schema)))?;
    }
    if tables == 0 { client.batch_execute(script) } else { Ok(()) }
}

fn script(schema: &str) -> String {
    let (schema, none) = (quote(schema), crate::journal::Head::NONE.digest);
    format!(
        "CREATE TABLE {schema}.home (
             one boolean PRIMARY KEY DEFAULT true CHECK (one),
             format text NOT NULL DEFAULT '{FORMAT}',
             count bigint NOT NULL DEFAULT 0,
             digest text NOT NULL DEFAULT '{none}',
             sealed_count bigint,
             sealed_digest text,
             token bigint NOT NULL DEFAULT 0,
             lease text,
             holder text,
             expires timestamptz,
             elsewhere text);
         CREATE TABLE {schema}.line (n bigint PRIMARY KEY, bytes bytea NOT NULL);
         CREATE TABLE {schema}.plan (id text PRIMARY KEY, bytes bytea NOT NULL);
         CREATE TABLE {schema}.aside (file text PRIMARY KEY, bytes bytea NOT NULL);
         COMMENT ON TABLE {schema}.home IS 'one row: where the journal ends, its head, and who holds it';
         COMMENT ON TABLE {schema}.line IS 'the journal of keyrota, a line a row, byte for byte: never changed, never deleted';
         INSERT INTO {schema}.home DEFAULT VALUES"
    )
}
