//! The statements for one block, as text. Every name is quoted and stands behind its table; every value is a parameter, sent in
//! one of three forms and made the column's own type by the server.

use std::ops::Range;
use std::sync::Arc;

use super::pack::Pack;
use super::shape::Field;
use super::shape::Form;
use super::shape::Shape;
use super::splice::splice;
use crate::fault::Fault;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Given;
use crate::port::store::Layout;
use crate::port::store::Page;
use crate::port::store::Value;
use crate::port::store::Want;
use crate::postgresql::quote;

/// The texts, and the layout of the rows that they bring.
#[derive(Clone)]
pub(super) struct Statements {
    pub(super) layout: Arc<Layout>,
    /// The columns of the layout.
    pub(super) fields: Vec<Field>,
    pub(super) shape: Arc<Shape>,
    pub(super) only: Vec<String>,
    first: String,
    order: String,
    after: String,
}

/// What is sent for some rows.
pub(super) struct Batch {
    pub(super) update: String,
    /// Counts how many of these rows are still as they were.
    pub(super) same: String,
    pub(super) pack: Pack,
    /// How many of the parameters, from the first, say how the rows were.
    pub(super) unset: usize,
}

impl Statements {
    pub(super) fn of(block: &Block, shape: Shape) -> Self {
        let names = |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
        let version = shape.version.as_ref().map(|field| field.name.clone());
        let (found_by, told_by) = match &shape.place {
            Some(place) => (vec![place.name.clone()], names(&shape.keys)),
            None => (names(&shape.keys), Vec::new()),
        };
        let layout = Layout::new(found_by, told_by, names(&shape.values), version, &names(&shape.row));
        let own = || shape.place.iter().chain(&shape.keys);
        let known = || own().chain(&shape.values).chain(&shape.version).chain(&shape.row);
        let fields: Vec<Field> =
            layout.columns().iter().filter_map(|name| known().find(|field| field.name == *name)).cloned().collect();
        let cells = fields.iter().map(Field::read).collect::<Vec<_>>().join(", ");
        let sealed = shape.values.iter().map(|field| format!("{} IS NOT NULL", field.plain()));
        let sealed = sealed.collect::<Vec<_>>().join(" OR ");
        let keys = shape.keys.iter().map(Field::plain).collect::<Vec<_>>().join(", ");
        let given = block.only.iter().map(|(_, given)| match given {
            Given::Bool(truth) => truth.to_string(),
            Given::Int(number) => number.to_string(),
            Given::Text(text) => text.clone(),
        });
        let only = wheres(&shape.only, 1);
        Self {
            only: given.collect(),
            first: format!("SELECT {cells} FROM {} AS t WHERE ({sealed}){only}", shape.table),
            order: format!(" ORDER BY {keys} LIMIT "),
            after: format!(" AND ({keys}) > "),
            fields,
            layout: Arc::new(layout),
            shape: Arc::new(shape),
        }
    }

    /// The cells by whose order the table is walked.
    pub(super) fn walked(&self) -> Range<usize> {
        let first = usize::from(self.shape.place.is_some());
        first..first.saturating_add(self.shape.keys.len())
    }

    /// All rows, in whatever order they lie. Parameters: the values of `where`.
    pub(super) fn all(&self) -> &str {
        &self.first
    }

    /// What sets the rows of a part of the changes, with its parameters; and what counts how many of these rows are still as they
    /// were.
    pub(super) fn set(
        &self,
        page: &Page,
        changes: &Changes,
        part: &Range<usize>,
        target: Option<&str>,
    ) -> Result<Batch, Fault> {
        let rows = || part.clone().filter_map(|at| changes.row(at));
        let number = |row: usize| if let Value::Int(number) = page.cell(row, 0) { Some(number) } else { None };
        let numbers = || rows().map(number).collect::<Option<Vec<i64>>>();
        let key = self.fields.first().filter(|field| self.layout.keys() == 1 && field.form == Form::Int);
        let mut pack = Pack::of(key.and_then(|field| Some((field, numbers()?))), part.len());
        let mut same = pack.only().to_vec();
        if pack.from().is_some() {
            for (cell, field) in self.fields.iter().enumerate().take(self.layout.keys()) {
                let old = pack.column(field.form, rows().map(|row| page.cell(row, cell)));
                same.push(format!("{} = {}", field.plain(), field.back(&old)));
            }
        }
        // What a value was sealed with is part of what it was.
        for cell in self.layout.values().chain(self.layout.version()).chain(self.layout.bound()) {
            let Some(field) = self.fields.get(cell) else { continue };
            let old = pack.column(field.form, rows().map(|row| page.cell(row, cell)));
            same.push(format!("{} IS NOT DISTINCT FROM {old}", field.read()));
        }
        for (field, text) in self.shape.only.iter().zip(&self.only) {
            same.push(format!("{} = {}", field.as_text(), pack.text(text)));
        }
        let same = same.join(" AND ");
        let (from, also) =
            pack.from().map_or_else(Default::default, |from| (format!(" FROM {from}"), format!(", {from}")));
        let unset = pack.len();
        let set = self.news(page, changes, part, target, &mut pack)?;
        let table = &self.shape.table;
        Ok(Batch {
            update: format!("UPDATE {table} AS t SET {}{from} WHERE {same}", set.join(", ")),
            same: format!("SELECT count(*) FROM {table} AS t{also} WHERE {same}"),
            pack,
            unset,
        })
    }

