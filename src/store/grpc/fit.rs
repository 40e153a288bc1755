//! The policy's words against the messages as they are: everything that does not fit, at once, before anything is asked.

use crate::fault::Fault;
use crate::policy::meant::store::Counts as Named;
use crate::policy::meant::store::Grpc as Meant;
use crate::policy::meant::store::Scope;
use crate::store::grpc::request;
use prost_reflect::Cardinality;
use prost_reflect::DescriptorPool;
use prost_reflect::FieldDescriptor;
use prost_reflect::Kind;
use prost_reflect::MessageDescriptor;
use prost_reflect::MethodDescriptor;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A method whose messages the policy fits.
pub(super) struct Fitted {
    pub(super) method: MethodDescriptor,
}

/// What a field of a reply must be to mean what the policy says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// A text, or a number or name that can be written as one.
    Text,
    /// A whole number.
    Number,
    /// A list of messages.
    List,
}

impl Fitted {
    /// Finds the method and tries the policy against it.
    pub(super) fn new(meant: &Meant, pool: &DescriptorPool) -> Result<Self, Fault> {
        let doing = format!("fit the policy to `{}`", meant.method);
        let (service, name) = meant.method.split_once('/').unwrap_or_default();
        let Some(found) = pool.get_service_by_name(service) else {
            let all: Vec<String> = pool.services().map(|one| format!("`{}`", one.full_name())).collect();
            let fault = Fault::ask_operator(doing, format!("there is no service `{service}`"));
            return Err(fault.hint(format!("there is {}: see `method`", list(&all))));
        };
        let Some(method) = found.methods().find(|method| method.name() == name) else {
            let all: Vec<String> = found.methods().map(|one| format!("`{}`", one.name())).collect();
            let fault = Fault::ask_operator(doing, format!("`{service}` has no method `{name}`"));
            return Err(fault.hint(format!("it has {}: see `method`", list(&all))));
        };
        let mut wrong = Vec::new();
        if method.is_client_streaming() || method.is_server_streaming() {
            wrong.push("it streams: one message for one answer is needed".to_owned());
        }
        requests(meant, &method.input(), &mut wrong);
        replies(meant, &method.output(), &mut wrong);
        if wrong.is_empty() {
            return Ok(Self { method });
        }
        let asked = names(&method.input());
        let answered = names(&method.output());
        Err(Fault::ask_operator(doing, wrong.join("; ")).hint(format!("it asks for {asked}, and answers {answered}")))
    }

    /// The path of the method.
    pub(super) fn path(&self) -> String {
        format!("/{}/{}", self.method.parent_service().full_name(), self.method.name())
    }

    /// The method with its messages and what each field is used for, for people.
    pub(super) fn told(&self, meant: &Meant) -> String {
        let mut text = format!("{}\n", meant.method);
        let (input, output) = (self.method.input(), self.method.output());
        let asks = |field: &FieldDescriptor| {
            let name = field.name();
            let said = |of: &BTreeMap<String, serde_json::Value>| of.get(name).map(ToString::to_string);
            match (said(&meant.dry_run), said(&meant.apply)) {
                _ if meant.scope.as_ref().is_some_and(|scope| scope.field == name) => "the scope".to_owned(),
                (None, None) => "left out".to_owned(),
                (look, go) => {
                    let shown = |value: Option<String>| value.unwrap_or_else(|| "left out".to_owned());
                    format!("{} to look, {} to move", shown(look), shown(go))
                }
            }
        };
        message(&mut text, "asks", &input, "", &asks);
        let used = uses(meant);
        let answers = |field: &FieldDescriptor| {
            let inner = |name: &str| name.strip_prefix(field.name())?.strip_prefix('.').map(str::to_owned);
            let within: Vec<String> =
                used.iter().filter_map(|(name, what)| Some(format!("`{}`: {what}", inner(name)?))).collect();
            match used.get(field.name()) {
                Some(uses) => uses.clone(),
                None if within.is_empty() => "not used".to_owned(),
                None => within.join(", "),
            }
        };
        message(&mut text, "answers", &output, "", &answers);
        if let Some(failures) = &meant.failures
            && let Some(Kind::Message(inner)) = at(&output, &failures.list).map(|field| field.kind())
        {
            let parts = [(&failures.row, "the row"), (&failures.field, "the sealed field"), (&failures.why, "why")];
            let means = |field: &FieldDescriptor| {
                let part = parts.iter().find(|(named, _)| named.as_deref() == Some(field.name()));
                part.map_or("not used", |(_, what)| what).to_owned()
            };
            message(&mut text, "each failure", &inner, "", &means);
        }
        text
    }
}

/// What the fields of a reply are used for, by their names.
fn uses(meant: &Meant) -> BTreeMap<&str, String> {
    let mut used = BTreeMap::from([(meant.reply.target.as_str(), "the version".to_owned())]);
    for (what, counts) in [("rows", &meant.reply.rows), ("fields", &meant.reply.fields)] {
        used.extend(each(counts).map(|(part, name)| (name, format!("{what} {part}"))));
    }
    used.extend(meant.failures.as_ref().map(|failures| (failures.list.as_str(), "failures".to_owned())));
    used
}

