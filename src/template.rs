//! The small language of `{{ .. }}`: literal text and places to fill, compiled once and filled fast.
//!
//! `v{{ n }}`, `data_keys:{{ row.id }}`, `{{ sha256[:16] }}`, `{{ ciphertext + tag | base64 }}`. What a name means is the
//! caller's affair; there are no conditions, loops or calls, and never will be.

mod matching;
mod parse;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;

/// No template is longer: it stands on one line of a policy.
pub const TEMPLATE_BYTES_MAX: usize = 16 * 1024;

/// A text with places to fill. Two templates are equal when they are written alike.
#[derive(Clone)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands for itself.
    Text(String),
    /// A place to fill.
    Place(Place),
}

/// What stands between `{{` and `}}`: terms that are joined, and how the whole is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The terms in order; more than one where they are joined by `+`.
    pub terms: Vec<Term>,
    /// How the whole is written, after `|`.
    pub filter: Option<Filter>,
}

/// A name, or a slice of what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The name, as in `row.id`.
    pub name: String,
    /// Only these characters of it: from the first, up to but not with the second, counted from 0.
    pub slice: Option<(usize, Option<usize>)>,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Lower-case hex.
    Hex,
    /// Standard base64, padded.
    Base64,
    /// URL-safe base64, not padded.
    Base64url,
    /// A list of numbers from 0 to 255: only where a list can stand, which a text cannot.
    Numbers,
}

/// A place that nothing fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub String);

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pieces = pieces(text)?;
        let list = |piece: &Piece| matches!(piece, Piece::Place(Place { filter: Some(Filter::Numbers), .. }));
        if pieces.iter().any(list) {
            return Err("`numbers` makes a list, and a text cannot hold one: use `hex` or `base64`".to_owned());
        }
        Ok(Self { text: text.to_owned(), pieces })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its pieces in order; two texts never follow each other.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Every name it asks for, in order, some perhaps twice.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.pieces
            .iter()
            .flat_map(|piece| match piece {
                Piece::Text(_) => &[],
                Piece::Place(place) => place.terms.as_slice(),
            })
            .map(|term| term.name.as_str())
    }

    /// Whether it asks for nothing and is always the same text.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.placeholders().next().is_none()
    }

    /// Whether it asks for `name`.
    #[must_use]
    pub fn asks_for(&self, name: &str) -> bool {
        self.placeholders().any(|asked| asked == name)
    }

    /// The text with every place filled.
    ///
    /// # Errors
    /// Names the first place for which `know` has nothing.
    pub fn fill<'v>(&self, know: impl FnMut(&str) -> Option<Cow<'v, str>>) -> Result<String, Missing> {
        let mut out = String::with_capacity(self.text.len());
        self.fill_into(&mut out, know)?;
        Ok(out)
    }

    /// [`Template::fill`], appended to `out`; for hot loops, which clear and fill the same one. After an error `out` holds half.
    ///
    /// # Errors
    /// Names the first place for which `know` has nothing.
    pub fn fill_into<'v>(
        &self,
        out: &mut String,
        mut know: impl FnMut(&str) -> Option<Cow<'v, str>>,
    ) -> Result<(), Missing> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Place(place) => place.fill_into(out, &mut know)?,
            }
        }
        Ok(())
    }
}

/// Compiles the pieces of a text in which any filter may stand: for layouts, whose fields can hold lists.
///
/// # Errors
/// Says what is wrong with the text.
pub fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(format!("it is longer than {TEMPLATE_BYTES_MAX} bytes"));
    }
    parse::pieces(text)
}

impl Place {
    fn fill_into<'v>(
        &self,
        out: &mut String,
        know: &mut impl FnMut(&str) -> Option<Cow<'v, str>>,
    ) -> Result<(), Missing> {
        let start = out.len();
        for term in &self.terms {
            let value = know(&term.name).ok_or_else(|| Missing(term.name.clone()))?;
            match term.slice {
                None => out.push_str(&value),
                Some((from, to)) => {
                    let count = to.map_or(usize::MAX, |to| to.saturating_sub(from));
                    out.extend(value.chars().skip(from).take(count));
                }
            }
        }
        let Some(filter) = self.filter else { return Ok(()) };
        let plain = out.split_off(start);
        match filter {
            Filter::Hex => out.push_str(&hex::encode(plain)),
            Filter::Base64 => STANDARD.encode_string(plain, out),
            Filter::Base64url => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode_string(plain, out),
            // A compiled template has none.
            Filter::Numbers => out.push_str(&plain),
        }
        Ok(())
    }
}

