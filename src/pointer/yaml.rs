//! Scalars and tables in YAML. The parser says where a value stands; we replace those bytes. What leads there, and what stands
//! there, has to be plain: an anchor, an alias, a tag, a merge or a block there would mean more than the one value.

use crate::pointer::Kind;
use crate::pointer::Scalar;
use crate::pointer::Unfit;
use crate::pointer::path;
use crate::pointer::seek::Found;
use crate::pointer::seek::Seek;
use crate::pointer::table::Entry;
use crate::pointer::table::Form;
use crate::pointer::table::Table;
use saphyr_parser::Event;
use saphyr_parser::Parser;
use saphyr_parser::ScalarStyle;
use saphyr_parser::StrInput;
use std::ops::Range;
use zeroize::Zeroizing;

/// How deep values may lie within each other.
const DEPTH_MAX: usize = 128;

pub(super) fn find(text: &str, parts: &[String]) -> Result<Option<Scalar>, Unfit> {
    Ok(walk(text, parts, Seek::Scalar)?.and_then(Found::scalar))
}

pub(super) fn table(text: &str, parts: &[String]) -> Result<Option<Table>, Unfit> {
    Ok(walk(text, parts, Seek::Table)?.and_then(Found::table))
}

fn walk(text: &str, parts: &[String], seek: Seek) -> Result<Option<Found>, Unfit> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let shift = text.len().saturating_sub(body.len());
    // The parser counts characters.
    let ends = std::iter::once(text.len());
    let starts = body.char_indices().map(|(at, _)| at.saturating_add(shift)).chain(ends).collect();
    let parser = Parser::new_from_str(body);
    let mut walk = Walk { text, parser, starts, parts, seek, end: 0, found: None };
    walk.stream()?;
    Ok(walk.found)
}

struct Walk<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    starts: Vec<usize>,
    parts: &'t [String],
    seek: Seek,
    /// Where the last thing that was met ends.
    end: usize,
    found: Option<Found>,
}

type Met<'t> = (Event<'t>, Range<usize>);

