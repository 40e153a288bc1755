//! Scalars and tables in TOML. The parser says where a value stands; we replace those bytes and never write the document anew.

use crate::pointer::Kind;
use crate::pointer::Scalar;
use crate::pointer::Unfit;
use crate::pointer::path;
use crate::pointer::table::Entry;
use crate::pointer::table::Form;
use crate::pointer::table::Table;
use toml_edit::Document;
use toml_edit::Item;
use toml_edit::TableLike;
use toml_edit::Value;
use zeroize::Zeroizing;

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

pub(super) fn table(text: &str, parts: &[String]) -> Result<Option<Table>, Unfit> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let shift = text.len().saturating_sub(body.len());
    let document = Document::parse(body).map_err(|error| Unfit(format!("it is not TOML: {}", first_line(&error))))?;
    let mut item = document.as_item();
    let mut rest = parts;
    while let (Item::Table(table), Some((first, after))) = (item, rest.split_first()) {
        let Some(next) = table.get(first) else { return Ok(None) };
        (item, rest) = (next, after);
    }
    let not_a_table = || Unfit(format!("`{}` is not a table", path::shown(parts)));
    let at = |span: std::ops::Range<usize>| span.start.saturating_add(shift)..span.end.saturating_add(shift);
    let lost = |name: &str| Unfit(format!("`{}` in `{}` is not one value", name.escape_debug(), path::shown(parts)));
    let entry = |key: &toml_edit::Key, item: &Item| -> Result<Entry, Unfit> {
        let value = item.as_value().ok_or_else(|| lost(key.get()))?;
        let (key_at, value_at) = key.span().zip(value.span()).ok_or_else(|| lost(key.get()))?;
        let text = value.as_str().map(|text| Zeroizing::new(text.to_owned()));
        Ok(Entry { name: key.get().to_owned(), key: at(key_at), value: at(value_at), text })
    };
    let listed = |table: &dyn TableLike| -> Result<Vec<Entry>, Unfit> {
        let pairs = table.iter().filter_map(|(name, _)| table.get_key_value(name));
        pairs.map(|(key, item)| entry(key, item)).collect()
    };
    match item {
        Item::Table(table) if rest.is_empty() => {
            let after = table.span().map(at).ok_or_else(|| lost(""))?.start;
            let indent = text
                .get(..after)
                .map_or(0, |before| before.len().saturating_sub(before.trim_end_matches([' ', '\t']).len()));
            let indent = text.get(after.saturating_sub(indent)..after).unwrap_or_default().to_owned();
            Ok(Some(Table::new(listed(table)?, Form::Lines { after, indent })))
        }
        Item::Value(value) => {
            let mut value = value;
            for part in rest {
                match value.as_inline_table().ok_or_else(not_a_table)?.get(part) {
                    Some(next) => value = next,
                    None => return Ok(None),
                }
            }
            let inline = value.as_inline_table().ok_or_else(not_a_table)?;
            if inline.is_dotted() {
                return Err(not_a_table());
            }
            let span = inline.span().map(at).ok_or_else(|| lost(""))?;
            let inside = span.start.saturating_add(1)..span.end.saturating_sub(1);
            Ok(Some(Table::new(listed(inline)?, Form::Braces(inside))))
        }
        Item::Table(_) | Item::ArrayOfTables(_) | Item::None => Err(not_a_table()),
    }
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
