//! Counting: by the version beside the values on the server, by reading where it stands inside.

use std::sync::Arc;

use postgres::types::Type;

use super::reader::Pages;
use super::shape::Shape;
use super::sql;
use super::sql::Statements;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::port::store::Block;
use crate::port::store::Want;
use crate::port::store::count as count_by_reading;
use crate::postgresql::Given;
use crate::postgresql::Session;

/// Exact, by the versions that the values name.
pub(super) fn count(mut session: Session, block: &Block, shape: Shape) -> Result<Census, Fault> {
    let statements = Statements::of(block, shape);
    let shape = Arc::clone(&statements.shape);
    let Some(version) = &shape.version else {
        return count_by_reading(block, &mut Pages::new(session, block, &statements, Want::All));
    };
    let given: Vec<Given<'_>> = statements.only.iter().map(|text| (text as _, Type::TEXT)).collect();
    let doing = format!("count {}", block.name());
    let rows = session.query(&doing, &sql::census(&shape, version), &given)?;
    let mut census = Census { exact: true, ..Census::default() };
    for row in &rows {
        let read = row.try_get::<_, Option<&str>>(0).and_then(|text| Ok((text, row.try_get::<_, i64>(1)?)));
        let (text, values) = read.map_err(|error| session.fault(&doing, &error))?;
        let slot = match text.and_then(|text| block.version_of(text)) {
            None => &mut census.strange,
            Some(version) => census.under.entry(version.clone()).or_default(),
        };
        *slot = slot.saturating_add(u64::try_from(values).unwrap_or(0));
    }
    Ok(census)
}

/// What the last `ANALYZE` or `VACUUM` saw, in all partitions; nothing where there was none.
pub(super) fn estimate(session: &mut Session, shape: &Shape) -> Result<Option<u64>, Fault> {
    let query = "SELECT sum(reltuples)::int8, bool_or(reltuples < 0) FROM pg_class
        WHERE relkind = 'r' AND oid IN (SELECT $1 UNION SELECT relid::oid FROM pg_partition_tree($1))";
    let rows = session.query("estimate the rows", query, &[(&shape.oid, Type::OID)])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let unknown: Option<bool> = row.try_get(1).ok().flatten();
    let count: Option<i64> = row.try_get(0).ok().flatten();
    Ok(count.filter(|_| unknown == Some(false)).and_then(|count| u64::try_from(count).ok()))
}
