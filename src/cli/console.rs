//! Where results and everything else are printed.

use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::wire;
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
    /// Whether a terminal shows more than ASCII.
    unicode: bool,
}

/// The width where nobody tells.
const WIDTH: usize = 100;

impl Console {
    /// The process's own.
    pub(super) fn standard(json: bool) -> Self {
        let text = |name: &str| wire::variable(name).and_then(|text| String::from_utf8(text).ok());
        let plain = text("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = std::io::stdout().is_terminal() && !plain;
        let width = text("COLUMNS").and_then(|text| text.parse().ok()).unwrap_or(WIDTH).clamp(40, 200);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| text(name).filter(|t| !t.is_empty()));
        let unicode = locale.is_some_and(|name| name.to_lowercase().replace('-', "").contains("utf8"));
        Self { json, colour, watched: std::io::stderr().is_terminal(), width, unicode, plain }
    }

    /// Prints a result.
    pub(super) fn out(&mut self, text: &str) {
        // Somebody who closed the pipe has read enough.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = std::io::stdout().lock().write_all(b"\n");
        }
    }

    /// Prints bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        let _ = std::io::stdout().lock().write_all(bytes);
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

    /// How standard output can show.
    pub(super) fn look(&self) -> Look {
        Look { width: self.width, colour: self.colour, unicode: self.unicode }
    }

    /// Prints problems.
    pub(super) fn problems(&mut self, problems: &[Problem]) {
        self.say(policy::show(problems, Look { colour: self.watched && !self.plain, ..self.look() }).trim_end());
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
                // Its own hint is the better one.
                if violation.hint.is_none() {
                    self.hint("change the policy so that this cannot happen; nothing was planned");
                }
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
