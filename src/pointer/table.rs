//! One table in a text: which entries it has, one more put in, one taken out; every other byte stays as it was. The values may be
//! keys: what is copied of them here is wiped.

use crate::pointer::Format;
use crate::pointer::Unfit;
use crate::pointer::json;
use crate::pointer::path;
use crate::pointer::toml;
use crate::pointer::yaml;
use std::collections::BTreeSet;
use std::ops::Range;
use zeroize::Zeroizing;

/// A table as it stands in a text.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    form: Form,
}

/// One entry of it.
pub(super) struct Entry {
    /// Its name, escapes read.
    pub(super) name: String,
    /// Where the name stands, quotes included.
    pub(super) key: Range<usize>,
    /// Where the value stands, quotes included.
    pub(super) value: Range<usize>,
    /// The value, where it is a text.
    pub(super) text: Option<Zeroizing<String>>,
}

/// How a table is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// Between braces; this is what stands between them.
    Braces(Range<usize>),
    /// An entry a line. The first would come after this place, with this before its name.
    Lines {
        /// The end of the line that opens the table.
        after: usize,
        /// The blanks before a name.
        indent: String,
    },
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("value", &self.value).finish_non_exhaustive()
    }
}

impl Table {
    pub(super) fn new(mut entries: Vec<Entry>, form: Form) -> Self {
        entries.sort_by_key(|entry| entry.key.start);
        Self { entries, form }
    }

    /// The names of its entries, as they stand.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The value of this name, where it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Zeroizing<String>> {
        self.entries.iter().find(|entry| entry.name == name)?.text.as_ref()
    }
}

/// The table at a dotted path.
///
/// # Errors
/// The text is not of this format, there is no table at the path, or a name stands in it twice.
pub fn table(format: Format, text: &str, path: &str) -> Result<Table, Unfit> {
    let parts = super::parts(path)?;
    let found = match format {
        Format::Toml => toml::table(text, &parts)?,
        Format::Json => json::table(text, &parts)?,
        Format::Yaml => yaml::table(text, &parts)?,
    };
    let table = found.ok_or_else(|| Unfit(format!("there is nothing at `{}`", path.escape_debug())))?;
    let mut names = BTreeSet::new();
    let twice = table.names().find(|name| !names.insert(*name)).map(|twice| twice.escape_debug().to_string());
    match twice {
        None => Ok(table),
        Some(twice) => Err(Unfit(format!("`{twice}` stands in `{}` twice", path::shown(&parts)))),
    }
}

/// The text with one more entry in the table at a dotted path, after the last one and in its manner.
///
/// # Errors
/// As [`table`], or the name is taken.
pub fn insert(format: Format, text: &str, path: &str, name: &str, value: &str) -> Result<Zeroizing<String>, Unfit> {
    let before = table(format, text, path)?;
    if before.names().any(|taken| taken == name) {
        return Err(Unfit(format!("`{}` stands in `{}` already", name.escape_debug(), path.escape_debug())));
    }
    let entry = (spelled_name(format, name)?, Zeroizing::new(spelled(value)?));
    let edits = match &before.form {
        Form::Braces(inside) => into_braces(format, text, &before.entries, inside, &entry),
        Form::Lines { after, indent } => into_lines(format, text, &before.entries, *after, indent, &entry),
    };
    let edited = edit(text, edits).ok_or_else(|| lost(path))?;
    same_but(format, &edited, path, &before, Some((name, value)), None).map(|()| edited)
}

/// The text without one entry of the table at a dotted path. Comments beside it stay.
///
/// # Errors
/// As [`table`], or there is no such entry.
pub fn remove(format: Format, text: &str, path: &str, name: &str) -> Result<Zeroizing<String>, Unfit> {
    let before = table(format, text, path)?;
    let Some(at) = before.entries.iter().position(|entry| entry.name == name) else {
        return Err(Unfit(format!("there is no `{}` in `{}`", name.escape_debug(), path.escape_debug())));
    };
    let edits = match &before.form {
        Form::Braces(_) => out_of_braces(text, &before.entries, at),
        Form::Lines { .. } => before.entries.get(at).map(|entry| out_of_lines(text, entry)),
    };
    let edited = edits.and_then(|edits| edit(text, edits)).ok_or_else(|| lost(path))?;
    same_but(format, &edited, path, &before, None, Some(name)).map(|()| edited)
}

