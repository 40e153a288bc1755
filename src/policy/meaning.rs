//! From a policy as written to the policy as meant: every name parsed, every default filled in, every value of the
//! environment resolved. What is wrong is noted at its place, and the rest is read on.

pub(super) mod backend;
pub(super) mod check;
pub(super) mod each;
pub(super) mod fleet;
pub(super) mod key;
pub(super) mod leaf;
pub(super) mod proof;
pub(super) mod service;
pub(super) mod settings;
pub(super) mod store;

use serde_json::Value;

use crate::fault::Fault;
use crate::model::Name;
use crate::policy::meant::project::Settings;
use crate::policy::place::Head;
use crate::policy::place::Place;
use crate::policy::problem::quote;
use crate::policy::shape::Judge;
use crate::policy::sheet::Sheet;
use crate::policy::tree;
use crate::policy::tree::Node;
use crate::policy::tree::Skip;

/// What the reading of a policy asks of its surroundings: variables, and files that a policy names.
pub struct Around<'a> {
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file, by its path relative to the project.
    pub file: &'a dyn Fn(&str) -> Result<String, Fault>,
    /// The words for the adapters that this build has, as policies write them (`file`, `sqlite`, ..).
    pub built: &'a [&'a str],
}

/// What one file is read with.
pub(super) struct Reader<'a> {
    pub(super) around: &'a Around<'a>,
    /// The project's settings, and whether there is a `keyrota.toml` at all.
    pub(super) settings: &'a Settings,
    pub(super) has_settings: bool,
    pub(super) sheet: &'a Sheet<'a>,
}

impl<'a> Reader<'a> {
    /// Reads a block into its written shape, and says everything that hinders it.
    pub(super) fn shaped<T: serde::Deserialize<'a>>(
        &self,
        block: Block<'a>,
        schema: &'static Value,
        definition: &str,
        word: &str,
    ) -> Option<T> {
        if let Ok(read) = tree::read(block.node, &Skip::new()) {
            return Some(read);
        }
        let mut judge = Judge::new(self.sheet, schema, word, block);
        let shape = if definition.is_empty() { Some(schema) } else { judge.definition(definition) };
        let before = self.sheet.count();
        if let Some(shape) = shape {
            judge.judge(block.node, shape);
        }
        match tree::read(block.node, &judge.skip) {
            Ok(read) => Some(read),
            Err(error) => {
                if self.sheet.count() == before {
                    self.sheet.complain(block.head.span(), "K003", format!("this cannot be read: {error}"), None);
                }
                None
            }
        }
    }

    /// The blocks of one kind, each with its name: `[key.x]`.
    pub(super) fn blocks(&self, kind: &str) -> Vec<(Name, Block<'a>)> {
        let Some(node) = self.sheet_table(kind) else { return Vec::new() };
        let Some(table) = node.get_ref().as_table() else {
            let message = format!("{} is a table of blocks: `[{kind}.NAME]`", quote(kind));
            self.sheet.complain(node.span(), "K003", message, None);
            return Vec::new();
        };
        let mut blocks = Vec::with_capacity(table.len());
        for (word, node) in table {
            match word.get_ref().parse::<Name>() {
                Ok(name) => blocks.push((name, Block { head: word, node })),
                Err(wrong) => {
                    let message = format!("{} is not a name: {wrong}", quote(word.get_ref()));
                    self.sheet.complain(word.span(), "K004", message, None);
                }
            }
        }
        blocks
    }

    fn sheet_table(&self, kind: &str) -> Option<&'a Node<'a>> {
        let sheet: &'a Sheet<'a> = self.sheet;
        sheet.table()?.get(kind)
    }

    /// Whether a block of this kind and name is declared, whatever is wrong with it.
    pub(super) fn declares(&self, kind: &str, name: &str) -> bool {
        self.sheet_table(kind).and_then(|node| node.get_ref().as_table()).is_some_and(|table| table.contains_key(name))
    }

    /// The names of the declared blocks of a kind.
    pub(super) fn declared(&self, kind: &str) -> Vec<&'a str> {
        let table = self.sheet_table(kind).and_then(|node| node.get_ref().as_table());
        table.into_iter().flat_map(|table| table.keys()).map(|word| word.get_ref().as_ref()).collect()
    }
}

/// A block of a file: `[key.x]`.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) head: &'a Head<'a>,
    pub(super) node: &'a Node<'a>,
}

impl<'a> Block<'a> {
    pub(super) fn place(&self, sheet: &'a Sheet<'a>) -> Place<'a> {
        Place::new(sheet, self.node, self.head)
    }
}
