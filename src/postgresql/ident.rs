//! Names and steps of a path in SQL: they become SQL text only here, in quotes with their own doubled.

/// The name in quotes; PostgreSQL's own names hold no NUL, and one that does is found nowhere.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
}

/// A text in SQL, whatever the server's settings say about backslashes.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\0', "").replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::literal;
    use super::quote;

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        assert_eq!(literal("it's"), "E'it''s'");
        assert_eq!(literal("\\'; DROP TABLE b; --\0"), "E'\\\\''; DROP TABLE b; --'");
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quote("Order"), "\"Order\"");
        assert_eq!(quote("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
        assert_eq!(quote("a\0\"b"), "\"a\"\"b\"");
    }
}
