//! The smallest things that are read: texts, spans, names, hours, paths, templates, commands, secrets.

use std::borrow::Cow;

use chrono::DateTime;
use chrono::NaiveDate;

use crate::model::Hour;
use crate::model::Name;
use crate::model::Span;
use crate::policy::meaning::Reader;
use crate::policy::meant::Address;
use crate::policy::meant::Command;
use crate::policy::place::Place;
use crate::policy::placeholders::Allowed;
use crate::policy::problem::quote;
use crate::policy::problem::strange;
use crate::policy::shape::did_you_mean;
use crate::policy::written::value::Count;
use crate::policy::written::value::FromEnv;
use crate::policy::written::value::Reach;
use crate::policy::written::value::Text;
use crate::secret::Source;
use crate::template::Template;

impl<'a> Reader<'a> {
    /// A text, its variable resolved.
    pub(crate) fn text<'t>(&self, place: &Place<'_>, text: &'t Text) -> Option<Cow<'t, str>> {
        let value = match text {
            Text::Plain(text) => Cow::Borrowed(text.as_str()),
            Text::FromEnv(from) => self.variable(place, from)?,
        };
        self.can_be_seen(place, &value).then_some(value)
    }

    /// What stands in the file itself was looked at when it was parsed: this is for what a variable holds.
    fn can_be_seen(&self, place: &Place<'_>, value: &str) -> bool {
        let Some(strange) = strange(value) else { return true };
        if !self.sheet.is_wrong_within(&place.span()) {
            let shown = strange.escape_default();
            place.complain("K004", format!("the variable holds the character `{shown}`, which no reviewer sees"));
        }
        false
    }

    /// A text that must not be empty.
    pub(crate) fn full<'t>(&self, place: &Place<'_>, text: &'t Text) -> Option<Cow<'t, str>> {
        let value = self.text(place, text)?;
        if value.is_empty() {
            place.complain("K004", "this must not be empty");
            return None;
        }
        Some(value)
    }

    /// A word that must be there, as a text.
    pub(crate) fn needed(&self, place: &Place<'_>, word: &str, text: Option<&Text>) -> Option<String> {
        match text {
            Some(text) => self.full(&place.word(word), text).map(Cow::into_owned),
            None => {
                place.missing(word);
                None
            }
        }
    }

    /// A text that may be left out.
    pub(crate) fn optional(&self, place: &Place<'_>, word: &str, text: Option<&Text>) -> Option<String> {
        text.and_then(|text| self.full(&place.word(word), text)).map(Cow::into_owned)
    }

    fn variable<'t>(&self, place: &Place<'_>, from: &'t FromEnv) -> Option<Cow<'t, str>> {
        if from.env.is_empty() || from.env.contains(['=', '\0']) {
            place.complain("K004", format!("{} is not the name of a variable", quote(&from.env)));
            return None;
        }
        if let Some(value) = (self.around.env)(&from.env) {
            return Some(Cow::Owned(value));
        }
        if from.default.is_none() {
            let hint = format!("set it, or write `{{ env = \"{0}\", default = \"..\" }}`", from.env);
            place.complain_with("K009", format!("the variable {} is not set", quote(&from.env)), hint);
        }
        from.default.as_deref().map(Cow::Borrowed)
    }

    /// A whole number, its variable resolved.
    pub(crate) fn count(&self, place: &Place<'_>, count: &Count) -> Option<u64> {
        match count {
            Count::Plain(number) => Some(*number),
            Count::FromEnv(from) => {
                let text = self.variable(place, from)?;
                let number = text.parse().ok();
                if number.is_none() {
                    place.complain("K004", format!("{}, from the variable, is not a whole number", quote(&text)));
                }
                number
            }
        }
    }

    /// A span of time.
    pub(crate) fn span(&self, place: &Place<'_>, text: &Text) -> Option<Span> {
        let text = self.text(place, text)?;
        match text.parse() {
            Ok(span) => Some(span),
            Err(wrong) => {
                place.complain("K004", wrong);
                None
            }
        }
    }

    /// A span, or its default.
    pub(crate) fn span_or(&self, place: &Place<'_>, word: &str, text: Option<&Text>, default: &str) -> Span {
        let written = text.and_then(|text| self.span(&place.word(word), text));
        written.unwrap_or_else(|| default.parse().unwrap_or_default())
    }

