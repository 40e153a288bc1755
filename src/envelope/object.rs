//! Fields: what an object or a record holds, read and written as its application would.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::Map;
use serde_json::Number;
use serde_json::Value;

use crate::envelope::Field;
use crate::envelope::FieldCoding;
use crate::envelope::FieldForm;
use crate::envelope::Misfit;
use crate::envelope::Part;
use crate::envelope::Parts;
use crate::envelope::apart::split;
use crate::envelope::coding::BASE64;
use crate::envelope::coding::read_base64url;
use crate::envelope::coding::write_base64url;
use crate::envelope::together::join;
use crate::template::Template;

/// Reads the text of an object that has each field once: an application that reads strictly refuses a second one.
pub(super) fn parse(text: &[u8]) -> Result<Map<String, Value>, Misfit> {
    serde_json::from_slice::<Once>(text).map(|once| once.0).map_err(|_| {
        // serde's own words may quote the value.
        Misfit("it is not a JSON object with each field once".to_owned())
    })
}

struct Once(Map<String, Value>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Once, A::Error> {
        let mut map = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a field stands twice"));
            }
        }
        Ok(Once(map))
    }
}

/// Reads the fields of a layout out of `map`; `alone` says that there may be no other.
pub(super) fn read(fields: &[Field], map: &Map<String, Value>, alone: bool) -> Result<Parts, Misfit> {
    let mut parts = Parts::default();
    for field in fields {
        let value = map.get(&field.name).ok_or_else(|| Misfit(format!("field `{}` is missing", field.name)))?;
        let wrong = |why: &str| Misfit(format!("field `{}` {why}", field.name));
        match &field.form {
            FieldForm::Constant(constant) if constant == value => {}
            FieldForm::Constant(constant) => return Err(wrong(&format!("is not {constant}"))),
            FieldForm::Version(template) => {
                parts.version = Some(version(template, value).ok_or_else(|| wrong("names no version"))?);
            }
            FieldForm::Made(made, coding) => {
                let bytes = bytes(*coding, value).ok_or_else(|| wrong(&format!("is not {}", described(*coding))))?;
                split(made, &bytes, &mut parts).map_err(|misfit| wrong(&misfit.0))?;
            }
        }
    }
    if alone && map.len() > fields.len() {
        let known = |name: &String| fields.iter().any(|field| field.name == *name);
        let other = map.keys().find(|name| !known(name)).map_or("another", String::as_str);
        return Err(Misfit(format!("field `{}` is not expected", other.escape_default())));
    }
    Ok(parts)
}

/// Writes the fields of a layout, each in the way that `before` had it.
pub(super) fn write(
    fields: &[Field],
    parts: &Parts,
    before: Option<&Map<String, Value>>,
) -> Result<Map<String, Value>, Misfit> {
    let mut map = Map::new();
    for field in fields {
        let before = before.and_then(|before| before.get(&field.name));
        let value = match &field.form {
            FieldForm::Constant(constant) => constant.clone(),
            FieldForm::Version(template) => {
                let name = parts.version.as_deref();
                let text = template
                    .fill(|_| name.map(Cow::Borrowed))
                    .map_err(|_| Misfit(format!("field `{}` names a version, and none is given", field.name)))?;
                match before {
                    Some(Value::Number(_)) => Value::Number(number(&text).ok_or_else(|| {
                        Misfit(format!("field `{}` holds a number, and the version is named `{text}`", field.name))
                    })?),
                    _ => Value::String(text),
                }
            }
            FieldForm::Made(made, coding) => value(*coding, &join(made, parts)?, before),
        };
        map.insert(field.name.clone(), value);
    }
    Ok(map)
}

fn number(text: &str) -> Option<Number> {
    let number: Number = text.parse::<u64>().ok()?.into();
    (number.to_string() == text).then_some(number)
}

fn version(template: &Template, value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Number(number) if number.is_u64() => Cow::Owned(number.to_string()),
        _ => return None,
    };
    template.matches(&text)?.into_values().next()
}

fn described(coding: FieldCoding) -> &'static str {
    match coding {
        FieldCoding::Hex => "a string of hex",
        FieldCoding::Base64 => "a string of base64",
        FieldCoding::Base64url => "a string of URL-safe base64",
        FieldCoding::Numbers => "a list of numbers from 0 to 255",
    }
}

fn bytes(coding: FieldCoding, value: &Value) -> Option<Vec<u8>> {
    match (coding, value) {
        (FieldCoding::Hex, Value::String(text)) => hex::decode(text).ok(),
        (FieldCoding::Base64, Value::String(text)) => BASE64.decode(text).ok(),
        (FieldCoding::Base64url, Value::String(text)) => read_base64url(text.as_bytes()),
        (FieldCoding::Numbers, Value::Array(items)) => {
            items.iter().map(|item| item.as_u64().and_then(|n| u8::try_from(n).ok())).collect()
        }
        _ => None,
    }
}

fn value(coding: FieldCoding, bytes: &[u8], before: Option<&Value>) -> Value {
    match coding {
        FieldCoding::Hex => Value::String(hex::encode(bytes)),
        FieldCoding::Base64 => Value::String(BASE64.encode(bytes)),
        FieldCoding::Base64url => {
            let padded = before.and_then(Value::as_str).is_some_and(|text| text.ends_with('='));
            Value::String(write_base64url(bytes, padded))
        }
        FieldCoding::Numbers => Value::Array(bytes.iter().map(|byte| Value::from(*byte)).collect()),
    }
}

/// The parts that a form is made of.
pub(super) fn parts_of(form: &FieldForm) -> &[Part] {
    match form {
        FieldForm::Made(parts, _) => parts,
        FieldForm::Constant(_) | FieldForm::Version(_) => &[],
    }
}
