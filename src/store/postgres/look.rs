//! Reading what is not sealed: the rows in which members prove what they know, and the answers to checks. Always in a
//! transaction that cannot write.

use std::time::Duration;

use postgres::types::Type;
use serde_json::Value;

use crate::fault::Fault;
use crate::port::store::PROOFS_MAX;
use crate::port::store::Record;
use crate::postgresql::Session;
use crate::postgresql::quote;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(30);

/// The rows of a table or view.
pub(super) fn proofs(session: &mut Session, table: &str) -> Result<Vec<Record>, Fault> {
    let doing = format!("read the proofs in `{}`", table.escape_default());
    let exists = "SELECT to_regclass($1) IS NOT NULL";
    let whole = quote(table);
    let there = session.query(&doing, exists, &[(&whole, Type::TEXT)])?;
    let there = there.first().is_some_and(|row| row.try_get(0).unwrap_or(false));
    let name = match table.split_once('.') {
        Some((schema, name)) if !there => format!("{}.{}", quote(schema), quote(name)),
        _ => whole,
    };
    let limit = PROOFS_MAX.saturating_add(1);
    let records = ask_all(session, &doing, &format!("SELECT row_to_json(t)::text FROM {name} AS t LIMIT {limit}"))?;
    if records.len() > PROOFS_MAX {
        return Err(Fault::ask_operator(doing, format!("it has more than {PROOFS_MAX} rows"))
            .hint("let the members delete the rows of those that are gone"));
    }
    let record = |text: String| -> Option<Record> {
        let cells = serde_json::from_str::<serde_json::Map<String, Value>>(&text).ok()?;
        Some(cells.into_iter().map(|(name, value)| (name, hexed(value))).collect())
    };
    records
        .into_iter()
        .map(|text| record(text).ok_or_else(|| Fault::report_bug(&doing, "a row is no object")))
        .collect()
}

/// A blob as lower-case hex: PostgreSQL writes it so, with two characters before it.
fn hexed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.strip_prefix("\\x").map_or_else(|| text.clone(), str::to_owned)),
        other => other,
    }
}

/// The first column of the first row.
pub(super) fn ask(session: &mut Session, query: &str) -> Result<Option<String>, Fault> {
    // One statement only, as a part of ours: what ends it and begins another is refused by the server.
    let query = query.trim().trim_end_matches(';');
    let rows = ask_all(session, "ask a query", &format!("SELECT row_to_json(q)::text FROM ({query}\n) AS q LIMIT 1"))?;
    let Some(text) = rows.into_iter().next() else { return Ok(None) };
    let cells: serde_json::Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| Fault::report_bug("ask a query", error))?;
    Ok(match cells.into_iter().next() {
        None | Some((_, Value::Null)) => None,
        Some((_, Value::String(text))) => Some(text),
        Some((_, other)) => Some(other.to_string()),
    })
}

fn ask_all(session: &mut Session, doing: &str, query: &str) -> Result<Vec<String>, Fault> {
    session.transaction(doing, WITHIN, |client| {
        client.batch_execute("SET TRANSACTION READ ONLY")?;
        client.query_typed(query, &[])?.iter().map(|row| row.try_get(0)).collect()
    })
}
