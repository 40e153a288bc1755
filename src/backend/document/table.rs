//! Where the entries of a key lie, as the document's own rules see them: read, put in and taken out, one at a time. Never here:
//! which is current, and what may be done.

use crate::backend::document::Edit;
use crate::backend::document::whole::Whole;
use crate::backend::id::Ids;
use crate::fault::Fault;
use crate::model::Act;
use crate::model::VersionId;
use crate::pointer;
use crate::port::backend::Failed;
use crate::secret::Secret;
use std::fmt::Debug;
use std::path::PathBuf;

/// What lies at a place.
pub(super) struct Entries {
    /// The place, to be shown.
    pub(super) place: String,
    pub(super) entries: Vec<Entry>,
    /// The file that they were read from, and all of it, where they lie in one.
    pub(super) file: Option<(Whole, Secret)>,
}

/// One entry.
pub(super) struct Entry {
    pub(super) name: String,
    /// Where it lies, to be shown.
    pub(super) shown: String,
    pub(super) value: Value,
}

/// What an entry holds.
pub(super) enum Value {
    /// A text.
    Text(Secret),
    /// Something else.
    Other(String),
    /// Nothing that could be read, but somebody can bring it back.
    #[cfg_attr(not(feature = "openbao"), expect(dead_code, reason = "a file has no history"))]
    Deleted,
    /// Nothing: it ended, and its name is used up.
    #[cfg_attr(not(feature = "openbao"), expect(dead_code, reason = "a file has no history"))]
    Ended,
}

/// Entries by name, in a table of a file or on a path each.
pub(super) trait Table: Debug {
    /// Which world this is.
    fn world(&self) -> Result<String, Fault>;

    /// What lies at a place; a file that is held already is not read again.
    fn read(&self, at: &str, ids: &Ids, held: Option<(&Whole, &Secret)>) -> Result<Entries, Fault>;

    /// All of it, as it would be put back by hand.
    fn pre_image(&self, at: &str, ids: &Ids) -> Result<Secret, Fault>;

    /// Whether these acts could be carried out on what lies there, the next version being called so.
    fn fit(&self, entries: &Entries, at: &str, next: &VersionId, acts: &[Act]) -> Result<(), Fault>;

    /// Judges what lies there and changes one entry, if nobody has changed it since; a fault that may be tried again is one to
    /// judge anew.
    fn edit(
        &self,
        at: &str,
        ids: &Ids,
        judge: &mut dyn FnMut(&Entries) -> Result<Option<Edit>, Failed>,
    ) -> Result<(), Failed>;
}

/// A table of one file.
#[derive(Debug)]
pub(super) struct OneFile {
    pub(super) root: PathBuf,
    pub(super) file: String,
}

impl OneFile {
    fn whole(&self) -> Result<Whole, Fault> {
        Whole::document(&self.root, &self.file)
    }

    fn entries(whole: &Whole, bytes: &Secret, at: &str) -> Result<Entries, Fault> {
        let table = whole.lend(bytes, |text| pointer::table(whole.format, text, at))?;
        let entry = |name: &str| Entry {
            name: name.to_owned(),
            shown: format!("{at}.{}", name.escape_debug()),
            value: match table.text(name) {
                Some(text) => Value::Text(Secret::from_vec(text.as_bytes().to_vec())),
                None => Value::Other("it is no text".to_owned()),
            },
        };
        let entries = table.names().map(entry).collect();
        let copy = bytes.lend(|bytes| Secret::from_vec(bytes.to_vec()));
        Ok(Entries { place: whole.path.display().to_string(), entries, file: Some((whole.clone(), copy)) })
    }
}

impl Table for OneFile {
    fn world(&self) -> Result<String, Fault> {
        Ok(format!("document {}", self.whole()?.true_name()?))
    }

    fn read(&self, at: &str, _ids: &Ids, held: Option<(&Whole, &Secret)>) -> Result<Entries, Fault> {
        let whole = self.whole()?;
        match held {
            Some((file, bytes)) if file.is(&whole) => Self::entries(&whole, bytes, at),
            _ => Self::entries(&whole, &whole.read()?, at),
        }
    }

    fn pre_image(&self, _at: &str, _ids: &Ids) -> Result<Secret, Fault> {
        self.whole()?.read()
    }

    fn fit(&self, _entries: &Entries, _at: &str, _next: &VersionId, _acts: &[Act]) -> Result<(), Fault> {
        self.whole()?.writable()
    }

    fn edit(
        &self,
        at: &str,
        _ids: &Ids,
        judge: &mut dyn FnMut(&Entries) -> Result<Option<Edit>, Failed>,
    ) -> Result<(), Failed> {
        let whole = self.whole()?;
        let held = whole.hold()?;
        let Some(edit) = judge(&Self::entries(&whole, &held.bytes, at)?)? else { return Ok(()) };
        let after = held.lend(|text| match &edit {
            Edit::Put { version, value, .. } => value.lend(|value| {
                // That it is text was found out when the backend was made.
                let value = std::str::from_utf8(value).unwrap_or_default();
                pointer::insert(whole.format, text, at, version.as_str(), value)
            }),
            Edit::Take(version) => pointer::remove(whole.format, text, at, version.as_str()),
        })?;
        Ok(held.replace(after.as_bytes())?)
    }
}
