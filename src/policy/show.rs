//! Problems as they are shown: to people with the line they stand in, to programs as JSON or SARIF.

use std::fmt;

use miette::Diagnostic;
use miette::GraphicalReportHandler;
use miette::GraphicalTheme;
use miette::LabeledSpan;
use miette::MietteError;
use miette::MietteSpanContents;
use miette::Severity;
use miette::SourceCode;
use miette::SourceSpan;
use miette::SpanContents;
use serde_json::Value;
use serde_json::json;

use crate::explain;
use crate::policy::problem::Level;
use crate::policy::problem::Problem;

/// How a terminal, or what stands for one, can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// How many characters a line has.
    pub width: usize,
    /// Whether it has colours.
    pub colour: bool,
    /// Whether it has more than ASCII.
    pub unicode: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 100, colour: false, unicode: true }
    }
}

/// Every problem with the line it stands in, and how many there are.
#[must_use]
pub fn show(problems: &[Problem], look: Look) -> String {
    let theme = match (look.unicode, look.colour) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => GraphicalTheme::ascii(),
        (false, false) => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(look.width.clamp(40, 400))
        .with_context_lines(0)
        .with_links(false);
    let mut shown = String::new();
    for problem in problems {
        let before = shown.len();
        if handler.render_report(&mut shown, &Shown(problem)).is_err() {
            // Never silent: what cannot be drawn is told in one line.
            shown.truncate(before);
            shown.push_str(&format!("{problem}\n"));
        }
        shown.push('\n');
    }
    shown.push_str(&tally(problems));
    shown
}

fn tally(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.level == Level::Error).count();
    let lints = problems.len().saturating_sub(errors);
    let told = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code).take(1).collect();
    match (codes.first(), errors, lints) {
        (None, _, _) => String::new(),
        (Some(code), errors, 0) => format!("{}; `keyrota explain {code}` tells more\n", told(errors, "problem")),
        (Some(code), 0, lints) => format!("{}; `keyrota explain {code}` tells more\n", told(lints, "lint")),
        (Some(code), errors, lints) => {
            let (errors, lints) = (told(errors, "problem"), told(lints, "lint"));
            format!("{errors} and {lints}; `keyrota explain {code}` tells more\n")
        }
    }
}

/// The problems as one SARIF 2.1.0 log, for platforms that show them beside a change.
#[must_use]
pub fn sarif(problems: &[Problem], version: &str) -> Value {
    let mut codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes
        .iter()
        .map(|code| {
            let title = explain::title(code).unwrap_or_default();
            let page = explain::page(code).unwrap_or_default();
            json!({ "id": code, "shortDescription": { "text": title }, "help": { "text": page, "markdown": page } })
        })
        .collect();
    let results: Vec<Value> = problems
        .iter()
        .map(|problem| {
            let level = if problem.level == Level::Error { "error" } else { "warning" };
            let hint = problem.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            let place = json!({
                "artifactLocation": { "uri": problem.file },
                "region": {
                    "startLine": problem.line,
                    "startColumn": problem.column,
                    "snippet": { "text": problem.source_line },
                },
            });
            json!({
                "ruleId": problem.code,
                "level": level,
                "message": { "text": format!("{}{hint}", problem.message) },
                "locations": [{ "physicalLocation": place }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "keyrota", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A problem as miette wants it: the one line that it stands in, already made visible.
struct Shown<'p>(&'p Problem);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.0.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(if self.0.level == Level::Error { Severity::Error } else { Severity::Warning })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let hint = self.0.hint.as_ref()?;
        Some(Box::new(hint))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (at, count) = self.0.mark;
        let label = LabeledSpan::new_primary_with_span(None, SourceSpan::new(at.into(), count));
        Some(Box::new(std::iter::once(label)))
    }
}

impl SourceCode for Shown<'_> {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        // An empty line still has a number, and miette would leave out where it stands.
        let text = if self.0.source_line.is_empty() { " " } else { self.0.source_line.as_str() }.as_bytes();
        let whole = SourceSpan::new(0.into(), text.len());
        let (line, column) = (before(self.0.line), before(self.0.column));
        Ok(Box::new(MietteSpanContents::new_named(self.0.file.clone(), text, whole, line, column, 1)))
    }
}

/// Counted from 0.
fn before(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Look;
    use super::sarif;
    use super::show;
    use crate::policy::problem::Level;
    use crate::policy::problem::Problem;

    fn problem() -> Problem {
        Problem {
            code: "K002",
            level: Level::Error,
            file: "policies/a.toml".into(),
            line: 57,
            column: 1,
            source_line: "rotate_evry = \"90d\"".into(),
            message: "`rotate_evry` is not a word of a key".into(),
            hint: Some("did you mean `rotate_every`?".into()),
            mark: (0, 11),
        }
    }

    #[test]
    fn people_see_the_line_and_the_way_out() {
        let shown = show(&[problem()], Look::default());
        insta::assert_snapshot!(shown, @r#"
        K002

          × `rotate_evry` is not a word of a key
            ╭─[policies/a.toml:57:1]
         57 │ rotate_evry = "90d"
            · ───────────
            ╰────
          help: did you mean `rotate_every`?

        1 problem; `keyrota explain K002` tells more
        "#);
    }

    #[test]
    fn the_width_is_kept_and_colour_is_a_wish() {
        let long = Problem { message: "word ".repeat(60).trim_end().into(), ..problem() };
        let plain = show(std::slice::from_ref(&long), Look { width: 60, colour: false, unicode: false });
        assert!(plain.lines().all(|line| line.len() <= 60) && plain.is_ascii(), "{plain}");
        assert!(!plain.contains('\u{1b}'));
        assert!(show(&[long], Look { width: 60, colour: true, unicode: true }).contains('\u{1b}'));
        assert_eq!(show(&[], Look::default()), "");
    }

    #[test]
    fn programs_get_fields() {
        let json = serde_json::to_value(problem()).unwrap_or_default();
        assert_eq!(json["line"], 57);
        assert_eq!(json["level"], "error");
        let log = sarif(&[problem()], "0.1.0");
        assert_eq!(log["runs"][0]["results"][0]["ruleId"], "K002");
        assert_eq!(log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"], 57);
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][0]["id"], "K002");
    }
}
