//! Tells the program that a policy names (`notify`) what happens to a key: one argument more, a sentence. A
//! program that fails is said, and stops nothing.

use crate::cli::console::Console;
use crate::command::Job;
use crate::command::Runner;
use crate::executor::Screen;
use crate::executor::Told;
use crate::plan::Plan;
use crate::policy::visible;
use crate::port::facts::Facts;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long a program may take to hear it.
const WITHIN: Duration = Duration::from_secs(30);

/// Passes everything on, and tells those who asked to be told.
pub(super) struct Notices<'a, S> {
    inner: S,
    runner: Runner,
    /// By the key's name, the program and its arguments.
    programs: BTreeMap<String, Vec<String>>,
    failed: &'a mut Vec<String>,
}

impl<'a, S: Screen> Notices<'a, S> {
    /// For the keys of this plan.
    pub(super) fn new(inner: S, folder: &Path, plan: &Plan, failed: &'a mut Vec<String>) -> Self {
        let runner = Runner::new(folder, plan.settings.allow.iter().cloned());
        let mut programs = BTreeMap::new();
        for planned in plan.units.iter().flat_map(|unit| &unit.keys) {
            let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
            let Some(key) = policy.and_then(|policy| policy.keys.get(planned.name.key())) else { continue };
            let Some(notify) = &key.notify else { continue };
            let facts = Facts::none().with("key", planned.name.to_string());
            let facts = key.each.iter().fold(facts, |facts, each| facts.with("each", each.clone()));
            if let Ok(words) = notify.iter().map(|word| facts.fill(word)).collect::<Result<Vec<_>, _>>() {
                programs.insert(planned.name.to_string(), words);
            }
        }
        Self { inner, runner, programs, failed }
    }

    fn tell_program(&mut self, step: &str, sentence: &str) {
        let key = step.rsplit_once('/').map_or(step, |(key, _)| key);
        let Some(words) = self.programs.get(key) else { return };
        let mut words = words.clone();
        words.push(format!("{step}: {sentence}"));
        if let Err(fault) = self.runner.must(&Job::new(format!("tell `notify` of `{key}`"), words, WITHIN)) {
            self.failed.push(fault.to_string());
        }
    }
}

impl<S: Screen> Screen for Notices<'_, S> {
    fn tell(&mut self, told: &Told<'_>) {
        self.inner.tell(told);
        match told {
            Told::Done { step, title, .. } => self.tell_program(step, &format!("done: {title}")),
            Told::Failed { step, fault } => {
                self.tell_program(step, &format!("failed: {}", visible(&fault.to_string())))
            }
            Told::Begins { .. } | Told::Moved { .. } | Told::Waiting { .. } => {}
        }
    }
}

/// Says which programs could not be told.
pub(super) fn complain(console: &mut Console, failed: &[String]) {
    for text in failed {
        console.say(&format!("warning: {}", visible(text)));
    }
}
