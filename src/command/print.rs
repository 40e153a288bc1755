//! What a program printed, made fit for people's eyes.

use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

const LINES_MAX: usize = 3;
const LINE_CHARS_MAX: usize = 200;

/// A text that does nothing to a terminal: control codes, marks of direction and the like are written out.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}

/// The first lines of an output, printable and short, on one line.
#[must_use]
pub fn first_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES_MAX).map(short).collect();
    lines.join(" / ")
}

fn short(line: &str) -> String {
    let mut kept: String = line.chars().take(LINE_CHARS_MAX).collect();
    if kept.len() < line.len() {
        kept.push('…');
    }
    printable(&kept)
}

/// Whether an output holds a secret, as it is or in one of the usual writings.
pub(super) fn shows(output: &[u8], secret: &Secret) -> bool {
    secret.lend(|bytes| {
        let plain = bytes.trim_ascii();
        let mut forms: Vec<Zeroizing<Vec<u8>>> = vec![plain.to_vec().into()];
        // Where the secret is itself a writing of a key, the key inside it is looked for as well.
        forms.extend(hex::decode(plain).ok().map(Zeroizing::new));
        forms.extend(
            STANDARD_NO_PAD.decode(plain.trim_ascii_end().strip_suffix(b"=").unwrap_or(plain)).ok().map(Zeroizing::new),
        );
        forms.iter().filter(|form| !form.is_empty()).any(|form| {
            holds(output, form)
                || holds(output, Zeroizing::new(hex::encode(form.as_slice())).as_bytes())
                || holds(output, Zeroizing::new(hex::encode_upper(form.as_slice())).as_bytes())
                || holds(output, Zeroizing::new(STANDARD_NO_PAD.encode(form.as_slice())).as_bytes())
                || holds(output, Zeroizing::new(URL_SAFE_NO_PAD.encode(form.as_slice())).as_bytes())
        })
    })
}

fn holds(output: &[u8], form: &[u8]) -> bool {
    output.windows(form.len()).any(|window| window == form)
}

#[cfg(test)]
mod tests {
    use super::first_lines;
    use super::printable;
    use super::shows;
    use crate::secret::Secret;

    #[test]
    fn nothing_that_is_printed_moves_a_terminal() {
        assert_eq!(printable("a \"b\" \\ ü"), "a \"b\" \\ ü");
        assert_eq!(printable("\x1b[2J\u{202e}x\0\u{200f}\r"), "\\u{1b}[2J\\u{202e}x\\0\\u{200f}\\r");
        assert_eq!(first_lines(b"\n one\n\n two\r\nthree\nfour"), "one / two / three");
        assert_eq!(first_lines("ж".repeat(300).as_bytes()).chars().count(), 201);
        assert_eq!(first_lines(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn a_secret_is_known_in_every_writing() {
        let key: Vec<u8> = (200..232).collect();
        let said = |text: String| format!("got {text} from stdin").into_bytes();
        for secret in [key.clone(), hex::encode(&key).into_bytes()] {
            let secret = Secret::from_vec(secret);
            assert!(shows(&said(hex::encode(&key)), &secret));
            assert!(shows(&said(hex::encode_upper(&key)), &secret));
            assert!(shows(&[b"x", key.as_slice()].concat(), &secret));
            assert!(shows(&said(base64::Engine::encode(&super::STANDARD_NO_PAD, &key)), &secret));
            assert!(!shows(b"no such host", &secret));
        }
        assert!(!shows(b"", &Secret::from_vec(Vec::new())));
    }
}
