//! What a table is: by which key its rows are found again, of what kind each column is, and whether we may change what is sealed
//! and nothing else.

use postgres::types::Type;

use crate::fault::Fault;
use crate::policy::meant::store::VersionAt;
use crate::port::store::Block;
use crate::postgresql::Session;
use crate::postgresql::literal;
use crate::postgresql::quote;

/// A table, for one block. Names are as the table has them.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) oid: u32,
    /// Its schema and name, quoted.
    pub(super) table: String,
    pub(super) keys: Vec<Field>,
    /// Where a row lies, for a table that keeps its rows in one place: found without a look into an index.
    pub(super) place: Option<Field>,
    pub(super) values: Vec<Field>,
    pub(super) version: Option<Field>,
    pub(super) row: Vec<Field>,
    pub(super) only: Vec<Field>,
    hidden: bool,
    replica: bool,
}

/// A column, or a value inside a column of JSON.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// As the policy names it: a column, or `column.inner.value`.
    pub(super) name: String,
    pub(super) column: String,
    /// The way from the column to the value.
    pub(super) path: Vec<String>,
    /// Its type as SQL writes it.
    pub(super) kind: String,
    pub(super) form: Form,
    number: i16,
    generated: bool,
}

/// How a column's values travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As whole numbers.
    Int,
    /// As bytes.
    Bytes,
    /// As the text that PostgreSQL writes.
    Text,
    /// As the place in the table's file: a row that is changed has another.
    Place,
}

impl Field {
    fn place() -> Self {
        let name = "ctid".to_owned();
        let kind = "tid".to_owned();
        Self { column: name.clone(), name, path: Vec::new(), kind, form: Form::Place, number: 0, generated: true }
    }

    /// The value, in whatever type it has; inside of JSON its text.
    pub(super) fn plain(&self) -> String {
        let column = quote(&self.column);
        if self.path.is_empty() { format!("t.{column}") } else { format!("(t.{column} #>> {})", way(&self.path)) }
    }

    /// The value of `t` as it travels.
    pub(super) fn read(&self) -> String {
        match self.form {
            Form::Int => format!("{}::int8", self.plain()),
            Form::Bytes | Form::Place => self.plain(),
            Form::Text => format!("{}::text", self.plain()),
        }
    }

    /// The value as versions and `where` write it.
    pub(super) fn as_text(&self) -> String {
        match self.form {
            Form::Bytes => format!("encode({}, 'hex')", self.plain()),
            Form::Int | Form::Text | Form::Place => format!("{}::text", self.plain()),
        }
    }

    /// What travelled, as the column has it.
    pub(super) fn back(&self, what: &str) -> String {
        match self.form {
            Form::Bytes | Form::Place => what.to_owned(),
            Form::Int | Form::Text => format!("{what}::{}", self.kind),
        }
    }

    /// A version's text, as the column has it.
    pub(super) fn back_from_text(&self, text: &str) -> String {
        match self.form {
            Form::Bytes => format!("decode({text}, 'hex')"),
            Form::Int | Form::Text | Form::Place => format!("{text}::{}", self.kind),
        }
    }

    /// Whether it is a value inside a JSON text, whose other bytes are kept as they are.
    pub(super) fn in_text(&self) -> bool {
        !self.path.is_empty() && self.kind == "json"
    }

    /// The document `whole` with a new text at this place; `anew` where it may not be there yet.
    pub(super) fn put(&self, whole: &str, text: &str, anew: bool) -> String {
        let way = way(&self.path);
        let old = format!("jsonb_typeof(t.{} #> {way})", quote(&self.column));
        let new = format!(
            "CASE WHEN {old} IN ('number', 'boolean', 'object', 'array') THEN {text}::jsonb ELSE to_jsonb({text}) END"
        );
        // Nothing is made of nothing: a row without this value keeps its document.
        format!("coalesce(jsonb_set({whole}, {way}, {new}, {anew}), {whole})")
    }

    /// The whole column that it stands in.
    fn whole(&self) -> Self {
        Self { name: self.column.clone(), path: Vec::new(), ..self.clone() }
    }
}

fn way(path: &[String]) -> String {
    let steps: Vec<String> = path.iter().map(|step| literal(step)).collect();
    format!("ARRAY[{}]::text[]", steps.join(", "))
}

const TABLE: &str = "
    SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, row_security_active(c.oid), pg_is_in_recovery(),
      c.relkind = 'r' AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap'),
      c.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (($1 = '' AND c.relname = $2 AND pg_table_is_visible(c.oid)) OR (n.nspname = $1 AND c.relname = $2))";

const FIELDS: &str = "
    SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typname::text, a.attnum, a.attgenerated <> ''
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// The primary key first, then any other whole and total unique index over columns that cannot be NULL.
const KEYS: &str = "
    SELECT i.indkey::int2[] FROM pg_index i
    WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
      AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
    ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1";

