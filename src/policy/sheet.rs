//! One file: its text, its tree, and everything that was found wrong with it.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::policy::problem::Complaint;
use crate::policy::problem::Level;
use crate::policy::problem::Problem;
use crate::policy::problem::strange;
use crate::policy::shape::nearest;
use crate::policy::tree::Node;

/// No policy file is longer.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// No more is told of one file: who has more has one cause.
const TOLD_MAX: usize = 200;
/// Deeper than this nothing is written in the language.
const DEPTH_MAX: usize = 24;

/// A file and what was found wrong with it.
pub(super) struct Sheet<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) root: Node<'a>,
    complaints: RefCell<Vec<Complaint>>,
    /// Where secrets stand: no quoted line shows them.
    masks: RefCell<Vec<Range<usize>>>,
}

impl<'a> Sheet<'a> {
    /// Parses a file. What can be read of a broken text is read.
    pub(super) fn parse(file: &'a str, bytes: &'a [u8]) -> Self {
        let (text, broken) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).and_then(|good| std::str::from_utf8(good).ok());
                (good.unwrap_or_default(), Some(()))
            }
        };
        let too_long = bytes.len() > FILE_BYTES_MAX;
        let nothing = Spanned::new(0..0, DeValue::Table(DeTable::new()));
        let sheet = |root| Self { file, text, root, complaints: RefCell::default(), masks: RefCell::default() };
        if too_long {
            let sheet = sheet(nothing);
            let message = format!("this file has {} bytes, and at most {FILE_BYTES_MAX} are read", bytes.len());
            sheet.complain(
                0..0,
                "K001",
                message,
                Some("split it: every file in `policies/` is a policy of its own".into()),
            );
            return sheet;
        }
        if broken.is_some() {
            let sheet = sheet(nothing);
            sheet.complain(text.len()..text.len(), "K001", "from here on this is not text in UTF-8".into(), None);
            return sheet;
        }
        let (table, errors) = DeTable::parse_recoverable(text);
        let sheet = sheet(Spanned::new(table.span(), DeValue::Table(table.into_inner())));
        for error in errors.iter().take(TOLD_MAX) {
            let message = format!("this is not TOML: {}", error.message());
            sheet.complain(error.span().unwrap_or_default(), "K001", message, None);
        }
        if let Some(span) = too_deep(&sheet.root, DEPTH_MAX) {
            sheet.complain(span, "K001", format!("this is nested deeper than {DEPTH_MAX} levels"), None);
        }
        sheet.look_for_strange(text);
        sheet
    }

    /// Everything in a policy can be seen by whoever reviews it, comments too.
    fn look_for_strange(&self, text: &str) {
        let refused = |span: Range<usize>, c: char| {
            let message =
                format!("the character `{}` cannot stand in a policy: no reviewer sees it", c.escape_default());
            self.complain(span, "K004", message, None);
        };
        // A mark of the byte order may begin a file.
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        if strange(body).is_some() {
            for (at, c) in
                text.char_indices().filter(|(at, c)| *at > 0 && strange(c.encode_utf8(&mut [0; 4])).is_some())
            {
                refused(at..at.saturating_add(c.len_utf8()), c);
                if self.is_full() {
                    return;
                }
            }
        }
        // Escapes make what the text itself does not hold.
        if text.contains('\\') {
            strange_texts(&self.root, &mut |span, c| {
                if !self.is_wrong_within(&span) {
                    refused(span, c);
                }
            });
        }
    }

    /// The top table.
    pub(super) fn table(&self) -> Option<&DeTable<'a>> {
        self.root.get_ref().as_table()
    }

    /// Notes a problem.
    pub(super) fn complain(&self, span: Range<usize>, code: &'static str, message: String, hint: Option<String>) {
        self.note(Complaint { span, code, level: Level::Error, message, hint });
    }

    /// Notes a lint.
    pub(super) fn lint(&self, span: Range<usize>, code: &'static str, message: String, hint: Option<String>) {
        self.note(Complaint { span, code, level: Level::Lint, message, hint });
    }

    fn note(&self, complaint: Complaint) {
        self.complaints.borrow_mut().push(complaint);
    }

    /// Blots out a secret, in every line that is quoted from this file.
    pub(super) fn blot(&self, span: Range<usize>) {
        self.masks.borrow_mut().push(span);
    }

    /// How many complaints there are so far.
    pub(super) fn count(&self) -> usize {
        self.complaints.borrow().len()
    }

    /// Whether there are so many that no more are told.
    pub(super) fn is_full(&self) -> bool {
        self.count() >= TOLD_MAX
    }

    /// Whether something was complained of within a place already.
    pub(super) fn is_wrong_within(&self, span: &Range<usize>) -> bool {
        self.complaints.borrow().iter().any(|one| span.start <= one.span.start && one.span.end <= span.end)
    }

    /// Whether a table has an unknown word that was probably meant to be this one: then it is not missing as well.
    pub(super) fn has_misspelt(&self, table: &DeTable<'_>, word: &str) -> bool {
        let complaints = self.complaints.borrow();
        let unknown = |span: &Range<usize>| complaints.iter().any(|one| one.code == "K002" && one.span == *span);
        !complaints.is_empty()
            && table.keys().any(|written| nearest(written.get_ref(), [word]).is_some() && unknown(&written.span()))
    }

    /// Whether anything is wrong with it.
    pub(super) fn is_wrong(&self) -> bool {
        self.complaints.borrow().iter().any(|complaint| complaint.level == Level::Error)
    }

    /// Everything that was found, in the order of its lines.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut complaints = self.complaints.take();
        complaints.sort_by(|a, b| (a.span.start, a.code, &a.message).cmp(&(b.span.start, b.code, &b.message)));
        complaints.dedup_by(|a, b| a.span == b.span && a.code == b.code && a.message == b.message);
        let masks = self.masks.borrow();
        complaints.iter().take(TOLD_MAX).map(|one| one.in_text(self.file, self.text, &masks)).collect()
    }
}

/// The parser has a limit of its own, so this cannot run out of stack.
fn too_deep(node: &Node<'_>, left: usize) -> Option<Range<usize>> {
    let Some(left) = left.checked_sub(1) else { return Some(node.span()) };
    match node.get_ref() {
        DeValue::Array(items) => items.iter().find_map(|item| too_deep(item, left)),
        DeValue::Table(table) => table.iter().find_map(|(_, value)| too_deep(value, left)),
        _ => None,
    }
}

/// Every text in the tree that holds a strange character.
fn strange_texts(node: &Node<'_>, told: &mut impl FnMut(Range<usize>, char)) {
    match node.get_ref() {
        DeValue::String(text) => {
            if let Some(c) = strange(text) {
                told(node.span(), c);
            }
        }
        DeValue::Array(items) => items.iter().for_each(|item| strange_texts(item, told)),
        DeValue::Table(table) => {
            for (word, value) in table {
                if let Some(c) = strange(word.get_ref()) {
                    told(word.span(), c);
                }
                strange_texts(value, told);
            }
        }
        _ => {}
    }
}

/// The line and column of a place, from 1; faster than a problem where thousands are needed.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at.saturating_add(1)));
        Self { text, starts }
    }

    /// The line and column of an offset.
    pub(super) fn at(&self, offset: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|before| self.starts.get(before)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).unwrap_or_default().chars().count();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(line), number(column.saturating_add(1)))
    }
}
