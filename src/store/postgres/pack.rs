//! Many rows as few parameters. PostgreSQL takes arrays of bytes apart slowly, element by element; it cuts pieces out of one long
//! parameter in no time. Each column of a batch is one such parameter, and SQL says how a row finds its piece.

use postgres::types::Type;

use super::place::Place;
use super::shape::Field;
use super::shape::Form;
use crate::port::store::Value;
use crate::postgresql::Given;

/// The parameters of one statement.
pub(super) struct Pack {
    params: Vec<Param>,
    /// The SQL for a row's number in the batch, from 1.
    at: String,
    from: Option<String>,
    only: Vec<String>,
}

/// Keys that leave out more than so many numbers for each that they have are looked up one by one.
const SPREAD_MAX: i64 = 8;

enum Param {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Ints(Vec<i64>),
    Places(Vec<i32>),
    Rows(Vec<Place>),
}

impl Pack {
    /// For rows with these keys. Where the key is one whole number, the table is walked from the first to the last of them, and a
    /// row's number follows from its key: that costs half of what it costs to look each of them up. Else they are numbered by a
    /// series, to which the table is joined.
    pub(super) fn of(key: Option<(&Field, Vec<i64>)>, rows: usize) -> Self {
        let joined = || Self {
            params: Vec::new(),
            at: "g.i".to_owned(),
            from: Some(format!("generate_series(1, {rows}) AS g(i)")),
            only: Vec::new(),
        };
        let Some((field, keys)) = key.filter(|(_, keys)| keys.len() > 1 && keys.is_sorted_by(|one, next| one < next))
        else {
            return joined();
        };
        let (Some(first), Some(last)) = (keys.first().copied(), keys.last().copied()) else { return joined() };
        let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        let span = last.checked_sub(first).and_then(|span| span.checked_add(1));
        let Some(span) = span.filter(|span| *span <= count.saturating_mul(SPREAD_MAX)) else { return joined() };
        let mut pack = Self { params: Vec::new(), at: String::new(), from: None, only: Vec::new() };
        let (from, to) = (pack.mark(Param::Int(Some(first))), pack.mark(Param::Int(Some(last))));
        pack.only.push(format!("{} BETWEEN {} AND {}", field.plain(), field.back(&from), field.back(&to)));
        pack.at = format!("({} - {from} + 1)::int4", field.read());
        if span > count {
            let mut places = vec![0_i32; usize::try_from(span).unwrap_or_default()];
            for (number, key) in (1..).zip(&keys) {
                let place = key.checked_sub(first).and_then(|place| usize::try_from(place).ok());
                if let Some(place) = place.and_then(|place| places.get_mut(place)) {
                    *place = number;
                }
            }
            let places = pack.mark(Param::Places(places));
            pack.at = format!("({places})[{}]", pack.at);
            // Whoever is not of the batch has the number 0.
            pack.only.push(format!("{} > 0", pack.at));
        }
        pack
    }

    /// What the table is joined to, where it is.
    pub(super) fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// What narrows the table to these rows, where nothing is joined.
    pub(super) fn only(&self) -> &[String] {
        &self.only
    }

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

    /// A column of so many rows, each in this form or nothing. Gives the SQL for a row of the batch.
    pub(super) fn column<'v>(&mut self, form: Form, values: impl Iterator<Item = Value<'v>> + Clone) -> String {
        if form == Form::Place {
            let all = values.map(|value| if let Value::Int(place) = value { Place(place) } else { Place::NONE });
            return format!("({})[{}]", self.mark(Param::Rows(all.collect())), self.at);
        }
        let first = values.clone().next().unwrap_or(Value::Null);
        if values.clone().all(|value| value == first) {
            return self.mark(match (form, first) {
                (Form::Int, Value::Int(number)) => Param::Int(Some(number)),
                (Form::Int, _) => Param::Int(None),
                (Form::Bytes, value) => Param::Bytes(value.bytes().map(<[u8]>::to_vec)),
                (Form::Text | Form::Place, value) => {
                    Param::Text(value.bytes().map(|text| String::from_utf8_lossy(text).into_owned()))
                }
            });
        }
        let pieces = match form {
            Form::Bytes => return self.pieces(values),
            Form::Text | Form::Place => self.pieces(values),
            Form::Int => {
                let whole =
                    values.clone().map(|value| if let Value::Int(number) = value { Some(number) } else { None });
                if let Some(all) = whole.clone().collect::<Option<Vec<i64>>>() {
                    return format!("({})[{}]", self.mark(Param::Ints(all)), self.at);
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
            let whole = self.mark(Param::Bytes(Some(whole)));
            return format!("substr({whole}, ({} - 1) * {width} + 1, {width})", self.at);
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
        let at = &self.at;
        format!("CASE WHEN ({lengths})[{at}] >= 0 THEN substr({whole}, ({starts})[{at}], ({lengths})[{at}]) END")
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
            Self::Rows(all) => (all, Type::TID_ARRAY),
        }
    }
}

fn sql(kind: &Type) -> &'static str {
    match *kind {
        Type::INT8 => "int8",
        Type::BYTEA => "bytea",
        Type::INT8_ARRAY => "int8[]",
        Type::INT4_ARRAY => "int4[]",
        Type::TID_ARRAY => "tid[]",
        _ => "text",
    }
}
