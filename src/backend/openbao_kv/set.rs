//! A set of keys inside a field: JSON Web Keys in a list, perhaps as base64. What stands there and is not ours stays as it
//! is, byte for byte: a key is put in at one end, moved or taken out, and nothing is written anew.

use crate::backend::openbao_kv::document::quoted;
use crate::model::VersionId;
use crate::policy::meant::backend::KeySet;
use crate::policy::meant::key::Algorithm;
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;
use zeroize::Zeroizing;

/// How a field holds a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// Outermost first, without the list of keys itself.
    codings: Vec<Coding>,
    newest_first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Base64,
    Base64url,
    Hex,
}

/// A set as it stands in a field.
pub(super) struct Set {
    /// The JSON, with whatever stands around the list.
    text: Zeroizing<String>,
    /// Where the list stands in it.
    list: Range<usize>,
    /// The keys, in their order.
    pub(super) entries: Vec<Entry>,
    /// Whether the field holds the JSON itself, and no text.
    bare: bool,
}

/// One key of a set.
pub(super) struct Entry {
    range: Range<usize>,
    /// Its id, where it is one that we can call a version by.
    pub(super) id: Option<VersionId>,
    /// Its bytes, where it is a key of AES.
    pub(super) key: Option<Secret>,
}

/// What stands at one place of a new list.
pub(super) enum Piece<'a> {
    /// What stood at this place of the old one.
    Old(usize),
    /// This.
    New(&'a str),
}

#[derive(serde::Deserialize)]
struct Jwks<'a> {
    #[serde(borrow)]
    keys: &'a RawValue,
}

#[derive(serde::Deserialize)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    #[serde(borrow)]
    kid: Cow<'a, str>,
    #[serde(borrow)]
    k: Cow<'a, str>,
}

impl Form {
    pub(super) fn new(set: &KeySet) -> Result<Self, String> {
        let Some((last, before)) = set.codings.split_last() else {
            return Err("a key set is written as `jwks`".into());
        };
        if last != "jwks" {
            return Err("a key set is written as `jwks`".into());
        }
        let coding = |word: &String| match word.as_str() {
            "base64" => Ok(Coding::Base64),
            "base64url" => Ok(Coding::Base64url),
            "hex" => Ok(Coding::Hex),
            other => Err(format!("`{other}` is not a form of a key set")),
        };
        let codings = before.iter().map(coding).collect::<Result<_, _>>()?;
        Ok(Self { codings, newest_first: set.newest != "last" })
    }

