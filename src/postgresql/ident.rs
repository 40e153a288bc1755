//! Names in SQL. A name becomes SQL text only here, in double quotes with its own doubled.

/// The name in quotes; PostgreSQL's own names hold no NUL, and one that does is found nowhere.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quote("Order"), "\"Order\"");
        assert_eq!(quote("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
        assert_eq!(quote("a\0\"b"), "\"a\"\"b\"");
    }
}
