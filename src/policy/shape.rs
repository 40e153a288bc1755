//! Judges a block against the schema when serde will not take it: every unknown word, wrong kind and missing word of it
//! at once, each at its own place. Never on the way of a good policy.

mod pick;
mod words;

use serde_json::Value;
use toml::de::DeValue;

use crate::policy::meaning::Block;
use crate::policy::problem::quote;
use crate::policy::sheet::Sheet;
use crate::policy::tree::Node;
use crate::policy::tree::Skip;
use crate::policy::tree::integer;

pub(super) use words::did_you_mean;
pub(super) use words::nearest;
pub(super) use words::sounds_secret;

/// One judgement of one block.
pub(super) struct Judge<'a> {
    pub(super) sheet: &'a Sheet<'a>,
    /// The whole schema, for its definitions.
    pub(super) schema: &'a Value,
    /// What was complained of and is to be passed over.
    pub(super) skip: Skip,
    /// What is called by what word: for messages.
    pub(super) word: String,
    /// The block, and where its name stands: what it lacks is said there.
    root: &'a Node<'a>,
    head: std::ops::Range<usize>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(sheet: &'a Sheet<'a>, schema: &'a Value, word: &str, block: Block<'a>) -> Self {
        Self { sheet, schema, skip: Skip::new(), word: word.to_owned(), root: block.node, head: block.head.span() }
    }

    /// Where to say what a table lacks.
    pub(super) fn lack(&self, node: &Node<'_>) -> std::ops::Range<usize> {
        if std::ptr::eq(std::ptr::from_ref(self.root).cast::<u8>(), std::ptr::from_ref(node).cast::<u8>()) {
            self.head.clone()
        } else {
            node.span()
        }
    }

    /// What is judged, as it is named in a message.
    pub(super) fn named(&self) -> String {
        named(&self.word)
    }

    /// A definition of the schema.
    pub(super) fn definition(&self, name: &str) -> Option<&'a Value> {
        self.schema.get("$defs")?.get(name)
    }

    /// Whether the node can be read as the schema says, once what is in `skip` is passed over.
    pub(super) fn judge(&mut self, node: &'a Node<'a>, schema: &'a Value) -> bool {
        if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
            let name = path.rsplit('/').next().unwrap_or_default();
            match name {
                "Source" => return self.secret(node),
                "Auth" | "Tls" if !node.get_ref().is_table() => {
                    self.sheet.blot(node.span());
                    let message = format!("{} is a table of words, and its secrets are references", self.named());
                    let hint = "write `{ token = { env = \"NAME\" } }`, or whatever the server takes";
                    self.sheet.complain(node.span(), "K007", message, Some(hint.into()));
                    return false;
                }
                _ => {}
            }
            return match self.definition(name) {
                Some(definition) => self.judge(node, definition),
                None => true,
            };
        }
        if let Some(several) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            return self.one_of(node, several);
        }
        if let Some(words) = pick::words_of(schema) {
            return self.one_word(node, &words);
        }
        if !pick::fits(self, node, schema) {
            return self.wrong_kind(node, &[schema]);
        }
        match node.get_ref() {
            DeValue::Table(_) => self.table(node, schema),
            DeValue::Array(items) => {
                let Some(inner) = schema.get("items") else { return true };
                for item in items {
                    if !self.judge(item, inner) {
                        self.skip.insert(item.span().start);
                    }
                }
                true
            }
            DeValue::Integer(number) => self.in_range(node, integer(number), schema),
            _ => true,
        }
    }

    fn table(&mut self, node: &'a Node<'a>, schema: &'a Value) -> bool {
        let Some(table) = node.get_ref().as_table() else { return true };
        let known = schema.get("properties").and_then(Value::as_object);
        let other = schema.get("additionalProperties");
        let around = self.word.clone();
        for (word, value) in table {
            let named = known.and_then(|known| known.get(word.get_ref().as_ref()));
            let good = match (named, other) {
                (Some(inner), _) => {
                    word.get_ref().as_ref().clone_into(&mut self.word);
                    self.judge(value, inner)
                }
                (None, Some(Value::Bool(false))) => {
                    let words = known.into_iter().flatten().map(|(word, _)| word.as_str());
                    self.unknown(word, value, &words.collect::<Vec<_>>(), &around);
                    false
                }
                (None, Some(inner)) => self.judge(value, inner),
                (None, None) => true,
            };
            if !good {
                self.skip.insert(word.span().start);
            }
        }
        self.word = around;
        let mut whole = true;
        for word in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(word) {
                whole = false;
                if self.sheet.has_misspelt(table, word) {
                    continue;
                }
                let message = format!("{} is missing here", quote(word));
                self.sheet.complain(self.lack(node), "K003", message, Some(format!("add `{word} = ..`")));
            }
        }
        whole
    }

    fn in_range(&mut self, node: &Node<'_>, number: Option<i64>, schema: &Value) -> bool {
        let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN);
        let most = schema.get("maximum").and_then(Value::as_i64).unwrap_or(i64::MAX);
        let good = number.is_some_and(|number| (least..=most).contains(&number));
        if !good {
            let range = match (least, most) {
                (least, i64::MAX) if least != i64::MIN => format!("at least {least}, and no more than 64 bits hold"),
                (i64::MIN, i64::MAX) => "no more than 64 bits hold".to_owned(),
                (least, most) => format!("from {least} to {most}"),
            };
            let message = format!("the number of {} must be {range}", self.named());
            self.sheet.complain(node.span(), "K004", message, None);
        }
        good
    }

    fn unknown(&self, word: &toml::Spanned<std::borrow::Cow<'_, str>>, value: &Node<'_>, words: &[&str], around: &str) {
        let secret = ["auth", "tls"].contains(&around) || words::sounds_secret(word.get_ref());
        if secret && !value.get_ref().is_table() {
            self.sheet.blot(value.span());
        }
        let message = format!("{} is not a word of {}", quote(word.get_ref()), named(around));
        self.sheet.complain(word.span(), "K002", message, Some(did_you_mean(word.get_ref(), words)));
    }

    /// A secret: only by reference.
    fn secret(&mut self, node: &'a Node<'a>) -> bool {
        let hint = "write `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ command = [\"program\"] }`";
        let Some(table) = node.get_ref().as_table() else {
            self.sheet.blot(node.span());
            let message = format!("{} is a secret, and a policy holds none", self.named());
            self.sheet.complain(node.span(), "K007", message, Some(hint.into()));
            return false;
        };
        if let Some(default) = table.get("default") {
            self.sheet.blot(default.span());
            let message = format!("{} is a secret, and a secret has no default in a policy", self.named());
            self.sheet.complain(default.span(), "K007", message, Some(hint.into()));
            return false;
        }
        let good = match (table.len(), table.iter().next()) {
            (1, Some((word, value))) => match (word.get_ref().as_ref(), value.get_ref()) {
                ("env" | "file", DeValue::String(_)) => true,
                ("command", DeValue::Array(words)) => words.iter().all(|word| word.get_ref().is_str()),
                _ => false,
            },
            _ => false,
        };
        if !good {
            self.sheet.blot(node.span());
            let message = format!("this does not say where the secret {} comes from", self.named());
            self.sheet.complain(node.span(), "K003", message, Some(hint.into()));
        }
        good
    }
}

/// A word in backticks; what is not a word of the language ("a key") as it is.
fn named(word: &str) -> String {
    if word.contains([' ', '`']) { word.to_owned() } else { quote(word) }
}