fn each(counts: &Named) -> impl Iterator<Item = (&'static str, &str)> {
    let all = [("seen", &counts.seen), ("moved", &counts.moved), ("there", &counts.there), ("failed", &counts.failed)];
    all.into_iter().filter_map(|(part, name)| Some((part, name.as_deref()?)))
}

fn message(
    text: &mut String,
    does: &str,
    message: &MessageDescriptor,
    indent: &str,
    means: &dyn Fn(&FieldDescriptor) -> String,
) {
    let _ = writeln!(text, "{indent}  {does} {}", message.full_name());
    for field in message.fields() {
        let _ = writeln!(text, "{indent}    {}: {} - {}", field.name(), kind(&field), means(&field));
    }
}

fn requests(meant: &Meant, input: &MessageDescriptor, wrong: &mut Vec<String>) {
    for (word, fields) in [("dry_run", &meant.dry_run), ("apply", &meant.apply)] {
        for (name, value) in fields {
            match input.get_field_by_name(name) {
                None => wrong.push(format!("`{word}`: the request has no field `{name}`")),
                Some(field) => {
                    if let Err(why) = request::value(&field, value) {
                        wrong.push(format!("`{word}.{name}`: {why}"));
                    }
                }
            }
        }
    }
    if let Some(Scope { field: name, .. }) = &meant.scope {
        match input.get_field_by_name(name) {
            None => wrong.push(format!("`scope.field`: the request has no field `{name}`")),
            Some(field) if field.is_list() || field.is_map() || !is_text(&field.kind()) => {
                wrong.push(format!("`scope.field`: `{name}` is {}, not a text or number", kind(&field)));
            }
            Some(_) if meant.dry_run.contains_key(name) || meant.apply.contains_key(name) => {
                wrong.push(format!("`scope.field`: `{name}` is set by `dry_run` or `apply`"));
            }
            Some(_) => {}
        }
    }
}

fn replies(meant: &Meant, output: &MessageDescriptor, wrong: &mut Vec<String>) {
    let mut want = |word: &str, name: &str, message: &MessageDescriptor, wants: Wants| {
        let Some(field) = at(message, name) else {
            wrong.push(format!("`{word}`: `{}` has no field `{name}`", message.name()));
            return None;
        };
        let one = !field.is_list() && !field.is_map();
        let fits = match wants {
            Wants::Text => one && is_text(&field.kind()),
            Wants::Number => one && is_number(&field.kind()),
            Wants::List => field.is_list() && field.kind().as_message().is_some(),
        };
        if !fits {
            let needed = match wants {
                Wants::Text => "a text",
                Wants::Number => "a whole number",
                Wants::List => "a list of messages",
            };
            wrong.push(format!("`{word}`: `{name}` is {}, not {needed}", kind(&field)));
        }
        fits.then_some(field)
    };
    want("reply.target", &meant.reply.target, output, Wants::Text);
    for (what, counts) in [("rows", &meant.reply.rows), ("fields", &meant.reply.fields)] {
        for (part, name) in each(counts) {
            want(&format!("reply.{what}.{part}"), name, output, Wants::Number);
        }
    }
    let Some(failures) = &meant.failures else { return };
    let Some(Kind::Message(inner)) =
        want("failures.list", &failures.list, output, Wants::List).map(|field| field.kind())
    else {
        return;
    };
    for (word, name) in [("row", &failures.row), ("field", &failures.field), ("why", &failures.why)] {
        if let Some(name) = name {
            want(&format!("failures.{word}"), name, &inner, Wants::Text);
        }
    }
}

/// A field by its path: names with points between them, each but the last a message.
pub(super) fn at(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    match path.split_once('.') {
        None => message.get_field_by_name(path),
        Some((first, rest)) => match message.get_field_by_name(first)?.kind() {
            Kind::Message(inner) => at(&inner, rest),
            _ => None,
        },
    }
}

fn is_number(kind: &Kind) -> bool {
    use Kind::*;
    matches!(kind, Int32 | Int64 | Uint32 | Uint64 | Sint32 | Sint64 | Fixed32 | Fixed64 | Sfixed32 | Sfixed64)
}

fn is_text(kind: &Kind) -> bool {
    is_number(kind) || matches!(kind, Kind::String | Kind::Enum(_))
}

/// A field's kind in protobuf's own words.
fn kind(field: &FieldDescriptor) -> String {
    let word = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(names) => names.full_name().to_owned(),
        plain => format!("{plain:?}").to_lowercase(),
    };
    let before = match field.cardinality() {
        Cardinality::Repeated => "repeated ",
        Cardinality::Required => "required ",
        Cardinality::Optional if field.field_descriptor_proto().proto3_optional() => "optional ",
        Cardinality::Optional => "",
    };
    format!("{before}{word}")
}

fn names(message: &MessageDescriptor) -> String {
    let all: Vec<String> = message.fields().map(|field| format!("`{}`", field.name())).collect();
    list(&all)
}

fn list(all: &[String]) -> String {
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}
