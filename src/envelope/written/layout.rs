//! The written form of a layout: a list of parts, or a table of fields.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::keep;
use super::unknown;
use super::version_only;
use crate::envelope::Cipher;
use crate::envelope::Field;
use crate::envelope::FieldCoding;
use crate::envelope::FieldForm;
use crate::envelope::Layout;
use crate::envelope::Part;
use crate::envelope::object::parts_of;
use crate::template;
use crate::template::Filter;
use crate::template::Piece;
use crate::template::Place;
use crate::template::Template;

const PARTS: [&str; 3] = ["nonce", "ciphertext", "tag"];
const PLACES: [&str; 4] = ["nonce", "ciphertext", "tag", "version"];
/// More would be no envelope.
const ENTRIES_MAX: usize = 64;

pub(super) fn read(
    value: Option<&Value>,
    cipher: Option<Cipher>,
    over_fields: bool,
    faults: &mut Vec<String>,
) -> Option<Layout> {
    let before = faults.len();
    let layout = match value {
        None => {
            faults.extend(cipher.filter(|cipher| is_gcm(*cipher)).map(|cipher| {
                format!("`layout` is missing: `{cipher}` makes a nonce, a ciphertext and a tag, and a list or a table says where each stands")
            }));
            Some(Layout::Bytes(vec![Part::Ciphertext]))
        }
        Some(Value::Array(list)) if list.len() <= ENTRIES_MAX => {
            Some(Layout::Bytes(list.iter().filter_map(|entry| keep(part(entry), faults)).collect()))
        }
        Some(Value::Object(table)) if table.len() <= ENTRIES_MAX => {
            let fields: Vec<Field> =
                table.iter().filter_map(|(name, value)| keep(field(name, value), faults)).collect();
            Some(if over_fields { Layout::Fields(fields) } else { Layout::Object(fields) })
        }
        Some(Value::Array(_) | Value::Object(_)) => {
            faults.push(format!("`layout` has at most {ENTRIES_MAX} entries"));
            None
        }
        Some(_) => {
            faults.push("`layout` is a list of parts, or a table of fields".to_owned());
            None
        }
    };
    if over_fields && !matches!(layout, Some(Layout::Fields(_)) | None) {
        faults.push("`over = \"fields\"` needs a table of fields as `layout`".to_owned());
    }
    if let (Some(layout), Some(cipher), true) = (&layout, cipher, faults.len() == before) {
        faults.extend(counts(layout, cipher));
    }
    layout
}

fn is_gcm(cipher: Cipher) -> bool {
    matches!(cipher, Cipher::Aes256Gcm | Cipher::Aes128Gcm)
}

/// Each part stands once if the cipher makes it, and otherwise not at all.
fn counts(layout: &Layout, cipher: Cipher) -> Vec<String> {
    let parts: Vec<&Part> = match layout {
        Layout::Bytes(parts) => parts.iter().collect(),
        Layout::Object(fields) | Layout::Fields(fields) => {
            fields.iter().flat_map(|field| parts_of(&field.form)).collect()
        }
        Layout::Jwe => return Vec::new(),
    };
    let mut faults = Vec::new();
    for (part, name, made) in [
        (Part::Nonce, "nonce", is_gcm(cipher)),
        (Part::Ciphertext, "ciphertext", true),
        (Part::Tag, "tag", is_gcm(cipher)),
    ] {
        match (parts.iter().filter(|other| ***other == part).count(), made) {
            (1, true) | (0, false) => {}
            (0, true) => faults.push(format!("`layout` lacks the {name} that `{cipher}` makes")),
            (_, true) => faults.push(format!("`layout` has the {name} more than once")),
            (_, false) => faults.push(format!("`layout` has a {name}, and `{cipher}` makes none")),
        }
    }
    faults
}

fn part(value: &Value) -> Result<Part, String> {
    let form =
        "an entry of `layout` is `\"nonce\"`, `\"ciphertext\"`, `\"tag\"`, `{ hex = \"..\" }` or `{ text = \"..\" }`";
    match value {
        Value::String(word) => named(word).ok_or_else(|| unknown("`layout` has no", word, &PARTS, "it has")),
        Value::Object(table) => {
            let mut entries = table.iter();
            let bytes = match (entries.next(), entries.next()) {
                (Some((kind, Value::String(text))), None) if kind == "text" => Some(text.clone().into_bytes()),
                (Some((kind, Value::String(text))), None) if kind == "hex" => hex::decode(text).ok(),
                _ => None,
            };
            bytes.filter(|bytes| !bytes.is_empty()).map(Part::Constant).ok_or_else(|| form.to_owned())
        }
        _ => Err(form.to_owned()),
    }
}

