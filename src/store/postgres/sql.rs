//! The statements for one block, as text. Every name is quoted and stands behind its table; every value is a parameter, sent in
//! one of three forms and made the column's own type by the server.

use std::sync::Arc;

use super::shape::Field;
use super::shape::Shape;
use crate::port::store::Block;
use crate::port::store::Given;
use crate::port::store::Layout;
use crate::port::store::Want;
use crate::postgresql::quote;

/// The texts, and the layout of the rows that they bring.
#[derive(Clone)]
pub(super) struct Statements {
    pub(super) layout: Arc<Layout>,
    /// The columns of the layout.
    pub(super) fields: Vec<Field>,
    /// Sets many rows. Parameters: an array a key column, then the old values, the new ones, the old version, the columns of
    /// associated data; the new version where there is one; the values of `where`.
    pub(super) update: String,
    /// How many of these rows are still as they were. The same parameters, all of them used.
    pub(super) same: String,
    /// What locks the table against other writers.
    pub(super) table: String,
    pub(super) only: Vec<String>,
    first: String,
    order: String,
    after: String,
    version: Option<String>,
}

impl Statements {
    pub(super) fn of(block: &Block, shape: &Shape) -> Self {
        let names = |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
        let version = shape.version.as_ref().map(|field| field.name.clone());
        let layout = Layout::new(names(&shape.keys), Vec::new(), names(&shape.values), version, &names(&shape.row));
        let known = || shape.keys.iter().chain(&shape.values).chain(&shape.version).chain(&shape.row);
        let fields: Vec<Field> =
            layout.columns().iter().filter_map(|name| known().find(|field| field.name == *name)).cloned().collect();
        let cells = fields.iter().map(Field::read).collect::<Vec<_>>().join(", ");
        let sealed = shape.values.iter().map(|field| format!("t.{} IS NOT NULL", quote(&field.name)));
        let sealed = sealed.collect::<Vec<_>>().join(" OR ");
        let keys = shape.keys.iter().map(|field| format!("t.{}", quote(&field.name))).collect::<Vec<_>>().join(", ");
        let given = block.only.iter().map(|(_, given)| match given {
            Given::Bool(truth) => truth.to_string(),
            Given::Int(number) => number.to_string(),
            Given::Text(text) => text.clone(),
        });
        let mut statements = Self {
            update: String::new(),
            same: String::new(),
            only: given.collect(),
            first: format!("SELECT {cells} FROM {} AS t WHERE ({sealed})", shape.table),
            order: format!(" ORDER BY {keys} LIMIT "),
            after: format!(" AND ({keys}) > "),
            version: shape.version.as_ref().map(as_text),
            table: shape.table.clone(),
            fields,
            layout: Arc::new(layout),
        };
        statements.sets(shape);
        statements
    }

    fn sets(&mut self, shape: &Shape) {
        let (mut arrays, mut columns, mut same) = (Vec::new(), Vec::new(), Vec::new());
        let mut array = |field: &Field, name: String| {
            let number = arrays.len().saturating_add(1);
            arrays.push(format!("${number}::{}", field.form.array().0));
            columns.push(name);
        };
        for (at, field) in shape.keys.iter().enumerate() {
            array(field, format!("k{at}"));
            same.push(format!("t.{} = {}", quote(&field.name), field.back(&format!("u.k{at}"))));
        }
        let bound: Vec<Field> = self.layout.bound().filter_map(|cell| self.fields.get(cell)).cloned().collect();
        let mut set = Vec::new();
        for (at, field) in shape.values.iter().enumerate() {
            array(field, format!("o{at}"));
            same.push(format!("{} IS NOT DISTINCT FROM u.o{at}", field.read()));
        }
        for (at, field) in shape.values.iter().enumerate() {
            array(field, format!("n{at}"));
            set.push(format!("{} = {}", quote(&field.name), field.back(&format!("u.n{at}"))));
        }
        // What a value was sealed with is part of what it was.
        for (at, field) in shape.version.iter().chain(&bound).enumerate() {
            array(field, format!("b{at}"));
            same.push(format!("{} IS NOT DISTINCT FROM u.b{at}", field.read()));
        }
        let mut next = arrays.len();
        let mut scalar = || {
            next = next.saturating_add(1);
            next
        };
        let mut used = String::new();
        if let Some(field) = &shape.version {
            let number = scalar();
            set.push(format!("{} = {}", quote(&field.name), from_text(field, number)));
            used = format!(" AND ${number}::text IS NOT NULL");
        }
        for field in &shape.only {
            same.push(format!("{} = ${}", as_text(field), scalar()));
        }
        let (arrays, columns) = (arrays.join(", "), columns.join(", "));
        let (set, same) = (set.join(", "), same.join(" AND "));
        let table = &self.table;
        self.update = format!("UPDATE {table} AS t SET {set} FROM unnest({arrays}) AS u({columns}) WHERE {same}");
        self.same = format!("SELECT count(*) FROM {table} AS t, unnest({arrays}) AS u({columns}) WHERE {same}{used}");
        self.first.push_str(&wheres(&shape.only, 1));
    }

    /// A page of rows. Parameters: the values of `where`; the version that is not wanted, where that can be said; the key to go
    /// on from, unless it is the `start`; the limit.
    pub(super) fn page(&self, want: Want<'_>, start: bool) -> String {
        let mut next = self.only.len().saturating_add(1);
        let mut number = || {
            next = next.saturating_add(1);
            next.saturating_sub(1)
        };
        let mut text = self.first.clone();
        if let (Some(version), Want::NotUnder(_)) = (&self.version, want) {
            text.push_str(&format!(" AND {version} IS DISTINCT FROM ${}", number()));
        }
        if !start {
            let keys = self.fields.iter().take(self.layout.keys());
            let marks: Vec<String> = keys.map(|field| field.back(&format!("${}", number()))).collect();
            text.push_str(&format!("{}({})", self.after, marks.join(", ")));
        }
        text.push_str(&format!("{}${}", self.order, number()));
        text
    }

    /// Whether [`Statements::page`] names the version that is not wanted.
    pub(super) fn skips(&self, want: Want<'_>) -> bool {
        self.version.is_some() && matches!(want, Want::NotUnder(_))
    }
}

/// Counts the sealed values by version, as text. Parameters: the values of `where`.
pub(super) fn census(shape: &Shape, version: &Field) -> String {
    let values = shape.values.iter().map(|field| format!("count(t.{})", quote(&field.name)));
    let values = values.collect::<Vec<_>>().join(" + ");
    let only = wheres(&shape.only, 1);
    format!("SELECT {}, {values} FROM {} AS t WHERE true{only} GROUP BY 1", as_text(version), shape.table)
}

fn wheres(only: &[Field], first: usize) -> String {
    only.iter().zip(first..).map(|(field, number)| format!(" AND {} = ${number}", as_text(field))).collect()
}

/// A column as versions and `where` write it.
fn as_text(field: &Field) -> String {
    match field.form {
        super::shape::Form::Bytes => format!("encode(t.{}, 'hex')", quote(&field.name)),
        _ => format!("t.{}::text", quote(&field.name)),
    }
}

fn from_text(field: &Field, number: usize) -> String {
    match field.form {
        super::shape::Form::Bytes => format!("decode(${number}::text, 'hex')"),
        _ => format!("${number}::text::{}", field.kind),
    }
}