    /// The columns that are set, and to what.
    fn news(
        &self,
        page: &Page,
        changes: &Changes,
        part: &Range<usize>,
        target: Option<&str>,
        pack: &mut Pack,
    ) -> Result<Vec<String>, Fault> {
        let mut set: Vec<(String, String)> = Vec::new();
        let mut put = |field: &Field, new: String, anew: bool| {
            let known = set.iter_mut().find(|(column, _)| *column == field.column);
            match known {
                _ if field.path.is_empty() => set.push((field.column.clone(), new)),
                Some((_, whole)) => *whole = field.put(whole, &new, anew),
                None => {
                    let whole = format!("t.{}", quote(&field.column));
                    set.push((field.column.clone(), field.put(&whole, &new, anew)));
                }
            }
        };
        for (value, cell) in self.layout.values().enumerate() {
            let Some(field) = self.fields.get(cell).filter(|field| !field.in_text()) else { continue };
            let new = part.clone().filter_map(|at| Some((at, changes.row(at)?)));
            let new = new.map(|(at, row)| changes.value(at, value).map_or_else(|| page.cell(row, cell), Value::Blob));
            let new = pack.column(field.form, new);
            put(field, if field.path.is_empty() { field.back(&new) } else { new }, false);
        }
        if let (Some(field), Some(target)) = (self.shape.version.as_ref().filter(|field| !field.in_text()), target) {
            let text = pack.text(target);
            put(field, if field.path.is_empty() { field.back_from_text(&text) } else { text }, true);
        }
        for whole in self.fields.iter().filter(|field| field.kind == "json" && field.path.is_empty()) {
            if let Some(texts) = self.spliced(whole, page, changes, part, target)? {
                let new = pack.column(Form::Text, texts.iter().map(|text| Value::Text(text.as_bytes())));
                set.push((whole.column.clone(), whole.back(&new)));
            }
        }
        Ok(set.into_iter().map(|(column, new)| format!("{} = {new}", quote(&column))).collect())
    }

    /// The texts of a column of JSON, each with its new values in their places; nothing where none of ours stands inside it.
    fn spliced(
        &self,
        whole: &Field,
        page: &Page,
        changes: &Changes,
        part: &Range<usize>,
        target: Option<&str>,
    ) -> Result<Option<Vec<String>>, Fault> {
        let inside = |field: &&Field| field.in_text() && field.column == whole.column;
        let version = self.shape.version.as_ref().filter(inside).zip(target);
        let values: Vec<(usize, &Field)> =
            self.shape.values.iter().enumerate().filter(|(_, field)| inside(field)).collect();
        let Some(cell) = self.fields.iter().position(|field| field.name == whole.name) else { return Ok(None) };
        if version.is_none() && values.is_empty() {
            return Ok(None);
        }
        let text = |bytes: Option<&[u8]>| bytes.and_then(|bytes| std::str::from_utf8(bytes).ok().map(str::to_owned));
        let mut texts = Vec::new();
        for (at, row) in part.clone().filter_map(|at| Some((at, changes.row(at)?))) {
            let news: Vec<(&Field, Option<String>)> = values
                .iter()
                .filter_map(|(value, field)| Some((*field, text(Some(changes.value(at, *value)?)))))
                .chain(version.map(|(field, target)| (field, Some(target.to_owned()))))
                .collect();
            let edits: Option<Vec<(&[String], &str)>> =
                news.iter().map(|(field, new)| Some((field.path.as_slice(), new.as_deref()?))).collect();
            let new = text(page.cell(row, cell).bytes()).and_then(|old| splice(&old, &edits?));
            texts.push(new.ok_or_else(|| {
                let doing = format!("put the new value into `{}` where {}", whole.column, page.name(row));
                Fault::ask_operator(doing, "its JSON has no such place")
                    .hint("a version is only put where the document has a place for it already")
            })?);
        }
        Ok(Some(texts))
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
        if let (Some(version), Want::NotUnder(_)) = (&self.shape.version, want) {
            text.push_str(&format!(" AND {} IS DISTINCT FROM ${}", version.as_text(), number()));
        }
        if !start {
            let keys = self.fields.get(self.walked()).unwrap_or_default();
            let marks: Vec<String> = keys.iter().map(|field| field.back(&format!("${}", number()))).collect();
            text.push_str(&format!("{}({})", self.after, marks.join(", ")));
        }
        text.push_str(&format!("{}${}", self.order, number()));
        text
    }

    /// Whether [`Statements::page`] names the version that is not wanted.
    pub(super) fn skips(&self, want: Want<'_>) -> bool {
        self.shape.version.is_some() && matches!(want, Want::NotUnder(_))
    }
}

/// Counts the sealed values by version, as text. Parameters: the values of `where`.
pub(super) fn census(shape: &Shape, version: &Field) -> String {
    let values = shape.values.iter().map(|field| format!("count({})", field.plain()));
    let values = values.collect::<Vec<_>>().join(" + ");
    let only = wheres(&shape.only, 1);
    format!("SELECT {}, {values} FROM {} AS t WHERE true{only} GROUP BY 1", version.as_text(), shape.table)
}

fn wheres(only: &[Field], first: usize) -> String {
    only.iter().zip(first..).map(|(field, number)| format!(" AND {} = ${number}", field.as_text())).collect()
}
