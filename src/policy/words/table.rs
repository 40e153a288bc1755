//! The one table that states every word with its default.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::policy::placeholders;
use crate::policy::words::policy;
use crate::policy::words::project;

/// The words of both kinds of file, as a Markdown document.
#[must_use]
pub fn table() -> String {
    let mut text = String::from(
        "# The words\n\n\
         Every word of a policy (`policies/*.toml`) and of a project (`keyrota.toml`), with its default. Where the default is\n\
         `-`, the word may be left out and then says nothing; where it is **needed**, there is none. A text may be\n\
         `{ env = \"NAME\", default = \"..\" }` wherever it is not a name or a word of the language; a secret is always\n\
         `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ command = [\"program\"] }`. Spans are `90d`, `48h`, `1h30m`, `30s`.\n\
         Paths are relative to the project's folder or absolute, and never climb by `..`. Commands run without a shell, and\n\
         only programs that `[commands] allow` lists, exactly as the policy writes them.\n\n\
         This table is drawn from the types that read the files: `UPDATE=1 cargo test --lib words` draws it anew.\n\n\
         | word | is | default | means |\n|---|---|---|---|\n",
    );
    for (schema, file) in [(policy(), "`policies/*.toml`"), (project(), "`keyrota.toml`")] {
        let mut drawn =
            Drawn { schema, uses: uses(schema), rows: Vec::new(), queued: Vec::new(), done: BTreeSet::new() };
        drawn.rows.push(format!("| **{file}** | | | |"));
        drawn.words("", schema);
        while let Some(name) = drawn.queued.pop() {
            if drawn.done.insert(name.clone()) {
                drawn.shared(&name);
            }
        }
        for row in drawn.rows {
            text.push_str(&row);
            text.push('\n');
        }
    }
    text.push_str("\n## Places to fill\n\n| where | what can stand there |\n|---|---|\n");
    for (place, allowed) in placeholders::ALL {
        text.push_str(&format!("| {place} | {} |\n", allowed.listed()));
    }
    text.push_str(
        "\n`{{ sha256[:16] }}` takes the first 16 characters; `{{ n }}` counts versions; `{{ since }}` is the end of the previous\n\
         act on that member; the layout of a seal has places of its own (`{{ nonce | base64 }}`).\n",
    );
    text
}

/// How often each definition is used.
fn uses(schema: &Value) -> BTreeMap<String, usize> {
    fn count(value: &Value, uses: &mut BTreeMap<String, usize>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| count(item, uses)),
            Value::Object(table) => {
                if let Some(name) = name_of(value) {
                    *uses.entry(name.to_owned()).or_default() += 1;
                }
                table.values().for_each(|value| count(value, uses));
            }
            _ => {}
        }
    }
    let mut uses = BTreeMap::new();
    count(schema, &mut uses);
    uses
}

fn name_of(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.rsplit('/').next()
}

struct Drawn<'a> {
    schema: &'a Value,
    uses: BTreeMap<String, usize>,
    rows: Vec<String>,
    /// Definitions with words that are used more than once: each is drawn by itself, once.
    queued: Vec<String>,
    done: BTreeSet<String>,
}

