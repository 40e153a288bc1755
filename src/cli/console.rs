//! Where results and everything else are printed.

use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::policy;
use crate::policy::Look;
use crate::policy::Problem;
use crate::policy::visible;
use crate::render::terminal::Paper;
use std::io::IsTerminal;
use std::io::Write;

/// Standard output for results, standard error for everything else.
pub(super) struct Console {
    /// Whether results are for programs.
    pub(super) json: bool,
    /// Whether standard output takes colours.
    pub(super) colour: bool,
    /// Whether nobody wants colours.
    pub(super) plain: bool,
    /// Whether somebody watches standard error.
    pub(super) watched: bool,
    /// How wide a line may be.
    pub(super) width: usize,
}

/// The width where nobody tells.
const WIDTH: usize = 100;

impl Console {
    /// The process's own.
    pub(super) fn standard(json: bool) -> Self {
        let plain = crate::cli::wire::variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = std::io::stdout().is_terminal() && !plain;
        let columns = crate::cli::wire::variable("COLUMNS").and_then(|text| String::from_utf8(text).ok());
        let width = columns.and_then(|text| text.parse().ok()).unwrap_or(WIDTH).clamp(40, 200);
        Self { json, colour, plain, watched: std::io::stderr().is_terminal(), width }
    }

    /// Prints a result.
    pub(super) fn out(&mut self, text: &str) {
        // Somebody who closed the pipe has read enough.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = std::io::stdout().lock().write_all(b"\n");
        }
    }

    /// Prints a result for programs.
    pub(super) fn out_json(&mut self, value: &impl serde::Serialize) {
        let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".into());
        self.out(&text);
    }

    /// Prints a line beside the result.
    pub(super) fn say(&mut self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Prints a hint.
    pub(super) fn hint(&mut self, text: &str) {
        self.say(&format!("hint: {text}"));
    }

    /// What standard output takes.
    pub(super) fn paper(&self) -> Paper {
        Paper { width: self.width, colour: self.colour }
    }

    /// Prints problems.
    pub(super) fn problems(&mut self, problems: &[Problem]) {
        let colour = self.watched && !self.plain;
        let look = Look { width: self.width, colour, unicode: self.watched };
        let _ = std::io::stderr().lock().write_all(policy::show(problems, look).as_bytes());
    }

    /// Prints what stopped a command.
    pub(super) fn fail(&mut self, fail: &Fail) -> Exit {
        match fail {
            Fail::Problems(problems) => {
                self.problems(problems);
            }
            Fail::Fault(fault) => {
                self.say(&format!("error: {}", visible(&fault.to_string())));
                if let Some(hint) = &fault.hint {
                    self.hint(&visible(hint));
                }
            }
            Fail::Refused { why, hint } => {
                self.say(&format!("refused: {}", visible(why)));
                self.hint(&visible(hint));
            }
            Fail::Unsafe(violation) => {
                self.say(&format!("refused: {violation}"));
                self.hint(&match (violation.hazard, &violation.fleet) {
                    (Some(code), Some(fleet)) => format!(
                        "`keyrota explain {code}` tells what it means; a policy may accept it by name for `{fleet}`, for a bounded time"
                    ),
                    _ => "change the policy so that this cannot happen; nothing was planned".into(),
                });
            }
            Fail::Denied(denied) => {
                self.say(&format!("refused: {denied}"));
                self.hint(&denied.hint());
            }
            Fail::Broken(broken) => {
                self.say(&format!("error: {broken}"));
                self.hint(broken.hint());
            }
        }
        fail.exit()
    }
}
