//! A parsed text as a serde deserializer, borrowed: the tree stays, so that any complaint can be traced back to its
//! line. Nodes already complained of are passed over, so that the rest of a block is still read and judged.

use std::collections::HashSet;

use serde::de::DeserializeSeed;
use serde::de::Deserializer;
use serde::de::Error as _;
use serde::de::IntoDeserializer;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde::de::value::Error;
use serde::de::value::MapAccessDeserializer;
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::DeInteger;
use toml::de::DeTable;
use toml::de::DeValue;

/// A node of the tree, with its place in the text.
pub(super) type Node<'a> = Spanned<DeValue<'a>>;

/// Where the nodes that are passed over begin.
pub(super) type Skip = HashSet<usize>;

/// Reads a node into a shape.
pub(super) fn read<'a, T: serde::Deserialize<'a>>(node: &'a Node<'a>, skip: &Skip) -> Result<T, Error> {
    T::deserialize(Reading { node, skip })
}

#[derive(Clone, Copy)]
struct Reading<'a, 's> {
    node: &'a Node<'a>,
    skip: &'s Skip,
}

/// A whole number, where it has 64 bits.
pub(super) fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

impl<'de> Deserializer<'de> for Reading<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.get_ref() {
            DeValue::String(text) => visitor.visit_borrowed_str(text),
            DeValue::Integer(number) => match integer(number) {
                Some(value) if value >= 0 => visitor.visit_u64(value.unsigned_abs()),
                Some(value) => visitor.visit_i64(value),
                None => Err(Error::custom("the number is too large")),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(value) => visitor.visit_f64(value),
                Err(_) => Err(Error::custom("the number cannot be read")),
            },
            DeValue::Boolean(value) => visitor.visit_bool(*value),
            DeValue::Datetime(value) => visitor.visit_string(value.to_string()),
            DeValue::Array(items) => visitor.visit_seq(Items { left: items.iter(), skip: self.skip }),
            DeValue::Table(table) => visitor.visit_map(Entries::new(table, self.skip)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.node.get_ref() {
            DeValue::String(text) => visitor.visit_enum(text.as_ref().into_deserializer()),
            DeValue::Table(table) => {
                MapAccessDeserializer::new(Entries::new(table, self.skip)).deserialize_enum(name, variants, visitor)
            }
            _ => Err(Error::custom("one word of several is needed")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a, 's> {
    left: std::slice::Iter<'a, Node<'a>>,
    skip: &'s Skip,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let skip = self.skip;
        match self.left.find(|node| !skip.contains(&node.span().start)) {
            Some(node) => seed.deserialize(Reading { node, skip }).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

struct Entries<'a, 's> {
    left: toml::map::Iter<'a, Spanned<std::borrow::Cow<'a, str>>, Node<'a>>,
    value: Option<&'a Node<'a>>,
    skip: &'s Skip,
}

impl<'a, 's> Entries<'a, 's> {
    fn new(table: &'a DeTable<'a>, skip: &'s Skip) -> Self {
        Self { left: table.iter(), value: None, skip }
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let skip = self.skip;
        match self.left.find(|(word, _)| !skip.contains(&word.span().start)) {
            Some((word, value)) => {
                self.value = Some(value);
                let word: serde::de::value::BorrowedStrDeserializer<'de, Error> =
                    serde::de::value::BorrowedStrDeserializer::new(word.get_ref());
                seed.deserialize(word).map(Some)
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        match self.value.take() {
            Some(node) => seed.deserialize(Reading { node, skip: self.skip }),
            None => Err(Error::custom("a value was asked for before its word")),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::collections::BTreeMap;

    use toml::Spanned;
    use toml::de::DeTable;
    use toml::de::DeValue;

    use crate::policy::tree::Skip;
    use crate::policy::tree::read;
    use crate::secret::Source;

    #[test]
    fn reads_what_serde_reads_and_passes_over_what_it_is_told() {
        let text = "a = [1, -2]\nb = { env = \"X\" }\nc = 2027-01-01\nd = 1.5\n";
        let table = DeTable::parse(text).unwrap();
        let span = table.span();
        let node = Spanned::new(span, DeValue::Table(table.into_inner()));
        let all: BTreeMap<String, serde_json::Value> = read(&node, &Skip::new()).unwrap();
        assert_eq!(serde_json::to_string(&all).unwrap(), r#"{"a":[1,-2],"b":{"env":"X"},"c":"2027-01-01","d":1.5}"#);
        let but_b: BTreeMap<String, serde_json::Value> =
            read(&node, &Skip::from([0, text.find("c =").unwrap(), text.find("d =").unwrap()])).unwrap();
        assert_eq!(serde_json::to_string(&but_b).unwrap(), r#"{"b":{"env":"X"}}"#);
        let only_b = Skip::from([0, text.find("c =").unwrap(), text.find("d =").unwrap()]);
        let source: BTreeMap<String, Source> = read(&node, &only_b).unwrap();
        assert_eq!(source.get("b"), Some(&Source::Env("X".to_owned())));
    }
}
