//! Values as written: a text or number that an environment may fill, one or several, where a secret comes from.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde::de::value::MapAccessDeserializer;

use crate::secret::Source;

/// A text, or the variable that holds it: whatever differs between environments.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Text {
    /// The text itself.
    Plain(String),
    /// The environment variable that holds it.
    FromEnv(FromEnv),
}

/// An environment variable, and what stands for it where it is not set.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromEnv {
    /// The variable's name.
    pub(crate) env: String,
    /// What stands for it where it is not set.
    pub(crate) default: Option<String>,
}

/// A whole number, or the variable that holds it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Count {
    /// The number itself.
    Plain(u64),
    /// The environment variable that holds it.
    FromEnv(FromEnv),
}

/// An address or another value that may be a secret as a whole: a text without a password, or where it comes from.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Reach {
    /// A text that anybody may read.
    Plain(String),
    /// The environment variable that holds it; a default stands in plain text, so it holds no secret.
    FromEnv(FromEnv),
    /// Where the secret comes from.
    Source(Source),
}

/// One, or several in a list.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub(crate) fn all(&self) -> &[T] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

/// A table that may be left out: missing means empty.
pub(crate) type Table<T> = std::collections::BTreeMap<String, T>;

// By hand: a derived untagged enum would copy every value once more, and a policy is mostly texts.
impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or `{ env = \"NAME\" }`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::Plain(text.to_owned()))
            }
            fn visit_string<E: de::Error>(self, text: String) -> Result<Text, E> {
                Ok(Text::Plain(text))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                FromEnv::deserialize(MapAccessDeserializer::new(map)).map(Text::FromEnv)
            }
        }
        from.deserialize_any(Either)
    }
}
