//! Escapes: a text is made harmless for the place where it is printed. What is plain stays as it is, so
//! escaping twice is escaping once.

use std::borrow::Cow;

/// For a terminal: nothing that moves the cursor, colours, hides or reorders what stands beside it.
pub(super) fn terminal(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmless(c) { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    Cow::Owned(out)
}

/// Letters and digits of any language, the ASCII signs, and the signs of European typography.
fn harmless(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\u{ad}' => false,
        '\u{a1}'..='\u{ff}' | '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{2022}' | '\u{2026}' => true,
        other => other.is_alphanumeric(),
    }
}

/// For Markdown: as for a terminal, and every sign that could be markup inside a line becomes a character
/// reference, which never is. What stands between backticks stays code.
pub(super) fn markdown(text: &str) -> String {
    let text = terminal(text);
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text.as_ref();
    while let Some(open) = rest.find('`') {
        let (before, after) = rest.split_at(open);
        refer(before, &mut out);
        let inside = after.get(1..).unwrap_or_default();
        match inside.find('`').and_then(|close| inside.split_at_checked(close)) {
            Some((name, beyond)) if !name.is_empty() => {
                out.push_str("<code>");
                refer(name, &mut out);
                out.push_str("</code>");
                rest = beyond.get(1..).unwrap_or_default();
            }
            _ => {
                out.push_str("&#96;");
                rest = inside;
            }
        }
    }
    refer(rest, &mut out);
    out
}

fn refer(text: &str, out: &mut String) {
    use std::fmt::Write;
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '@' | '\\' | '`' | '$' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_never_driven_by_a_text() {
        for (text, shown) in [
            ("plain `a/b` 90%", "plain `a/b` 90%"),
            ("a\x1b[31mred", "a\\u{1b}[31mred"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("a\u{200b}b\u{feff}\u{ad}", "a\\u{200b}b\\u{feff}\\u{ad}"),
            ("two\nlines\r\0\x7f", "two\\u{a}lines\\u{d}\\u{0}\\u{7f}"),
            ("M\u{fc}ller \u{2013} 東京", "M\u{fc}ller \u{2013} 東京"),
        ] {
            assert_eq!(terminal(text), shown);
            assert_eq!(terminal(&terminal(text)), shown);
        }
    }

    #[test]
    fn markdown_has_no_markup_but_ours() {
        for (text, shown) in [
            ("the fleet `web_1`", "the fleet <code>web&#95;1</code>"),
            ("<script> [x](http://y) *b*", "&lt;script&gt; &#91;x&#93;(http://y) &#42;b&#42;"),
            ("`a` and `", "<code>a</code> and &#96;"),
            ("``", "&#96;&#96;"),
            ("`<b>`", "<code>&lt;b&gt;</code>"),
            ("a\nb | c", "a&#92;u&#123;a&#125;b &#124; c"),
        ] {
            assert_eq!(markdown(text), shown);
        }
    }
}
