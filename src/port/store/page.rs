//! Rows on their way from a store and back: plain cells in one arena, so that a million rows cost no million allocations.
//! What a cell means is said by the [`Layout`]; nothing in here is secret.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// How many rows a page holds at most.
pub const ROWS_PER_PAGE_MAX: usize = 8192;
/// How many bytes of text and blobs fill a page; the row that reaches it is the last.
pub const BYTES_PER_PAGE_MAX: usize = 1024 * 1024;

/// A value as a store holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A number.
    Real(f64),
    /// Text, which a store may have kept from being UTF-8.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes of a text or blob.
    #[must_use]
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(bytes) | Self::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_null(self) -> bool {
        self == Self::Null
    }

    /// Appends the value as associated data and versions are written: numbers in decimal (a whole one without a point), text
    /// as it is, a blob as lower-case hex. `false`, with nothing appended, for what cannot be written: nothing, or text that
    /// is not UTF-8.
    pub fn write_to(self, out: &mut String) -> bool {
        use fmt::Write as _;
        match self {
            Self::Null => false,
            Self::Int(number) => write!(out, "{number}").is_ok(),
            Self::Real(number) => write!(out, "{number}").is_ok(),
            Self::Text(text) => std::str::from_utf8(text).map(|text| out.push_str(text)).is_ok(),
            Self::Blob(bytes) => {
                out.push_str(&hex::encode(bytes));
                true
            }
        }
    }
}

/// For people: text in single quotes with control and direction marks escaped, a blob as `x'..'`.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Real(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{}'", String::from_utf8_lossy(text).escape_default()),
            Self::Blob(bytes) => write!(f, "x'{}'", hex::encode(bytes)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(u32, u32),
    Blob(u32, u32),
}

/// Stands for what no store can hold: it opens under no key, and so is named and left alone, not skipped.
const TOO_LONG: Cell = Cell::Blob(0, 0);

/// What the cells of a row are: the key, the columns that name the row to people, the sealed values, the version beside them,
/// and what else associated data asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    columns: Vec<String>,
    keys: usize,
    names: usize,
    values: usize,
    version: Option<usize>,
    /// Where each column is that associated data asks for: mostly among the others, and then it is not read twice.
    row: Vec<(String, usize)>,
}

impl Layout {
    /// By the columns: those by which the store finds the row again; those that name it to people, where the key does not; the
    /// sealed ones; the one with the version; those that associated data asks for.
    #[must_use]
    pub fn new(
        keys: Vec<String>,
        names: Vec<String>,
        values: Vec<String>,
        version: Option<String>,
        row: &[String],
    ) -> Self {
        let counts = (keys.len(), names.len(), values.len());
        let mut columns: Vec<String> = keys.into_iter().chain(names).chain(values).collect();
        let version = version.map(|version| {
            columns.push(version);
            columns.len().saturating_sub(1)
        });
        let mut asked = Vec::new();
        for name in row {
            let at = columns.iter().position(|column| column == name).unwrap_or_else(|| {
                columns.push(name.clone());
                columns.len().saturating_sub(1)
            });
            asked.push((name.clone(), at));
        }
        Self { columns, keys: counts.0, names: counts.1, values: counts.2, version, row: asked }
    }

    /// The column of each cell.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many cells, from the first, are the key.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// The cells of the sealed values.
    #[must_use]
    pub fn values(&self) -> Range<usize> {
        let first = self.keys.saturating_add(self.names);
        first..first.saturating_add(self.values)
    }

    /// The cell of the version.
    #[must_use]
    pub fn version(&self) -> Option<usize> {
        self.version
    }

    /// The cell of a column that associated data asks for.
    #[must_use]
    pub fn asked(&self, name: &str) -> Option<usize> {
        self.row.iter().find(|(column, _)| column.eq_ignore_ascii_case(name)).map(|(_, cell)| *cell)
    }

    /// The cells that bind a value to its row and are neither key, value nor version: a compare-and-set must compare them.
    pub fn bound(&self) -> impl Iterator<Item = usize> {
        let held =
            move |cell: &usize| *cell >= self.keys && !self.values().contains(cell) && self.version != Some(*cell);
        self.row.iter().map(|(_, cell)| *cell).filter(held)
    }

    /// The cells that name the row to people.
    fn telling(&self) -> Range<usize> {
        if self.names == 0 { 0..self.keys } else { self.keys..self.keys.saturating_add(self.names) }
    }
}

