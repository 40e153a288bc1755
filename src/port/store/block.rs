//! What is sealed, with nothing left open: `{{ each }}` is filled, each of the key's own versions is spelt out as this place
//! spells it, and what must change together is one [`Block`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::envelope::Seal;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::policy::meant::store::Literal;
use crate::policy::meant::store::Sealed;
use crate::policy::meant::store::VersionAt;
use crate::template::Template;

/// What associated data calls a column of the row.
const ROW: &str = "row.";

/// A key's own versions, and the words by which each may be written down (`id`, `n`, `sha256`, ..).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions(Vec<(VersionId, BTreeMap<String, String>)>);

/// A version as one place writes it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Which it is.
    pub id: VersionId,
    /// How it is written there.
    pub text: String,
}

/// Sealed columns that change in one act: those of one table, for the same rows, under one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The table or collection.
    pub table: String,
    /// The sealed columns.
    pub columns: Vec<Column>,
    /// Only rows with these values.
    pub only: Vec<(String, Given)>,
    /// Where the version is named.
    pub version: VersionAt,
    /// The key's own versions as they are written there, oldest first; by trial, their ids.
    pub versions: Vec<Known>,
    /// The columns that associated data asks for, each once.
    pub row: Vec<String>,
    /// What `{{ each }}` stands for.
    pub each: Option<String>,
}

/// A sealed column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How its values are sealed.
    pub seal: Seal,
    /// The associated data.
    pub aad: Option<Template>,
}

/// A value that a column must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
}

impl Versions {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more, newer than those before, and the words by which it may be written down. `id` is always one of them.
    #[must_use]
    pub fn with(mut self, id: VersionId, words: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut words: BTreeMap<_, _> = words.into_iter().collect();
        words.insert("id".to_owned(), id.as_str().to_owned());
        self.0.push((id, words));
        self
    }

    /// Their ids, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &VersionId> {
        self.0.iter().map(|(id, _)| id)
    }

    /// Each as one place writes it down, oldest first.
    ///
    /// # Errors
    /// The template asks for what is not known of a version, or two are written alike.
    pub fn written(&self, is: &Template, place: &str) -> Result<Vec<Known>, Fault> {
        let mut known: Vec<Known> = Vec::new();
        for (id, words) in &self.0 {
            let text = is.fill(|name| words.get(name).map(|word| Cow::Borrowed(word.as_str()))).map_err(|missing| {
                Fault::ask_operator(format!("write down version `{id}` as {place} does"), missing)
                    .hint("its `is` may ask only for what the backend tells about every version")
            })?;
            if let Some(twin) = known.iter().find(|other| other.text == text) {
                let twins = format!("versions `{}` and `{id}` are both written `{text}`", twin.id);
                return Err(Fault::ask_operator(format!("tell versions apart in {place}"), twins)
                    .hint("let `is` ask for more, such as `{{ sha256[:16] }}` or `{{ id }}`"));
            }
            known.push(Known { id: id.clone(), text });
        }
        Ok(known)
    }
}

impl Block {
    /// The blocks of a store. Columns with one version column between them come out as one block: to move one of them and its
    /// version would leave the others behind under a name that is not theirs.
    ///
    /// # Errors
    /// A template asks for what is not known, or two versions are written alike, or a version column serves rows of two
    /// `where`s that may be the same.
    pub fn all(sealed: &[Sealed], each: Option<&str>, versions: &Versions) -> Result<Vec<Self>, Fault> {
        let mut blocks: Vec<Self> = Vec::new();
        for one in sealed {
            let block = Self::of(one, each, versions)?;
            let rival = blocks.iter_mut().find(|other| other.shares_version(&block));
            match rival {
                Some(other) if other.only == block.only && other.versions == block.versions => other.take(block),
                Some(other) => {
                    let why =
                        format!("{} and {} share a version column, and not their rows", other.name(), block.name());
                    return Err(Fault::ask_operator("tell which values move together", why)
                        .hint("give both the same `where` and `is`, or `where`s that no row can meet at once"));
                }
                None => blocks.push(block),
            }
        }
        Ok(blocks)
    }

