//! Keys that are alike: their values, and the keys made for them.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::model::Name;
use crate::policy::meaning::Reader;
use crate::policy::meaning::key::Declared;
use crate::policy::meant::Key;
use crate::policy::place::Place;
use crate::policy::problem::quote;
use crate::policy::written::key as written;

/// No project has more keys.
pub(crate) const KEYS_MAX: usize = 250_000;
/// No file of values is longer.
const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

impl Reader<'_> {
    /// The values of `each`.
    pub(crate) fn each(&self, place: &Place<'_>, each: &written::Each) -> Option<Vec<String>> {
        let mut values: Vec<String> = match each {
            written::Each::Listed(values) => values.clone(),
            written::Each::File(file) => self.lines(&place.word("file"), file)?,
        };
        if values.len() > KEYS_MAX {
            let message = format!("these are {} keys, and a project has at most {KEYS_MAX}", values.len());
            place.complain("K001", message);
            return None;
        }
        if values.is_empty() {
            place.complain("K004", "there are no values: no key would be made");
        }
        let mut seen = HashSet::with_capacity(values.len());
        let mut good = Vec::with_capacity(values.len());
        for (at, value) in values.drain(..).enumerate() {
            match value.parse::<Name>() {
                Err(wrong) => {
                    let shown = shown(each, at, &value);
                    place.complain("K004", format!("{shown} is part of a key's name: {wrong}"));
                }
                Ok(_) if !seen.insert(value.clone()) => {
                    place.complain("K006", format!("{} is named twice", shown(each, at, &value)));
                }
                Ok(_) => good.push(value),
            }
            if self.sheet.is_full() {
                break;
            }
        }
        Some(good)
    }

    fn lines(&self, place: &Place<'_>, file: &written::EachFile) -> Option<Vec<String>> {
        let path = self.full(place, &file.file)?;
        if !self.path(place, &path) {
            return None;
        }
        let text = match (self.around.file)(&path) {
            Ok(text) => text,
            Err(fault) => {
                place.complain("K009", fault.to_string());
                return None;
            }
        };
        if text.len() > FILE_BYTES_MAX {
            let message = format!("this file has {} bytes, and at most {FILE_BYTES_MAX} are read", text.len());
            place.complain("K001", message);
            return None;
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Some(lines.map(str::to_owned).collect())
    }
}

/// A value for people. A file's is told by its place alone: the wrong file may be named, and that one hold a secret.
fn shown(each: &written::Each, at: usize, value: &str) -> String {
    match each {
        written::Each::Listed(_) => quote(value),
        written::Each::File(_) => format!("value {} of the file", at.saturating_add(1)),
    }
}

impl Declared {
    /// The keys that are declared here, each with its name.
    pub(crate) fn keys(&self, place: &Place<'_>, name: &Name) -> Vec<(Name, Key)> {
        let Some(values) = &self.each else {
            let mut key = self.key.clone();
            self.at.as_str().clone_into(&mut key.at);
            return vec![(name.clone(), key)];
        };
        let mut keys = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            match format!("{name}/{value}").parse::<Name>() {
                Ok(name) => {
                    let mut key = self.key.clone();
                    key.at = self.at.fill(|_| Some(Cow::Borrowed(value.as_str()))).unwrap_or_default();
                    key.each = Some(value.clone());
                    keys.push((name, key));
                }
                Err(wrong) => {
                    let number = at.saturating_add(1);
                    place.word("each").complain("K004", format!("value {number} cannot name a key: {wrong}"));
                    if place.sheet.is_full() {
                        break;
                    }
                }
            }
        }
        keys
    }
}
