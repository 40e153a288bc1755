//! Counting: in SQL where the version stands beside the value, by reading where it stands inside.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::open::Database;
use super::reader::Pages;
use super::reader::given;
use super::shape::Shape;
use super::sql::quote;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::port::store::Block;
use crate::port::store::Value;
use crate::port::store::Want;
use crate::port::store::count as count_by_reading;

/// Exact, by the versions that the values name.
pub(super) fn count(
    database: &Database,
    connection: Connection,
    block: &Block,
    shape: &Shape,
) -> Result<Census, Fault> {
    let Some(version) = &shape.version else {
        return count_by_reading(block, &mut Pages::new(database, connection, block, shape, Want::All));
    };
    let fault = |error: rusqlite::Error| database.fault(&format!("count {}", block.name()), &error);
    let mut statement = connection.prepare(&query(shape, version)).map_err(fault)?;
    for (at, value) in given(block).iter().enumerate() {
        statement.raw_bind_parameter(at.saturating_add(1), value).map_err(fault)?;
    }
    let mut census = Census { exact: true, ..Census::default() };
    let mut rows = statement.raw_query();
    let mut text = String::new();
    while let Some(row) = rows.next().map_err(fault)? {
        let values: i64 = row.get(1).map_err(fault)?;
        let version = match row.get_ref(0).map_err(fault)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Int(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => Value::Text(text),
            ValueRef::Blob(bytes) => Value::Blob(bytes),
        };
        text.clear();
        let known = if version.write_to(&mut text) { block.version_of(&text) } else { None };
        let slot = match known {
            None => &mut census.strange,
            Some(version) => census.under.entry(version.clone()).or_default(),
        };
        *slot = slot.saturating_add(u64::try_from(values).unwrap_or(0));
    }
    Ok(census)
}

/// Where no sealed column can be NULL and no `where` stands, an index on the version alone answers it.
fn query(shape: &Shape, version: &str) -> String {
    let version = format!("t.{} COLLATE BINARY", quote(version));
    let values = match shape.values.as_slice() {
        many if shape.always_sealed => format!("count(*) * {}", many.len()),
        many => {
            let each = many.iter().map(|name| format!("count(t.{})", quote(name)));
            each.collect::<Vec<_>>().join(" + ")
        }
    };
    let only = shape.only.iter().map(|name| format!("t.{} = ?", quote(name))).collect::<Vec<_>>().join(" AND ");
    let only = if only.is_empty() { only } else { format!(" WHERE {only}") };
    format!("SELECT {version}, {values} FROM main.{} AS t{only} GROUP BY 1", quote(&shape.table))
}

/// What `ANALYZE` left behind, or else the highest row number: neither reads the table.
pub(super) fn estimate(database: &Database, connection: &Connection, shape: &Shape) -> Result<Option<u64>, Fault> {
    let fault = |error: rusqlite::Error| database.fault(&format!("estimate `{}`", shape.table), &error);
    let analysed: bool = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'", [], |row| row.get(0))
        .map_err(fault)?;
    if analysed {
        let mut stat = connection.prepare("SELECT stat FROM sqlite_stat1 WHERE tbl = ?1 LIMIT 1").map_err(fault)?;
        let mut rows = stat.query([&shape.table]).map_err(fault)?;
        if let Some(row) = rows.next().map_err(fault)? {
            let stat: Option<String> = row.get(0).map_err(fault)?;
            let first = stat.as_deref().and_then(|stat| stat.split(' ').next()).and_then(|rows| rows.parse().ok());
            if first.is_some() {
                return Ok(first);
            }
        }
    }
    let Some(key) = shape.keys.first().filter(|_| shape.numbered) else { return Ok(None) };
    let last = format!("SELECT max(t.{}) FROM main.{} AS t", quote(key), quote(&shape.table));
    let last: Option<i64> = connection.query_row(&last, [], |row| row.get(0)).map_err(fault)?;
    Ok(Some(last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0)))
}
