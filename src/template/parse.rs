//! From text to pieces.

use crate::template::Filter;
use crate::template::Piece;
use crate::template::Place;
use crate::template::Term;

pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inner, next) = after.split_once("}}").ok_or("`{{` is never closed by `}}`")?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        if inner.trim().is_empty() {
            return Err("nothing stands between `{{` and `}}`".to_owned());
        }
        let place = place(inner).map_err(|wrong| format!("`{{{{{inner}}}}}`: {wrong}"))?;
        pieces.push(Piece::Place(place));
        rest = next;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

fn place(inner: &str) -> Result<Place, String> {
    let (terms, filter) = match inner.split_once('|') {
        None => (inner, None),
        Some((terms, word)) => (terms, Some(filter(word.trim())?)),
    };
    let terms = terms.split('+').map(|text| term(text.trim())).collect::<Result<Vec<_>, _>>()?;
    Ok(Place { terms, filter })
}

fn filter(word: &str) -> Result<Filter, String> {
    Filter::ALL.into_iter().find(|filter| filter.word() == word).ok_or_else(|| {
        let known: Vec<String> = Filter::ALL.iter().map(|filter| format!("`{}`", filter.word())).collect();
        format!("no filter is called `{word}`: there are {}", known.join(", "))
    })
}

fn term(text: &str) -> Result<Term, String> {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let end = text.find(|c| !inside(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Err(if name.is_empty() && rest.is_empty() {
            "a name is missing".to_owned()
        } else {
            format!("`{text}` is not a name")
        });
    }
    let slice = match rest.trim() {
        "" => None,
        rest if rest.starts_with('[') => Some(slice(rest)?),
        rest => return Err(format!("`{rest}` is not expected here")),
    };
    Ok(Term { name: name.to_owned(), slice })
}

fn slice(text: &str) -> Result<(usize, Option<usize>), String> {
    let form = || "a slice is written `[:16]`, `[4:]` or `[4:16]`".to_owned();
    let (from, to) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|rest| rest.split_once(':'))
        .ok_or_else(form)?;
    let number = |text: &str| match text.trim() {
        "" => Ok(None),
        digits if digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map(Some).map_err(|_| form())
        }
        _ => Err(form()),
    };
    let (from, to) = (number(from)?.unwrap_or(0), number(to)?);
    if to.is_some_and(|to: usize| to < from) {
        return Err("the slice ends before it begins".to_owned());
    }
    Ok((from, to))
}