impl Shape {
    pub(super) fn of(session: &mut Session, block: &Block) -> Result<Self, Fault> {
        let find = Find { shown: session.shown(), block, fields: Vec::new(), table: String::new() };
        if let VersionAt::Field(_) = block.version {
            return Err(find.refuse("a table has columns, not fields", "write `version = { column = \"..\" }`"));
        }
        let Found { oid, table, hidden, replica, one_heap } = find.table(session)?;
        let fields = fields(session, oid)?;
        let find = Find { fields, table, ..find };
        let rows = session.query("read the schema", KEYS, &[(&oid, Type::OID)])?;
        let numbers: Vec<i16> = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
        let keys: Vec<Field> = numbers
            .iter()
            .filter_map(|number| find.fields.iter().find(|field| field.number == *number))
            .cloned()
            .collect();
        if keys.is_empty() {
            return Err(find.refuse(
                "it has no primary key and no unique index over columns that are NOT NULL",
                "give it one, so that a row is found again by its key",
            ));
        }
        let some = |names: &mut dyn Iterator<Item = &String>| -> Result<Vec<Field>, Fault> {
            names.map(|name| find.column(name)).collect()
        };
        let values =
            block.columns.iter().map(|column| find.sealed(&column.name, &keys)).collect::<Result<Vec<_>, _>>()?;
        let version = block.version_beside().map(|name| find.sealed(name, &keys)).transpose()?;
        let mut row = some(&mut block.row.iter())?;
        // A text is read whole, to be put together again around the new value.
        for field in values.iter().chain(&version).filter(|field| field.in_text()) {
            if row.iter().all(|known: &Field| known.name != field.column) {
                row.push(field.whole());
            }
        }
        // A whole number finds its row by itself: see `Pack::of`.
        let number = matches!(keys.as_slice(), [key] if key.form == Form::Int);
        Ok(Self {
            place: (one_heap && !number).then(Field::place),
            row,
            only: some(&mut block.only.iter().map(|(name, _)| name))?,
            values,
            version,
            keys,
            oid,
            table: find.table,
            hidden,
            replica,
        })
    }

    /// Whether the columns can be set, and whether setting them would change or run anything else. Writes nothing.
    pub(super) fn may_be_rewrapped(&self, session: &mut Session, block: &Block) -> Result<(), Fault> {
        let find = Find { shown: session.shown(), block, fields: Vec::new(), table: self.table.clone() };
        if self.replica {
            return Err(
                find.refuse("the server is a replica, which only reads", "name the primary in the store's `url`")
            );
        }
        if self.hidden {
            return Err(find.refuse(
                "row-level security may hide rows from this role, and hidden values would be lost with the old version",
                "use a role with BYPASSRLS, or the table's owner where it is not forced on it",
            ));
        }
        let set: Vec<&Field> = self.values.iter().chain(&self.version).collect();
        for field in &set {
            let query = "SELECT has_column_privilege($1, $2, 'UPDATE') AND has_table_privilege($1, 'SELECT')";
            let rows =
                session.query("look at the grants", query, &[(&self.oid, Type::OID), (&field.number, Type::INT2)])?;
            if !rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
                return Err(find.refuse(
                    &format!("this role may not read it and set `{}`", field.name),
                    &format!("GRANT SELECT, UPDATE ON {} TO it", self.table),
                ));
            }
        }
        let numbers: Vec<i16> = set.iter().map(|field| field.number).collect();
        let others =
            session.query("look at the triggers", OTHERS, &[(&self.oid, Type::OID), (&numbers, Type::INT2_ARRAY)])?;
        let others: Vec<String> = others.iter().filter_map(|row| row.try_get(0).ok()).collect();
        if others.is_empty() {
            return Ok(());
        }
        Err(find.refuse(
            &format!("setting its columns would do more: {}", others.join(", ")),
            "limit a trigger to other columns (`UPDATE OF ..`), or disable it while the rewrap runs",
        ))
    }
}

/// Triggers and rules on an update of these columns, foreign keys that would carry it on, and columns computed from them. A
/// trigger on one partition runs too.
const OTHERS: &str = "
    WITH t AS (SELECT relid AS oid FROM pg_partition_tree($1) UNION SELECT $1)
    SELECT 'trigger ' || quote_ident(tgname) FROM pg_trigger
    WHERE tgrelid IN (SELECT oid FROM t) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 16 <> 0
      AND (tgattr = '' OR tgattr::int2[] && $2)
    UNION SELECT 'rule ' || quote_ident(rulename) FROM pg_rewrite
    WHERE ev_class IN (SELECT oid FROM t) AND ev_type = '2' AND ev_enabled <> 'D'
    UNION SELECT 'foreign key ' || quote_ident(conname) FROM pg_constraint
    WHERE contype = 'f' AND confrelid IN (SELECT oid FROM t) AND confkey && $2
    UNION SELECT 'generated column ' || quote_ident(a.attname)
    FROM pg_attribute a JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = ANY ($2)
    WHERE a.attrelid = $1 AND a.attgenerated <> ''
    ORDER BY 1";

