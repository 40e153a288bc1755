//! Replies: the fields of a message as the policy means them.

use crate::command::printable;
use crate::fault::Fault;
use crate::policy::meant::store::Counts as Named;
use crate::policy::meant::store::Failures;
use crate::policy::meant::store::Grpc as Meant;
use crate::port::store::Value as Shown;
use crate::port::store::service::Counts;
use crate::port::store::service::Failure;
use crate::port::store::service::Reply;
use crate::store::grpc::fit::Fitted;
use prost_reflect::DynamicMessage;
use prost_reflect::FieldDescriptor;
use prost_reflect::Kind;
use prost_reflect::Value;
use std::borrow::Cow;

/// So much of a text of the service is kept.
const TEXT_MAX: usize = 300;
/// More failures than this: the key is wrong, not the rows.
const FAILURES_MAX: usize = 100_000;

impl Fitted {
    /// What the service answered.
    pub(super) fn reply(&self, meant: &Meant, doing: &str, bytes: &[u8]) -> Result<Reply, Fault> {
        let odd = |why: String| Fault::ask_operator(doing, why).hint("nothing is taken for done");
        let message = DynamicMessage::decode(self.method.output(), bytes);
        let message = message.map_err(|why| odd(format!("its answer makes no sense: {why}")))?;
        let failures = match &meant.failures {
            None => Vec::new(),
            Some(named) => failures(&message, named).map_err(odd)?,
        };
        Ok(Reply {
            target: text_at(&message, &meant.reply.target).unwrap_or_default(),
            rows: counts(&message, &meant.reply.rows).map_err(odd)?,
            fields: counts(&message, &meant.reply.fields).map_err(odd)?,
            failures,
        })
    }
}

/// A value by its path.
fn at<'m>(message: &'m DynamicMessage, path: &str) -> Option<(FieldDescriptor, Cow<'m, Value>)> {
    use prost_reflect::ReflectMessage as _;
    match path.split_once('.') {
        None => {
            let field = message.descriptor().get_field_by_name(path)?;
            let value = message.get_field(&field);
            Some((field, value))
        }
        Some((first, rest)) => {
            let field = message.descriptor().get_field_by_name(first)?;
            let inner = message.get_field(&field).as_message()?.clone();
            let (field, value) = at(&inner, rest)?;
            Some((field, Cow::Owned(value.into_owned())))
        }
    }
}

fn text_at(message: &DynamicMessage, path: &str) -> Option<String> {
    let (field, value) = at(message, path)?;
    text(&field, &value)
}

/// A text, or a number or name as one.
fn text(field: &FieldDescriptor, value: &Value) -> Option<String> {
    Some(match (value, field.kind()) {
        (Value::String(text), _) => text.clone(),
        (Value::EnumNumber(number), Kind::Enum(names)) => names.get_value(*number)?.name().to_owned(),
        (Value::I32(number), _) => number.to_string(),
        (Value::I64(number), _) => number.to_string(),
        (Value::U32(number), _) => number.to_string(),
        (Value::U64(number), _) => number.to_string(),
        (Value::Bool(truth), _) => truth.to_string(),
        _ => return None,
    })
}

fn counts(message: &DynamicMessage, named: &Named) -> Result<Counts, String> {
    let count = |name: &Option<String>| {
        let Some(name) = name else { return Ok(None) };
        let (_, value) = at(message, name).ok_or_else(|| format!("its answer has no `{name}`"))?;
        let number = match &*value {
            Value::U32(number) => Some(u64::from(*number)),
            Value::U64(number) => Some(*number),
            Value::I32(number) => u64::try_from(*number).ok(),
            Value::I64(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| format!("its `{name}` is no count"))
    };
    Ok(Counts {
        seen: count(&named.seen)?,
        moved: count(&named.moved)?,
        there: count(&named.there)?,
        failed: count(&named.failed)?,
    })
}

fn failures(message: &DynamicMessage, named: &Failures) -> Result<Vec<Failure>, String> {
    let Some((_, list)) = at(message, &named.list) else {
        return Err(format!("its answer has no `{}`", named.list));
    };
    let all = list.as_list().unwrap_or_default();
    if all.len() > FAILURES_MAX {
        return Err(format!("it names {} failures", all.len()));
    }
    Ok(all.iter().filter_map(Value::as_message).map(|one| failure(one, named)).collect())
}

fn failure(one: &DynamicMessage, named: &Failures) -> Failure {
    let part = |name: &Option<String>| name.as_ref().and_then(|name| text_at(one, name));
    let quoted = |name: &str, text: &str| format!("{name}={}", Shown::Text(short(text).as_bytes()));
    let row = match (&named.row, part(&named.row)) {
        (Some(name), Some(text)) => quoted(name, &text),
        // Without a name for the row, all that it says of itself names it.
        _ => {
            let fields = one.fields().filter_map(|(field, value)| Some(quoted(field.name(), &text(&field, value)?)));
            fields.collect::<Vec<_>>().join(", ")
        }
    };
    let why = part(&named.why).unwrap_or_default();
    let again = named.again.iter().any(|word| why.contains(word.as_str()));
    let field = part(&named.field).map_or_else(|| "*".to_owned(), |field| printable(&short(&field)));
    let why = if why.is_empty() { "it gives no reason".to_owned() } else { printable(&short(&why)) };
    Failure { row, field, why, again }
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}
