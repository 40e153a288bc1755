//! The words of the language, drawn from the written types: the JSON Schema, and the table of every word with its default.

mod table;

use std::sync::OnceLock;

use serde_json::Value;

pub use table::table;

use crate::policy::written::PolicyFile;
use crate::policy::written::project::ProjectFile;

/// Which file a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `policies/*.toml`.
    Policy,
    /// `keyrota.toml`.
    Project,
}

/// The JSON Schema of one kind of file.
#[must_use]
pub fn schema(kind: Kind) -> &'static Value {
    match kind {
        Kind::Policy => policy(),
        Kind::Project => project(),
    }
}

/// The schema of a policy file.
pub(super) fn policy() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| folded(&without_null(schemars::schema_for!(PolicyFile).to_value())))
}

/// The schema of `keyrota.toml`.
pub(super) fn project() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| folded(&without_null(schemars::schema_for!(ProjectFile).to_value())))
}

/// TOML has no null: what may be left out is left out.
fn without_null(schema: Value) -> Value {
    match schema {
        Value::Array(items) => Value::Array(items.into_iter().map(without_null).collect()),
        Value::Object(mut table) => {
            if let Some(Value::Array(kinds)) = table.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [only] = kinds.as_slice() {
                    let only = only.clone();
                    table.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(forms)) = table.get_mut("anyOf") {
                forms.retain(|form| form.get("type").is_none_or(|kind| kind != "null"));
                if let [Value::Object(only)] = forms.as_slice() {
                    let only = only.clone();
                    table.shift_remove("anyOf");
                    for (word, value) in only {
                        // What is said of this use of a type goes before what is said of the type.
                        table.entry(word).or_insert(value);
                    }
                }
            }
            Value::Object(table.into_iter().map(|(word, value)| (word, without_null(value))).collect())
        }
        other => other,
    }
}

/// What is said of one use of a type, and not of the type.
const OF_ONE_USE: [&str; 3] = ["description", "default", "x-default"];

/// Writes a definition where it is used as a reference to it: a word that must be there carries a copy otherwise, and
/// neither a reader nor the judge of shapes could tell what it is.
fn folded(schema: &Value) -> Value {
    let definitions = schema.get("$defs").and_then(Value::as_object);
    let bodies: Vec<(&str, Value)> =
        definitions.into_iter().flatten().map(|(name, body)| (name.as_str(), body_of(body))).collect();
    let mut schema = schema.clone();
    for part in ["properties", "$defs"] {
        for (_, inner) in schema.get_mut(part).and_then(Value::as_object_mut).into_iter().flatten() {
            fold(inner, &bodies, part == "$defs");
        }
    }
    schema
}

fn body_of(schema: &Value) -> Value {
    let mut body = schema.clone();
    if let Some(table) = body.as_object_mut() {
        table.retain(|word, _| !OF_ONE_USE.contains(&word.as_str()));
    }
    body
}

fn fold(schema: &mut Value, bodies: &[(&str, Value)], is_definition: bool) {
    if !is_definition
        && (schema.get("properties").is_some() || schema.get("anyOf").is_some() || schema.get("oneOf").is_some())
    {
        let body = body_of(schema);
        if let Some((name, _)) = bodies.iter().find(|(_, other)| *other == body)
            && let Some(table) = schema.as_object_mut()
        {
            table.retain(|word, _| OF_ONE_USE.contains(&word.as_str()));
            table.insert("$ref".to_owned(), Value::from(format!("#/$defs/{name}")));
            return;
        }
    }
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| fold(item, bodies, false)),
        Value::Object(table) => table.iter_mut().for_each(|(_, inner)| fold(inner, bodies, false)),
        _ => {}
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Kind;
    use super::schema;

    #[test]
    fn schemas_say_what_every_word_is() {
        for kind in [Kind::Policy, Kind::Project] {
            let text = schema(kind).to_string();
            assert!(!text.contains("\"null\""));
            assert!(text.contains("https://json-schema.org/"));
        }
        let grace = &schema(Kind::Policy)["$defs"]["Key"]["properties"]["grace"];
        assert_eq!(grace["default"], "0s");
        assert_eq!(grace["$ref"], "#/$defs/Text");
        // A word that must be there is of the same type as one that may be left out.
        assert_eq!(schema(Kind::Policy)["$defs"]["Key"]["properties"]["at"]["$ref"], "#/$defs/Text");
        let required = &schema(Kind::Policy)["$defs"]["Key"]["required"];
        assert!(required.to_string().contains("seals"), "{required}");
    }
}
