//! Dotted paths.

/// The parts of a path, quotes taken off.
pub(super) fn parts(path: &str) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let mut rest = path;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a quote is never closed")?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if part.is_empty() {
            return Err("a part of it is empty".to_owned());
        }
        parts.push(part.to_owned());
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => return Err("a dot is missing after a quote".to_owned()),
        }
    }
}

/// The path again, for people.
pub(super) fn shown(parts: &[String]) -> String {
    let quoted = |part: &String| match part.contains('.') {
        true => format!("\"{}\"", part.escape_debug()),
        false => part.escape_debug().to_string(),
    };
    parts.iter().map(quoted).collect::<Vec<_>>().join(".")
}
