//! Where in a file something was said: followed only when there is something to complain of, so that a good policy
//! costs nothing.

use std::ops::Range;

use toml::de::DeValue;

use crate::policy::problem::quote;
use crate::policy::sheet::Sheet;
use crate::policy::tree::Node;

/// A place in a file: a block, and the words and numbers that lead into it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) sheet: &'a Sheet<'a>,
    block: &'a Node<'a>,
    /// Where the block's own name stands.
    head: &'a Head<'a>,
    step: Option<(&'a Place<'a>, Step<'a>)>,
}

/// A block's own name.
pub(super) type Head<'a> = toml::Spanned<std::borrow::Cow<'a, str>>;

/// One step into a block.
#[derive(Clone, Copy)]
enum Step<'a> {
    Word(&'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    /// The place of a block, whose name stands at `head`.
    pub(super) fn new(sheet: &'a Sheet<'a>, block: &'a Node<'a>, head: &'a Head<'a>) -> Self {
        Self { sheet, block, head, step: None }
    }

    /// The place of a word's value in this table.
    pub(super) fn word(&'a self, word: &'a str) -> Self {
        Self { step: Some((self, Step::Word(word))), ..*self }
    }

    /// The place of an item in this list. Where one item may stand for a list of one, it is its place.
    pub(super) fn item(&'a self, at: usize) -> Self {
        Self { step: Some((self, Step::Item(at))), ..*self }
    }

    /// What is written here, where something is.
    pub(super) fn node(&self) -> Option<&'a Node<'a>> {
        let Some((up, step)) = self.step else { return Some(self.block) };
        let node = up.node()?;
        match (node.get_ref(), step) {
            (DeValue::Table(table), Step::Word(word)) => table.get(word),
            (DeValue::Array(items), Step::Item(at)) => items.get(at),
            (_, Step::Item(0)) => Some(node),
            _ => None,
        }
    }

    /// The place in the text: of the value, else of the word before it, else of the nearest thing around it.
    pub(super) fn span(&self) -> Range<usize> {
        let Some((up, _)) = self.step else { return self.head.span() };
        self.node().map_or_else(|| up.span(), Node::span)
    }

    /// Notes a problem here.
    pub(super) fn complain(&self, code: &'static str, message: impl Into<String>) {
        self.sheet.complain(self.span(), code, message.into(), None);
    }

    /// Notes a problem here, with the way out.
    pub(super) fn complain_with(&self, code: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.sheet.complain(self.span(), code, message.into(), Some(hint.into()));
    }

    /// Notes a word that must be there and is not.
    pub(super) fn missing(&self, word: &str) {
        let table = self.node().and_then(|node| node.get_ref().as_table());
        if table.is_some_and(|table| table.contains_key(word) || self.sheet.has_misspelt(table, word)) {
            // It is there in some way, and was complained of when it was read.
            return;
        }
        self.complain_with("K003", format!("{} is missing here", quote(word)), format!("add `{word} = ..`"));
    }

    /// Blots out what is written here.
    pub(super) fn blot(&self) {
        if let Some(node) = self.node() {
            self.sheet.blot(node.span());
        }
    }
}
