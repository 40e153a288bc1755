//! What a table is: by which key its rows are found again, what names them to people, and whether a rewrap would change
//! anything but the columns it names.

use rusqlite::Connection;

use super::ident::Ident;
use super::open::Database;
use super::sql::Statements;
use crate::fault::Fault;
use crate::policy::meant::store::VersionAt;
use crate::port::store::Block;

/// The names that a table's own row number answers to.
const ROW_IDS: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// A table, for one block. Names are as the table has them.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) table: String,
    /// The key columns. A table with a row number of its own is walked by that: it is the order of the file, and unlike a
    /// declared key it is never NULL, so that no row can be overlooked.
    pub(super) keys: Vec<String>,
    /// The declared key, where that is not the row number.
    pub(super) names: Vec<String>,
    pub(super) values: Vec<String>,
    pub(super) version: Option<String>,
    pub(super) row: Vec<String>,
    pub(super) only: Vec<String>,
    /// Whether no sealed column can be NULL.
    pub(super) always_sealed: bool,
    /// Whether the key is one whole number.
    pub(super) numbered: bool,
}

struct Field {
    name: String,
    key: i64,
    not_null: bool,
    generated: bool,
}

impl Shape {
    pub(super) fn of(database: &Database, connection: &Connection, block: &Block) -> Result<Self, Fault> {
        let find = Find { database, block, fields: Vec::new() };
        let (table, without_row_id) = find.table(connection)?;
        let find =
            Find { fields: fields(connection, &table).map_err(|e| database.fault("read the schema", &e))?, ..find };
        if let VersionAt::Field(_) = block.version {
            return Err(find.refuse("a table has columns, not fields", "write `version = { column = \"..\" }`"));
        }
        let mut declared: Vec<&Field> = find.fields.iter().filter(|field| field.key > 0).collect();
        declared.sort_by_key(|field| field.key);
        let declared: Vec<String> = declared.into_iter().map(|field| field.name.clone()).collect();
        let aliased = declared.len() == 1 && !without_row_id && !has_key_index(connection, &table, database)?;
        let (keys, names) = if without_row_id || aliased {
            (declared.clone(), Vec::new())
        } else {
            let hidden = |id: &&&str| !find.fields.iter().any(|field| field.name.eq_ignore_ascii_case(id));
            let Some(id) = ROW_IDS.iter().find(hidden) else {
                return Err(
                    find.refuse("its columns hide its row number", "rename one of `rowid`, `_rowid_` and `oid`")
                );
            };
            (vec![(*id).to_owned()], declared.clone())
        };
        let values =
            block.columns.iter().map(|column| find.sealed(&column.name, &declared)).collect::<Result<Vec<_>, _>>()?;
        let beside = block.version_beside().map(|name| find.sealed(name, &declared)).transpose()?;
        let named = |names: &mut dyn Iterator<Item = &String>| -> Result<Vec<String>, Fault> {
            names.map(|name| Ok(find.column(name)?.name.clone())).collect()
        };
        Ok(Self {
            always_sealed: block
                .columns
                .iter()
                .all(|column| find.column(&column.name).is_ok_and(|field| field.not_null)),
            row: named(&mut block.row.iter())?,
            only: named(&mut block.only.iter().map(|(name, _)| name))?,
            numbered: aliased || !without_row_id,
            values: values.into_iter().map(|field| field.name.clone()).collect(),
            version: beside.map(|field| field.name.clone()),
            table,
            keys,
            names,
        })
    }