impl<'a> Drawn<'a> {
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let definition = name_of(schema).and_then(|name| self.schema.get("$defs")?.get(name));
        definition.unwrap_or(schema)
    }

    fn shared(&mut self, name: &str) {
        let Some(definition) = self.schema.get("$defs").and_then(|all| all.get(name)) else { return };
        self.rows.push(format!("| **{}** | | | {} |", lower(name), cell(said(definition))));
        self.inside(&lower(name), definition);
    }

    /// A row for each word of a table.
    fn words(&mut self, prefix: &str, schema: &'a Value) {
        let needed: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (word, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = if prefix.is_empty() { word.clone() } else { format!("{prefix}.{word}") };
            if word == "type" && inner.get("const").is_some() {
                continue;
            }
            let default = match inner.get("default").or_else(|| inner.get("x-default")) {
                Some(Value::String(text)) if inner.get("default").is_some() => format!("`{text}`"),
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(value)) => format!("`{value}`"),
                Some(value) => format!("`{value}`"),
                None if needed.contains(&word.as_str()) => "**needed**".to_owned(),
                None if inner.get("type").is_some_and(|kind| kind == "boolean") => "`false`".to_owned(),
                None => "-".to_owned(),
            };
            let kind = self.kind(inner);
            let means = said(inner);
            self.rows.push(format!("| `{path}` | {} | {} | {} |", cell(&kind), cell(&default), cell(means)));
            self.inside(&path, inner);
        }
    }

    /// The words inside a value, whatever form it takes.
    fn inside(&mut self, path: &str, schema: &'a Value) {
        if name_of(schema).is_some_and(|name| PLAIN.contains(&name)) {
            return;
        }
        if let Some(name) = name_of(schema)
            && self.uses.get(name).is_some_and(|uses| *uses > 1)
            && self.has_words(schema)
        {
            self.queued.insert(0, name.to_owned());
            return;
        }
        let schema = self.resolved(schema);
        for forms in ["oneOf", "anyOf"].iter().filter_map(|word| schema.get(*word)?.as_array()) {
            for form in forms {
                match self.resolved(form).get("properties").and_then(|words| words.get("type")?.get("const")?.as_str())
                {
                    Some(kind) => {
                        let kind_path = format!("{path}.{kind}");
                        self.rows.push(format!("| `type = \"{kind}\"` | | | {} |", cell(said(form))));
                        self.words(&kind_path, self.resolved(form));
                    }
                    None => self.inside(path, form),
                }
            }
        }
        if schema.get("properties").is_some() {
            self.words(path, schema);
        }
        for inner in ["items", "additionalProperties"].iter().filter_map(|word| schema.get(*word)) {
            self.inside(path, inner);
        }
    }

    fn has_words(&self, schema: &'a Value) -> bool {
        if name_of(schema).is_some_and(|name| PLAIN.contains(&name)) {
            return false;
        }
        let schema = self.resolved(schema);
        let forms = ["oneOf", "anyOf"].iter().filter_map(|word| schema.get(*word)?.as_array()).flatten();
        schema.get("properties").is_some() || forms.into_iter().any(|form| self.has_words(form))
    }

    /// What a value is, in a few words.
    fn kind(&self, schema: &'a Value) -> String {
        match name_of(schema) {
            Some("Text" | "FromEnv") => return "text".into(),
            Some("Reach") => return "text or secret".into(),
            Some("Count") => return "number".into(),
            Some("Source") => return "secret".into(),
            Some(name) if self.uses.get(name).is_some_and(|uses| *uses > 1) && self.is_table(schema) => {
                return format!("**{}**", lower(name));
            }
            _ => {}
        }
        let schema = self.resolved(schema);
        if let Some(word) = schema.get("const").and_then(Value::as_str) {
            return format!("`{word}`");
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return words
                .iter()
                .filter_map(Value::as_str)
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", ");
        }
        if let Some(forms) = ["oneOf", "anyOf"].iter().find_map(|word| schema.get(*word)?.as_array()) {
            let mut kinds: Vec<String> = Vec::new();
            for kind in forms.iter().map(|form| self.kind(form)) {
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            let words = kinds.iter().all(|kind| kind.starts_with('`'));
            return kinds.join(if words { ", " } else { " or " });
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => "text".into(),
            Some("integer" | "number") => "number".into(),
            Some("boolean") => "`true`, `false`".into(),
            Some("array") => {
                let of = schema.get("items").map_or_else(String::new, |inner| self.kind(inner));
                if of.is_empty() { "list".into() } else { format!("list of {of}") }
            }
            Some("object") => match schema.get("additionalProperties").filter(|inner| !inner.is_boolean()) {
                Some(inner) if self.has_words(inner) && self.kind(inner) == "table" => "tables by name".into(),
                Some(inner) => format!("table of {}", self.kind(inner)),
                None => "table".into(),
            },
            _ => "any value".into(),
        }
    }

    fn is_table(&self, schema: &'a Value) -> bool {
        self.resolved(schema).get("properties").is_some()
    }
}

/// Definitions that the opening of the table tells of.
const PLAIN: [&str; 5] = ["Text", "Reach", "Count", "Source", "FromEnv"];

fn said(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn lower(name: &str) -> String {
    let mut lower = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !lower.is_empty() {
            lower.push(' ');
        }
        lower.push(c.to_ascii_lowercase());
    }
    lower
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may stop at the first surprise, and redraws")]
mod tests {
    use super::table;

    #[test]
    fn the_table_of_words_is_up_to_date() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/words.md");
        if std::env::var("UPDATE").is_ok() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, table()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == table(),
            "docs/words.md is not what the types say: `UPDATE=1 cargo test --lib words` draws it anew"
        );
    }

    #[test]
    fn every_default_of_the_design_stands_in_it() {
        let table = table();
        for row in [
            "| `learns.margin` | text | 10 % of `every`, at least 1m |",
            "| `fleet.in_flight` | text | `5m` |",
            "| `fleet.caches` | text | `0s` |",
            "| `fleet.holds` | `many`, `one` | `many` |",
            "| `fleet.opens` | `any-time`, `at-start` | `any-time` |",
            "| `fleet.joins` | `waits`, `any` | `waits` |",
            "| `fleet.restart.within` | text | `10m` |",
            "| `key.grace` | text | `0s` |",
            "| `store.sqlite.sealed` | list of **sealed** | **needed** |",
            "| `key.seals` | list of text | **needed** |",
            "| `plans_expire` | text | `7d` |",
            "| `check.timeout` | text | `30s` |",
        ] {
            assert!(table.contains(row), "{row}");
        }
    }
}
