//! What is looked for at the end of a path, and what was found there.

use crate::pointer::Scalar;
use crate::pointer::table::Table;

/// What is to stand at the path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seek {
    Scalar,
    Table,
}

/// What stands there.
pub(super) enum Found {
    Scalar(Scalar),
    Table(Table),
}

impl Found {
    pub(super) fn scalar(self) -> Option<Scalar> {
        match self {
            Found::Scalar(scalar) => Some(scalar),
            Found::Table(_) => None,
        }
    }

    pub(super) fn table(self) -> Option<Table> {
        match self {
            Found::Table(table) => Some(table),
            Found::Scalar(_) => None,
        }
    }
}
