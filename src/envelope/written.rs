//! The written form of a seal, as policies and plans have it: read with every fault at once, and written back.

mod layout;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;
use serde_json::Map;
use serde_json::Value;

use crate::envelope::Cipher;
use crate::envelope::Coding;
use crate::envelope::Layout;
use crate::envelope::Part;
use crate::envelope::Seal;
use crate::template::Piece;
use crate::template::Template;

/// The words of a written seal.
const WORDS: [&str; 5] = ["cipher", "as", "prefix", "layout", "over"];

impl Seal {
    /// The public formats that have a name of their own.
    pub const PRESETS: [&'static str; 2] = ["jwe", "vault-transit"];

    /// The preset of this name.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "jwe" => Some(Self { cipher: Cipher::Aes256Gcm, codings: Vec::new(), prefix: None, layout: Layout::Jwe }),
            "vault-transit" => Some(Self {
                cipher: Cipher::Backend,
                codings: vec![Coding::Base64],
                prefix: Template::parse("vault:v{{ version }}:").ok(),
                layout: Layout::Bytes(vec![Part::Ciphertext]),
            }),
            _ => None,
        }
    }

    /// Reads the written form: the name of a preset, or a table of `cipher`, `as`, `prefix`, `layout` and `over`.
    ///
    /// # Errors
    /// Every fault, in words.
    pub fn from_written(value: &Value) -> Result<Self, Vec<String>> {
        let table = match value {
            Value::String(name) => {
                return Self::preset(name)
                    .ok_or_else(|| vec![unknown("no seal is called", name, &Self::PRESETS, "the presets are")]);
            }
            Value::Object(table) => table,
            _ => return Err(vec!["a seal is the name of one or a table".to_owned()]),
        };
        let mut faults: Vec<String> = table
            .keys()
            .filter(|word| !WORDS.contains(&word.as_str()))
            .map(|word| unknown("a seal has no", word, &WORDS, "it has"))
            .collect();
        let cipher = keep(cipher(table.get("cipher")), &mut faults);
        let codings = keep(codings(table.get("as")), &mut faults);
        let prefix = keep(prefix(table.get("prefix")), &mut faults);
        let over = keep(over(table.get("over")), &mut faults);
        let layout = layout::read(table.get("layout"), cipher, over == Some(true), &mut faults);
        if let (Some(cipher), Some(codings), Some(prefix), Some(layout), true) =
            (cipher, codings, prefix, layout, faults.is_empty())
        {
            let seal = Self { cipher, codings, prefix, layout };
            faults.extend(seal.faults());
            if faults.is_empty() {
                return Ok(seal);
            }
        }
        Err(faults)
    }

    /// The written form, which [`Seal::from_written`] reads to an equal seal.
    #[must_use]
    pub fn to_written(&self) -> Value {
        let preset = Self::PRESETS.iter().find(|name| Self::preset(name).as_ref() == Some(self));
        if let Some(name) = preset {
            return Value::from(*name);
        }
        let mut table = Map::new();
        table.insert("cipher".to_owned(), self.cipher.word().into());
        match self.codings.as_slice() {
            [] => None,
            [one] => table.insert("as".to_owned(), one.word().into()),
            several => table.insert("as".to_owned(), several.iter().map(|coding| coding.word()).collect()),
        };
        if let Some(prefix) = &self.prefix {
            table.insert("prefix".to_owned(), prefix.as_str().into());
        }
        if let Some(written) = layout::written(&self.layout) {
            table.insert("layout".to_owned(), written);
        }
        if matches!(self.layout, Layout::Fields(_)) {
            table.insert("over".to_owned(), "fields".into());
        }
        Value::Object(table)
    }

    /// What is wrong between words that are right one by one.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let over_object = matches!(self.layout, Layout::Object(_));
        match (&self.layout, self.codings.split_last()) {
            (Layout::Fields(_), _) => {
                if !self.codings.is_empty() || self.prefix.is_some() {
                    faults.push("`over = \"fields\"` has no `as` and no `prefix`: each field says how it is written".to_owned());
                }
                return faults;
            }
            (Layout::Object(_), Some((last, _))) if *last != Coding::Json => faults.push(
                "a table of fields is written as `json`, so `as` ends with it, or names nothing where the store keeps objects"
                    .to_owned(),
            ),
            (Layout::Bytes(_), Some((Coding::Json, _))) => {
                faults.push("`json` needs a text within: end `as` with `hex` or `base64`".to_owned());
            }
            _ => {}
        }
        if self.codings.contains(&Coding::Raw) && self.codings.len() > 1 {
            faults.push("`raw` stands alone in `as`".to_owned());
        }
        if over_object && self.codings.is_empty() && self.prefix.is_some() {
            faults.push("an object that the store keeps as one has no `prefix`".to_owned());
        }
        faults
    }
}

fn keep<T>(read: Result<T, String>, faults: &mut Vec<String>) -> Option<T> {
    read.map_err(|fault| faults.push(fault)).ok()
}

