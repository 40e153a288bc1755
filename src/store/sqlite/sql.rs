//! The statements for one block, as text. Every name is quoted and stands behind its table; every value is a parameter.

use std::sync::Arc;

use super::ident::Ident;
use super::shape::Shape;
use crate::port::store::Block;
use crate::port::store::Layout;
use crate::port::store::Want;

/// The texts, and the layout of the rows that they bring.
#[derive(Debug, Clone)]
pub(super) struct Statements {
    pub(super) layout: Arc<Layout>,
    /// Parameters: the new values, the new version; the key; the old values, the old version, the columns of associated data,
    /// the values of `where`.
    pub(super) update: String,
    /// The cells of one row. Parameters: its key.
    pub(super) one: String,
    first: String,
    filter: String,
    order: String,
    after: String,
    version: Option<String>,
}

impl Statements {
    pub(super) fn of(block: &Block, shape: &Shape) -> Self {
        let table = quote(&shape.table);
        let at = |name: &String| format!("t.{}", quote(name));
        let same = |name: &String| format!("t.{} COLLATE BINARY IS ?", quote(name));
        let layout = Layout::new(
            shape.keys.clone(),
            shape.names.clone(),
            shape.values.clone(),
            shape.version.clone(),
            &shape.row,
        );
        let cells = layout.columns().iter().map(at).collect::<Vec<_>>().join(", ");
        let first = format!("SELECT {cells} FROM main.{table} AS t WHERE ");

        let keys: Vec<String> = shape.keys.iter().map(at).collect();
        let by_key = keys.iter().map(|key| format!("{key} = ?")).collect::<Vec<_>>().join(" AND ");
        let marks = vec!["?"; keys.len()].join(", ");
        let only = shape.only.iter().map(|name| format!(" AND t.{} = ?", quote(name))).collect::<String>();
        let sealed = shape.values.iter().map(|name| format!("t.{} IS NOT NULL", quote(name))).collect::<Vec<_>>();
        let set = shape.values.iter().chain(&shape.version).map(|name| format!("{} = ?", quote(name)));
        let set = set.collect::<Vec<_>>().join(", ");
        // What a value was sealed with is part of what it was.
        let held = layout.bound().filter_map(|cell| layout.columns().get(cell));
        let old = shape.values.iter().chain(&shape.version).chain(held).map(same).collect::<Vec<_>>().join(" AND ");

        Self {
            update: format!("UPDATE main.{table} AS t SET {set} WHERE {by_key} AND {old}{only}"),
            one: format!("{first}{by_key}{only}"),
            filter: format!("({}){only}", sealed.join(" OR ")),
            order: format!(" ORDER BY {} LIMIT ?", keys.join(", ")),
            after: match keys.as_slice() {
                [one] => format!(" AND {one} > ?"),
                many => format!(" AND ({}) > ({marks})", many.join(", ")),
            },
            version: block
                .version_beside()
                .and(shape.version.as_ref())
                .map(|name| format!("t.{} COLLATE BINARY", quote(name))),
            first,
            layout: Arc::new(layout),
        }
    }

    /// A page of rows. Parameters: the values of `where`; the version that is not wanted, where that can be said; the key to
    /// go on from, unless it is the `start`; the limit.
    pub(super) fn page(&self, want: Want<'_>, start: bool) -> String {
        let Self { first, filter, order, after, .. } = self;
        let skip = match (&self.version, want) {
            (Some(version), Want::NotUnder(_)) => format!(" AND {version} IS NOT ?"),
            _ => String::new(),
        };
        let after = if start { "" } else { after.as_str() };
        format!("{first}{filter}{skip}{after}{order}")
    }

    /// Whether [`Statements::page`] names the version that is not wanted.
    pub(super) fn skips(&self, want: Want<'_>) -> bool {
        self.version.is_some() && matches!(want, Want::NotUnder(_))
    }
}

/// The columns were read from the schema, which holds no NUL; without one there is always a quoted form.
pub(super) fn quote(name: &str) -> String {
    Ident::quote(name).map_or_else(|| "\"\"".to_owned(), |ident| ident.to_string())
}