impl<'t> Walk<'t> {
    fn stream(&mut self) -> Result<(), Unfit> {
        let mut documents = 0_u32;
        loop {
            match self.next()?.0 {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(_) => {
                    documents = documents.saturating_add(1);
                    if documents > 1 {
                        return Err(Unfit(
                            "it holds several YAML documents, and which one is meant is not said".into(),
                        ));
                    }
                    let root = self.next()?;
                    self.node(root, Some(0), 0)?;
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<Met<'t>, Unfit> {
        let wrong = |line: usize| Unfit(format!("it is not YAML from line {line} on"));
        let (event, span) = match self.parser.next_event() {
            Some(Ok(met)) => met,
            Some(Err(error)) => return Err(wrong(error.marker().line())),
            None => return Err(wrong(1)),
        };
        let at = |index: usize| self.starts.get(index).copied().unwrap_or(self.text.len());
        let mut place = at(span.start.index())..at(span.end.index());
        if let Event::Scalar(_, style, ..) = &event {
            // The parser takes what follows a scalar for a part of it, up to the next thing of its own.
            let text = self.text.get(place.clone()).unwrap_or_default();
            place.end = place.start.saturating_add(length(text, *style));
        }
        if !place.is_empty() {
            self.end = place.end;
        }
        Ok((event, place))
    }

    /// One node. `way` is how many parts of the path led to it, where they did.
    fn node(&mut self, (event, place): Met<'t>, way: Option<usize>, depth: usize) -> Result<(), Unfit> {
        if depth > DEPTH_MAX {
            return Err(Unfit("its values lie too deep within each other".to_owned()));
        }
        if way.is_some() {
            self.plain(&event, way)?;
        }
        let wanted = way == Some(self.parts.len());
        match event {
            Event::MappingStart(..) if wanted && self.seek == Seek::Table => self.sought(place.start, depth),
            Event::SequenceStart(..) | Event::MappingStart(..) if wanted => Err(match self.seek {
                Seek::Scalar => Unfit(format!("`{}` is not one value", self.shown(way))),
                Seek::Table => self.no_table(),
            }),
            Event::SequenceStart(..) => self.list(way, depth),
            Event::MappingStart(..) => self.mapping(way, depth),
            Event::Scalar(value, style, ..) if wanted => self.scalar(&value, style, place),
            _ => Ok(()),
        }
    }

    fn shown(&self, way: Option<usize>) -> String {
        path::shown(self.parts.get(..way.unwrap_or(0)).unwrap_or_default())
    }

    fn no_table(&self) -> Unfit {
        Unfit(format!("`{}` is not a table", path::shown(self.parts)))
    }

    /// What stands on the way must be what it seems.
    fn plain(&self, event: &Event<'t>, way: Option<usize>) -> Result<(), Unfit> {
        match odd(event) {
            None => Ok(()),
            Some(odd) if way == Some(0) => Err(Unfit(format!("its outermost value {odd}: that is not followed"))),
            Some(odd) => Err(Unfit(format!("`{}` {odd}: that is not followed", self.shown(way)))),
        }
    }

    fn list(&mut self, way: Option<usize>, depth: usize) -> Result<(), Unfit> {
        let wanted = way.and_then(|way| self.parts.get(way)).and_then(|part| part.parse::<usize>().ok());
        for place in 0_usize.. {
            let met = self.next()?;
            if met.0 == Event::SequenceEnd {
                break;
            }
            let here = way.filter(|_| wanted == Some(place)).map(|way| way.saturating_add(1));
            self.node(met, here, depth.saturating_add(1))?;
        }
        Ok(())
    }

    fn mapping(&mut self, way: Option<usize>, depth: usize) -> Result<(), Unfit> {
        let mut met_before = false;
        loop {
            let key = self.next()?;
            if key.0 == Event::MappingEnd {
                return Ok(());
            }
            let name = name(&key.0);
            self.node(key, None, depth.saturating_add(1))?;
            if way.is_some() && name.as_deref() == Some("<<") {
                let at =
                    if way == Some(0) { "its outermost value".to_owned() } else { format!("`{}`", self.shown(way)) };
                return Err(Unfit(format!("{at} merges another one into it (`<<`): that is not followed")));
            }
            let leads = |way: &usize| name.is_some() && self.parts.get(*way).map(String::as_str) == name.as_deref();
            let here = way.filter(leads).map(|way| way.saturating_add(1));
            if here.is_some() && met_before {
                return Err(Unfit(format!("`{}` stands in it twice", self.shown(here))));
            }
            met_before |= here.is_some();
            let value = self.next()?;
            self.node(value, here, depth.saturating_add(1))?;
        }
    }

    /// The mapping that is sought: its entries are listed, and each is plain.
    fn sought(&mut self, start: usize, depth: usize) -> Result<(), Unfit> {
        let mut entries = Vec::new();
        let close = loop {
            let (event, key) = self.next()?;
            if event == Event::MappingEnd {
                break key;
            }
            let at = path::shown(self.parts);
            let odd_in = |name: &str, odd: &str| Unfit(format!("`{}` in `{at}` {odd}", name.escape_debug()));
            let name = name(&event).ok_or_else(|| Unfit(format!("a name in `{at}` is none")))?;
            if let Some(odd) = odd(&event).or((name == "<<").then_some("merges another one into it")) {
                return Err(odd_in(&name, odd));
            }
            let (event, place) = self.next()?;
            if let Some(odd) = odd(&event) {
                return Err(odd_in(&name, odd));
            }
            let text = match &event {
                Event::Scalar(value, style, ..) if kind(value, *style) == Kind::Text => {
                    Some(Zeroizing::new(value.to_string()))
                }
                _ => None,
            };
            self.node((event, place.clone()), None, depth.saturating_add(1))?;
            let value = place.start..self.end.max(place.start);
            entries.push(Entry { name, key, value, text });
        };
        let flow = self.text.get(start..).is_some_and(|rest| rest.starts_with('{'));
        let form = match flow {
            true => Form::Braces(start.saturating_add(1)..close.end.saturating_sub(1)),
            false => Form::Lines { after: start, indent: String::new() },
        };
        self.found = Some(Found::Table(Table::new(entries, form)));
        Ok(())
    }

    fn scalar(&mut self, value: &str, style: ScalarStyle, place: Range<usize>) -> Result<(), Unfit> {
        let kind = kind(value, style);
        let shown = path::shown(self.parts);
        let old = self.text.get(place.clone()).unwrap_or_default();
        if self.seek == Seek::Table {
            // Nothing after the name: a table that has no entries yet. The first comes below it, and further in.
            if kind != Kind::Nothing || !old.is_empty() {
                return Err(self.no_table());
            }
            let line =
                self.text.get(..self.end).and_then(|before| before.rfind('\n')).map_or(0, |at| at.saturating_add(1));
            let line = self.text.get(line..self.end).unwrap_or_default();
            let blanks = line.len().saturating_sub(line.trim_start_matches(' ').len());
            let form = Form::Lines { after: self.end, indent: " ".repeat(blanks.saturating_add(2)) };
            self.found = Some(Found::Table(Table::new(Vec::new(), form)));
            return Ok(());
        }
        if old.is_empty() {
            return Err(Unfit(format!("`{shown}` is empty: write `\"\"` there first")));
        }
        if old.contains('\n') {
            return Err(Unfit(format!("`{shown}` stands on several lines: write it on one")));
        }
        self.found = Some(Found::Scalar(Scalar { kind, value: value.to_owned(), span: place }));
        Ok(())
    }
}

/// How long a scalar is, quotes included, at the beginning of this text.
fn length(text: &str, style: ScalarStyle) -> usize {
    let quote = match style {
        ScalarStyle::DoubleQuoted => '"',
        ScalarStyle::SingleQuoted => '\'',
        ScalarStyle::Plain => return text.trim_end().len(),
        ScalarStyle::Literal | ScalarStyle::Folded => return text.len(),
    };
    let mut inside = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = inside.next() {
        if c == '\\' && quote == '"' {
            inside.next();
        } else if c == quote {
            // Two single quotes are one that is meant.
            if quote == '\'' && inside.next_if(|(_, next)| *next == quote).is_some() {
                continue;
            }
            return at.saturating_add(1);
        }
    }
    text.len()
}

/// What makes a value more than it seems.
fn odd(event: &Event<'_>) -> Option<&'static str> {
    let (anchor, tag) = match event {
        Event::Alias(_) => return Some("is an alias"),
        Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => return Some("is a block of text"),
        Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
            (*anchor, tag.is_some())
        }
        _ => (0, false),
    };
    match (anchor, tag) {
        (0, false) => None,
        (0, true) => Some("has a tag"),
        _ => Some("has an anchor"),
    }
}

fn name(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Scalar(name, ..) => Some(name.to_string()),
        _ => None,
    }
}

/// What a scalar is, as YAML 1.2 reads it.
fn kind(value: &str, style: ScalarStyle) -> Kind {
    if style != ScalarStyle::Plain {
        return Kind::Text;
    }
    match value {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Nothing,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Kind::Truth,
        _ if is_number(value) => Kind::Number,
        _ => Kind::Text,
    }
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    let based = |start: &str, radix: u32| {
        value.strip_prefix(start).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    let named = matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(value, ".nan" | ".NaN" | ".NAN");
    let starts = digits.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    named || based("0x", 16) || based("0o", 8) || starts && value.parse::<f64>().is_ok()
}

/// A text as YAML writes it, in the manner of the old one: bare where it was and every reader takes it for a text.
pub(super) fn spell(old: &str, value: &str) -> Result<String, String> {
    let control = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    if old.starts_with('\'') && !value.contains(|c: char| c == '\'' || control(c)) {
        return Ok(format!("'{value}'"));
    }
    if !old.starts_with(['"', '\'']) && kind(old, ScalarStyle::Plain) == Kind::Text && is_bare(value) {
        return Ok(value.to_owned());
    }
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    // JSON leaves these as they are, and YAML does not read them so.
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match control(c) {
            true => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => escaped.push(c),
        }
    }
    Ok(escaped)
}

/// Whether readers of every YAML take this for a text with nothing around it: older ones know more words for yes and no.
fn is_bare(value: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let begins = value.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'));
    begins && value.chars().all(inside) && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(value))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use crate::pointer::Format;
    use crate::pointer::read;
    use crate::pointer::write;
    use proptest::prelude::any;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    const TEXT: &str = "\u{feff}# wer sind wir: K\u{f6}ln\n%s: 1\nidentity: # the old one\n  id:   kv1   # do not touch\n  path: /etc/kv1.key\n  \
        single: 'kv1'\n  double: \"kv\\x31\"\n  n: 07\n  on: true\n  none: ~\n  empty:\n  long: one\n    two\n  list:\n  - a\n  - {id: v1}\n  \
        block: |\n    kv1\n\"x.y\":\n  z: v1\nanchored: &a v1\nalias: *a\ntagged: !!str v1\nmerged:\n  <<: {id: v1}\n  id: v2\nlast: v1";

    fn text() -> String {
        TEXT.replace("%s", "s")
    }

    fn put(path: &str, value: &str) -> String {
        write(Format::Yaml, &text(), path, value).unwrap_or_else(|unfit| unfit.to_string())
    }

    #[test]
    fn one_value_changes_and_no_other_byte() {
        for (path, old, value, new) in [
            ("identity.id", "id:   kv1", "kv2", "id:   kv2"),
            ("identity.id", "id:   kv1", "no", "id:   \"no\""),
            ("identity.id", "id:   kv1", "a: b", "id:   \"a: b\""),
            ("identity.id", "id:   kv1", "2", "id:   \"2\""),
            ("identity.path", "/etc/kv1.key", "/etc/kv2.key", "/etc/kv2.key"),
            ("identity.single", "'kv1'", "kv2", "'kv2'"),
            ("identity.single", "'kv1'", "it's", "\"it's\""),
            ("identity.double", "\"kv\\x31\"", "k\u{f6}2\u{85}\n", "\"k\u{f6}2\\u0085\\n\""),
            ("identity.n", "07", "8", "8"),
            ("identity.on", "true", "false", "false"),
            ("identity.none", "~", "v1", "\"v1\""),
            ("identity.list.0", "- a", "b", "- b"),
            ("identity.list.1.id", "{id: v1}", "v2", "{id: v2}"),
            ("\"x.y\".z", "z: v1", "v2", "z: v2"),
            ("last", "last: v1", "v2", "last: v2"),
        ] {
            assert_eq!(put(path, value), text().replacen(old, new, 1), "{path} {value}");
        }
        assert_eq!(read(Format::Yaml, &text(), "identity.double").unwrap(), "kv1");
        let feeds = "a:\r\n  id: v1\r\n  b: 2\r\n";
        assert_eq!(write(Format::Yaml, feeds, "a.id", "v2").unwrap(), feeds.replace("v1", "v2"));
    }

    #[test]
    fn what_means_more_than_one_value_is_refused_by_name() {
        for (path, why) in [
            ("anchored", "`anchored` has an anchor: that is not followed"),
            ("alias", "`alias` is an alias: that is not followed"),
            ("tagged", "`tagged` has a tag: that is not followed"),
            ("identity.block", "`identity.block` is a block of text: that is not followed"),
            ("merged.id", "`merged` merges another one into it (`<<`): that is not followed"),
            ("identity.empty", "`identity.empty` is empty: write `\"\"` there first"),
            ("identity.long", "`identity.long` stands on several lines: write it on one"),
            ("identity.list", "`identity.list` is not one value"),
            ("identity", "`identity` is not one value"),
            ("nobody", "there is nothing at `nobody`"),
            ("identity.n", "`v2` at `identity.n`: it is no whole number, and `07` is a number"),
        ] {
            assert_eq!(put(path, "v2"), why);
        }
        for (text, why) in [
            ("a: v1\na: v1", "`a` stands in it twice"),
            ("a: v1\n---\na: v1", "it holds several YAML documents, and which one is meant is not said"),
            ("b: [", "it is not YAML from line"),
            ("a: \"v1", "it is not YAML from line"),
            ("&x\na: v1", "its outermost value has an anchor: that is not followed"),
            ("", "there is nothing at `a`"),
        ] {
            let said = write(Format::Yaml, text, "a", "v2").unwrap_err().to_string();
            assert!(said.starts_with(why), "{text}: {said}");
        }
        assert!(read(Format::Yaml, &"[".repeat(100_000), "a").is_err());
    }

    proptest! {
        #[test]
        fn it_reads_back_and_touches_nothing_else(value in any::<String>(), old in "[a-z'\" ]{0,6}", note in "[a-z ]{0,8}") {
            let head = format!("# {note}\nfirst: 1 # {note}\na:\n  other: [{note}]\n  id:  ");
            let tail = format!(" # {note}\nlast: [1, 2]\n");
            let text = format!("{head}{}{tail}", serde_json::to_string(&old).unwrap());
            prop_assert_eq!(read(Format::Yaml, &text, "a.id").unwrap(), old);
            let moved = write(Format::Yaml, &text, "a.id", &value).unwrap();
            prop_assert_eq!(read(Format::Yaml, &moved, "a.id").unwrap(), value);
            prop_assert_eq!((moved.starts_with(&head), moved.ends_with(&tail)), (true, true));
        }
    }
}
