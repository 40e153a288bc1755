//! Where a row lies in its table's file: page and line, in one number.

use std::error::Error;

use bytes::BufMut;
use bytes::BytesMut;
use postgres::types::FromSql;
use postgres::types::IsNull;
use postgres::types::ToSql;
use postgres::types::Type;
use postgres::types::accepts;
use postgres::types::to_sql_checked;

/// A `ctid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(pub(super) i64);

impl Place {
    /// Where no row lies: lines are counted from 1.
    pub(super) const NONE: Self = Self(0);
}

impl<'a> FromSql<'a> for Place {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let raw: [u8; 6] = raw.try_into()?;
        Ok(Self(raw.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte))))
    }

    accepts!(TID);
}

impl ToSql for Place {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_int(self.0, 6);
        Ok(IsNull::No)
    }

    accepts!(TID);
    to_sql_checked!();
}