fn cipher(value: Option<&Value>) -> Result<Cipher, String> {
    let known = Cipher::ALL.map(Cipher::word);
    let name = value.ok_or_else(|| format!("`cipher` is missing: {}", listed(&known)))?;
    let name = name.as_str().ok_or_else(|| format!("`cipher` is a word: {}", listed(&known)))?;
    let cipher = Cipher::ALL.into_iter().find(|cipher| cipher.word() == name);
    cipher.ok_or_else(|| unknown("no cipher is called", name, &known, "there are"))
}

fn codings(value: Option<&Value>) -> Result<Vec<Coding>, String> {
    let known = Coding::ALL.map(Coding::word);
    let one = |value: &Value| {
        let name = value.as_str().ok_or_else(|| format!("`as` holds words: {}", listed(&known)))?;
        let coding = Coding::ALL.into_iter().find(|coding| coding.word() == name);
        coding.ok_or_else(|| unknown("`as` has no", name, &known, "it has"))
    };
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() > 4 => Err("`as` names at most four codings".to_owned()),
        Some(Value::Array(list)) => list.iter().map(one).collect(),
        Some(word) => Ok(vec![one(word)?]),
    }
}

fn prefix(value: Option<&Value>) -> Result<Option<Template>, String> {
    let Some(value) = value else { return Ok(None) };
    let text = value.as_str().filter(|text| !text.is_empty()).ok_or("`prefix` is a text that is not empty")?;
    let template = Template::parse(text).map_err(|wrong| format!("`prefix`: {wrong}"))?;
    version_only(&template).map_err(|wrong| format!("`prefix`: {wrong}"))?;
    if matches!(template.pieces().last(), Some(Piece::Place(_))) {
        return Err("`prefix`: a text must follow `{{ version }}`, to show where it ends".to_owned());
    }
    Ok(Some(template))
}

/// Whether the one place of a template, if any, is a plain `{{ version }}`.
fn version_only(template: &Template) -> Result<(), String> {
    let mut places = 0_u32;
    for piece in template.pieces() {
        if let Piece::Place(place) = piece {
            places = places.saturating_add(1);
            if place.to_string() != "version" || places > 1 {
                return Err("only one `{{ version }}` can stand here".to_owned());
            }
        }
    }
    Ok(())
}