fn lost(path: &str) -> Unfit {
    Unfit(format!("the place of `{}` was lost", path.escape_debug()))
}

/// Whatever we think of a format: what was written must read back, and nothing else in the table may have changed.
fn same_but(
    format: Format,
    text: &str,
    path: &str,
    before: &Table,
    put: Option<(&str, &str)>,
    taken: Option<&str>,
) -> Result<(), Unfit> {
    let after = table(format, text, path)?;
    let kept = before.entries.iter().filter(|entry| Some(entry.name.as_str()) != taken);
    let kept = kept.map(|entry| (entry.name.as_str(), entry.text.as_ref().map(|text| text.as_str())));
    let wanted = kept.chain(put.map(|(name, value)| (name, Some(value))));
    let found = after.entries.iter().map(|entry| (entry.name.as_str(), entry.text.as_ref().map(|text| text.as_str())));
    if wanted.eq(found) { Ok(()) } else { Err(lost(path)) }
}

/// One place in a text that is written anew.
type Edit<'e> = (Range<usize>, Vec<&'e str>);

/// Makes the edits, into one buffer that never grows: a grown one would leave copies of keys behind.
fn edit(text: &str, mut edits: Vec<Edit<'_>>) -> Option<Zeroizing<String>> {
    edits.sort_by_key(|(place, _)| place.start);
    let more: usize = edits.iter().flat_map(|(_, pieces)| pieces).map(|piece| piece.len()).sum();
    let mut edited = Zeroizing::new(String::with_capacity(text.len().checked_add(more)?));
    let mut at = 0;
    for (place, pieces) in edits {
        edited.push_str(text.get(at..place.start)?);
        pieces.into_iter().for_each(|piece| edited.push_str(piece));
        at = place.end;
    }
    edited.push_str(text.get(at..)?);
    Some(edited)
}

type Spelled = (String, Zeroizing<String>);

fn into_braces<'e>(
    format: Format,
    text: &'e str,
    entries: &'e [Entry],
    inside: &Range<usize>,
    (name, value): &'e Spelled,
) -> Vec<Edit<'e>> {
    let Some(last) = entries.last() else {
        let between = if format == Format::Toml { " = " } else { ": " };
        let end = if inside.is_empty() { " " } else { "" };
        return vec![(inside.start..inside.start, vec![" ", name, between, value, end])];
    };
    let lead = blanks_before(text, last.key.start);
    let between = between(format, text, last);
    let comma = comma_after(text, last.value.end, inside.end);
    // Where the lines of a table end in comments, those stay with what they are about.
    let end = |from: usize| if lead.contains('\n') { comment_end(text, from, inside.end) } else { from };
    match comma {
        Some(comma) => {
            let at = end(comma.saturating_add(1));
            vec![(at..at, vec![lead, name, between, value, ","])]
        }
        None => {
            let at = end(last.value.end);
            if at == last.value.end {
                return vec![(at..at, vec![",", lead, name, between, value])];
            }
            vec![(last.value.end..last.value.end, vec![","]), (at..at, vec![lead, name, between, value])]
        }
    }
}

fn into_lines<'e>(
    format: Format,
    text: &'e str,
    entries: &'e [Entry],
    after: usize,
    indent: &'e str,
    (name, value): &'e Spelled,
) -> Vec<Edit<'e>> {
    let (from, lead, between) = match entries.last() {
        None => (after, indent, if format == Format::Toml { " = " } else { ": " }),
        Some(last) => {
            let lead = text.get(line_start(text, last.key.start)..last.key.start).unwrap_or_default();
            (last.value.end, lead, between(format, text, last))
        }
    };
    let (at, ends) = line_end(text, from);
    let feed = if text.contains("\r\n") { "\r\n" } else { "\n" };
    match ends {
        true => vec![(at..at, vec![lead, name, between, value, feed])],
        // The last line of the file, and nothing ends it: it stays so.
        false => vec![(at..at, vec![feed, lead, name, between, value])],
    }
}

