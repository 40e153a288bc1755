//! Checks: from written to meant.

use std::collections::BTreeMap;

use crate::model::Name;
use crate::policy::meaning::Reader;
use crate::policy::meant::Check;
use crate::policy::meant::check::Ask;
use crate::policy::meant::check::Expect;
use crate::policy::meant::check::HeaderValue;
use crate::policy::place::Place;
use crate::policy::placeholders::Allowed;
use crate::policy::problem::quote;
use crate::policy::shape::sounds_secret;
use crate::policy::written::check as written;
use crate::policy::written::defaults;
use crate::policy::written::value::Reach;
use crate::policy::written::value::Text;
use crate::template::Template;

/// What a check's surroundings say about it.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    /// Whether it says when it is asked: a fleet's `healthy` checks do not.
    pub(crate) timed: bool,
    /// Which placeholders have a meaning in it.
    pub(crate) allowed: Allowed,
    /// The stores that a query may be for.
    pub(crate) stores: &'a [Name],
}

impl Reader<'_> {
    /// All checks of a key or fleet.
    pub(crate) fn checks(&self, place: &Place<'_>, checks: &[written::Check], around: Around<'_>) -> Vec<Check> {
        let mut meant: Vec<Check> = Vec::with_capacity(checks.len());
        for (at, check) in checks.iter().enumerate() {
            let place = place.item(at);
            let Some(check) = self.check(&place, check, around) else { continue };
            if meant.iter().any(|other| other.name == check.name) {
                place.word("name").complain("K006", format!("two checks are called {}", quote(check.name.as_str())));
            }
            meant.push(check);
        }
        meant
    }

    fn check(&self, place: &Place<'_>, check: &written::Check, around: Around<'_>) -> Option<Check> {
        let name = match &check.name {
            Some(name) => self.name(&place.word("name"), name),
            None => {
                place.missing("name");
                None
            }
        };
        let when = check.when.as_ref().map(|when| when.all().to_vec()).unwrap_or_default();
        if around.timed && when.is_empty() {
            place.missing("when");
        }
        if !around.timed && check.when.is_some() {
            place.word("when").complain("K006", "a fleet's check is asked after each restart, so it has no `when`");
        }
        let ask = self.ask(place, check, around);
        let timeout = self.span_or(place, "timeout", check.timeout.as_ref(), defaults::TIMEOUT);
        if timeout.is_zero() {
            place.word("timeout").complain("K004", "no answer is that fast: this must be at least 1s");
        }
        let expect = self.expect(place, check, around.allowed);
        Some(Check { name: name?, when, ask: ask?, expect: expect?, timeout_seconds: timeout.as_seconds() })
    }

    fn ask(&self, place: &Place<'_>, check: &written::Check, around: Around<'_>) -> Option<Ask> {
        let headers = self.values(&place.word("headers"), &check.headers);
        let env = self.values(&place.word("env"), &check.env);
        let only = |used: bool, word: &str, with: &str| {
            if used {
                place.word(word).complain("K006", format!("{} is for `{with}`, and this check has none", quote(word)));
            }
        };
        only(check.http.is_none() && !check.headers.is_empty(), "headers", "http");
        only(check.command.is_none() && !check.env.is_empty(), "env", "command");
        only(check.sql.is_none() && check.store.is_some(), "store", "sql");
        match (&check.http, &check.command, &check.sql) {
            (Some(url), None, None) => {
                Some(Ask::Http { url: self.http(&place.word("http"), url, around.allowed)?, headers: headers? })
            }
            (None, Some(command), None) => {
                let command = self.command(&place.word("command"), command, around.allowed);
                Some(Ask::Command { command: command?, env: env? })
            }
            (None, None, Some(query)) => self.sql(place, query, check.store.as_deref(), around),
            (None, None, None) => {
                place.complain_with("K003", "this check asks nothing", "add `http`, `command` or `sql`");
                None
            }
            _ => {
                place.complain("K006", "a check asks one of `http`, `command` and `sql`");
                None
            }
        }
    }

    fn sql(&self, place: &Place<'_>, query: &str, store: Option<&str>, around: Around<'_>) -> Option<Ask> {
        if query.trim().is_empty() {
            place.word("sql").complain("K004", "this must not be empty");
            return None;
        }
        let store = match (store, around.stores) {
            (Some(store), _) => self.block_name(&place.word("store"), "store", store)?,
            (None, [only]) => only.clone(),
            (None, _) => {
                place.missing("store");
                return None;
            }
        };
        Some(Ask::Sql { store, query: query.to_owned() })
    }

    /// An address to GET, with places to fill.
    pub(crate) fn http(&self, place: &Place<'_>, url: &Text, allowed: Allowed) -> Option<Template> {
        let url = self.template(place, url, allowed)?;
        if !url.as_str().starts_with("http://") && !url.as_str().starts_with("https://") {
            let message = format!("{} is not an address", quote(url.as_str()));
            place.complain_with("K004", message, "begin it with `https://` or `http://`");
            return None;
        }
        self.open_address(place, url.as_str()).then_some(url)
    }

    /// Headers or variables; what sounds like a secret is given by reference.
    pub(crate) fn values(
        &self,
        place: &Place<'_>,
        written: &BTreeMap<String, Reach>,
    ) -> Option<BTreeMap<String, HeaderValue>> {
        let mut values = BTreeMap::new();
        let mut good = true;
        for (name, value) in written {
            let place = place.word(name);
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                place.complain("K004", format!("{} cannot be the name of a header or variable", quote(name)));
                good = false;
            }
            match self.reach(&place, value, sounds_secret(name)) {
                Some(value) => drop(values.insert(name.clone(), value)),
                None => good = false,
            }
        }
        good.then_some(values)
    }

    fn expect(&self, place: &Place<'_>, check: &written::Check, allowed: Allowed) -> Option<Expect> {
        let Some(expect) = &check.expect else { return Some(Expect::default()) };
        let place = place.word("expect");
        let only = |used: bool, word: &str, with: &str| {
            if used {
                place.word(word).complain("K006", format!("{} is for `{with}`, and this check has none", quote(word)));
            }
        };
        only(check.http.is_none() && expect.status.is_some(), "status", "http");
        only(check.command.is_none() && expect.exit.is_some(), "exit", "command");
        let text = |word: &str, text: &Option<Text>| match text {
            Some(text) => self.template(&place.word(word), text, allowed).map(Some),
            None => Some(None),
        };
        let contains = text("contains", &expect.contains);
        let absent = text("absent", &expect.absent);
        Some(Expect {
            status: expect.status,
            exit: expect.exit,
            contains: contains?,
            absent: absent?,
            json: expect.json.clone(),
        })
    }
}