fn over(value: Option<&Value>) -> Result<bool, String> {
    match value {
        None => Ok(false),
        Some(Value::String(word)) if word == "fields" => Ok(true),
        Some(_) => Err("`over` can only be `\"fields\"`".to_owned()),
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A word that is not known, with the nearest one that is, or all of them.
fn unknown(sentence: &str, word: &str, known: &[&str], there_are: &str) -> String {
    let shown: String = word.chars().take(64).flat_map(char::escape_debug).collect();
    let nearest = known.iter().map(|known| (strsim::osa_distance(word, known), known)).min();
    match nearest {
        Some((distance, nearest)) if word.len() <= 64 && distance <= 1_usize.max(nearest.len() / 3) => {
            format!("{sentence} `{shown}`: did you mean `{nearest}`?")
        }
        _ => format!("{sentence} `{shown}`: {there_are} {}", listed(known)),
    }
}

impl Serialize for Seal {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.to_written().serialize(out)
    }
}

impl<'de> Deserialize<'de> for Seal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Self::from_written(&value).map_err(|faults| de::Error::custom(faults.join("; ")))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use crate::envelope::Seal;

    #[test]
    fn every_seal_of_the_policies_is_read_and_written_back() {
        for written in [
            json!("jwe"),
            json!("vault-transit"),
            json!({ "cipher": "aes-256-gcm", "as": "hex", "layout": ["nonce", "ciphertext", "tag"] }),
            json!({ "cipher": "aes-256-gcm", "as": ["json", "hex"], "prefix": "ENC:v2:", "layout": ["nonce", "ciphertext", "tag"] }),
            json!({ "cipher": "aes-256-gcm", "as": ["base64", "json"], "layout": { "scheme_version": 1, "key_id": "{{ version }}",
                "nonce": "{{ nonce | numbers }}", "ciphertext": "{{ ciphertext + tag | numbers }}" } }),
            json!({ "cipher": "aes-256-gcm", "layout": { "dek_nonce": "{{ nonce | base64 }}",
                "wrapped_dek": "{{ ciphertext + tag | base64 }}" }, "over": "fields" }),
            json!({ "cipher": "rsa-oaep-256", "as": "base64" }),
            json!({ "cipher": "aes-kw" }),
            json!({ "cipher": "aes-128-gcm", "as": "base64url", "prefix": "k{{ version }}.",
                "layout": [{ "hex": "01ff" }, "nonce", { "text": "-" }, "ciphertext", "tag"] }),
        ] {
            let seal = Seal::from_written(&written).unwrap();
            let again = serde_json::to_value(&seal).unwrap();
            assert_eq!(serde_json::from_value::<Seal>(again.clone()).unwrap(), seal);
            // Constants in a list come back as hex: the only spelling that every one of them has.
            let text = json!({ "text": "-" }).to_string();
            let expected = written.to_string().replace(&text, &json!({ "hex": "2d" }).to_string());
            assert_eq!(again.to_string(), expected);
        }
    }

    fn faults(written: &Value) -> Vec<String> {
        Seal::from_written(written).unwrap_err()
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let all = faults(
            &json!({ "ciper": "x", "as": "hexx", "prefix": "", "layout": ["nonse", "ciphertext"], "over": "rows" }),
        );
        assert_eq!(
            all,
            [
                "a seal has no `ciper`: did you mean `cipher`?",
                "`cipher` is missing: `aes-256-gcm`, `aes-128-gcm`, `aes-kw`, `rsa-oaep-256`, `backend`",
                "`as` has no `hexx`: did you mean `hex`?",
                "`prefix` is a text that is not empty",
                "`over` can only be `\"fields\"`",
                "`layout` has no `nonse`: did you mean `nonce`?",
            ]
        );
    }

    #[test]
    fn a_layout_must_hold_what_its_cipher_makes() {
        let bytes = |cipher: &str, layout: Value| faults(&json!({ "cipher": cipher, "layout": layout })).join("; ");
        assert_eq!(
            bytes("aes-256-gcm", json!(["nonce", "ciphertext"])),
            "`layout` lacks the tag that `aes-256-gcm` makes"
        );
        assert_eq!(bytes("aes-kw", json!(["nonce", "ciphertext"])), "`layout` has a nonce, and `aes-kw` makes none");
        assert_eq!(
            bytes("aes-256-gcm", json!(["nonce", "nonce", "ciphertext", "tag"])),
            "`layout` has the nonce more than once"
        );
        assert_eq!(
            faults(&json!({ "cipher": "aes-256-gcm" })),
            [
                "`layout` is missing: `aes-256-gcm` makes a nonce, a ciphertext and a tag, and a list or a table says where each stands"
            ]
        );
        assert_eq!(
            bytes(
                "aes-256-gcm",
                json!({ "a": "{{ nonce }}", "b": "{{ ciphertext + tag | rot }}", "c": "{{ vesion }}" })
            ),
            "`layout.a`: say how bytes are written there: `{{ nonce | base64 }}`, `hex`, `base64url` or `numbers`; \
             `layout.b`: `{{ ciphertext + tag | rot }}`: no filter is called `rot`: there are `hex`, `base64`, `base64url`, `numbers`; \
             `layout.c` has no `vesion`: did you mean `version`?"
        );
        assert_eq!(
            bytes(
                "aes-256-gcm",
                json!({ "a": "x{{ nonce | hex }}", "b": "{{ ciphertext + tag[:4] | hex }}", "c": "k{{ version | hex }}" })
            ),
            "`layout.a`: bytes fill a whole field, with nothing beside them; `layout.b`: bytes are not sliced; \
             `layout.c`: only one `{{ version }}` can stand here"
        );
    }

    #[test]
    fn words_must_fit_each_other() {
        let gcm = json!(["nonce", "ciphertext", "tag"]);
        let one = |written: Value| faults(&written).join("; ");
        assert_eq!(
            one(json!({ "cipher": "aes-256-gcm", "as": ["hex", "json"], "layout": gcm })),
            "`json` needs a text within: end `as` with `hex` or `base64`"
        );
        assert_eq!(
            one(json!({ "cipher": "aes-256-gcm", "as": ["hex", "raw"], "layout": gcm })),
            "`raw` stands alone in `as`"
        );
        assert_eq!(
            one(json!({ "cipher": "aes-256-gcm", "layout": gcm, "over": "fields" })),
            "`over = \"fields\"` needs a table of fields as `layout`"
        );
        let table = json!({ "a": "{{ nonce | hex }}", "b": "{{ ciphertext + tag | hex }}" });
        assert_eq!(
            one(json!({ "cipher": "aes-256-gcm", "as": "hex", "layout": table, "over": "fields" })),
            "`over = \"fields\"` has no `as` and no `prefix`: each field says how it is written"
        );
        assert!(
            one(json!({ "cipher": "aes-256-gcm", "as": "hex", "layout": table }))
                .starts_with("a table of fields is written")
        );
        assert_eq!(
            one(json!({ "cipher": "aes-kw", "prefix": "v{{ version }}" })),
            "`prefix`: a text must follow `{{ version }}`, to show where it ends"
        );
        assert_eq!(one(json!("jew")), "no seal is called `jew`: did you mean `jwe`?");
        assert_eq!(one(json!("\u{1b}[31m")), "no seal is called `\\u{1b}[31m`: the presets are `jwe`, `vault-transit`");
        assert_eq!(one(json!(7)), "a seal is the name of one or a table");
    }
}