    /// Asks SQLite itself what the UPDATE would run: a trigger or a cascading foreign key shows as a program of its own.
    pub(super) fn nothing_else_changes(
        &self,
        database: &Database,
        connection: &Connection,
        statements: &Statements,
    ) -> Result<(), Fault> {
        let doing =
            |error: rusqlite::Error| database.fault(&format!("look at the triggers on `{}`", self.table), &error);
        let mut explain = connection.prepare(&format!("EXPLAIN {}", statements.update)).map_err(doing)?;
        let mut rows = explain.raw_query();
        let mut others = false;
        while let Some(row) = rows.next().map_err(doing)? {
            others |= row.get_ref(1).map_err(doing)?.as_bytes().is_ok_and(|opcode| opcode == b"Program");
        }
        if !others {
            return Ok(());
        }
        let mut triggers = connection
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name",
            )
            .map_err(doing)?;
        let names = triggers.query_map([&self.table], |row| row.get::<_, String>(0)).map_err(doing)?;
        let names: Vec<String> = names.collect::<Result<_, _>>().map_err(doing)?;
        let why = if names.is_empty() {
            "a foreign key of another table follows its columns".to_owned()
        } else {
            format!("a trigger runs on every update of them ({})", names.join(", "))
        };
        let doing = format!("rewrap `{}` of {} and change nothing else", self.table, database.shown());
        Err(Fault::ask_operator(doing, why)
            .hint("limit the trigger to other columns (`UPDATE OF ..`), or drop it while the rewrap runs"))
    }
}

struct Find<'a> {
    database: &'a Database,
    block: &'a Block,
    fields: Vec<Field>,
}

impl Find<'_> {
    fn refuse(&self, why: &str, hint: &str) -> Fault {
        Fault::ask_operator(format!("rewrap {} of {}", self.block.name(), self.database.shown()), why).hint(hint)
    }

    /// The table's own spelling of its name, and whether it has no row number.
    fn table(&self, connection: &Connection) -> Result<(String, bool), Fault> {
        let wanted = &self.block.table;
        if Ident::quote(wanted).is_none() {
            return Err(self.refuse("the table's name holds a NUL", "name a table of the database"));
        }
        let find = "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE";
        let mut rows = connection.prepare(find).map_err(|e| self.database.fault("read the schema", &e))?;
        let mut rows = rows
            .query_map([wanted], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?)))
            .map_err(|e| self.database.fault("read the schema", &e))?;
        match rows.next().transpose().map_err(|e| self.database.fault("read the schema", &e))? {
            None => {
                Err(self.refuse("there is no such table", "look at `.tables` in `sqlite3`; a name must be one of them"))
            }
            Some((name, kind, without_row_id)) if kind == "table" => Ok((name, without_row_id)),
            Some((name, kind, _)) => {
                Err(self.refuse(&format!("`{name}` is a {kind}, not a table"), "name the table that holds the values"))
            }
        }
    }

    fn column(&self, name: &str) -> Result<&Field, Fault> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let known: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
            self.refuse(&format!("it has no column `{name}`"), &format!("its columns are {}", known.join(", ")))
        })
    }

    /// A column that we write.
    fn sealed(&self, name: &str, declared: &[String]) -> Result<&Field, Fault> {
        let field = self.column(name)?;
        if field.generated {
            return Err(
                self.refuse(&format!("`{name}` is generated from other columns"), "name the column it comes from")
            );
        }
        if declared.contains(&field.name) {
            return Err(
                self.refuse(&format!("`{name}` is part of the key"), "a rewrap changes a row and never its key")
            );
        }
        Ok(field)
    }
}

fn fields(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Field>> {
    let mut rows = connection.prepare("SELECT name, pk, \"notnull\", hidden FROM pragma_table_xinfo(?1)")?;
    let rows = rows.query_map([table], |row| {
        Ok(Field { name: row.get(0)?, key: row.get(1)?, not_null: row.get(2)?, generated: row.get::<_, i64>(3)? > 1 })
    })?;
    rows.collect()
}

/// Whether the declared key has an index of its own. Where it has none, it *is* the row number.
fn has_key_index(connection: &Connection, table: &str, database: &Database) -> Result<bool, Fault> {
    connection
        .query_row("SELECT count(*) FROM pragma_index_list(?1) WHERE origin = 'pk'", [table], |row| {
            row.get::<_, i64>(0)
        })
        .map(|count| count > 0)
        .map_err(|error| database.fault("read the schema", &error))
}
