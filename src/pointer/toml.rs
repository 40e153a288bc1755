//! Scalars in TOML. The parser says where a value stands; we replace those bytes and never write the document anew.

use crate::pointer::Kind;
use crate::pointer::Scalar;
use crate::pointer::Unfit;
use crate::pointer::path;
use toml_edit::Document;
use toml_edit::Item;
use toml_edit::Value;

pub(super) fn find(text: &str, parts: &[String]) -> Result<Option<Scalar>, Unfit> {
    // The mark that some editors begin a file with is no part of the document, and would shift the places in it.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let shift = text.len().saturating_sub(body.len());
    let document = Document::parse(body).map_err(|error| Unfit(format!("it is not TOML: {}", first_line(&error))))?;
    let Some((value, span)) = walk(document.as_item(), parts)? else { return Ok(None) };
    let span = span.ok_or_else(|| Unfit(format!("the place of `{}` is not known", path::shown(parts))))?;
    let (kind, value) = match value {
        Value::String(text) => (Kind::Text, text.value().clone()),
        Value::Integer(number) => (Kind::Number, number.value().to_string()),
        Value::Float(number) => (Kind::Number, number.value().to_string()),
        Value::Boolean(truth) => (Kind::Truth, truth.value().to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_) => return Err(not_one(parts)),
    };
    let span = span.start.saturating_add(shift)..span.end.saturating_add(shift);
    Ok(Some(Scalar { kind, value, span }))
}

type Found<'d> = (&'d Value, Option<std::ops::Range<usize>>);

fn walk<'d>(item: &'d Item, parts: &[String]) -> Result<Option<Found<'d>>, Unfit> {
    let mut item = item;
    for (at, part) in parts.iter().enumerate() {
        let place = || part.parse::<usize>().ok();
        let next = match item {
            Item::Table(table) => table.get(part),
            Item::ArrayOfTables(list) => {
                // A table within such a list is not an item: the rest of the way begins at it.
                let rest = parts.get(at.saturating_add(1)..).unwrap_or_default();
                let Some((first, rest)) = rest.split_first() else { return Err(not_one(parts)) };
                let Some(inner) = place().and_then(|n| list.get(n)).and_then(|table| table.get(first)) else {
                    return Ok(None);
                };
                return walk(inner, rest);
            }
            Item::Value(value) => return within(value, parts.get(at..).unwrap_or_default(), parts),
            Item::None => None,
        };
        let Some(next) = next else { return Ok(None) };
        item = next;
    }
    match item {
        Item::Value(value) => Ok(Some((value, value.span()))),
        Item::Table(_) | Item::ArrayOfTables(_) => Err(not_one(parts)),
        Item::None => Ok(None),
    }
}

fn within<'d>(value: &'d Value, rest: &[String], parts: &[String]) -> Result<Option<Found<'d>>, Unfit> {
    let mut value = value;
    for part in rest {
        let next = match value {
            Value::InlineTable(table) => table.get(part),
            Value::Array(list) => part.parse::<usize>().ok().and_then(|n| list.get(n)),
            _ => None,
        };
        let Some(next) = next else { return Ok(None) };
        value = next;
    }
    if value.is_array() || value.is_inline_table() {
        return Err(not_one(parts));
    }
    Ok(Some((value, value.span())))
}

/// A text as TOML writes it: in single quotes where the old one was and it can be, in double quotes else.
pub(super) fn spell(old: &str, value: &str) -> Result<String, String> {
    let literal = old.starts_with('\'') && !value.contains(|c: char| c == '\'' || c.is_control() && c != '\t');
    if literal {
        return Ok(format!("'{value}'"));
    }
    // JSON's escapes are TOML's too, and only this one control code is bare in JSON and not in TOML.
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    Ok(text.replace('\u{7f}', "\\u007f"))
}

fn not_one(parts: &[String]) -> Unfit {
    Unfit(format!("`{}` is not one value", path::shown(parts)))
}

fn first_line(error: &toml_edit::TomlError) -> String {
    error.message().lines().next().unwrap_or_default().escape_debug().to_string()
}