/// Rows in key order.
#[derive(Debug, Clone)]
pub struct Page {
    layout: Arc<Layout>,
    width: usize,
    rows_max: usize,
    cells: Vec<Cell>,
    bytes: Vec<u8>,
}

impl Page {
    /// An empty page of rows laid out so.
    #[must_use]
    pub fn new(layout: Arc<Layout>) -> Self {
        let width = layout.columns().len().max(1);
        Self { layout, width, rows_max: ROWS_PER_PAGE_MAX, cells: Vec::new(), bytes: Vec::new() }
    }

    /// A page that so many rows fill, at most [`ROWS_PER_PAGE_MAX`].
    #[must_use]
    pub fn at_most(self, rows: usize) -> Self {
        Self { rows_max: rows.clamp(1, ROWS_PER_PAGE_MAX), ..self }
    }

    /// How many rows fill it.
    #[must_use]
    pub fn rows_max(&self) -> usize {
        self.rows_max
    }

    /// What the cells are.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// How many whole rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.cells.len() / self.width
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Whether another row must wait for the next page.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows() >= self.rows_max || self.bytes.len() >= BYTES_PER_PAGE_MAX
    }

    /// How many rows to ask for next, so that what comes fills a page and is not much more, however long the values are.
    #[must_use]
    pub fn rows_next(&self) -> usize {
        let mean = self.bytes.len().checked_div(self.rows()).unwrap_or_default().max(1);
        (BYTES_PER_PAGE_MAX.saturating_mul(2) / mean).clamp(1, self.rows_max)
    }

    /// Forgets the rows and keeps the room.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.bytes.clear();
    }

    /// Adds the next cell.
    pub fn push(&mut self, value: Value<'_>) {
        let cell = match value {
            Value::Null => Cell::Null,
            Value::Int(number) => Cell::Int(number),
            Value::Real(number) => Cell::Real(number),
            Value::Text(text) => self.keep(text).map_or(TOO_LONG, |(at, len)| Cell::Text(at, len)),
            Value::Blob(bytes) => self.keep(bytes).map_or(TOO_LONG, |(at, len)| Cell::Blob(at, len)),
        };
        self.cells.push(cell);
    }

    fn keep(&mut self, bytes: &[u8]) -> Option<(u32, u32)> {
        let at = u32::try_from(self.bytes.len()).ok()?;
        let len = u32::try_from(bytes.len()).ok()?;
        self.bytes.extend_from_slice(bytes);
        Some((at, len))
    }

    /// A cell; nothing past the end.
    #[must_use]
    pub fn cell(&self, row: usize, cell: usize) -> Value<'_> {
        let slice = |at: u32, len: u32| {
            let at = at as usize;
            self.bytes.get(at..at.saturating_add(len as usize)).unwrap_or_default()
        };
        match self.cells.get(row.saturating_mul(self.width).saturating_add(cell)) {
            None | Some(Cell::Null) => Value::Null,
            Some(Cell::Int(number)) => Value::Int(*number),
            Some(Cell::Real(number)) => Value::Real(*number),
            Some(Cell::Text(at, len)) => Value::Text(slice(*at, *len)),
            Some(Cell::Blob(at, len)) => Value::Blob(slice(*at, *len)),
        }
    }

    /// A sealed value.
    #[must_use]
    pub fn value(&self, row: usize, value: usize) -> Value<'_> {
        self.cell(row, self.layout.values().start.saturating_add(value))
    }

    /// The version beside the sealed values.
    #[must_use]
    pub fn version(&self, row: usize) -> Value<'_> {
        self.layout.version().map_or(Value::Null, |cell| self.cell(row, cell))
    }

    /// The row's name for people: `id=7`, or `tenant='a', n=3`.
    #[must_use]
    pub fn name(&self, row: usize) -> String {
        let cells = self.layout.telling();
        let columns = self.layout.columns().get(cells.clone()).unwrap_or_default();
        let named = columns.iter().zip(cells).map(|(column, cell)| format!("{column}={}", self.cell(row, cell)));
        named.collect::<Vec<_>>().join(", ")
    }
}

/// New sealed values for some rows of a page.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    values: usize,
    rows: Vec<usize>,
    cells: Vec<Option<Range<usize>>>,
    bytes: Vec<u8>,
}

impl Changes {
    /// No change yet, for rows with so many sealed values.
    #[must_use]
    pub fn new(values: usize) -> Self {
        Self { values: values.max(1), ..Self::default() }
    }

