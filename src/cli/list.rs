//! What `apply` prints while it works, and when it stops.

use crate::approval::Approved;
use crate::cli::console::Console;
use crate::executor::Desk;
use crate::executor::Ended;
use crate::executor::Held;
use crate::executor::Screen;
use crate::executor::Told;
use crate::journal::Fact;
use crate::model::Hour;
use crate::policy::visible;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;

/// Tells what happens: a bar for a rewrap on a terminal, plain lines elsewhere, JSON lines for programs.
pub(super) struct Progress<'a> {
    console: &'a mut Console,
    bar: Option<ProgressBar>,
    /// What was last said of gates: while nothing changes it is not said again.
    waiting: Vec<String>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(console: &'a mut Console) -> Self {
        Self { console, bar: None, waiting: Vec::new() }
    }

    fn line(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.console.say(text)),
            None => self.console.say(text),
        }
    }

    fn moved(&mut self, store: &str, round: u32, moved: u64, about: Option<u64>, rate: u64) {
        if !self.console.watched {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(about.unwrap_or(0));
            let style = ProgressStyle::with_template("  {bar:30} {pos}/{len} rows, {msg}, {eta} left");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(moved);
        bar.set_message(format!("{rate}/s in `{store}`, round {round}"));
    }
}

impl Screen for Progress<'_> {
    fn tell(&mut self, told: &Told<'_>) {
        if self.console.json {
            return self.console.out(&json(told).to_string());
        }
        match told {
            Told::Begins { step, title, .. } => self.line(&format!("{step}: {title} ...")),
            Told::Moved { store, round, moved, about, rate, .. } => self.moved(store, *round, *moved, *about, *rate),
            Told::Done { step, facts, .. } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                let facts: Vec<String> =
                    facts.iter().map(|(name, fact)| format!("{name} {}", fact_text(fact))).collect();
                let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
                self.line(&format!("{step}: done{}", visible(&facts)));
            }
            Told::Failed { step, fault } => {
                self.line(&format!("{step}: {}", visible(&fault.to_string())));
                if let Some(hint) = &fault.hint {
                    self.line(&format!("hint: {}", visible(hint)));
                }
            }
            Told::Waiting { held } => {
                let lines: Vec<String> = held.iter().map(|held| format!("{}: {}", held.step, waits(held))).collect();
                for line in lines.iter().filter(|line| !self.waiting.contains(line)).cloned().collect::<Vec<_>>() {
                    self.line(&line);
                }
                self.waiting = lines;
            }
        }
    }
}

pub(super) fn fact_text(fact: &Fact) -> String {
    match fact {
        Fact::Yes(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Fact::Count(count) => count.to_string(),
        Fact::Text(text) => text.clone(),
    }
}

fn json(told: &Told<'_>) -> serde_json::Value {
    match told {
        Told::Begins { step, part, .. } => serde_json::json!({"told": "begins", "step": step, "part": part}),
        Told::Moved { step, store, round, moved, about, rate } => serde_json::json!({
            "told": "moved", "step": step, "store": store, "round": round, "moved": moved, "about": about, "rate": rate
        }),
        Told::Done { step, part, facts, .. } => {
            serde_json::json!({"told": "done", "step": step, "part": part, "facts": facts})
        }
        Told::Failed { step, fault } => serde_json::json!({"told": "failed", "step": step, "fault": fault}),
        Told::Waiting { held } => serde_json::json!({"told": "waiting", "held": held}),
    }
}

/// An hour for people.
pub(super) fn hour(hour: Hour) -> String {
    hour.format("%a %Y-%m-%d %H:%M:%S UTC").to_string()
}

fn waits(held: &Held) -> String {
    let mut text = held.title.clone();
    if let Some(opens) = held.opens {
        text.push_str(&format!("; opens {}", hour(opens)));
    }
    if let Some(by) = held.by {
        text.push_str(&format!("; must open by {}", hour(by)));
    }
    for waits_for in &held.waits_for {
        text.push_str(&format!("; waits for {}", visible(waits_for)));
    }
    text
}

/// How an attempt ended.
pub(super) fn ended(console: &mut Console, approved: &Approved, desk: &Desk<'_>, ended: &Ended) {
    if console.json {
        let (word, held) = match ended {
            Ended::Finished => ("finished", &[][..]),
            Ended::AtGate { held } => ("at-gate", held.as_slice()),
            Ended::Late { held, .. } => ("late", held.as_slice()),
            Ended::Failed { held, .. } => ("failed", held.as_slice()),
            Ended::Stopped { held } => ("stopped", held.as_slice()),
        };
        return console.out(&serde_json::json!({"told": "ended", "how": word, "held": held}).to_string());
    }
    match ended {
        Ended::Finished => console.out("Done: every step of this plan is carried out."),
        Ended::AtGate { held } => gates(console, "Waiting.", held),
        Ended::Stopped { held } => {
            gates(console, "Stopped, as asked; what was in hand is finished and written down.", held)
        }
        Ended::Late { late, held } => {
            gates(console, "A gate was missed. Nothing was taken away; both versions stay readable.", late);
            for rescue in rescues(approved, late) {
                console.out(&rescue);
            }
            gates(console, "", held);
        }
        Ended::Failed { failed, held } => {
            let steps: Vec<&str> = failed.iter().map(|(step, _)| step.as_str()).collect();
            console
                .out(&format!("Stopped: {} failed. Run `keyrota apply` again when that is mended.", steps.join(", ")));
            gates(console, "", held);
        }
    }
    console.out(&crate::cli::leave::line(approved.plan(), desk.standing(approved.id()), desk.now()));
}

/// How silent members are made to know: by their restart, with the policy's own command.
fn rescues(approved: &Approved, late: &[Held]) -> Vec<String> {
    let mut found = Vec::new();
    for unit in &approved.plan().units {
        for (step, name) in unit.steps.iter().zip(unit.step_names()) {
            let Some(fleet) = step.part.fleet().filter(|_| late.iter().any(|held| held.step == name)) else { continue };
            let key = unit.keys.get(step.key).map(|key| key.name.policy());
            let policy = approved.plan().policies.iter().find(|policy| Some(&policy.name) == key);
            let Some(restart) = policy.and_then(|p| p.fleets.get(fleet)).and_then(|f| f.restart.as_ref()) else {
                continue;
            };
            let words: Vec<&str> = restart.command.iter().map(crate::template::Template::as_str).collect();
            found.push(format!("  restart `{fleet}`, so that its members look again: {}", visible(&words.join(" "))));
        }
    }
    found
}

fn gates(console: &mut Console, head: &str, held: &[Held]) {
    if !head.is_empty() {
        console.out(head);
    }
    for held in held {
        console.out(&format!("  {}: {}", held.step, waits(held)));
    }
    if let Some(opens) = held.iter().filter_map(|held| held.opens).min() {
        console.out(&format!("Come back at {}: `keyrota apply`", hour(opens)));
    }
}