    /// A date or an hour.
    pub(crate) fn hour(&self, place: &Place<'_>, text: &Text) -> Option<Hour> {
        let text = self.text(place, text)?;
        let date = || text.parse::<NaiveDate>().ok().and_then(|date| date.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
        let hour = DateTime::parse_from_rfc3339(&text).ok().map(|hour| hour.to_utc()).or_else(date);
        if hour.is_none() {
            let message = format!("{} is neither a date nor an hour", quote(&text));
            place.complain_with("K004", message, "write `2027-01-01` or `2027-01-01T12:00:00Z`");
        }
        hour
    }

    /// A name by the grammar.
    pub(crate) fn name(&self, place: &Place<'_>, text: &str) -> Option<Name> {
        match text.parse() {
            Ok(name) => Some(name),
            Err(wrong) => {
                place.complain("K004", format!("{} is not a name: {wrong}", quote(text)));
                None
            }
        }
    }

    /// The name of another block of this file.
    pub(crate) fn block_name(&self, place: &Place<'_>, kind: &str, text: &str) -> Option<Name> {
        if self.declares(kind, text) {
            return text.parse().ok();
        }
        let known = self.declared(kind);
        let hint = if known.is_empty() { format!("add `[{kind}.{text}]`") } else { did_you_mean(text, &known) };
        place.complain_with("K005", format!("there is no {kind} {}", quote(text)), hint);
        None
    }

    /// The names of other blocks of this file, each once.
    pub(crate) fn block_names(&self, place: &Place<'_>, kind: &str, texts: &[String]) -> Vec<Name> {
        let mut names = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let Some(name) = self.block_name(&place.item(at), kind, text) else { continue };
            if names.contains(&name) {
                place.item(at).complain("K006", format!("{} is named twice", quote(text)));
            } else {
                names.push(name);
            }
        }
        names
    }

    /// A path: relative to the project, or absolute; it never climbs.
    pub(crate) fn path(&self, place: &Place<'_>, text: &str) -> bool {
        let climbs = text.split(['/', '\\']).any(|part| part == "..");
        if climbs {
            let hint = "write it from the project's folder, or as an absolute path";
            place.complain_with("K004", format!("{} leaves its folder by `..`", quote(text)), hint);
        }
        !climbs
    }

    /// A template whose places all have a meaning here.
    pub(crate) fn template(&self, place: &Place<'_>, text: &Text, allowed: Allowed) -> Option<Template> {
        let text = self.text(place, text)?;
        self.template_of(place, &text, allowed)
    }