fn named(word: &str) -> Option<Part> {
    match word {
        "nonce" => Some(Part::Nonce),
        "ciphertext" => Some(Part::Ciphertext),
        "tag" => Some(Part::Tag),
        _ => None,
    }
}

fn field(name: &str, value: &Value) -> Result<Field, String> {
    let at = || {
        let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
        format!("`layout.{shown}`")
    };
    let form = match value {
        Value::String(text) if text.contains("{{") => form(text, &at())?,
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(format!("{}: a constant is a text, a number or a truth value", at()));
        }
        constant => FieldForm::Constant(constant.clone()),
    };
    Ok(Field { name: name.to_owned(), form })
}

fn form(text: &str, at: &str) -> Result<FieldForm, String> {
    let pieces = template::pieces(text).map_err(|wrong| format!("{at}: {wrong}"))?;
    let places: Vec<&Place> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Place(place) => Some(place),
        })
        .collect();
    let mut names = places.iter().flat_map(|place| &place.terms).map(|term| term.name.as_str());
    if let Some(name) = names.find(|name| !PLACES.contains(name)) {
        return Err(unknown(&format!("{at} has no"), name, &PLACES, "it has"));
    }
    if places.iter().any(|place| place.terms.iter().any(|term| term.name == "version")) {
        let template = Template::parse(text).map_err(|wrong| format!("{at}: {wrong}"))?;
        version_only(&template).map_err(|wrong| format!("{at}: {wrong}"))?;
        return Ok(FieldForm::Version(template));
    }
    let [Piece::Place(place)] = pieces.as_slice() else {
        return Err(format!("{at}: bytes fill a whole field, with nothing beside them"));
    };
    if place.terms.iter().any(|term| term.slice.is_some()) {
        return Err(format!("{at}: bytes are not sliced"));
    }
    let coding = match place.filter {
        Some(Filter::Hex) => FieldCoding::Hex,
        Some(Filter::Base64) => FieldCoding::Base64,
        Some(Filter::Base64url) => FieldCoding::Base64url,
        Some(Filter::Numbers) => FieldCoding::Numbers,
        None => {
            return Err(format!(
                "{at}: say how bytes are written there: `{{{{ {place} | base64 }}}}`, `hex`, `base64url` or `numbers`"
            ));
        }
    };
    Ok(FieldForm::Made(place.terms.iter().filter_map(|term| named(&term.name)).collect(), coding))
}

/// The written form, or none where it goes without saying.
pub(super) fn written(layout: &Layout) -> Option<Value> {
    match layout {
        Layout::Jwe => None,
        Layout::Bytes(parts) if parts.as_slice() == [Part::Ciphertext] => None,
        Layout::Bytes(parts) => Some(parts.iter().map(written_part).collect()),
        Layout::Object(fields) | Layout::Fields(fields) => {
            let entries = fields.iter().map(|field| (field.name.clone(), written_form(&field.form)));
            Some(Value::Object(entries.collect::<Map<_, _>>()))
        }
    }
}

fn word(part: &Part) -> &'static str {
    match part {
        Part::Nonce => "nonce",
        Part::Ciphertext => "ciphertext",
        Part::Tag => "tag",
        // Only in lists, where it is written as a table.
        Part::Constant(_) => "constant",
    }
}

fn written_part(part: &Part) -> Value {
    match part {
        Part::Constant(bytes) => json!({ "hex": hex::encode(bytes) }),
        other => word(other).into(),
    }
}

fn written_form(form: &FieldForm) -> Value {
    match form {
        FieldForm::Constant(value) => value.clone(),
        FieldForm::Version(template) => template.as_str().into(),
        FieldForm::Made(parts, coding) => {
            let filter = match coding {
                FieldCoding::Hex => Filter::Hex,
                FieldCoding::Base64 => Filter::Base64,
                FieldCoding::Base64url => Filter::Base64url,
                FieldCoding::Numbers => Filter::Numbers,
            };
            let terms: Vec<&str> = parts.iter().map(word).collect();
            format!("{{{{ {} | {} }}}}", terms.join(" + "), filter.word()).into()
        }
    }
}
