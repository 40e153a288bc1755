//! JSON in plain ASCII: whatever else a text holds is escaped, so that a plan shown on a terminal or in a
//! diff cannot reorder, hide or colour what a reviewer reads.

use serde::Serialize;
use serde_json::ser::CharEscape;
use serde_json::ser::Formatter;
use serde_json::ser::Serializer;
use std::io;
use std::io::Write;

/// Appends a value as compact JSON in plain ASCII.
pub(super) fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let before = out.len();
    let mut serializer = Serializer::with_formatter(&mut *out, Ascii);
    if value.serialize(&mut serializer).is_err() {
        // No type of a plan can fail here; if one ever does, reading the document refuses it.
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

/// A value as compact JSON in plain ASCII.
#[must_use]
pub fn json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::with_capacity(1024);
    append(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let plain = |byte: u8| byte.is_ascii() && byte != 0x7f;
        if fragment.bytes().all(plain) {
            return out.write_all(fragment.as_bytes());
        }
        let mut pair = [0; 2];
        for c in fragment.chars() {
            if c.is_ascii() && c != '\u{7f}' {
                out.write_all(&[u8::try_from(c).unwrap_or(b'?')])?;
                continue;
            }
            for unit in c.encode_utf16(&mut pair) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: Write + ?Sized>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(out, escape)
    }
}
