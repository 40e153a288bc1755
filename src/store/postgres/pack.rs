//! Many rows as few parameters. PostgreSQL takes arrays of bytes apart slowly, element by element; it cuts pieces out of one long
//! parameter in no time. Each column of a batch is one such parameter, and SQL says how row `g.i` finds its piece.

use std::fmt::Write as _;

use postgres::types::Type;

use super::shape::Form;
use crate::port::store::Value;
use crate::postgresql::Given;

/// The parameters of one statement.
#[derive(Default)]
pub(super) struct Pack {
    params: Vec<Param>,
}

enum Param {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Ints(Vec<i64>),
    Places(Vec<i32>),
}

impl Pack {
    /// A single text; gives its mark.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.mark(Param::Text(Some(text.to_owned())))
    }

    /// The mark of a new parameter, with its type.
    fn mark(&mut self, param: Param) -> String {
        let kind = param.given().1;
        self.params.push(param);
        format!("${}::{}", self.params.len(), sql(&kind))
    }

    /// A column of so many rows, each in this form or nothing. Gives the SQL for row `g.i`, counted from 1.
    pub(super) fn column<'v>(&mut self, form: Form, values: impl Iterator<Item = Value<'v>> + Clone) -> String {
        let first = values.clone().next().unwrap_or(Value::Null);
        if values.clone().all(|value| value == first) {
            return self.mark(match (form, first) {
                (Form::Int, Value::Int(number)) => Param::Int(Some(number)),
                (Form::Int, _) => Param::Int(None),
                (Form::Bytes, value) => Param::Bytes(value.bytes().map(<[u8]>::to_vec)),
                (Form::Text, value) => {
                    Param::Text(value.bytes().map(|text| String::from_utf8_lossy(text).into_owned()))
                }
            });
        }
        let pieces = match form {
            Form::Bytes => return self.pieces(values),
            Form::Text => self.pieces(values),
            Form::Int => {
                let whole =
                    values.clone().map(|value| if let Value::Int(number) = value { Some(number) } else { None });
                if let Some(all) = whole.clone().collect::<Option<Vec<i64>>>() {
                    return format!("({})[g.i]", self.mark(Param::Ints(all)));
                }
                let texts: Vec<Option<String>> = whole.map(|number| number.map(|number| number.to_string())).collect();
                let texts =
                    texts.iter().map(|text| text.as_deref().map_or(Value::Null, |text| Value::Text(text.as_bytes())));
                self.pieces(texts)
            }
        };
        let text = format!("convert_from({pieces}, 'UTF8')");
        if form == Form::Int { format!("{text}::int8") } else { text }
    }

    /// Pieces of one long parameter: by their width where they have one between them, else by their places.
    fn pieces<'v>(&mut self, values: impl Iterator<Item = Value<'v>> + Clone) -> String {
        let width = values.clone().next().and_then(|value| value.bytes().map(<[u8]>::len));
        let mut whole = Vec::new();
        for value in values.clone() {
            whole.extend_from_slice(value.bytes().unwrap_or_default());
        }
        if let Some(width) =
            width.filter(|width| values.clone().all(|value| value.bytes().is_some_and(|it| it.len() == *width)))
        {
            return format!("substr({}, (g.i - 1) * {width} + 1, {width})", self.mark(Param::Bytes(Some(whole))));
        }
        let (mut starts, mut lengths, mut at) = (Vec::new(), Vec::new(), 1_i32);
        for value in values {
            // Nothing has a length of its own.
            let length = value.bytes().map(|bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            starts.push(at);
            lengths.push(length.unwrap_or(-1));
            at = at.saturating_add(length.unwrap_or(0));
        }
        let whole = self.mark(Param::Bytes(Some(whole)));
        let (starts, lengths) = (self.mark(Param::Places(starts)), self.mark(Param::Places(lengths)));
        let mut sql = String::new();
        let _written =
            write!(sql, "CASE WHEN ({lengths})[g.i] >= 0 THEN substr({whole}, ({starts})[g.i], ({lengths})[g.i]) END");
        sql
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.params.len()
    }

    /// All of them, in order.
    pub(super) fn given(&self) -> Vec<Given<'_>> {
        self.params.iter().map(Param::given).collect()
    }
}

impl Param {
    fn given(&self) -> Given<'_> {
        match self {
            Self::Int(number) => (number, Type::INT8),
            Self::Text(text) => (text, Type::TEXT),
            Self::Bytes(bytes) => (bytes, Type::BYTEA),
            Self::Ints(all) => (all, Type::INT8_ARRAY),
            Self::Places(all) => (all, Type::INT4_ARRAY),
        }
    }
}

fn sql(kind: &Type) -> &'static str {
    match *kind {
        Type::INT8 => "int8",
        Type::BYTEA => "bytea",
        Type::INT8_ARRAY => "int8[]",
        Type::INT4_ARRAY => "int4[]",
        _ => "text",
    }
}
