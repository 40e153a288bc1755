//! One document of the engine: read whole, its fields as the server writes them, and written whole, or not at all.

use crate::fault::Fault;
use crate::openbao::Answer;
use crate::openbao::Client;
use crate::secret::Secret;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A document, or the one that is not there yet.
#[derive(Default)]
pub(in crate::backend) struct Document {
    /// Its version; 0 where there is none.
    pub(in crate::backend) version: u64,
    /// Every field, as JSON.
    fields: BTreeMap<String, Zeroizing<String>>,
}

#[derive(serde::Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    data: Versioned<'a>,
}

#[derive(serde::Deserialize)]
struct Versioned<'a> {
    #[serde(borrow)]
    data: Option<BTreeMap<String, &'a RawValue>>,
    metadata: Metadata,
}

#[derive(serde::Deserialize)]
struct Metadata {
    version: u64,
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

/// What came of a write.
pub(in crate::backend) enum Written {
    /// It is there, as this version.
    Done(u64),
    /// Somebody else wrote first.
    Lost,
}

/// The path of a document in the engine, each part written as an address wants it.
pub(in crate::backend) fn path(mount: &str, kind: &str, at: &str) -> String {
    let mut out = String::with_capacity(mount.len() + kind.len() + at.len() + 2);
    encode(mount.trim_matches('/'), &mut out);
    out.push('/');
    out.push_str(kind);
    out.push('/');
    encode(at.trim_matches('/'), &mut out);
    out
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// What lies on a path.
pub(in crate::backend) enum Found {
    /// Nothing, and nothing was there.
    Nothing,
    /// A version whose content is gone, or was deleted and can be brought back.
    Gone {
        /// Which one.
        version: u64,
        /// Whether it can not be brought back.
        destroyed: bool,
        /// When, where that is said.
        when: String,
    },
    /// A document.
    There(Document),
}

/// Reads a document, or an older version of it; nothing where there never was one.
pub(super) fn read(
    client: &Client,
    mount: &str,
    at: &str,
    doing: &str,
    version: Option<u64>,
) -> Result<Option<Document>, Fault> {
    match find(client, mount, at, doing, version)? {
        Found::There(document) => Ok(Some(document)),
        Found::Nothing => Ok(None),
        Found::Gone { .. } if version.is_some() => Ok(None),
        Found::Gone { version: n, destroyed, when } => {
            let what = if destroyed { "destroyed" } else { "deleted" };
            let when = if when.is_empty() { String::new() } else { format!(" at {}", when.escape_debug()) };
            let mend = match destroyed {
                false => format!("bring it back with `bao kv undelete -mount={mount} -versions={n} {at}`"),
                true => format!("write an older version again with `bao kv rollback -mount={mount} -version=N {at}`"),
            };
            Err(Fault::ask_operator(doing, format!("version {n} of the document was {what}{when}"))
                .hint(format!("{mend}, once it is known who did that and why")))
        }
    }
}

/// Looks what lies on a path, or what an older version of it is.
pub(in crate::backend) fn find(
    client: &Client,
    mount: &str,
    at: &str,
    doing: &str,
    version: Option<u64>,
) -> Result<Found, Fault> {
    if at.split('/').any(|part| matches!(part, "" | "." | "..")) && !at.trim_matches('/').is_empty() || at.is_empty() {
        return Err(Fault::ask_operator(doing, format!("`{}` is no path", at.escape_debug())));
    }
    let mut path = path(mount, "data", at);
    if let Some(version) = version {
        path = format!("{path}?version={version}");
    }
    let answer = client.get(doing, &path)?;
    answer.body.lend(|body| {
        // Not the parser's own words, which may quote what it read.
        let read = serde_json::from_slice::<Reply<'_>>(body);
        match (answer.status, read) {
            (404, Ok(Reply { data: Versioned { metadata, .. } })) => {
                let Metadata { version, destroyed, deletion_time: when } = metadata;
                Ok(Found::Gone { version, destroyed, when })
            }
            (_, Err(_)) if answer.is_nothing() => Ok(Found::Nothing),
            (200..=299, Ok(Reply { data: Versioned { data: Some(fields), metadata } })) => {
                let own = |raw: &RawValue| Zeroizing::new(raw.get().to_owned());
                let fields = fields.into_iter().map(|(name, raw)| (name, own(raw))).collect();
                Ok(Found::There(Document { version: metadata.version, fields }))
            }
            (200..=299, _) => Err(not_versioned(doing, mount)),
            _ => Err(client.unexpected(doing, &path, &answer)),
        }
    })
}

pub(super) fn not_versioned(doing: &str, mount: &str) -> Fault {
    Fault::ask_operator(doing, format!("what is mounted at `{mount}` is no KV engine of version 2"))
        .hint(format!("`bao secrets list -detailed` shows it; `bao kv enable-versioning {mount}` makes it one"))
}

impl Document {
    /// A field, as JSON.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|raw| raw.as_str())
    }

    /// A field that holds a text; nothing where there is no such field.
    pub(super) fn text(&self, name: &str) -> Result<Option<Zeroizing<String>>, String> {
        let Some(raw) = self.field(name) else { return Ok(None) };
        let text = serde_json::from_str::<String>(raw).map_err(|_| "it holds no text".to_owned())?;
        Ok(Some(Zeroizing::new(text)))
    }

    /// The names of its fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Puts a field there, as JSON.
    pub(in crate::backend) fn put(&mut self, name: &str, raw: Zeroizing<String>) {
        self.fields.insert(name.to_owned(), raw);
    }

    /// Puts a field there that holds a text.
    pub(super) fn put_text(&mut self, name: &str, text: &str) {
        self.put(name, quoted(text));
    }

    /// All its fields, as one JSON object.
    pub(in crate::backend) fn whole(&self) -> Zeroizing<String> {
        object(self.fields.iter().map(|(name, raw)| (name.as_str(), raw.as_str())))
    }

    /// What is sent to write it over the version that was read.
    fn body(&self) -> Secret {
        let options = format!("{{\"cas\":{}}}", self.version);
        let mut out = object([("options", options.as_str()), ("data", &self.whole())].into_iter());
        Secret::from_vec(std::mem::take(&mut *out).into_bytes())
    }

    /// Writes it, if nobody has written since it was read.
    pub(in crate::backend) fn write(
        &self,
        client: &Client,
        mount: &str,
        at: &str,
        doing: &str,
    ) -> Result<Written, Fault> {
        #[derive(serde::Deserialize)]
        struct Reply {
            data: Metadata,
        }
        let path = path(mount, "data", at);
        let answer: Answer = client.put(doing, &path, &self.body())?;
        match answer.status {
            200..=299 => Ok(Written::Done(answer.json::<Reply>(doing)?.data.version)),
            400 if answer.said().contains("check-and-set") => Ok(Written::Lost),
            _ => Err(client.unexpected(doing, &path, &answer)),
        }
    }
}

/// An object of these fields, each of them JSON.
pub(in crate::backend) fn object<'f>(fields: impl Iterator<Item = (&'f str, &'f str)> + Clone) -> Zeroizing<String> {
    let length: usize = fields.clone().map(|(name, raw)| name.len().saturating_mul(6) + raw.len() + 8).sum();
    // All at once, so that growing leaves no copy behind.
    let mut out = Zeroizing::new(String::with_capacity(length.saturating_add(2)));
    out.push('{');
    for (n, (name, raw)) in fields.enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push_str(&quoted(name));
        out.push(':');
        out.push_str(raw);
    }
    out.push('}');
    out
}

/// A text as JSON.
pub(in crate::backend) fn quoted(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len().saturating_mul(6).saturating_add(2)));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::path;
    use super::quoted;

    #[test]
    fn a_text_is_written_as_any_reader_of_json_reads_it() {
        let text = "a\"b\\c\n\u{1}\u{7f}ü {\"k\":1} /+=";
        assert_eq!(serde_json::from_str::<String>(&quoted(text)).unwrap(), text);
    }

    #[test]
    fn a_path_is_written_as_an_address_wants_it() {
        assert_eq!(path("services/all/kv/", "data", "encryption/keys"), "services/all/kv/data/encryption/keys");
        assert_eq!(path("kv", "metadata", "a b?c#d%ü"), "kv/metadata/a%20b%3Fc%23d%25%C3%BC");
    }
}