    fn of(sealed: &Sealed, each: Option<&str>, versions: &Versions) -> Result<Self, Fault> {
        let place = format!("`{}`", sealed.table);
        let mut only = Vec::new();
        for (column, literal) in &sealed.only {
            let given = match literal {
                Literal::Bool(truth) => Given::Bool(*truth),
                Literal::Int(number) => Given::Int(*number),
                Literal::Text(text) => Given::Text(
                    text.fill(|name| each.filter(|_| name == "each").map(Cow::Borrowed))
                        .map_err(|missing| Fault::ask_operator(format!("fill the `where` of {place}"), missing))?,
                ),
            };
            only.push((column.clone(), given));
        }
        let mut row = BTreeSet::new();
        for name in sealed.aad.iter().flat_map(Template::placeholders) {
            match name.strip_prefix(ROW) {
                Some(column) => drop(row.insert(column.to_owned())),
                None if name == "each" && each.is_some() => {}
                None => {
                    let why = format!("nothing is known as `{name}` there");
                    return Err(Fault::ask_operator(format!("make the associated data of {place}"), why)
                        .hint("`aad` may ask for `row.COLUMN`, and for `each` where the key has it"));
                }
            }
        }
        let versions = match sealed.version {
            VersionAt::ByTrial => {
                versions.ids().map(|id| Known { id: id.clone(), text: id.as_str().to_owned() }).collect()
            }
            _ => versions.written(&sealed.is, &place)?,
        };
        let column = |name: &String| Column { name: name.clone(), seal: sealed.seal.clone(), aad: sealed.aad.clone() };
        Ok(Self {
            table: sealed.table.clone(),
            columns: sealed.columns.iter().map(column).collect(),
            only,
            version: sealed.version.clone(),
            versions,
            row: row.into_iter().collect(),
            each: each.map(str::to_owned),
        })
    }

    /// Whether a row may belong to both blocks and its version column to both.
    fn shares_version(&self, other: &Self) -> bool {
        let named = matches!(self.version, VersionAt::Column(_) | VersionAt::Field(_));
        let apart = self
            .only
            .iter()
            .any(|(column, given)| other.only.iter().any(|(theirs, value)| theirs == column && value != given));
        named && self.table == other.table && self.version == other.version && !apart
    }

    fn take(&mut self, other: Self) {
        self.columns.extend(other.columns);
        let row: BTreeSet<_> = self.row.drain(..).chain(other.row).collect();
        self.row = row.into_iter().collect();
    }

    /// Its name for people: `table.column`, or `table.{a, b}`.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        match names.as_slice() {
            [one] => format!("`{}.{one}`", self.table),
            many => format!("`{}.{{{}}}`", self.table, many.join(", ")),
        }
    }

    /// The column or field beside the values that names their version.
    #[must_use]
    pub fn version_beside(&self) -> Option<&str> {
        match &self.version {
            VersionAt::Column(name) | VersionAt::Field(name) => Some(name),
            VersionAt::InSeal | VersionAt::ByTrial => None,
        }
    }

    /// How a version is written here.
    #[must_use]
    pub fn text_of(&self, version: &VersionId) -> Option<&str> {
        self.versions.iter().find(|known| known.id == *version).map(|known| known.text.as_str())
    }

    /// Which of the key's own versions is written so here.
    #[must_use]
    pub fn version_of(&self, text: &str) -> Option<&VersionId> {
        self.versions.iter().find(|known| known.text == text).map(|known| &known.id)
    }
}

/// Fills associated data: what its template asks for under `row.` comes from `column`.
///
/// # Errors
/// Names the first column that the row has no value for.
pub fn fill_aad<'v>(
    aad: &Template,
    each: Option<&'v str>,
    out: &mut String,
    mut column: impl FnMut(&str) -> Option<Cow<'v, str>>,
) -> Result<(), String> {
    out.clear();
    aad.fill_into(out, |name| match name.strip_prefix(ROW) {
        Some(name) => column(name),
        None => each.map(Cow::Borrowed),
    })
    .map_err(|missing| missing.0)
}