/// What stands between a name and its value, where it can be written again.
fn between<'e>(format: Format, text: &'e str, entry: &Entry) -> &'e str {
    let plain = |c: char| matches!(c, ' ' | '\t' | ':' | '=');
    let own = text.get(entry.key.end..entry.value.start).filter(|between| between.chars().all(plain));
    own.unwrap_or(if format == Format::Toml { " = " } else { ": " })
}

fn out_of_braces(text: &str, entries: &[Entry], at: usize) -> Option<Vec<Edit<'static>>> {
    let entry = entries.get(at)?;
    let next = entries.get(at.checked_add(1)?);
    let limit = next.map_or(text.len(), |next| next.key.start);
    let mut edits = Vec::new();
    let mut gone = entry.key.start..entry.value.end;
    match comma_after(text, entry.value.end, limit) {
        Some(comma) if blank(text.get(entry.value.end..comma)?) => gone.end = comma.checked_add(1)?,
        Some(comma) => edits.push((comma..comma.checked_add(1)?, Vec::new())),
        // The last one takes the comma before it along.
        None => {
            if let Some(before) = at.checked_sub(1).and_then(|at| entries.get(at)) {
                let comma = comma_after(text, before.value.end, entry.key.start)?;
                edits.push((comma..comma.checked_add(1)?, Vec::new()));
            }
        }
    }
    let start = line_start(text, gone.start);
    let (end, _) = line_end(text, gone.end);
    if blank(text.get(start..gone.start)?) && blank(text.get(gone.end..end)?) {
        gone = start..end;
    } else {
        let after = text.get(gone.end..)?;
        let blanks = after.len().checked_sub(after.trim_start_matches([' ', '\t']).len())?;
        gone.end = gone.end.checked_add(if next.is_some() { blanks } else { 0 })?;
    }
    edits.push((gone, Vec::new()));
    Some(edits)
}

/// A line with nothing else on it goes whole; a comment behind the value stays.
fn out_of_lines(text: &str, entry: &Entry) -> Vec<Edit<'static>> {
    let start = line_start(text, entry.key.start);
    let (end, _) = line_end(text, entry.value.end);
    let alone = text.get(entry.value.end..end).is_some_and(blank);
    vec![(start..if alone { end } else { entry.value.end }, Vec::new())]
}

fn blank(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))
}

/// The comma after a value, over blanks and comments, before `limit`.
fn comma_after(text: &str, from: usize, limit: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = text.get(at..limit)?;
        let skipped = rest.len().checked_sub(rest.trim_start_matches([' ', '\t', '\n', '\r']).len())?;
        let rest = rest.get(skipped..)?;
        at = at.checked_add(skipped)?;
        let comment = if rest.starts_with("//") || rest.starts_with('#') {
            rest.find('\n')?
        } else if rest.starts_with("/*") {
            rest.find("*/")?.checked_add(2)?
        } else {
            return rest.starts_with(',').then_some(at);
        };
        at = at.checked_add(comment)?;
    }
}

/// The end of the comment that ends the line which this place is on; the place itself where no comment does.
fn comment_end(text: &str, from: usize, limit: usize) -> usize {
    let rest = text.get(from..limit).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    let is_comment = ["//", "#"].iter().any(|mark| line.trim_start().starts_with(mark));
    if is_comment && line.len() < rest.len() {
        return from.saturating_add(line.trim_end_matches('\r').len());
    }
    from
}

/// The blanks before a place, from the last line break on where there is one.
fn blanks_before(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    let start = before.trim_end_matches([' ', '\t', '\n', '\r']).len();
    let blanks = before.get(start..).unwrap_or_default();
    let last = blanks.rfind("\r\n").or_else(|| blanks.rfind('\n'));
    last.and_then(|last| blanks.get(last..)).unwrap_or(blanks)
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |feed| feed.saturating_add(1))
}

/// Where the line after this place ends, its line break included; and whether one ends it.
fn line_end(text: &str, at: usize) -> (usize, bool) {
    match text.get(at..).and_then(|rest| rest.find('\n')) {
        Some(feed) => (at.saturating_add(feed).saturating_add(1), true),
        None => (text.len(), false),
    }
}

/// A name as the format writes it: bare where every format could read it so.
fn spelled_name(format: Format, name: &str) -> Result<String, Unfit> {
    let letter = |c: char| c.is_ascii_alphabetic();
    let bare = name.starts_with(letter) && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare && format != Format::Json { Ok(name.to_owned()) } else { spelled(name) }
}

