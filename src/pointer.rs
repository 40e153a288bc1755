//! One scalar in a small configuration file, or one entry of a table in it: read it, write another in its place, put one in or
//! take one out, so that comments, order and every other byte stay as they were. Text in, text out.
//! Never here: files, and what a value means.

mod json;
mod path;
mod seek;
mod table;
mod toml;
mod yaml;

pub use table::Table;
pub use table::insert;
pub use table::remove;
pub use table::table;

use std::error::Error;
use std::fmt;
use std::ops::Range;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// JSON; comments may stand in it.
    Json,
    /// YAML, as far as it is plain where we read it.
    Yaml,
}

/// Why a pointer cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit(String);

/// A scalar as it stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scalar {
    kind: Kind,
    /// Its value as text.
    value: String,
    /// Its bytes, quotes included.
    span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Truth,
    Nothing,
}

impl Format {
    /// The format of a file, by the ending of its name.
    #[must_use]
    pub fn of(file: &str) -> Option<Self> {
        match file.rsplit_once('.')?.1 {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// The parts of a dotted path, quotes taken off.
///
/// # Errors
/// It is no path.
pub fn parts(path: &str) -> Result<Vec<String>, Unfit> {
    path::parts(path).map_err(|why| Unfit(format!("`{}` is no path: {why}", path.escape_debug())))
}

/// The scalar at a dotted path. A part with dots in it stands in quotes (`a."b.c"`); a number counts in a list from 0.
///
/// # Errors
/// The text is not of this format, or there is no scalar at the path.
pub fn read(format: Format, text: &str, path: &str) -> Result<String, Unfit> {
    find(format, text, path).map(|scalar| scalar.value)
}

/// The text with another value in the place of the scalar at a dotted path: a text for a text, a number for a number.
///
/// # Errors
/// As [`read`], or the value cannot stand there.
pub fn write(format: Format, text: &str, path: &str, value: &str) -> Result<String, Unfit> {
    let scalar = find(format, text, path)?;
    if scalar.value == value && scalar.kind != Kind::Nothing {
        return Ok(text.to_owned());
    }
    let lost = || Unfit(format!("the place of `{}` was lost", path.escape_debug()));
    let (before, rest) = text.split_at_checked(scalar.span.start).ok_or_else(lost)?;
    let (old, after) = rest.split_at_checked(scalar.span.len()).ok_or_else(lost)?;
    let new = spell(format, scalar.kind, old, value)
        .map_err(|why| Unfit(format!("`{}` at `{}`: {why}", value.escape_debug(), path.escape_debug())))?;
    let written = [before, &new, after].concat();
    // Whatever we think of a format, what was written must read back.
    if read(format, &written, path)? == value { Ok(written) } else { Err(lost()) }
}

fn find(format: Format, text: &str, path: &str) -> Result<Scalar, Unfit> {
    let parts = parts(path)?;
    let found = match format {
        Format::Toml => toml::find(text, &parts)?,
        Format::Json => json::find(text, &parts)?,
        Format::Yaml => yaml::find(text, &parts)?,
    };
    found.ok_or_else(|| Unfit(format!("there is nothing at `{}`", path.escape_debug())))
}

/// A value as the format writes it, in the manner of the old one.
fn spell(format: Format, kind: Kind, old: &str, value: &str) -> Result<String, String> {
    match kind {
        Kind::Number if is_whole(value) => Ok(value.to_owned()),
        Kind::Number => Err(format!("it is no whole number, and `{old}` is a number")),
        Kind::Truth if matches!(value, "true" | "false") => Ok(value.to_owned()),
        Kind::Truth => Err(format!("it is neither true nor false, and `{old}` is")),
        Kind::Text | Kind::Nothing => match format {
            Format::Toml => toml::spell(old, value),
            Format::Yaml => yaml::spell(old, value),
            Format::Json => serde_json::to_string(value).map_err(|error| error.to_string()),
        },
    }
}

fn is_whole(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let plain = digits == "0" || !digits.starts_with('0');
    !digits.is_empty() && digits.len() <= 18 && plain && digits.bytes().all(|b| b.is_ascii_digit()) && value != "-0"
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unfit {}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Format;
    use super::read;
    use super::write;
    use proptest::prelude::Strategy;
    use proptest::prelude::any;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    const TOML: &str = "# who we are\r\n[machine_identity]   # the old one\n  \
        current_encryption_key_id = 'kv1' # do not touch\nenabled=true\nn = 0x1\nlist = [ \"a\", \"b\" ]\n\
        inline = { key.id = \"v1\", other = 1_000 }\n[[site]]\nname = \"one\"\n[[site]]\nname = \"\"\"two\"\"\"\n\
        [quoted.\"a.b\"]\nc = \"d\"";
    const JSON: &str = "\u{feff}{ // who we are\n \"a\" : { \"b\": [1.50, {\"c\" : \"v1\"}], \"n\":1e2 },\r\n\
        \t/* not this: \"id\": \"x\" */ \"id\":\"v1\" , \"x.y\":{\"\\u007a\":null},\"t\":true,}\n";

    fn put(format: Format, text: &str, path: &str, value: &str) -> String {
        write(format, text, path, value).unwrap_or_else(|unfit| unfit.to_string())
    }

    #[test]
    fn toml_keeps_every_other_byte() {
        let moved = put(Format::Toml, TOML, "machine_identity.current_encryption_key_id", "kv2");
        assert_eq!(moved, TOML.replace("'kv1'", "'kv2'"));
        let quoted = put(Format::Toml, TOML, "machine_identity.current_encryption_key_id", "it's \u{7f}\n");
        assert_eq!(quoted, TOML.replace("'kv1'", "\"it's \\u007f\\n\""));
        for (path, old, value, new) in [
            ("machine_identity.n", "0x1", "2", "2"),
            ("machine_identity.enabled", "true", "false", "false"),
            ("machine_identity.list.1", "\"b\"", "c", "\"c\""),
            ("machine_identity.inline.key.id", "\"v1\"", "v2", "\"v2\""),
            ("machine_identity.inline.other", "1_000", "7", "7"),
            ("site.0.name", "\"one\"", "1", "\"1\""),
            ("site.1.name", "\"\"\"two\"\"\"", "2", "\"2\""),
            ("quoted.\"a.b\".c", "\"d\"", "e", "\"e\""),
        ] {
            assert_eq!(put(Format::Toml, TOML, path, value), TOML.replace(old, new), "{path}");
        }
    }

    #[test]
    fn json_keeps_every_other_byte() {
        for (path, old, value, new) in [
            ("id", "\"id\":\"v1\"", "v2", "\"id\":\"v2\""),
            ("a.b.0", "1.50", "2", "2"),
            ("a.b.1.c", "\"c\" : \"v1\"", "x\"", "\"c\" : \"x\\\"\""),
            ("a.n", "1e2", "-3", "-3"),
            ("\"x.y\".z", "null", "v1", "\"v1\""),
            ("t", "true", "false", "false"),
        ] {
            assert_eq!(put(Format::Json, JSON, path, value), JSON.replace(old, new), "{path}");
        }
        assert_eq!(read(Format::Json, "\"v1\"", "a").unwrap_err().to_string(), "there is nothing at `a`");
    }

    #[test]
    fn what_is_there_already_is_left_as_it_is_written() {
        assert_eq!(put(Format::Toml, "a = '''v1'''", "a", "v1"), "a = '''v1'''");
        assert_eq!(put(Format::Json, r#"{"a":"\u0076\u0031"}"#, "a", "v1"), r#"{"a":"\u0076\u0031"}"#);
    }

    #[test]
    fn what_cannot_be_is_said() {
        let said = |format, text: &str, path: &str| put(format, text, path, "v2");
        assert_eq!(said(Format::Toml, TOML, "machine_identity"), "`machine_identity` is not one value");
        assert_eq!(said(Format::Toml, TOML, "nobody.home"), "there is nothing at `nobody.home`");
        assert_eq!(
            said(Format::Toml, TOML, "machine_identity.n"),
            "`v2` at `machine_identity.n`: it is no whole number, and `0x1` is a number"
        );
        assert!(said(Format::Toml, "a = ", "a").starts_with("it is not TOML"));
        assert!(said(Format::Toml, "a = 1\na = 2", "a").starts_with("it is not TOML"));
        assert_eq!(said(Format::Json, JSON, "a.b"), "`a.b` is not one value");
        assert_eq!(said(Format::Json, r#"{"a":1,"a":2}"#, "a"), "`a` stands in it twice");
        assert_eq!(said(Format::Json, r#"{"a":{"b":1},"a":{}}"#, "a.b"), "`a` stands in it twice");
        for bad in ["", "{", "{\"a\":}", "{\"a\":1]", "{\"a\" 1}", "{\"a\":1}x", "{\"a\":01}", "{\"a\":\"\n\"}", "/*"] {
            assert!(
                said(Format::Json, bad, "a").starts_with("it is not JSON"),
                "{bad}: {}",
                said(Format::Json, bad, "a")
            );
        }
        assert!(said(Format::Json, &"[".repeat(100_000), "a").starts_with("it is not JSON"));
        for bad in ["", ".", "a.", ".a", "a..b", "a.\"b", "a.\"b\"c"] {
            assert!(said(Format::Json, "{}", bad).contains("is no path"), "{bad}");
        }
        assert_eq!(
            [Format::of("a/b.toml"), Format::of("x.yml"), Format::of("x.conf")],
            [Some(Format::Toml), Some(Format::Yaml), None]
        );
    }

    /// A small document with one place in it: (text before, old value, text after).
    fn around() -> impl Strategy<Value = (String, String)> {
        ("[a-z ]{0,8}", "[ \t]{0,3}")
    }

    proptest! {
        #[test]
        fn toml_reads_back_and_touches_nothing_else(value in any::<String>(), old in "[a-z'\"\\\\ ]{0,6}", (note, gap) in around()) {
            let head = format!("# {note}\nfirst = 1{gap} # {note}\n[a]\nother ={gap}\"{note}\"\nid ={gap}");
            let tail = format!("{gap}# {note}\nlast = [1,{gap}2]\n");
            let text = format!("{head}{}{tail}", toml_edit::Value::from(old.as_str()));
            prop_assert_eq!(read(Format::Toml, &text, "a.id").unwrap(), old);
            let moved = write(Format::Toml, &text, "a.id", &value).unwrap();
            prop_assert_eq!(read(Format::Toml, &moved, "a.id").unwrap(), value);
            prop_assert_eq!((moved.starts_with(&head), moved.ends_with(&tail)), (true, true));
        }

        #[test]
        fn json_reads_back_and_touches_nothing_else(value in any::<String>(), old in any::<String>(), (note, gap) in around()) {
            let head = format!("{{{gap}\"x\":{gap}[1.0,{{\"id\":\"{note}\"}}],{gap}\"a\":{{\"id\":{gap}");
            let tail = format!("{gap},\"y\":{gap}1E5}}}}{gap}\n");
            let text = format!("{head}{}{tail}", serde_json::to_string(&old).unwrap());
            prop_assert_eq!(read(Format::Json, &text, "a.id").unwrap(), old);
            let moved = write(Format::Json, &text, "a.id", &value).unwrap();
            prop_assert_eq!(read(Format::Json, &moved, "a.id").unwrap(), value.as_str());
            prop_assert_eq!((moved.starts_with(&head), moved.ends_with(&tail)), (true, true));
            let loose: serde_json::Value = serde_json::from_str(&moved).unwrap();
            prop_assert_eq!(loose.pointer("/a/id").and_then(|id| id.as_str()), Some(value.as_str()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), near in "[{}\\[\\]\",:a0-9 ./*\\\\-]{0,24}", path in "[a.\"0]{0,6}") {
            for text in [&text, &near] {
                for format in [Format::Json, Format::Toml, Format::Yaml] {
                    if let Ok(value) = read(format, text, &path) {
                        prop_assert_eq!(read(format, &write(format, text, &path, &value).unwrap(), &path).unwrap(), value);
                    }
                }
                // Whatever serde_json reads, we read too.
                if serde_json::from_str::<serde_json::Value>(text).is_ok() {
                    let said = read(Format::Json, text, "a").map_err(|unfit| unfit.to_string());
                    prop_assert_eq!(said.is_err_and(|why| why.starts_with("it is not JSON")), false);
                }
            }
        }
    }
}
