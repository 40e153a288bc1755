//! What the demo says: sections, prose, commands with what they print, and one line for each step that is done.

use crate::cli::console::Console;
use crate::cli::list;
use crate::executor::Ended;
use crate::executor::Held;
use crate::executor::Screen;
use crate::executor::Told;
use crate::journal::Fact;
use crate::model::Hour;

/// Who tells the story.
pub(super) struct Narrator<'a> {
    /// Where to.
    pub(super) console: &'a mut Console,
    section: u32,
}

impl<'a> Narrator<'a> {
    pub(super) fn new(console: &'a mut Console) -> Self {
        Self { console, section: 0 }
    }

    /// Begins a section.
    pub(super) fn section(&mut self, title: &str) {
        self.section = self.section.saturating_add(1);
        self.console.out(&format!("\n{}. {title}", self.section));
    }

    /// Says some lines.
    pub(super) fn say(&mut self, text: &str) {
        for line in text.lines() {
            self.console.out(&if line.is_empty() { String::new() } else { format!("   {line}") });
        }
    }

    /// Shows a command as somebody would type it.
    pub(super) fn command(&mut self, text: &str, hour: Hour) {
        self.command_of(&format!("keyrota {text}"), hour);
    }

    /// The same, for any program.
    pub(super) fn command_of(&mut self, text: &str, hour: Hour) {
        self.console.out(&format!("   [{}] $ {text}", day(hour)));
    }

    /// Shows what a command printed.
    pub(super) fn printed(&mut self, text: &str) {
        for line in text.trim_matches('\n').lines() {
            self.console.out(format!("   | {line}").trim_end());
        }
    }

    /// Shows the first paragraph of what a command printed.
    pub(super) fn printed_first(&mut self, text: &str) {
        self.printed(text.trim_start().split("\n\n").next().unwrap_or_default());
        self.printed("...");
    }

    /// Shows a part of what a command printed: from the first line that begins so, up to one that begins so.
    pub(super) fn printed_between(&mut self, text: &str, from: &str, to: &str) {
        let part = text.lines().skip_while(|line| !line.starts_with(from)).take_while(|line| !line.starts_with(to));
        self.printed("...");
        self.printed(&part.collect::<Vec<_>>().join("\n"));
        self.printed("...");
    }

    /// Shows how an attempt ended.
    pub(super) fn ended(&mut self, ended: &Ended) {
        match ended {
            Ended::Finished => self.printed("Done: every step of this plan is carried out."),
            Ended::AtGate { held } | Ended::Stopped { held } => {
                if let Some(next) = next(held) {
                    let opens = next.opens.map(|hour| format!("; come back {}", day(hour))).unwrap_or_default();
                    self.printed(&format!("stops at a gate: {}{opens}", next.title));
                }
            }
            Ended::Late { .. } | Ended::Failed { .. } => self.printed(&format!("{ended:?}")),
        }
    }
}

/// The gate that opens first.
pub(super) fn next(held: &[Held]) -> Option<&Held> {
    held.iter().filter(|held| held.opens.is_some()).min_by_key(|held| held.opens)
}

/// An hour without its seconds.
pub(super) fn day(hour: Hour) -> String {
    hour.format("%a %d %b %H:%M").to_string()
}

impl Screen for Narrator<'_> {
    fn tell(&mut self, told: &Told<'_>) {
        match told {
            Told::Done { step, title, facts, .. } => {
                let shown = facts.iter().filter(|(name, fact)| !matches!(fact, Fact::Count(0)) && *name != "rounds");
                let shown: Vec<String> =
                    shown.map(|(name, fact)| format!("{name} {}", list::fact_text(fact))).collect();
                let shown = if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(", ")) };
                self.printed(&format!("done  {step}: {title}{shown}"));
            }
            Told::Failed { step, fault } => self.printed(&format!("{step}: {fault}")),
            Told::Begins { .. } | Told::Moved { .. } | Told::Waiting { .. } => {}
        }
    }
}
