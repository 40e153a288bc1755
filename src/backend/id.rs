//! How versions are called where we count them: the id template counts, and a key file is the id with an ending.

use crate::model::VersionId;
use crate::template::Template;
use std::borrow::Cow;

/// The ending of every key file.
pub(in crate::backend) const ENDING: &str = ".key";

/// Makes ids and reads them back.
#[derive(Debug, Clone)]
pub(in crate::backend) struct Ids(Template);

impl Ids {
    /// Ids after a template that counts with `{{ n }}` and makes names that are safe in a folder.
    pub(in crate::backend) fn new(template: Template) -> Result<Self, String> {
        if template.placeholders().collect::<Vec<_>>() != ["n"] {
            return Err(format!(
                "the id `{template}` is counted here: let it hold `{{{{ n }}}}` once, and nothing else to fill"
            ));
        }
        let ids = Self(template);
        let sample = ids.nth(1)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !sample.as_str().chars().all(plain) || ids.n(&sample) != Some(1) {
            return Err(format!("the id `{}` cannot be a plain name", ids.0));
        }
        Ok(ids)
    }

    /// The `n`th id.
    pub(in crate::backend) fn nth(&self, n: u64) -> Result<VersionId, String> {
        let text = self.0.fill(|name| (name == "n").then(|| Cow::Owned(n.to_string())));
        let text = text.map_err(|missing| missing.to_string())?;
        text.parse().map_err(|bad| format!("`{}` is no id: {bad}", text.escape_debug()))
    }

    /// Which id this is.
    pub(in crate::backend) fn n(&self, id: &VersionId) -> Option<u64> {
        self.0.matches(id.as_str())?.get("n")?.parse().ok()
    }

    /// The version whose file this is.
    pub(in crate::backend) fn of_file(&self, name: &str) -> Option<VersionId> {
        let id: VersionId = name.strip_suffix(ENDING)?.parse().ok()?;
        self.n(&id).map(|_| id)
    }

    /// The template as it is written.
    pub(in crate::backend) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The name of a version's file.
pub(in crate::backend) fn file_name(id: &VersionId) -> String {
    format!("{id}{ENDING}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Ids;
    use crate::template::Template;

    fn ids(text: &str) -> Result<Ids, String> {
        Ids::new(Template::parse(text).unwrap())
    }

    #[test]
    fn ids_count_and_are_read_back() {
        for (template, third) in [("v{{ n }}", "v3"), ("{{ n }}", "3"), ("app-{{ n }}.kek", "app-3.kek")] {
            let ids = ids(template).unwrap();
            assert_eq!(ids.nth(3).unwrap().as_str(), third);
            assert_eq!(ids.of_file(&format!("{third}.key")), Some(third.parse().unwrap()));
        }
        let ids = ids("v{{ n }}").unwrap();
        for other in ["v3", "v03.key", "w3.key", "v.key", ".key", "v3.key.bak", "v3.KEY", "../v3.key"] {
            assert_eq!(ids.of_file(other), None, "{other}");
        }
    }

    #[test]
    fn ids_that_cannot_name_files_are_refused() {
        for bad in ["v", "{{ uuid1 }}", "v{{ n }}-{{ n }}", "a/{{ n }}", "a:{{ n }}", "..{{ n }}", "v{{ n }} "] {
            assert!(ids(bad).is_err(), "{bad}");
        }
    }
}
