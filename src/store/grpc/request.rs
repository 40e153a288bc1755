//! Requests: the policy's values as the fields of a message.

use crate::fault::Fault;
use crate::policy::meant::store::Grpc as Meant;
use crate::store::grpc::fit::Fitted;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use prost_reflect::FieldDescriptor;
use prost_reflect::Kind;
use prost_reflect::Value;
use serde_json::Value as Json;

impl Fitted {
    /// The request that looks or moves, for everything or one scope.
    pub(super) fn request(&self, meant: &Meant, scope: Option<&str>, dry_run: bool) -> Result<Vec<u8>, Fault> {
        let doing = format!("write a request of `{}`", meant.method);
        let wrong = |why: String| Fault::ask_operator(doing.clone(), why);
        let input = self.method.input();
        let mut message = DynamicMessage::new(input.clone());
        for (name, json) in if dry_run { &meant.dry_run } else { &meant.apply } {
            let field = input.get_field_by_name(name).ok_or_else(|| wrong(format!("there is no field `{name}`")))?;
            message.set_field(&field, value(&field, json).map_err(wrong)?);
        }
        if let Some((text, scope)) = scope.zip(meant.scope.as_ref()) {
            let name = &scope.field;
            let field = input.get_field_by_name(name).ok_or_else(|| wrong(format!("there is no field `{name}`")))?;
            let plain = |text: &str| value(&field, &Json::String(text.to_owned()));
            // A number is written as text in a list of scopes.
            let number = || text.parse::<i64>().ok().and_then(|number| value(&field, &number.into()).ok());
            let narrowed = plain(text).ok().or_else(number);
            message.set_field(&field, narrowed.ok_or_else(|| wrong(format!("`{text}` is no `{name}`")))?);
        }
        Ok(message.encode_to_vec())
    }
}

/// A value of the policy as this field takes it.
pub(super) fn value(field: &FieldDescriptor, json: &Json) -> Result<Value, String> {
    if field.is_map() {
        return Err("a map cannot be given".to_owned());
    }
    match json {
        Json::Array(items) if field.is_list() => {
            items.iter().map(|item| one(field, item)).collect::<Result<_, _>>().map(Value::List)
        }
        Json::Array(_) => Err("it takes one value, not a list".to_owned()),
        _ if field.is_list() => Err("it takes a list".to_owned()),
        plain => one(field, plain),
    }
}

fn one(field: &FieldDescriptor, json: &Json) -> Result<Value, String> {
    let wrong = |what: &str| Err(format!("{json} is not {what}"));
    let signed = |bits: u32| {
        let limit = i64::MAX >> (64 - bits);
        json.as_i64().filter(|number| (-limit - 1..=limit).contains(number))
    };
    let unsigned = |bits: u32| json.as_u64().filter(|number| *number <= u64::MAX >> (64 - bits));
    let found = match field.kind() {
        Kind::Bool => json.as_bool().map(Value::Bool),
        Kind::String => json.as_str().map(|text| Value::String(text.to_owned())),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            signed(32).and_then(|number| i32::try_from(number).ok()).map(Value::I32)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => signed(64).map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => unsigned(32).and_then(|number| u32::try_from(number).ok()).map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => unsigned(64).map(Value::U64),
        Kind::Double => json.as_f64().map(Value::F64),
        Kind::Float => return wrong("a number that can be given exactly: this field is a `float`"),
        Kind::Bytes => return wrong("bytes: these cannot be given"),
        Kind::Enum(names) => {
            let known = json.as_str().and_then(|name| names.get_value_by_name(name));
            known.map(|value| Value::EnumNumber(value.number()))
        }
        Kind::Message(message) => {
            let Json::Object(fields) = json else { return wrong("a table") };
            let mut inner = DynamicMessage::new(message.clone());
            for (name, json) in fields {
                let field = message.get_field_by_name(name).ok_or_else(|| format!("it has no field `{name}`"))?;
                inner.set_field(&field, value(&field, json)?);
            }
            Some(Value::Message(inner))
        }
    };
    found.ok_or_else(|| format!("{json} is not of its kind, `{:?}`", field.kind()).to_lowercase())
}
