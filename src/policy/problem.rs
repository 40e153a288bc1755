//! A problem: what is wrong with a text, where, and the way out. Everything that a policy's author wrote and that is
//! quoted here is made visible first, so that no file can write to a reviewer's terminal.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// A longer line is cut.
const LINE_BYTES_MAX: usize = 160;
/// How many bytes of it are quoted on each side of what is wrong.
const QUOTED_BYTES_MAX: usize = 60;

/// Whether a text is wrong or only doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The text is wrong: nothing is planned from it.
    Error,
    /// The text can be meant, and probably should not be.
    Lint,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its code: `keyrota explain CODE` tells more.
    pub code: &'static str,
    /// Whether it is wrong or only doubtful.
    pub level: Level,
    /// The file, relative to the project.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// The line itself, made visible: control characters escaped, secrets blotted out, a long line cut.
    pub source_line: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The way out, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where in `source_line` it stands: the first byte, and how many.
    #[serde(skip)]
    pub mark: (usize, usize),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file, self.line, self.column, self.code, self.message)
    }
}

impl std::error::Error for Problem {}

/// What is wrong, and where in the text, before it is shown.
#[derive(Debug, Clone)]
pub(super) struct Complaint {
    pub(super) span: Range<usize>,
    pub(super) code: &'static str,
    pub(super) level: Level,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Complaint {
    /// The problem, with its line quoted from `text`, and everything in `masks` blotted out.
    pub(super) fn in_text(&self, file: &str, text: &str, masks: &[Range<usize>]) -> Problem {
        let at = floor(text, self.span.start.min(text.len()));
        let end = floor(text, self.span.end.min(text.len())).max(at);
        let before = text.get(..at).unwrap_or_default();
        let begins = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
        let ends =
            text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| at.saturating_add(length));
        let (mut from, mut to) = (begins, ends);
        if ends.saturating_sub(begins) > LINE_BYTES_MAX {
            from = floor(text, begins.max(at.saturating_sub(QUOTED_BYTES_MAX)));
            to = floor(text, ends.min(at.saturating_add(QUOTED_BYTES_MAX)));
        }
        let mut quoted = Quoted { text, masks, masked: None, shown: String::new() };
        quoted.push_str(if from > begins { "…" } else { "" });
        quoted.push(from..at);
        let first = quoted.shown.len();
        quoted.push(at..end.min(to));
        let count = quoted.shown.len().saturating_sub(first);
        quoted.push(end.min(to)..to);
        quoted.push_str(if to < ends { "…" } else { "" });
        let shown = quoted.shown.trim_end().to_owned();
        Problem {
            code: self.code,
            level: self.level,
            file: visible(file),
            line: number(before.bytes().filter(|b| *b == b'\n').count()),
            column: number(text.get(begins..at).unwrap_or_default().chars().count()),
            mark: (first.min(shown.len()), count.min(shown.len().saturating_sub(first))),
            source_line: shown,
            message: visible(&self.message),
            hint: self.hint.as_deref().map(visible),
        }
    }
}

struct Quoted<'a> {
    text: &'a str,
    masks: &'a [Range<usize>],
    /// The last one that was blotted out, by its beginning.
    masked: Option<usize>,
    shown: String,
}

impl Quoted<'_> {
    fn push_str(&mut self, text: &str) {
        self.shown.push_str(text);
    }

    fn push(&mut self, range: Range<usize>) {
        let start = range.start;
        for (offset, c) in self.text.get(range).unwrap_or_default().char_indices() {
            let here = start.saturating_add(offset);
            match self.masks.iter().find(|mask| mask.contains(&here)) {
                // Always three: how long a secret is, is a part of it.
                Some(mask) if self.masked != Some(mask.start) => {
                    self.masked = Some(mask.start);
                    self.shown.push_str("***");
                }
                Some(_) => {}
                None => show(c, &mut self.shown),
            }
        }
    }
}

/// Counted from 1.
fn number(before: usize) -> u32 {
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

/// A text that can do nothing to a terminal: control, formatting and invisible characters are written as escapes.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        show(c, &mut shown);
    }
    shown
}

/// The first character that a reviewer cannot see, or that changes what they see: control characters but for line ends
/// and tabs, and marks that turn, join or hide text.
pub(super) fn strange(text: &str) -> Option<char> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b) || b == b'\n') {
        return None;
    }
    text.chars().find(|c| match c {
        '\n' | '\r' | '\t' => false,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    })
}

fn show(c: char, shown: &mut String) {
    match c {
        // Quotes and backslashes are harmless, and escaping them would make every quoted line harder to read.
        '"' | '\'' | '\\' => shown.push(c),
        '\t' => shown.push(' '),
        _ => shown.extend(c.escape_debug()),
    }
}

/// A text of the author's as it is quoted in a message: in backticks, visible, and cut where it is long.
pub(super) fn quote(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", visible(&cut).replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use crate::policy::problem::Complaint;
    use crate::policy::problem::Level;
    use crate::policy::problem::Problem;
    use crate::policy::problem::visible;

    fn problem(text: &str, span: std::ops::Range<usize>, masks: &[std::ops::Range<usize>]) -> Problem {
        let message = "it is \u{1b}[31mwrong".to_owned();
        Complaint { span, code: "K001", level: Level::Error, message, hint: None }.in_text("a.toml", text, masks)
    }

    #[test]
    fn quotes_its_line_and_counts_from_one() {
        let found = problem("a = 1\nbé = 2\n", 9..10, &[]);
        assert_eq!((found.line, found.column, found.source_line.as_str()), (2, 3, "bé = 2"));
        assert_eq!(found.to_string(), r"a.toml:2:3: K001: it is \u{1b}[31mwrong");
    }

    #[test]
    fn cuts_long_lines_and_blots_secrets() {
        let text = format!("{}pin = \"1234\"{}", "x".repeat(500), "y".repeat(500));
        let secret = 506..512;
        let found = problem(&text, secret.clone(), std::slice::from_ref(&secret));
        assert!(found.source_line.starts_with('…') && found.source_line.ends_with('…'));
        assert!(found.source_line.contains("pin = ***yyy"), "{}", found.source_line);
        assert!(found.source_line.len() < 300);
        assert_eq!(found.column, 507);
    }

    #[test]
    fn nothing_reaches_the_terminal() {
        assert_eq!(visible("a\u{202e}b\u{7}\u{1b}[2J\u{200b}\0"), r"a\u{202e}b\u{7}\u{1b}[2J\u{200b}\0");
        assert_eq!(visible("plain \"text\" \\ ünï"), "plain \"text\" \\ ünï");
    }

    proptest::proptest! {
        #[test]
        fn any_span_of_any_text_is_shown(text in proptest::prelude::any::<String>(), from in 0usize..80, to in 0usize..80) {
            let found = problem(&text, from..to, &[]);
            let (at, count) = found.mark;
            proptest::prop_assert!(found.source_line.get(at..at + count).is_some());
            proptest::prop_assert!(!found.source_line.chars().any(char::is_control));
        }
    }
}