/// A text in double quotes, as all three formats read it.
fn spelled(text: &str) -> Result<String, Unfit> {
    let text = Zeroizing::new(serde_json::to_string(text).map_err(|error| Unfit(error.to_string()))?);
    Ok(text.replace('\u{7f}', "\\u007f"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Format;
    use super::insert;
    use super::remove;
    use super::table;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    fn put(format: Format, text: &str) -> String {
        insert(format, text, "a.keys", "kv3", "c=").map_or_else(|unfit| unfit.to_string(), |text| text.to_string())
    }

    fn take(format: Format, text: &str, name: &str) -> String {
        remove(format, text, "a.keys", name).map_or_else(|unfit| unfit.to_string(), |text| text.to_string())
    }

    /// (what stands before, after `kv3` was put in, after `kv1` was taken out of that, after `kv3` was taken out of that).
    const JSON: [(&str, &str, &str); 8] = [
        (
            "{\n  \"x\": 1.0,\n  \"a\": {\n    \"keys\": {\n      \"kv1\": \"a\",\n      \"kv2\": \"b\"\n    }\n  }\n}\n",
            "{\n  \"x\": 1.0,\n  \"a\": {\n    \"keys\": {\n      \"kv1\": \"a\",\n      \"kv2\": \"b\",\n      \"kv3\": \"c=\"\n    }\n  }\n}\n",
            "{\n  \"x\": 1.0,\n  \"a\": {\n    \"keys\": {\n      \"kv2\": \"b\",\n      \"kv3\": \"c=\"\n    }\n  }\n}\n",
        ),
        (
            r#"{"a":{"keys":{"kv1":"a","kv2":"b"}},"z":[1]}"#,
            r#"{"a":{"keys":{"kv1":"a","kv2":"b","kv3":"c="}},"z":[1]}"#,
            r#"{"a":{"keys":{"kv2":"b","kv3":"c="}},"z":[1]}"#,
        ),
        (
            r#"{ "a": { "keys": { "kv1": "a" } } }"#,
            r#"{ "a": { "keys": { "kv1": "a", "kv3": "c=" } } }"#,
            r#"{ "a": { "keys": { "kv3": "c=" } } }"#,
        ),
        (
            "{\"a\":{\"keys\":{\n  \"kv1\": \"a\", // the first\n  \"kv2\": \"b\" // the second\n}}}",
            "{\"a\":{\"keys\":{\n  \"kv1\": \"a\", // the first\n  \"kv2\": \"b\", // the second\n  \"kv3\": \"c=\"\n}}}",
            "{\"a\":{\"keys\":{\n  // the first\n  \"kv2\": \"b\", // the second\n  \"kv3\": \"c=\"\n}}}",
        ),
        (
            "{\"a\":{\"keys\":{\r\n\t\"kv1\":\"a\",\r\n\t\"kv2\":\"b\",\r\n}}}",
            "{\"a\":{\"keys\":{\r\n\t\"kv1\":\"a\",\r\n\t\"kv2\":\"b\",\r\n\t\"kv3\":\"c=\",\r\n}}}",
            "{\"a\":{\"keys\":{\r\n\t\"kv2\":\"b\",\r\n\t\"kv3\":\"c=\",\r\n}}}",
        ),
        (
            "{\"a\":{\"keys\":{\"note\":{\"n\":1},\"kv1\":\"\\u0061\" /* , */ , \"kv2\":\"b\"}}}",
            "{\"a\":{\"keys\":{\"note\":{\"n\":1},\"kv1\":\"\\u0061\" /* , */ , \"kv2\":\"b\", \"kv3\":\"c=\"}}}",
            "{\"a\":{\"keys\":{\"note\":{\"n\":1},/* , */  \"kv2\":\"b\", \"kv3\":\"c=\"}}}",
        ),
        (r#"{"a":{"keys":{}}}"#, r#"{"a":{"keys":{ "kv3": "c=" }}}"#, ""),
        ("{\"a\":{\"keys\":{\n }}}", "{\"a\":{\"keys\":{ \"kv3\": \"c=\"\n }}}", ""),
    ];

    const TOML: [(&str, &str, &str); 6] = [
        (
            "# ours\n[a.keys] # all\n  kv1 = \"a\" # the first\n  kv2 = 'b'\n\n[b]\nc = 1\n",
            "# ours\n[a.keys] # all\n  kv1 = \"a\" # the first\n  kv2 = 'b'\n  kv3 = \"c=\"\n\n[b]\nc = 1\n",
            "# ours\n[a.keys] # all\n # the first\n  kv2 = 'b'\n  kv3 = \"c=\"\n\n[b]\nc = 1\n",
        ),
        (
            "[a]\nkeys.kv1='a'\r\nkeys.kv2='b'\r\nz = 1",
            "[a]\nkeys.kv1='a'\r\nkeys.kv2='b'\r\nkeys.kv3=\"c=\"\r\nz = 1",
            "[a]\nkeys.kv2='b'\r\nkeys.kv3=\"c=\"\r\nz = 1",
        ),
        (
            "a = { keys = { kv1 = \"a\", kv2 = \"b\" }, z = 1 }\n",
            "a = { keys = { kv1 = \"a\", kv2 = \"b\", kv3 = \"c=\" }, z = 1 }\n",
            "a = { keys = { kv2 = \"b\", kv3 = \"c=\" }, z = 1 }\n",
        ),
        ("[a]\nkeys = {}", "[a]\nkeys = { kv3 = \"c=\" }", ""),
        ("[a.keys]\n\n[b]\n", "[a.keys]\nkv3 = \"c=\"\n\n[b]\n", ""),
        ("[a.keys]\nkv1 = \"a\"", "[a.keys]\nkv1 = \"a\"\nkv3 = \"c=\"", "[a.keys]\nkv3 = \"c=\""),
    ];

    const YAML: [(&str, &str, &str); 6] = [
        (
            "# ours\na: # here\n  keys:\n    kv1: \"a\" # the first\n    kv2: 'b'\n\n  z: &x [1, 2]\nb: *x\n",
            "# ours\na: # here\n  keys:\n    kv1: \"a\" # the first\n    kv2: 'b'\n    kv3: \"c=\"\n\n  z: &x [1, 2]\nb: *x\n",
            "# ours\na: # here\n  keys:\n # the first\n    kv2: 'b'\n    kv3: \"c=\"\n\n  z: &x [1, 2]\nb: *x\n",
        ),
        (
            "---\r\na:\r\n  keys:\r\n    kv1:  a\r\n    kv2:  b\r\n...\r\n",
            "---\r\na:\r\n  keys:\r\n    kv1:  a\r\n    kv2:  b\r\n    kv3:  \"c=\"\r\n...\r\n",
            "---\r\na:\r\n  keys:\r\n    kv2:  b\r\n    kv3:  \"c=\"\r\n...\r\n",
        ),
        (
            "a: { keys: { kv1: a, kv2: b } }",
            "a: { keys: { kv1: a, kv2: b, kv3: \"c=\" } }",
            "a: { keys: { kv2: b, kv3: \"c=\" } }",
        ),
        ("a:\n  keys: {}\n", "a:\n  keys: { kv3: \"c=\" }\n", ""),
        ("a:\n  keys: # none yet\n  z: 1\n", "a:\n  keys: # none yet\n    kv3: \"c=\"\n  z: 1\n", ""),
        ("a:\n  keys:\n    kv1: a", "a:\n  keys:\n    kv1: a\n    kv3: \"c=\"", "a:\n  keys:\n    kv3: \"c=\""),
    ];

    #[test]
    fn every_other_byte_survives() {
        for (format, cases) in [(Format::Json, &JSON[..]), (Format::Toml, &TOML), (Format::Yaml, &YAML)] {
            for (before, with, without) in cases {
                assert_eq!(put(format, before), *with);
                if !without.is_empty() {
                    assert_eq!(take(format, with, "kv1"), *without);
                }
                // Out again, and every byte of old is there: only a comma may have gone with it.
                let again = take(format, with, "kv3");
                let bare = |text: &str| text.replace([',', ' ', '\n', '\r'], "");
                assert_eq!(bare(&again), bare(before));
            }
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        let said = |format, text: &str| put(format, text);
        assert_eq!(said(Format::Json, "{}"), "there is nothing at `a.keys`");
        assert_eq!(said(Format::Json, r#"{"a":{"keys":[]}}"#), "`a.keys` is not a table");
        assert_eq!(said(Format::Json, r#"{"a":{"keys":"x"}}"#), "`a.keys` is not a table");
        assert_eq!(said(Format::Json, r#"{"a":{"keys":{"kv1":"","kv1":""}}}"#), "`kv1` stands in `a.keys` twice");
        assert_eq!(said(Format::Json, r#"{"a":{"keys":{}},"a":{}}"#), "`a` stands in it twice");
        assert_eq!(said(Format::Json, r#"{"a":{"keys":{"kv3":""}}}"#), "`kv3` stands in `a.keys` already");
        assert!(said(Format::Json, r#"{"a":{"keys":{"kv1":"x}}}"#).starts_with("it is not JSON"));
        assert_eq!(said(Format::Toml, "[a]\nkeys = 1"), "`a.keys` is not a table");
        assert_eq!(said(Format::Toml, "[a]\n"), "there is nothing at `a.keys`");
        assert_eq!(said(Format::Toml, "[[a.keys]]\n"), "`a.keys` is not a table");
        assert_eq!(said(Format::Toml, "[a.keys.kv1]\nx = 1"), "`kv1` in `a.keys` is not one value");
        assert!(said(Format::Toml, "[a.keys]\nkv1 = 'a'\nkv1 = 'b'").starts_with("it is not TOML"));
        assert_eq!(take(Format::Json, r#"{"a":{"keys":{}}}"#, "kv1"), "there is no `kv1` in `a.keys`");
        for (text, why) in [
            ("a: {keys: {kv1: &x a}}", "`kv1` in `a.keys` has an anchor"),
            ("a: {keys: {kv1: !k a}}", "`kv1` in `a.keys` has a tag"),
            ("b: &x v\na: {keys: {kv1: *x}}", "`kv1` in `a.keys` is an alias"),
            ("a:\n  keys:\n    kv1: |\n      a\n", "`kv1` in `a.keys` is a block of text"),
            ("b: &x {}\na:\n  keys:\n    <<: *x\n", "`<<` in `a.keys` merges another one into it"),
            ("a: {keys: {kv1: a, kv1: b}}", "`kv1` stands in `a.keys` twice"),
            ("a: {keys: [kv1]}", "`a.keys` is not a table"),
            ("a: {keys: ~}", "`a.keys` is not a table"),
            ("a: &x {keys: {}}", "`a` has an anchor: that is not followed"),
            ("a:\n  keys:\n  - kv1: a\n", "`a.keys` is not a table"),
        ] {
            assert_eq!(said(Format::Yaml, text), why, "{text}");
        }
    }

    #[test]
    fn values_are_shown_by_nobody() {
        let found = table(Format::Json, r#"{"a":{"keys":{"kv1":"canary","n":1}}}"#, "a.keys").unwrap();
        assert_eq!(found.text("kv1").unwrap().as_str(), "canary");
        assert!(found.text("n").is_none() && found.text("kv2").is_none());
        assert!(!format!("{found:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn json_in_and_out_again(gap in "[ \n\t]{0,3}", names in proptest::collection::btree_set("[a-z]{1,3}", 0..4), note in "[a-z ,{}]{0,6}") {
            let entries: Vec<String> = names.iter().map(|name| format!("{gap}\"{name}\"{gap}:{gap}\"{note}\"{gap}")).collect();
            let text = format!("{{\"x\":{{\"kv9\":1}},\"a\":{gap}{{\"keys\":{{{}}}}}}}", entries.join(","));
            let with = insert(Format::Json, &text, "a.keys", "kv9", &note).unwrap();
            let mut value: serde_json::Value = serde_json::from_str(&with).unwrap();
            let before: serde_json::Value = serde_json::from_str(&text).unwrap();
            let keys = value.pointer_mut("/a/keys").unwrap().as_object_mut().unwrap();
            let put = keys.shift_remove("kv9").unwrap();
            prop_assert_eq!(put.as_str(), Some(note.as_str()));
            prop_assert_eq!(&value, &before);
            let out = remove(Format::Json, &with, "a.keys", "kv9").unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), before);
        }
    }
}