/// What the catalogue says of a table.
struct Found {
    oid: u32,
    table: String,
    hidden: bool,
    replica: bool,
    one_heap: bool,
}

struct Find<'a> {
    shown: String,
    block: &'a Block,
    fields: Vec<Field>,
    table: String,
}

impl Find<'_> {
    fn refuse(&self, why: &str, hint: &str) -> Fault {
        Fault::ask_operator(format!("rewrap {} of {}", self.block.name(), self.shown), why).hint(hint)
    }

    /// `name` on the search path, or `schema.name`; the first where both are there.
    fn table(&self, session: &mut Session) -> Result<Found, Fault> {
        let wanted = self.block.table.as_str();
        let mut tries = vec![("", wanted)];
        tries.extend(wanted.split_once('.'));
        for (schema, name) in tries {
            let rows = session.query("read the schema", TABLE, &[(&schema, Type::TEXT), (&name, Type::TEXT)])?;
            let Some(row) = rows.first() else { continue };
            let text = |at: usize| row.try_get::<_, String>(at).unwrap_or_default();
            let what = match text(3).as_str() {
                "r" | "p" => None,
                "v" => Some("a view"),
                "m" => Some("a materialized view"),
                _ => Some("a foreign table"),
            };
            if let Some(what) = what {
                return Err(
                    self.refuse(&format!("`{wanted}` is {what}, not a table"), "name the table that holds the values")
                );
            }
            if row.try_get(7).unwrap_or(true) {
                return Err(self.refuse(
                    &format!("other tables inherit from `{wanted}`, and its key does not hold for their rows"),
                    "name the tables that inherit from it, each for itself, and move its own rows into one of them",
                ));
            }
            let oid = row.try_get::<_, i64>(0).ok().and_then(|oid| u32::try_from(oid).ok()).unwrap_or_default();
            let truth = |at: usize| row.try_get::<_, bool>(at).unwrap_or(true);
            let table = format!("{}.{}", quote(&text(1)), quote(&text(2)));
            let one_heap = row.try_get(6).unwrap_or(false);
            return Ok(Found { oid, table, hidden: truth(4), replica: truth(5), one_heap });
        }
        Err(self.refuse(
            "there is no such table, or this role may not see it",
            "look at `\\dt *.*` in `psql`; a name is `table` or `schema.table`",
        ))
    }

    /// The column of this name, or the value inside a column of JSON: `column.inner.value`.
    fn column(&self, name: &str) -> Result<Field, Fault> {
        let named = |name: &str| self.fields.iter().find(|field| field.name == name);
        if let Some(field) = named(name) {
            return Ok(field.clone());
        }
        for (at, _) in name.rmatch_indices('.') {
            let (column, path) =
                (name.get(..at).unwrap_or_default(), name.get(at.saturating_add(1)..).unwrap_or_default());
            if let Some(field) = named(column).filter(|field| matches!(field.kind.as_str(), "json" | "jsonb")) {
                let path = path.split('.').map(str::to_owned).collect();
                return Ok(Field { name: name.to_owned(), path, ..field.clone() });
            }
        }
        let known: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
        let hint = format!("its columns are {}; a value inside one of JSON is `column.inner.value`", known.join(", "));
        Err(self.refuse(&format!("it has no column `{name}`"), &hint))
    }

    /// A column that we write.
    fn sealed(&self, name: &str, keys: &[Field]) -> Result<Field, Fault> {
        let field = self.column(name)?;
        if field.generated {
            return Err(
                self.refuse(&format!("`{name}` is generated from other columns"), "name the column it comes from")
            );
        }
        if keys.iter().any(|key| key.number == field.number) {
            return Err(
                self.refuse(&format!("`{name}` is part of the key"), "a rewrap changes a row and never its key")
            );
        }
        Ok(field)
    }
}

fn fields(session: &mut Session, oid: u32) -> Result<Vec<Field>, Fault> {
    let rows = session.query("read the schema", FIELDS, &[(&oid, Type::OID)])?;
    let field = |row: &postgres::Row| -> Result<Field, postgres::Error> {
        let base: String = row.try_get(2)?;
        let name: String = row.try_get(0)?;
        Ok(Field {
            column: name.clone(),
            name,
            path: Vec::new(),
            kind: row.try_get(1)?,
            form: match base.as_str() {
                "int2" | "int4" | "int8" => Form::Int,
                "bytea" => Form::Bytes,
                _ => Form::Text,
            },
            number: row.try_get(3)?,
            generated: row.try_get(4)?,
        })
    };
    rows.iter().map(field).collect::<Result<_, _>>().map_err(|error| session.fault("read the schema", &error))
}
