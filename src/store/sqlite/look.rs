//! Reading what is not sealed: the rows in which members prove what they know, and the answers to checks.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;

use super::ident::Ident;
use super::open::Database;
use crate::fault::Fault;
use crate::port::store::PROOFS_MAX;
use crate::port::store::Record;

/// The rows of a table or view.
pub(super) fn proofs(database: &Database, connection: &Connection, table: &str) -> Result<Vec<Record>, Fault> {
    let doing = format!("read the proofs in `{}`", table.escape_default());
    let fault = |error: rusqlite::Error| database.fault(&doing, &error);
    let Some(name) = Ident::quote(table) else {
        return Err(Fault::ask_operator(doing, "the table's name holds a NUL"));
    };
    let mut statement = connection.prepare(&format!("SELECT * FROM main.{name}")).map_err(fault)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.raw_query();
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        if records.len() >= PROOFS_MAX {
            return Err(Fault::ask_operator(doing, format!("it has more than {PROOFS_MAX} rows"))
                .hint("let the members delete the rows of those that are gone"));
        }
        let cells = columns.iter().enumerate().map(|(at, column)| Ok((column.clone(), written(row.get_ref(at)?))));
        records.push(cells.collect::<rusqlite::Result<Record>>().map_err(fault)?);
    }
    Ok(records)
}

/// The first column of the first row.
pub(super) fn ask(database: &Database, connection: &Connection, query: &str) -> Result<Option<String>, Fault> {
    let doing = "ask a query";
    let fault = |error: rusqlite::Error| database.fault(doing, &error);
    let mut statement = connection.prepare(query).map_err(fault)?;
    if !statement.readonly() {
        let doing = format!("{doing} of {}", database.shown());
        return Err(Fault::ask_operator(doing, "it would write").hint("a check only asks: let it be a SELECT"));
    }
    let mut rows = statement.raw_query();
    let Some(row) = rows.next().map_err(fault)? else { return Ok(None) };
    Ok(match written(row.get_ref(0).map_err(fault)?) {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

fn written(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::from(number),
        ValueRef::Real(number) => Value::from(number),
        ValueRef::Text(text) => Value::String(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::String(hex::encode(bytes)),
    }
}
