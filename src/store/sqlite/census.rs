//! Counting: in SQL where the version stands beside the value, by reading where it stands inside.

use rusqlite::Connection;
use rusqlite::types::Value as Owned;
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
    if let Some(census) = at_once(&connection, block, shape, version).map_err(fault)? {
        return Ok(census);
    }
    let mut statement = connection.prepare(&by_group(shape, version)).map_err(fault)?;
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

/// One pass without sorting, for the usual case that every value names one of the key's own versions; nothing where one does
/// not, or not in so many words.
fn at_once(connection: &Connection, block: &Block, shape: &Shape, version: &str) -> rusqlite::Result<Option<Census>> {
    let version = format!("t.{} COLLATE BINARY", quote(version));
    let each = (1..=block.versions.len()).map(|at| values(shape, &format!(" FILTER (WHERE {version} IS ?{at})")));
    let all = each.chain([values(shape, "")]).collect::<Vec<_>>().join(", ");
    let mut statement = connection.prepare(&format!("SELECT {all}{}", rows(shape, block.versions.len())))?;
    let texts = block.versions.iter().map(|known| Owned::Text(known.text.clone()));
    for (at, value) in texts.chain(given(block)).enumerate() {
        statement.raw_bind_parameter(at.saturating_add(1), value)?;
    }
    let mut counted = statement.raw_query();
    let Some(row) = counted.next()? else { return Ok(None) };
    let count = |at: usize| row.get::<_, i64>(at).map(|count| u64::try_from(count).unwrap_or(0));
    let mut census = Census { exact: true, ..Census::default() };
    for (at, known) in block.versions.iter().enumerate() {
        match count(at)? {
            0 => {}
            values => drop(census.under.insert(known.id.clone(), values)),
        }
    }
    Ok((census.total() == count(block.versions.len())?).then_some(census))
}

fn by_group(shape: &Shape, version: &str) -> String {
    format!("SELECT t.{} COLLATE BINARY, {}{} GROUP BY 1", quote(version), values(shape, ""), rows(shape, 0))
}

/// How many values there are in rows of a kind. Where no sealed column can be NULL and no `where` stands, an index on the
/// version alone answers it.
fn values(shape: &Shape, kind: &str) -> String {
    let each = shape.values.iter().map(|name| match shape.always_sealed {
        true => format!("count(*){kind}"),
        false => format!("count(t.{}){kind}", quote(name)),
    });
    each.collect::<Vec<_>>().join(" + ")
}

fn rows(shape: &Shape, parameters: usize) -> String {
    let only = shape.only.iter().zip(parameters.saturating_add(1)..);
    let only = only.map(|(name, at)| format!("t.{} = ?{at}", quote(name))).collect::<Vec<_>>().join(" AND ");
    let only = if only.is_empty() { only } else { format!(" WHERE {only}") };
    format!(" FROM main.{} AS t{only}", quote(&shape.table))
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
