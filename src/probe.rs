//! Questions to the world by HTTP and by command, what their answers mean, where secrets are read, and the real clock.
//! Never here: queries of a store (the wiring asks those through the store, and [`expect::judge`] says what they mean).

pub mod clock;
pub mod contract;
mod count;
pub mod expect;
pub mod memory;
pub mod secrets;

use crate::command::Job;
use crate::command::Runner;
use crate::fault::Fault;
use crate::policy::meant::Check;
use crate::policy::meant::Command;
use crate::policy::meant::check::Ask;
use crate::policy::meant::check::HeaderValue;
use crate::port::facts::Facts;
use crate::port::probe::Answer;
use crate::port::probe::Probe;
use crate::port::probe::Secrets;
use crate::probe::expect::Seen;
use crate::secret::Secret;
use crate::template::Template;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a program may count.
const COUNTS_WITHIN: Duration = Duration::from_secs(120);

/// Asks by HTTP and by command.
pub struct Asker {
    runner: Arc<Runner>,
    secrets: Arc<dyn Secrets>,
}

impl Asker {
    /// Commands are run by `runner`, secrets come from `secrets`.
    #[must_use]
    pub fn new(runner: Arc<Runner>, secrets: Arc<dyn Secrets>) -> Self {
        Self { runner, secrets }
    }

    fn values(&self, named: &BTreeMap<String, HeaderValue>) -> Result<Vec<(String, Secret)>, Fault> {
        let value = |(name, value): (&String, &HeaderValue)| {
            let value = match value {
                HeaderValue::Plain(text) => Secret::from_vec(text.clone().into_bytes()),
                HeaderValue::Secret(source) => self.secrets.reveal(source)?,
            };
            Ok((name.clone(), value))
        };
        named.iter().map(value).collect()
    }

    fn command(
        &self,
        doing: &str,
        check: &Check,
        (command, env): (&Command, &BTreeMap<String, HeaderValue>),
        facts: &Facts,
    ) -> Result<Answer, Fault> {
        let words: Result<Vec<String>, Fault> = command.iter().map(|word| fill(doing, word, facts)).collect();
        let mut job = Job::new(doing, words?, within(check));
        job.env = self.values(env)?;
        let ran = self.runner.run(&job)?;
        let shows = job.env.iter().any(|(_, value)| ran.shows(value));
        expect::judge(doing, &check.expect, &Seen::command(&ran, shows), facts)
    }

    fn http(
        &self,
        doing: &str,
        check: &Check,
        (url, headers): (&Template, &BTreeMap<String, HeaderValue>),
        facts: &Facts,
    ) -> Result<Answer, Fault> {
        let url = fill(doing, url, facts)?;
        let reply = crate::http::get(doing, &url, &self.values(headers)?, within(check))?;
        expect::judge(doing, &check.expect, &Seen::http(&reply), facts)
    }
}

fn fill(doing: &str, template: &Template, facts: &Facts) -> Result<String, Fault> {
    facts.fill(template).map_err(|missing| Fault::ask_operator(doing, missing))
}

fn within(check: &Check) -> Duration {
    Duration::from_secs(check.timeout_seconds.max(1))
}

impl Probe for Asker {
    fn ask(&self, check: &Check, facts: &Facts) -> Result<Answer, Fault> {
        let doing = format!("check `{}`", check.name);
        match &check.ask {
            Ask::Http { url, headers } => self.http(&doing, check, (url, headers), facts),
            Ask::Command { command, env } => self.command(&doing, check, (command, env), facts),
            Ask::Sql { .. } => Err(Fault::report_bug(doing, "a query is asked through its store")),
        }
    }

    fn uses(&self, counter: &Command, facts: &Facts) -> Result<u64, Fault> {
        let which = facts.know("id").unwrap_or_default();
        let doing = format!("count what `{which}` has sealed");
        let words: Result<Vec<String>, Fault> = counter.iter().map(|word| fill(&doing, word, facts)).collect();
        count::number(&doing, &self.runner.must(&Job::new(&doing, words?, COUNTS_WITHIN))?)
    }
}