    /// How many rows change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many values change.
    #[must_use]
    pub fn values(&self) -> usize {
        self.cells.iter().flatten().count()
    }

    /// Begins the change of a row, which so far changes nothing.
    pub fn begin(&mut self, row: usize) {
        self.rows.push(row);
        self.cells.resize(self.rows.len().saturating_mul(self.values), None);
    }

    /// Gives the row begun last a new value.
    pub fn put(&mut self, value: usize, bytes: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let first = self.cells.len().saturating_sub(self.values);
        if let Some(cell) = self.cells.get_mut(first.saturating_add(value)) {
            *cell = Some(at..self.bytes.len());
        }
    }

    /// Forgets the row begun last.
    pub fn undo(&mut self) {
        self.rows.pop();
        self.cells.truncate(self.rows.len().saturating_mul(self.values));
    }

    /// The row of the page that the change at this place is for.
    #[must_use]
    pub fn row(&self, at: usize) -> Option<usize> {
        self.rows.get(at).copied()
    }

    /// The new value of the change at this place; nothing where it stays.
    #[must_use]
    pub fn value(&self, at: usize, value: usize) -> Option<&[u8]> {
        let range = self.cells.get(at.saturating_mul(self.values).saturating_add(value))?.clone()?;
        self.bytes.get(range)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Changes;
    use super::Layout;
    use super::Page;
    use super::Value;

    fn layout() -> Arc<Layout> {
        let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let row = some(&["tenant", "other"]);
        let version = Some("v".to_owned());
        Arc::new(Layout::new(some(&["rowid"]), some(&["tenant", "n"]), some(&["a", "b"]), version, &row))
    }

    #[test]
    fn cells_come_back_as_they_went_in() {
        let mut page = Page::new(layout());
        for row in 0..3_i64 {
            let tenant = format!("t{row}\u{202e}");
            for cell in [Value::Int(row), Value::Text(tenant.as_bytes()), Value::Real(0.5), Value::Blob(b"\x01\xff")] {
                page.push(cell);
            }
            for cell in [Value::Null, Value::Text(b"v1"), Value::Int(9)] {
                page.push(cell);
            }
        }
        assert_eq!(page.rows(), 3);
        assert_eq!(page.value(1, 0), Value::Blob(b"\x01\xff"));
        assert_eq!(page.value(1, 1), Value::Null);
        assert_eq!(page.version(2), Value::Text(b"v1"));
        assert_eq!(page.name(2), "tenant='t2\\u{202e}', n=0.5");
        // What names the row is not read twice.
        assert_eq!(page.layout().asked("Tenant"), Some(1));
        assert_eq!(page.layout().asked("other"), Some(6));
        assert_eq!(page.layout().asked("n"), None);
        assert_eq!(page.layout().bound().collect::<Vec<_>>(), [1, 6]);
        assert_eq!(page.cell(3, 0), Value::Null);
        page.clear();
        assert!(page.is_empty());
    }

    #[test]
    fn values_are_written_as_applications_write_them() {
        let written = |value: Value<'_>| {
            let mut out = String::new();
            value.write_to(&mut out).then_some(out)
        };
        assert_eq!(written(Value::Int(-7)).as_deref(), Some("-7"));
        assert_eq!(written(Value::Real(2.0)).as_deref(), Some("2"));
        assert_eq!(written(Value::Text("é".as_bytes())).as_deref(), Some("é"));
        assert_eq!(written(Value::Text(b"\xff")), None);
        assert_eq!(written(Value::Blob(b"\x0a\xff")).as_deref(), Some("0aff"));
        assert_eq!(written(Value::Null), None);
    }

    #[test]
    fn changes_keep_rows_apart() {
        let mut changes = Changes::new(2);
        changes.begin(4);
        changes.put(1, b"new");
        changes.begin(5);
        changes.put(0, b"half");
        changes.undo();
        changes.begin(6);
        changes.put(0, b"x");
        changes.put(1, b"y");
        assert_eq!((changes.len(), changes.values()), (2, 3));
        assert_eq!((changes.row(0), changes.row(1)), (Some(4), Some(6)));
        assert_eq!((changes.value(0, 0), changes.value(0, 1)), (None, Some(&b"new"[..])));
        assert_eq!((changes.value(1, 0), changes.value(1, 1)), (Some(&b"x"[..]), Some(&b"y"[..])));
    }
}
