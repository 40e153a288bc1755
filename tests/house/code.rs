//! Rust text with what is not code taken out: comments, literals, and on request the items that only tests see.
//! Lines stay where they were.

/// `text` with comments and the insides of string and character literals blanked.
pub(crate) fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = blank_from(&chars, at);
        if end > at {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself where none begins.
fn blank_from(chars: &[char], at: usize) -> usize {
    let next = |n: usize| chars.get(at + n).copied().unwrap_or('\0');
    match (chars[at], next(1)) {
        ('/', '/') => find(chars, at, |c| c == '\n'),
        ('/', '*') => block_comment(chars, at),
        ('"', _) => string(chars, at + 1),
        ('\'', '\\') => find(chars, at + 3, |c| c == '\'') + 1,
        ('\'', _) if next(2) == '\'' => at + 3,
        ('r', '"' | '#') if at == 0 || !is_word(chars[at - 1]) || matches!(chars[at - 1], 'b' | 'c') => {
            raw_string(chars, at)
        }
        _ => at,
    }
    .min(chars.len())
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| wanted(chars[*at])).unwrap_or(chars.len())
}

fn string(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// A raw string, or nothing where `r#` begins a raw name.
fn raw_string(chars: &[char], at: usize) -> usize {
    let quote = find(chars, at + 1, |c| c != '#');
    if chars.get(quote) != Some(&'"') {
        return at;
    }
    let hashes = quote - at - 1;
    let closes = |end: &usize| chars[*end] == '"' && (1..=hashes).all(|n| chars.get(end + n) == Some(&'#'));
    (quote + 1..chars.len()).find(closes).map_or(chars.len(), |end| end + hashes + 1)
}

fn block_comment(chars: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Masked code without the items behind `#[cfg(test)]`, and how many lines those take.
pub(crate) fn live(masked: &str) -> (String, usize) {
    let mut out = masked.to_owned();
    let mut lines = 0;
    while let Some(start) = out.find("#[cfg(test)]").or_else(|| out.find("#[cfg(all(test,")) {
        let end = item_end(&out, start);
        lines += out[start..end].lines().count();
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    (out, lines)
}

/// The end of the item that the attribute at `start` stands on: its `;`, or the brace that closes it.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_i32;
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, ';' | '}') {
            let end = start + at + 1;
            return if code[end..].starts_with(';') { end + 1 } else { end };
        }
    }
    code.len()
}

/// The lines on which `wanted` stands as a whole word (or path).
pub(crate) fn lines_with(code: &str, wanted: &str) -> Vec<usize> {
    code.match_indices(wanted)
        .filter(|(at, _)| !code[..*at].ends_with(is_word) && !code[at + wanted.len()..].starts_with(is_word))
        .map(|(at, _)| line_of(code, at))
        .collect()
}

/// The line, from 1, of the byte at `at`.
pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The name at the beginning of `code`, without the mark of a raw name.
pub(crate) fn name_at(code: &str) -> &str {
    let code = code.strip_prefix("r#").unwrap_or(code);
    &code[..code.find(|c| !is_word(c)).unwrap_or(code.len())]
}

/// The modules that `code` keeps in other files: `mod name;`.
pub(crate) fn modules(code: &str) -> Vec<&str> {
    let named = code.match_indices("mod ").filter(|(at, _)| !code[..*at].ends_with(is_word));
    named
        .filter_map(|(at, word)| {
            let rest = code[at + word.len()..].trim_start();
            let name = name_at(rest);
            let after = rest.strip_prefix("r#").unwrap_or(rest).get(name.len()..)?;
            (!name.is_empty() && after.trim_start().starts_with(';')).then_some(name)
        })
        .collect()
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn comments_and_literals_are_blanked_and_code_is_not() {
    for (text, code) in [
        ("a // b\nc", "a c"),
        ("a /* b /* c */ d */ e", "a e"),
        ("x(\"a \\\" b\") + y", "x( ) + y"),
        ("r#\"a \" b\"# + r#virtual", "+ r#virtual"),
        ("br\"a\" + number(\"c\")", "b + number( )"),
        ("'\"' + '\\'' + &'a str", "+ + &'a str"),
    ] {
        let masked = mask(text);
        assert_eq!(masked.split_whitespace().collect::<Vec<_>>().join(" "), code, "{text}");
        assert_eq!((masked.len(), masked.lines().count()), (text.len(), text.lines().count()), "{text}");
    }
    assert_eq!(mask("\"never closed"), " ".repeat(13));
}

#[test]
fn what_only_tests_see_is_not_live() {
    assert_eq!(
        live("a\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n{}\n}\nb").0.split_whitespace().collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(live("a\n#[cfg(test)]\nmod tests {\n\n    // why\n}\nb").1, 5);
    let live = |code| live(code).0;
    assert_eq!(live("#[cfg(test)] mod tests;\nb").trim(), "b");
    assert_eq!(live("#[cfg(test)] fn a(x: [u8; 3]) {}\nb").trim(), "b");
    assert_eq!(live("#[cfg(all(test, unix))] use a::{b};\nb").trim(), "b");
    assert_eq!(live("#[cfg(feature)] mod a;"), "#[cfg(feature)] mod a;");
}

#[test]
fn words_and_modules_are_found_whole() {
    assert_eq!(lines_with("std::fs\nstd::fsx\nxstd::fs\nuse std::fs::File", "std::fs"), [1, 4]);
    assert_eq!(modules("mod a;\npub mod r#virtual;\npub(crate) mod b ;\nmod c { }\nxmod d;"), ["a", "virtual", "b"]);
}