    /// Where the newest key stands, in words.
    pub(super) fn place(&self) -> &'static str {
        if self.newest_first { "first" } else { "last" }
    }

    pub(super) fn newest<'s>(&self, set: &'s Set) -> Option<&'s Entry> {
        if self.newest_first { set.entries.first() } else { set.entries.last() }
    }

    pub(super) fn oldest_first<'s>(&self, set: &'s Set) -> Box<dyn Iterator<Item = &'s Entry> + 's> {
        if self.newest_first { Box::new(set.entries.iter().rev()) } else { Box::new(set.entries.iter()) }
    }

    /// The list with this at the end where the newest stands.
    pub(super) fn with_newest<'p>(&self, newest: Piece<'p>, mut others: Vec<Piece<'p>>) -> Vec<Piece<'p>> {
        let at = if self.newest_first { 0 } else { others.len() };
        others.insert(at, newest);
        others
    }

    /// The set in a field.
    pub(super) fn read(&self, raw: &str) -> Result<Set, String> {
        let bare = self.codings.is_empty() && raw.starts_with('{');
        let mut bytes = match bare {
            true => Zeroizing::new(raw.as_bytes().to_vec()),
            false => {
                let text = serde_json::from_str::<String>(raw).map_err(|_| "it holds no text")?;
                Zeroizing::new(text.into_bytes())
            }
        };
        for coding in &self.codings {
            // Whoever wrapped the lines meant no blanks.
            bytes.retain(|byte| !byte.is_ascii_whitespace());
            bytes = Zeroizing::new(match coding {
                Coding::Base64 => STANDARD.decode(&*bytes).map_err(|_| "it is not base64")?,
                Coding::Base64url => URL_SAFE_NO_PAD.decode(&*bytes).map_err(|_| "it is not base64url")?,
                Coding::Hex => hex::decode(&*bytes).map_err(|_| "it is not hex")?,
            });
        }
        let text = String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|_| "it is no text")?;
        parse(text, bare)
    }

    /// A field's JSON for a set whose list is made of these.
    pub(super) fn write(&self, set: &Set, pieces: &[Piece<'_>]) -> Zeroizing<String> {
        let part = |piece: &Piece<'_>| match piece {
            Piece::Old(at) => {
                set.entries.get(*at).and_then(|entry| set.text.get(entry.range.clone())).unwrap_or_default().to_owned()
            }
            Piece::New(text) => (*text).to_owned(),
        };
        let parts: Vec<Zeroizing<String>> = pieces.iter().map(|piece| Zeroizing::new(part(piece))).collect();
        let length: usize = parts.iter().map(|part| part.len().saturating_add(2)).sum();
        let mut text = Zeroizing::new(String::with_capacity(set.text.len().saturating_add(length).saturating_add(2)));
        text.push_str(set.text.get(..set.list.start).unwrap_or_default());
        text.push('[');
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                text.push_str(", ");
            }
            text.push_str(part);
        }
        text.push(']');
        text.push_str(set.text.get(set.list.end..).unwrap_or_default());
        if set.bare {
            return text;
        }
        for coding in self.codings.iter().rev() {
            text = Zeroizing::new(match coding {
                Coding::Base64 => STANDARD.encode(text.as_bytes()),
                Coding::Base64url => URL_SAFE_NO_PAD.encode(text.as_bytes()),
                Coding::Hex => hex::encode(text.as_bytes()),
            });
        }
        quoted(&text)
    }
}

/// A set without keys.
pub(super) fn empty() -> Set {
    let text = Zeroizing::new("{\"keys\":[]}".to_owned());
    Set { text, list: 8..10, entries: Vec::new(), bare: false }
}

fn parse(text: Zeroizing<String>, bare: bool) -> Result<Set, String> {
    // Places inside the text, by where its parts lie in memory: the parser lends them and copies nothing.
    let range = |part: &str| {
        let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        start..start.saturating_add(part.len())
    };
    // Not the parser's own words, which may quote what it read.
    let jwks: Jwks<'_> = serde_json::from_str(&text).map_err(|_| "it is no JSON of the form `{\"keys\":[..]}`")?;
    let list = range(jwks.keys.get());
    let keys: Vec<&RawValue> = serde_json::from_str(jwks.keys.get()).map_err(|_| "its `keys` are no list")?;
    let entry = |raw: &RawValue| {
        let jwk = serde_json::from_str::<Jwk<'_>>(raw.get()).ok().filter(|jwk| jwk.kty == "oct");
        let key = jwk.as_ref().and_then(|jwk| URL_SAFE_NO_PAD.decode(jwk.k.trim_end_matches('=')).ok());
        let key = key.map(Secret::from_vec).filter(|key| algorithm(key).is_some());
        let id = jwk.as_ref().and_then(|jwk| jwk.kid.parse().ok()).filter(|_| key.is_some());
        Entry { range: range(raw.get()), key: key.filter(|_| id.is_some()), id }
    };
    let entries = keys.into_iter().map(entry).collect();
    Ok(Set { list, entries, bare, text })
}

impl Set {
    /// The key of this id.
    pub(super) fn entry(&self, id: &VersionId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id.as_ref() == Some(id))
    }

    /// All keys but this one, in their order.
    pub(super) fn without(&self, id: &VersionId) -> Vec<Piece<'static>> {
        let others = self.entries.iter().enumerate().filter(|(_, entry)| entry.id.as_ref() != Some(id));
        others.map(|(at, _)| Piece::Old(at)).collect()
    }

    /// Where the key of this id stands.
    pub(super) fn position(&self, id: &VersionId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id.as_ref() == Some(id))
    }
}

/// What a key of so many bytes is, and how a JWK calls that.
pub(super) fn algorithm(key: &Secret) -> Option<(Algorithm, &'static str)> {
    match key.len() {
        16 => Some((Algorithm::Aes128, "A128GCM")),
        32 => Some((Algorithm::Aes256, "A256GCM")),
        _ => None,
    }
}

