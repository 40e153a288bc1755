//! Two applications whose values a transit engine seals: in SQLite, in PostgreSQL, there in a column, inside a JSON field and
//! bound to a row; and keyrota's own program turning the key while they read and write. Their rules are in `python/transit/`.

use crate::bao;

mod failures;
mod hand;
mod refusals;
mod rotation;
mod site;
