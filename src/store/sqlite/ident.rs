//! Names in SQL. A name becomes SQL text only here, in double quotes with its own doubled.

use std::fmt;

/// A name of a table or column, quoted. SQLite reads a text up to its first NUL, so no name may have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ident(String);

impl Ident {
    /// The name in quotes, unless it holds a NUL.
    pub(super) fn quote(name: &str) -> Option<Self> {
        (!name.contains('\0')).then(|| Self(format!("\"{}\"", name.replace('"', "\"\""))))
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Ident;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let quoted = |name| Ident::quote(name).map(|ident| ident.to_string());
        assert_eq!(quoted("data_keys").as_deref(), Some("\"data_keys\""));
        assert_eq!(quoted("a\"; DROP TABLE x; --").as_deref(), Some("\"a\"\"; DROP TABLE x; --\""));
        assert_eq!(quoted("\"").as_deref(), Some("\"\"\"\""));
        assert_eq!(quoted("a\0b"), None);
    }
}
