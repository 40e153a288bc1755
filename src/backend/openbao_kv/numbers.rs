//! Numbers that the server would write down differently: it reads them as floating point, so a large one loses digits and
//! `1.10` becomes `1.1`. A document that holds one is not written by us.

/// The first number in a JSON text that the server would not keep as it is.
pub(super) fn first_lost(json: &str) -> Option<&str> {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = after_text(bytes, at),
            b'-' | b'0'..=b'9' => {
                let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| part(byte)).count();
                let number = json.get(at..at.saturating_add(length)).unwrap_or_default();
                if rewritten(number).as_deref() != Some(number) {
                    return Some(number);
                }
                at = at.saturating_add(length.max(1));
            }
            _ => at = at.saturating_add(1),
        }
    }
    None
}

/// The place behind a text that begins here.
fn after_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start.saturating_add(1);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at = at.saturating_add(2),
            b'"' => return at.saturating_add(1),
            _ => at = at.saturating_add(1),
        }
    }
    at
}

/// The number as the server writes it.
fn rewritten(number: &str) -> Option<String> {
    let value: f64 = number.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return Some(if text.contains("e-") { text } else { text.replacen('e', "e+", 1) });
    }
    Some(format!("{value}"))
}

#[cfg(test)]
mod tests {
    use super::first_lost;

    #[test]
    fn what_a_server_would_rewrite_is_found() {
        for kept in [
            "1",
            "0",
            "-7",
            "1.5",
            "1e+21",
            "1.2345678901234568e+22",
            "9007199254740991",
            "100000000000000000000",
            "0.000001",
            "1e-7",
            r#"{"a":"1.10 and \" 9007199254740993","b":[true,null,2],"1.10":3}"#,
        ] {
            assert_eq!(first_lost(kept), None, "{kept}");
        }
        for (text, number) in [
            ("1.10", "1.10"),
            ("9007199254740993", "9007199254740993"),
            (r#"{"a":[1,{"b":12345678901234567890123}]}"#, "12345678901234567890123"),
            ("1.0", "1.0"),
            ("1E3", "1E3"),
            ("1e400", "1e400"),
            (r#"["\\",0.10]"#, "0.10"),
        ] {
            assert_eq!(first_lost(text), Some(number));
        }
    }
}
