//! What each code means: `keyrota explain K012`. Every code that anything raises has its page here, and every page has
//! somebody who raises it.
//! Never here: deciding that something is wrong.

/// Who raises a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// `policy::read`: the text is wrong.
    Problem,
    /// `policy::read`: the text can be meant, and probably should not be.
    Lint,
    /// `survey`: the world is not as the policy would have it.
    Survey,
    /// `prove`: a story in which data is lost or a reader stranded.
    Prover,
}

/// A code and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: &'static str,
    /// Who raises it.
    pub by: By,
    /// What it means, why it matters, what to do, and an example, in Markdown.
    pub text: &'static str,
}

macro_rules! pages {
    ($($by:ident $code:literal),* $(,)?) => {
        [$(Page { code: $code, by: By::$by, text: include_str!(concat!("explain/", $code, ".md")) }),*]
    };
}

/// Every page, in the order of codes: `K00x` the text is wrong, `K01x` and `K02x` lints, `K2xx` hazards.
const PAGES: &[Page] = &pages![
    Problem "K001",
    Problem "K002",
    Problem "K003",
    Problem "K004",
    Problem "K005",
    Problem "K006",
    Problem "K007",
    Problem "K008",
    Problem "K009",
    Lint "K010",
    Lint "K011",
    Lint "K012",
    Lint "K013",
    Survey "K014",
    Lint "K015",
    Lint "K016",
    Lint "K017",
    Lint "K018",
    Lint "K019",
    Lint "K020",
    Problem "K021",
    Lint "K022",
    Prover "K203",
    Prover "K207",
];

/// Every page, in the order of codes.
#[must_use]
pub const fn pages() -> &'static [Page] {
    PAGES
}

/// The page of a code, in Markdown.
#[must_use]
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|page| page.code.eq_ignore_ascii_case(code)).map(|page| page.text)
}

/// What a code is called: the first line of its page.
#[must_use]
pub fn title(code: &str) -> Option<&'static str> {
    let line = page(code)?.lines().next()?;
    line.split_once(": ").map(|(_, title)| title)
}

/// Every code.
pub fn codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|page| page.code)
}

/// The hazards that a policy can accept by name.
pub fn hazards() -> impl Iterator<Item = &'static str> {
    PAGES.iter().filter(|page| page.by == By::Prover).map(|page| page.code)
}

#[cfg(test)]
mod tests {
    use super::By;
    use super::codes;
    use super::hazards;
    use super::page;
    use super::pages;
    use super::title;

    #[test]
    fn every_page_says_what_why_and_what_to_do() {
        for page in pages() {
            let code = page.code;
            assert!(page.text.starts_with(&format!("# {code}: ")), "{code} begins with its code and title");
            for part in ["\n## Why it matters\n", "\n## What to do\n", "\n## Example\n"] {
                assert!(page.text.contains(part), "{code} lacks `{}`", part.trim());
            }
            assert!(page.text.ends_with('\n') && !page.text.contains("\n\n\n"), "{code} is laid out otherwise");
            assert!(title(code).is_some_and(|title| !title.is_empty()), "{code} has no title");
        }
    }

    #[test]
    fn codes_stand_in_order_and_only_once() {
        let codes: Vec<_> = codes().collect();
        assert!(codes.windows(2).all(|pair| pair.first() < pair.last()), "{codes:?}");
    }

    #[test]
    fn a_code_is_found_however_it_is_typed() {
        assert_eq!(page("k012"), page("K012"));
        assert!(page("K012").is_some() && page("K999").is_none() && page("").is_none());
        assert!(hazards().all(|code| code.starts_with("K2")));
        assert!(pages().iter().any(|page| page.by == By::Survey));
    }
}
