//! Which of several forms an author meant, and what to say where it was none of them.

use serde_json::Value;
use toml::de::DeValue;

use crate::policy::problem::quote;
use crate::policy::shape::Judge;
use crate::policy::shape::did_you_mean;
use crate::policy::tree::Node;

impl<'a> Judge<'a> {
    /// Judges a node that may take several forms, as the one that fits it best.
    pub(super) fn one_of(&mut self, node: &'a Node<'a>, several: &'a [Value]) -> bool {
        if let Some(kinds) = kinds_of(self, several) {
            return self.by_type(node, &kinds);
        }
        let fitting: Vec<&'a Value> = several.iter().filter(|schema| fits(self, node, schema)).collect();
        match (fitting.as_slice(), node.get_ref()) {
            ([], _) => self.wrong_kind(node, &several.iter().collect::<Vec<_>>()),
            ([one], _) => self.judge(node, one),
            (some, DeValue::String(_)) => {
                let words: Option<Vec<&'a str>> = some
                    .iter()
                    .map(|schema| words_of(resolved(self, schema)))
                    .collect::<Option<Vec<_>>>()
                    .map(|all| all.concat());
                words.is_none_or(|words| self.one_word(node, &words))
            }
            (some, DeValue::Table(table)) => {
                let strange = |schema: &&&'a Value| {
                    let known = resolved(self, schema).get("properties").and_then(Value::as_object);
                    table
                        .keys()
                        .filter(|word| known.is_none_or(|known| !known.contains_key(word.get_ref().as_ref())))
                        .count()
                };
                match some.iter().min_by_key(strange) {
                    Some(best) => self.judge(node, best),
                    None => true,
                }
            }
            (some, _) => some.first().is_none_or(|first| self.judge(node, first)),
        }
    }

    /// Judges a table whose word `type` says which of several it is.
    fn by_type(&mut self, node: &'a Node<'a>, kinds: &[(&'a str, &'a Value)]) -> bool {
        let Some(table) = node.get_ref().as_table() else {
            return self.wrong_kind(node, &kinds.iter().map(|(_, schema)| *schema).collect::<Vec<_>>());
        };
        let words: Vec<&str> = kinds.iter().map(|(word, _)| *word).collect();
        let Some(kind) = table.get("type") else {
            let hint = format!("add `type = ..`: there are {}", list(&words));
            self.sheet.complain(self.lack(node), "K003", format!("{} is missing here", quote("type")), Some(hint));
            return false;
        };
        match kinds.iter().find(|(word, _)| kind.get_ref().as_str() == Some(word)) {
            Some((_, schema)) => self.judge(node, schema),
            None => {
                self.word = "type".to_owned();
                self.one_word(kind, &words);
                false
            }
        }
    }

    /// Judges a text that must be one of several words.
    pub(super) fn one_word(&mut self, node: &Node<'_>, words: &[&str]) -> bool {
        let Some(text) = node.get_ref().as_str() else {
            let message = format!("{} is one of {}, and this is {}", self.named(), list(words), kind_of(node));
            self.sheet.complain(node.span(), "K003", message, None);
            return false;
        };
        if words.contains(&text) {
            return true;
        }
        let message = format!("{} is not one of the words for {}", quote(text), self.named());
        self.sheet.complain(node.span(), "K002", message, Some(did_you_mean(text, words)));
        false
    }

    /// Notes a node of a kind that none of the forms has.
    pub(super) fn wrong_kind(&mut self, node: &Node<'_>, forms: &[&Value]) -> bool {
        let mut kinds: Vec<String> = Vec::new();
        for schema in forms {
            for kind in kinds_wanted(resolved(self, schema)) {
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
        }
        let message = format!("{} is {}, and this is {}", self.named(), kinds.join(" or "), kind_of(node));
        self.sheet.complain(node.span(), "K003", message, None);
        false
    }
}

/// The definition that a schema refers to, or itself.
fn resolved<'a>(judge: &Judge<'a>, schema: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    name.and_then(|name| judge.definition(name)).unwrap_or(schema)
}

/// Whether a node is of a kind that the schema takes at all.
pub(super) fn fits<'a>(judge: &Judge<'a>, node: &Node<'_>, schema: &'a Value) -> bool {
    let schema = resolved(judge, schema);
    if let Some(several) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
        return several.iter().any(|one| fits(judge, node, one));
    }
    let kind = match node.get_ref() {
        // A date may stand without quotes.
        DeValue::String(_) | DeValue::Datetime(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    };
    match schema.get("type") {
        Some(Value::String(wanted)) => wanted == kind,
        Some(Value::Array(wanted)) => wanted.iter().any(|wanted| wanted == kind),
        _ => words_of(schema).is_none() || kind == "string",
    }
}

/// The words of a schema that is a choice of words.
pub(super) fn words_of(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let several = schema.get("oneOf").and_then(Value::as_array)?;
    several.iter().map(words_of).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

/// The forms of a table whose word `type` tells them apart.
fn kinds_of<'a>(judge: &Judge<'a>, several: &'a [Value]) -> Option<Vec<(&'a str, &'a Value)>> {
    let kind = |schema: &'a Value| {
        let tag = resolved(judge, schema).get("properties")?.get("type")?.get("const")?.as_str()?;
        Some((tag, schema))
    };
    several.iter().map(kind).collect()
}

fn kinds_wanted(schema: &Value) -> Vec<String> {
    if let Some(several) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
        if let Some(words) = words_of(schema) {
            return vec![list(&words)];
        }
        return several.iter().flat_map(kinds_wanted).collect();
    }
    if let Some(words) = words_of(schema) {
        return vec![list(&words)];
    }
    let said = |kind: &str| match kind {
        "string" => Some("a text"),
        "integer" => Some("a whole number"),
        "number" => Some("a number"),
        "boolean" => Some("`true` or `false`"),
        "array" => Some("a list"),
        "object" => Some("a table"),
        _ => None,
    };
    match schema.get("type") {
        Some(Value::String(kind)) => said(kind).into_iter().map(str::to_owned).collect(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).filter_map(said).map(str::to_owned).collect()
        }
        _ => vec!["a table".to_owned()],
    }
}

/// What a node is, in words.
pub(super) fn kind_of(node: &Node<'_>) -> &'static str {
    match node.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(", ")
}
