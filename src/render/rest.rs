//! The keys that no step is for: blocked ones with their reasons and the way out, those that wait for
//! something, and those that are well, in a line.

use crate::decision::Decision;
use crate::decision::Reason;
use crate::decision::Verdict;
use crate::model::Hour;
use crate::render::words;
use serde::Serialize;

/// How many keys of one kind are named.
const NAMES_MAX: usize = 12;
/// How many kinds are told.
const KINDS_MAX: usize = 20;

/// The keys that no step is for.
#[derive(Debug, Clone, Serialize)]
pub struct Rest {
    /// Keys of which something is to be said, those with the same reasons together.
    pub held: Vec<Held>,
    /// How many keys are well.
    pub well: usize,
    /// The next of them to begin, and when.
    pub next: Option<Upcoming>,
}

/// Keys with the same verdict and the same reasons.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// The keys.
    pub keys: Vec<String>,
    /// Their verdict.
    pub verdict: String,
    /// Their reasons.
    pub reasons: Vec<Told>,
    #[serde(skip)]
    tone: &'static str,
}

/// A reason in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The reason.
    pub text: String,
    /// The way out.
    pub hint: Option<String>,
}

/// What begins next.
#[derive(Debug, Clone, Serialize)]
pub struct Upcoming {
    /// The key.
    pub key: String,
    /// By when its rotation must begin.
    pub by: Hour,
}

/// A few lines that belong together.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    tone: &'static str,
    indent: usize,
    text: String,
}

impl Rest {
    /// What is told of these decisions.
    pub(super) fn of(decisions: &[&Decision]) -> Self {
        let mut held: Vec<Held> = Vec::new();
        let mut rest = Self { held: Vec::new(), well: 0, next: None };
        for decision in decisions {
            if is_well(decision) {
                rest.well += 1;
            }
            if decision.verdict == Verdict::Well {
                rest.upcoming(decision);
            }
            if decision.verdict != Verdict::Well || !is_well(decision) {
                hold(&mut held, decision);
            }
        }
        held.sort_by_key(|held| urgency(held.tone));
        Self { held, ..rest }
    }

    fn upcoming(&mut self, decision: &Decision) {
        let Some(by) = decision.start_by else { return };
        if self.next.as_ref().is_none_or(|next| by < next.by) {
            self.next = Some(Upcoming { key: decision.key.to_string(), by });
        }
    }

    /// The line for the keys that are well; nothing where there are none.
    pub(super) fn well_line(&self) -> Option<String> {
        if self.well == 0 {
            return None;
        }
        let next = self.next.as_ref().map(|next| format!("; next: `{}`, by {}", next.key, words::hour(next.by)));
        let are = if self.well == 1 { "is" } else { "are" };
        let keys = words::count(self.well, "key", "keys");
        Some(format!("{keys} {are} well{}.", next.unwrap_or_default()))
    }

    /// The lines, cut to what people read.
    pub(super) fn parts(&self) -> Vec<Part> {
        let (shown, more) = self.held.split_at(self.held.len().min(KINDS_MAX));
        let mut parts: Vec<Part> = shown.iter().map(Held::part).collect();
        let line = |tone, text| Part { lines: vec![Line { tone, indent: 0, text }] };
        if !more.is_empty() {
            let keys = more.iter().map(|held| held.keys.len()).sum();
            let text = format!("... and {} held up by other reasons; see --json", words::count(keys, "key", "keys"));
            parts.push(line("dim", text));
        }
        parts.extend(self.well_line().map(|text| line("good", text)));
        parts
    }
}

fn is_well(decision: &Decision) -> bool {
    decision.verdict == Verdict::Well && !decision.reasons.iter().any(worth_saying)
}

/// Reasons that are said even where nothing is due.
const fn worth_saying(reason: &Reason) -> bool {
    matches!(reason, Reason::Drifted { .. } | Reason::Strange { .. } | Reason::Quarantined { .. })
}

fn hold(held: &mut Vec<Held>, decision: &Decision) {
    let said = decision.reasons.iter().filter(|reason| match decision.verdict {
        Verdict::Well => worth_saying(reason),
        Verdict::DestroyDue => matches!(reason, Reason::MayGo { .. }) || worth_saying(reason),
        _ => true,
    });
    let reasons: Vec<Told> = said
        .map(|reason| {
            let (text, hint) = words::reason(&decision.key, reason);
            Told { text, hint }
        })
        .collect();
    let (verdict, tone) = match decision.verdict {
        Verdict::Well => ("well, but not as we left it", "warn"),
        Verdict::Blocked => ("blocked", "bad"),
        Verdict::RolledBack => ("taken back", "warn"),
        Verdict::UnderWay => ("under way", "plain"),
        Verdict::DestroyDue => ("old versions may be destroyed", "plain"),
        verdict => (verdict.words(), "warn"),
    };
    let key = decision.key.to_string();
    match held.iter_mut().rev().find(|held| held.verdict == verdict && held.reasons == reasons) {
        Some(held) => held.keys.push(key),
        None => held.push(Held { keys: vec![key], verdict: verdict.to_owned(), reasons, tone }),
    }
}

fn urgency(tone: &str) -> u8 {
    match tone {
        "bad" => 0,
        "warn" => 1,
        _ => 2,
    }
}

impl Held {
    fn part(&self) -> Part {
        let (shown, more) = self.keys.split_at(self.keys.len().min(NAMES_MAX));
        let title = match shown {
            [one] => format!("{one}: {}", self.verdict),
            _ => format!("{}: {}", words::count(self.keys.len(), "key", "keys"), self.verdict),
        };
        let mut lines = vec![Line { tone: self.tone, indent: 0, text: title }];
        for reason in &self.reasons {
            lines.push(Line { tone: "plain", indent: 2, text: reason.text.clone() });
            lines.extend(reason.hint.iter().map(|hint| Line {
                tone: "plain",
                indent: 2,
                text: format!("hint: {hint}"),
            }));
        }
        if shown.len() > 1 {
            let more = match more.len() {
                0 => String::new(),
                count => format!(" ... and {} more; see --json", words::number(u64::try_from(count).unwrap_or(0))),
            };
            lines.push(Line { tone: "dim", indent: 2, text: shown.join(", ") + &more });
        }
        Part { lines }
    }
}