    pub(crate) fn template_of(&self, place: &Place<'_>, text: &str, allowed: Allowed) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(wrong) => {
                place.complain("K004", wrong);
                return None;
            }
        };
        if let Some(strange) = template.placeholders().find(|name| !allowed.has(name)) {
            let message = format!("`{{{{ {} }}}}` has no meaning here", strange.chars().take(60).collect::<String>());
            place.complain_with("K004", message, allowed.hint(strange));
            return None;
        }
        Some(template)
    }

    /// A template or its default.
    pub(crate) fn template_or(
        &self,
        place: &Place<'_>,
        word: &str,
        text: Option<&Text>,
        default: &str,
        allowed: Allowed,
    ) -> Option<Template> {
        match text {
            Some(text) => self.template(&place.word(word), text, allowed),
            None => Template::parse(default).ok(),
        }
    }

    /// A path with places to fill.
    pub(crate) fn path_template(&self, place: &Place<'_>, text: &Text, allowed: Allowed) -> Option<Template> {
        let template = self.template(place, text, allowed)?;
        if template.as_str().is_empty() {
            place.complain("K004", "this must not be empty");
            return None;
        }
        self.path(place, template.as_str()).then_some(template)
    }

    /// A command that the project allows.
    pub(crate) fn command(&self, place: &Place<'_>, words: &[Text], allowed: Allowed) -> Option<Command> {
        let mut command = Vec::with_capacity(words.len());
        for (at, word) in words.iter().enumerate() {
            command.push(self.template(&place.item(at), word, allowed)?);
        }
        let Some(program) = command.first() else {
            place.complain("K004", "a command needs a program");
            return None;
        };
        if !program.is_constant() {
            place.item(0).complain("K004", "a program is always the same: only its arguments have places to fill");
            return None;
        }
        self.may_run(&place.item(0), program.as_str()).then_some(command)
    }

    fn may_run(&self, place: &Place<'_>, program: &str) -> bool {
        if self.settings.allow.iter().any(|allowed| allowed == program) {
            return true;
        }
        let whole: String = program.chars().take(200).collect();
        let line = format!("`[commands] allow = [\"{whole}\"]`");
        let hint = match (self.has_settings, self.settings.allow.is_empty()) {
            (false, _) => format!("nothing is allowed without a `keyrota.toml`: write one with {line}"),
            (true, true) => format!("add {line} to `keyrota.toml`"),
            (true, false) => format!("add `\"{whole}\"` to `[commands] allow` in `keyrota.toml`"),
        };
        place.complain_with("K008", format!("the program {} is not allowed", quote(program)), hint);
        false
    }

    /// Where a secret comes from; a command among them must be allowed too.
    pub(crate) fn source(&self, place: &Place<'_>, source: &Source) -> Option<Source> {
        match source {
            Source::Env(name) if name.is_empty() || name.contains(['=', '\0']) => {
                place.complain("K004", format!("{} is not the name of a variable", quote(name)));
                None
            }
            Source::File(path) if path.is_empty() || !self.can_be_seen(place, path) || !self.path(place, path) => None,
            Source::Command(words) => {
                let place = place.word("command");
                let Some(program) = words.first() else {
                    place.complain("K004", "a command needs a program");
                    return None;
                };
                let plain = words.iter().all(|word| self.can_be_seen(&place, word));
                (self.may_run(&place.item(0), program) && plain).then(|| source.clone())
            }
            _ => Some(source.clone()),
        }
    }

    /// A source that may be left out.
    pub(crate) fn optional_source(&self, place: &Place<'_>, word: &str, source: Option<&Source>) -> Option<Source> {
        source.and_then(|source| self.source(&place.word(word), source))
    }

    /// An address or value that is a secret as a whole, or none at all. `secret`: what stands here is always one.
    pub(crate) fn reach(&self, place: &Place<'_>, reach: &Reach, secret: bool) -> Option<Address> {
        match reach {
            Reach::FromEnv(FromEnv { env, default: None }) => {
                self.source(place, &Source::Env(env.clone())).map(Address::Secret)
            }
            Reach::FromEnv(FromEnv { env, default: Some(default) }) => {
                self.plain(&place.word("default"), default, secret)?;
                // A variable that is set may hold a password; what stands in the policy does not.
                match (self.around.env)(env) {
                    Some(_) => self.source(place, &Source::Env(env.clone())).map(Address::Secret),
                    None => Some(Address::Plain(default.clone())),
                }
            }
            Reach::Source(source) => self.source(place, source).map(Address::Secret),
            Reach::Plain(text) => self.plain(place, text, secret).map(|()| Address::Plain(text.clone())),
        }
    }

    fn plain(&self, place: &Place<'_>, text: &str, secret: bool) -> Option<()> {
        if secret || holds_password(text) {
            place.blot();
            let message = if secret { "this is a secret" } else { "this address holds a password" };
            let hint = "write `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ command = [\"program\"] }`";
            place.complain_with("K007", format!("{message}, and a policy holds none"), hint);
            return None;
        }
        if text.is_empty() {
            place.complain("K004", "this must not be empty");
            return None;
        }
        self.can_be_seen(place, text).then_some(())
    }

    /// An address that anybody may read: a plan holds it.
    pub(crate) fn address(&self, place: &Place<'_>, word: &str, text: Option<&Text>) -> Option<String> {
        let address = self.needed(place, word, text)?;
        self.open_address(&place.word(word), &address).then_some(address)
    }

    pub(crate) fn open_address(&self, place: &Place<'_>, address: &str) -> bool {
        let holds = holds_password(address);
        if holds {
            place.blot();
            let message = "this address holds a password, and a policy or plan holds none";
            place.complain_with("K007", message, "take the password out of the address");
        }
        !holds
    }
}

/// Whether an address has a password before its host, or as a parameter.
pub(crate) fn holds_password(address: &str) -> bool {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
    let before_host = user.is_some_and(|(_, password)| !password.is_empty());
    let words = address.split(['?', '&', ';', ' ']).filter_map(|part| part.split_once('='));
    before_host
        || words.into_iter().any(|(word, value)| {
            let word = word.trim().to_ascii_lowercase();
            !value.is_empty() && ["password", "pwd", "accountkey", "sig", "token", "secret"].contains(&word.as_str())
        })
}

#[cfg(test)]
mod tests {
    use super::holds_password;

    #[test]
    fn passwords_in_addresses_are_seen() {
        for address in [
            "postgres://app:s3cret@db/app",
            "mongodb://a:b@c,d/e?x=y",
            "postgres://db/app?user=a&password=b",
            "host=db password=x",
            "AccountEndpoint=https://x;AccountKey=abc",
        ] {
            assert!(holds_password(address), "{address}");
        }
        for address in
            ["postgres://app@db/app", "https://x.example:443/a@b:c", "postgres://db/app?sslmode=require", "", "a:b@c"]
        {
            assert!(!holds_password(address), "{address}");
        }
    }
}