/// A version as a JWK.
pub(super) fn jwk(id: &VersionId, key: &Secret) -> Result<Zeroizing<String>, String> {
    let (_, alg) = algorithm(key).ok_or("a key has 16 or 32 bytes")?;
    let k = key.lend(|bytes| Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)));
    let kid = quoted(id.as_str());
    let mut out = Zeroizing::new(String::with_capacity(kid.len().saturating_add(k.len()).saturating_add(64)));
    for part in ["{\"kty\":\"oct\",\"use\":\"enc\",\"kid\":", &kid, ",\"k\":\"", &k, "\",\"alg\":\"", alg, "\"}"] {
        out.push_str(part);
    }
    Ok(out)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Form;
    use super::Piece;
    use super::jwk;
    use crate::policy::meant::backend::KeySet;
    use crate::secret::Secret;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    fn form(codings: &[&str], newest: &str) -> Form {
        let codings = codings.iter().map(|word| (*word).to_owned()).collect();
        Form::new(&KeySet { field: "keys".into(), codings, newest: newest.into() }).unwrap()
    }

    #[test]
    fn what_others_wrote_stays_byte_for_byte() {
        let form = form(&["base64", "jwks"], "first");
        let old = "{ \"note\": [1.10, \"x\"],\n \"keys\" : [ {\"kty\": \"oct\", \"kid\":\"a\", \"k\":\"AAAAAAAAAAAAAAAAAAAAAA\", \
                   \"more\": 1.10}, {\"kty\":\"EC\"} ] , \"z\":null}";
        let set = form.read(&format!("\"{}\"", STANDARD.encode(old))).unwrap();
        assert_eq!(set.entries.len(), 2);
        let id = "a".parse().unwrap();
        assert_eq!(set.position(&id), Some(0));
        assert!(set.entries.iter().skip(1).all(|entry| entry.id.is_none()));
        let jwk = jwk(&"b".parse().unwrap(), &Secret::from_vec(vec![0xff; 32])).unwrap();
        assert_eq!(
            *jwk,
            "{\"kty\":\"oct\",\"use\":\"enc\",\"kid\":\"b\",\"k\":\"__________________________________________8\",\"alg\":\"A256GCM\"}"
        );
        let pieces = form.with_newest(Piece::New(&jwk), vec![Piece::Old(0), Piece::Old(1)]);
        let written = form.write(&set, &pieces);
        let text = String::from_utf8(STANDARD.decode(written.trim_matches('"')).unwrap()).unwrap();
        let wanted = old
            .replace("[ {\"kty\": \"oct\"", &format!("[{}, {{\"kty\": \"oct\"", *jwk))
            .replace("\"EC\"} ]", "\"EC\"}]");
        assert_eq!(text, wanted);
        let again = form.read(&written).unwrap();
        assert!(again.entry(&"b".parse().unwrap()).is_some() && again.entries.len() == 3);
    }

    #[test]
    fn a_set_stands_in_a_text_or_by_itself_and_its_newest_at_either_end() {
        let list = r#"{"keys":[{"kty":"oct","kid":"1","k":"AAAAAAAAAAAAAAAAAAAAAA"},{"kty":"oct","kid":"2","k":"AAAAAAAAAAAAAAAAAAAAAQ"}]}"#;
        let plain = form(&["jwks"], "last");
        for raw in [list.to_owned(), serde_json::to_string(list).unwrap()] {
            let set = plain.read(&raw).unwrap();
            assert_eq!(plain.newest(&set).and_then(|entry| entry.id.as_ref()).unwrap().as_str(), "2");
            let moved = plain.with_newest(Piece::Old(0), set.without(&"1".parse().unwrap()));
            let written = plain.write(&set, &moved);
            assert_eq!(written.starts_with('{'), raw.starts_with('{'));
            let again = plain.read(&written).unwrap();
            assert_eq!(again.position(&"1".parse().unwrap()), Some(1));
        }
        for bad in ["1", "\"x\"", "\"{}\"", "\"{\\\"keys\\\":{}}\"", "{\"keys\":1}"] {
            assert!(plain.read(bad).is_err(), "{bad}");
        }
    }
}