impl Filter {
    /// Every filter there is.
    pub const ALL: [Self; 4] = [Self::Hex, Self::Base64, Self::Base64url, Self::Numbers];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64url => "base64url",
            Self::Numbers => "numbers",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            write!(f, "{}{term}", if i == 0 { "" } else { " + " })?;
        }
        self.filter.map_or(Ok(()), |filter| write!(f, " | {}", filter.word()))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.slice {
            None => Ok(()),
            Some((0, None)) => f.write_str("[:]"),
            Some((from, None)) => write!(f, "[{from}:]"),
            Some((0, Some(to))) => write!(f, "[:{to}]"),
            Some((from, Some(to))) => write!(f, "[{from}:{to}]"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is known as `{}` here", self.0)
    }
}

impl Error for Missing {}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Template {}

impl PartialOrd for Template {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Template {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for Template {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl std::str::FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::any;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    use super::Missing;
    use super::Template;

    fn filled(text: &str) -> String {
        let template = Template::parse(text).unwrap();
        template
            .fill(|name| match name {
                "n" => Some(Cow::Borrowed("12")),
                "row.id" => Some(Cow::Borrowed("ключ")),
                "sha256" => Some(Cow::Owned("0123456789abcdef".repeat(4))),
                _ => None,
            })
            .unwrap_or_else(|missing| missing.to_string())
    }

    #[test]
    fn fills_what_policies_ask_for() {
        assert_eq!(filled("v{{ n }}"), "v12");
        assert_eq!(filled("{{n}}"), "12");
        assert_eq!(filled("data_keys:{{ row.id }}"), "data_keys:ключ");
        assert_eq!(filled("{{ sha256[:16] }}"), "0123456789abcdef");
        assert_eq!(filled("{{ row.id[1:3] }}"), "лю");
        assert_eq!(filled("{{ row.id[3:] }}"), "ч");
        assert_eq!(filled("{{ n[:99] }}"), "12");
        assert_eq!(filled("{{ n + n }}"), "1212");
        assert_eq!(filled("x{{ n | base64 }}"), "xMTI=");
        assert_eq!(filled("x{{ n | hex }}"), "x3132");
        assert_eq!(filled(r#"{"a":{"kid":"{{ n }}"}}"#), r#"{"a":{"kid":"12"}}"#);
        assert_eq!(filled("plain } text { }}"), "plain } text { }}");
        assert_eq!(filled("{{ nobody }}"), "nothing is known as `nobody` here");
    }

    #[test]
    fn says_what_is_wrong() {
        let wrong = |text: &str| Template::parse(text).unwrap_err();
        assert_eq!(wrong("v{{ n"), "`{{` is never closed by `}}`");
        assert_eq!(wrong("{{ }}"), "nothing stands between `{{` and `}}`");
        assert_eq!(wrong("{{ a b }}"), "`{{ a b }}`: `b` is not expected here");
        assert_eq!(
            wrong("{{ n | rot13 }}"),
            "`{{ n | rot13 }}`: no filter is called `rot13`: there are `hex`, `base64`, `base64url`, `numbers`"
        );
        assert_eq!(wrong("{{ n[3:1] }}"), "`{{ n[3:1] }}`: the slice ends before it begins");
        assert_eq!(wrong("{{ n[1] }}"), "`{{ n[1] }}`: a slice is written `[:16]`, `[4:]` or `[4:16]`");
        assert_eq!(
            wrong("{{ n | numbers }}"),
            "`numbers` makes a list, and a text cannot hold one: use `hex` or `base64`"
        );
        assert_eq!(wrong(&"x".repeat(20_000)), "it is longer than 16384 bytes");
    }

    #[test]
    fn knows_what_it_asks_for() {
        let template = Template::parse("{{ a.b + c }}-{{ d[:2] | hex }}").unwrap();
        assert_eq!(template.placeholders().collect::<Vec<_>>(), ["a.b", "c", "d"]);
        assert!(template.asks_for("c") && !template.asks_for("e"));
        assert!(!template.is_constant() && Template::parse("a").unwrap().is_constant());
        assert_eq!(template.fill(|name| (name == "a.b").then_some(Cow::Borrowed(""))), Err(Missing("c".to_owned())));
        let text = serde_json::to_string(&template).unwrap();
        assert_eq!(serde_json::from_str::<Template>(&text).unwrap(), template);
        assert!(serde_json::from_str::<Template>("\"{{\"").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), tail in "[{} a-z|+\\[:\\]0-9]{0,20}") {
            for text in [&text, &tail] {
                if let Ok(template) = Template::parse(text) {
                    let rebuilt: String = template.pieces().iter().map(|piece| match piece {
                        super::Piece::Text(text) => text.clone(),
                        super::Piece::Place(place) => format!("{{{{ {place} }}}}"),
                    }).collect();
                    let again = Template::parse(&rebuilt).unwrap();
                    prop_assert_eq!(again.pieces(), template.pieces());
                }
            }
        }
    }
}
