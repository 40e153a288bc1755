//! Keys: from written to meant. A key with `each` is read once and made as often as it has values.

use crate::model::Name;
use crate::model::Span;
use crate::policy::meaning::Block;
use crate::policy::meaning::Reader;
use crate::policy::meaning::check::Around;
use crate::policy::meant::Key;
use crate::policy::meant::key::Accept;
use crate::policy::meant::key::PreImages;
use crate::policy::meant::key::Retire;
use crate::policy::place::Place;
use crate::policy::placeholders;
use crate::policy::problem::quote;
use crate::policy::shape::did_you_mean;
use crate::policy::words;
use crate::policy::written::defaults;
use crate::policy::written::key as written;
use crate::template::Template;

/// A key as it was declared, before it is made for each of its values.
pub(crate) struct Declared {
    /// The key; its place and the keys it names are still to be filled in.
    pub(crate) key: Key,
    pub(crate) at: Template,
    pub(crate) after: Vec<Template>,
    pub(crate) wraps: Vec<Template>,
    pub(crate) each: Option<Vec<String>>,
}

impl<'a> Reader<'a> {
    /// One key.
    pub(crate) fn key(&self, block: &Block<'a>, line: (u32, u32)) -> Option<Declared> {
        let place = &block.place(self.sheet);
        let key: written::Key = self.shaped(*block, words::policy(), "Key", "a key")?;
        let named = |word: &str, kind: &str, text: &Option<String>| match text {
            Some(text) => self.block_name(&place.word(word), kind, text),
            None => {
                place.missing(word);
                None
            }
        };
        let backend = named("backend", "backend", &key.backend);
        let at = self.key_at(place, &key);
        if key.algorithm.is_none() {
            place.missing("algorithm");
        }
        let seals = self.several(place, "seals", "store", key.seals.as_deref());
        let used_by = self.several(place, "used_by", "fleet", key.used_by.as_deref());
        let rotate_every = match &key.rotate_every {
            Some(span) => self.span(&place.word("rotate_every"), span),
            None => {
                place.missing("rotate_every");
                None
            }
        };
        if rotate_every.is_some_and(Span::is_zero) {
            place.word("rotate_every").complain("K004", "a version is current for longer than that");
        }
        let retire = self.retire(place, key.retire.as_ref());
        let names = |word: &'static str, texts: &[crate::policy::written::value::Text]| {
            let place = place.word(word);
            let names = texts.iter().enumerate();
            names.filter_map(|(at, text)| self.template(&place.item(at), text, placeholders::EACH)).collect::<Vec<_>>()
        };
        let (after, wraps) = (names("after", &key.after), names("wraps", &key.wraps));
        let around = Around { timed: true, allowed: placeholders::CHECK, stores: &seals };
        let checks = self.checks(&place.word("check"), &key.check, around);
        let (max_uses, counter) = self.max_uses(&place.word("max_uses"), key.max_uses.as_ref());
        let each = match &key.each {
            Some(each) => Some(self.each(&place.word("each"), each)?),
            None => None,
        };
        let meant = Key {
            born: key.born.as_ref().and_then(|born| self.hour(&place.word("born"), born)),
            grace: self.span_or(place, "grace", key.grace.as_ref(), defaults::NOTHING),
            early_by: self.span_or(place, "early_by", key.early_by.as_ref(), defaults::NOTHING),
            window: key.window.as_ref().and_then(|window| self.window(&place.word("window"), window)),
            notify: key
                .notify
                .as_ref()
                .and_then(|notify| self.command(&place.word("notify"), notify, placeholders::NOTIFY)),
            accepts: self.accepts(&place.word("accepts"), &key.accepts, &used_by),
            pre_images: key.pre_images.as_ref().and_then(|keep| self.pre_images(&place.word("pre_images"), keep)),
            backend: backend?,
            at: String::new(),
            algorithm: key.algorithm?,
            seals,
            used_by,
            rotate_every: rotate_every?,
            retire: retire?,
            max_uses,
            counter,
            after: Vec::new(),
            wraps: Vec::new(),
            checks,
            each: None,
            line,
        };
        Some(Declared { key: meant, at: at?, after, wraps, each })
    }

    fn key_at(&self, place: &Place<'_>, key: &written::Key) -> Option<Template> {
        let Some(at) = &key.at else {
            place.missing("at");
            return None;
        };
        let here = place.word("at");
        let at = self.path_template(&here, at, placeholders::EACH)?;
        if key.each.is_none() && at.asks_for("each") {
            here.complain_with("K006", "`{{ each }}` is nothing here", "add `each = [..]` to the key");
        }
        if key.each.is_some() && !at.asks_for("each") {
            let hint = "let `at` hold `{{ each }}`";
            here.complain_with("K006", "the keys of every value would lie on this one place", hint);
            return None;
        }
        Some(at)
    }

    /// A list of blocks that must name at least one.
    fn several(&self, place: &Place<'_>, word: &str, kind: &str, names: Option<&[String]>) -> Vec<Name> {
        match names {
            None => {
                place.missing(word);
                Vec::new()
            }
            Some([]) => {
                let message = format!("{} must name at least one {kind}", quote(word));
                place.word(word).complain_with(
                    "K003",
                    message,
                    format!("there are {}", self.declared(kind).join(", ")),
                );
                Vec::new()
            }
            Some(names) => self.block_names(&place.word(word), kind, names),
        }
    }

    fn retire(&self, place: &Place<'_>, retire: Option<&written::Retire>) -> Option<Retire> {
        let here = place.word("retire");
        match retire {
            None => {
                place.missing("retire");
                None
            }
            Some(written::Retire::Word(written::RetireWord::Never)) => Some(Retire::Never),
            Some(written::Retire::After(retire)) => {
                let after = self.span(&here.word("after"), &retire.after);
                let destroy_after = match &retire.destroy_after {
                    Some(span) => Some(self.span(&here.word("destroy_after"), span)?),
                    None => None,
                };
                Some(Retire::After { after: after?, destroy_after })
            }
        }
    }

    fn max_uses(
        &self,
        place: &Place<'_>,
        max: Option<&written::MaxUses>,
    ) -> (Option<u64>, Option<crate::policy::meant::Command>) {
        let (place, count, counter) = match max {
            None => return (None, None),
            Some(written::MaxUses::Census(count)) => (*place, count, None),
            Some(written::MaxUses::Counted(counted)) => {
                let counter = self.command(&place.word("counter"), &counted.counter, placeholders::COUNTER);
                (place.word("at_most"), &counted.at_most, counter)
            }
        };
        let most = self.count(&place, count);
        if most == Some(0) {
            place.complain("K004", "a version that may seal nothing is due at once: this must be at least 1");
        }
        (most, counter)
    }

    fn window(&self, place: &Place<'_>, window: &str) -> Option<Name> {
        let known = &self.settings.calendar.windows;
        if let Some((name, _)) = known.iter().find(|(name, _)| name.as_str() == window) {
            return Some(name.clone());
        }
        let hint = if known.is_empty() {
            format!("add `[calendar.windows] {window} = [{{ from = \"22:00\", lasts = \"4h\" }}]` to `keyrota.toml`")
        } else {
            did_you_mean(window, &known.keys().map(Name::as_str).collect::<Vec<_>>())
        };
        place.complain_with("K005", format!("the calendar has no window {}", quote(window)), hint);
        None
    }

    fn accepts(&self, place: &Place<'_>, accepts: &[written::Accept], used_by: &[Name]) -> Vec<Accept> {
        let mut meant = Vec::with_capacity(accepts.len());
        for (at, accept) in accepts.iter().enumerate() {
            meant.extend(self.accept(&place.item(at), accept, used_by));
        }
        meant
    }

    fn accept(&self, place: &Place<'_>, accept: &written::Accept, used_by: &[Name]) -> Option<Accept> {
        let known: Vec<&str> = crate::explain::hazards().collect();
        let risk = match &accept.risk {
            None => {
                place.missing("risk");
                None
            }
            Some(risk) if known.contains(&risk.as_str()) => Some(risk.clone()),
            Some(risk) => {
                let message = format!("{} is not a hazard that can be accepted", quote(risk));
                place.word("risk").complain_with("K005", message, did_you_mean(risk, &known));
                None
            }
        };
        let fleet = match &accept.fleet {
            None => None,
            Some(fleet) => match used_by.iter().find(|name| name.as_str() == fleet) {
                Some(name) => Some(name.clone()),
                // What is wrong with `used_by` was said there.
                None if used_by.is_empty() => return None,
                None => {
                    let known: Vec<&str> = used_by.iter().map(Name::as_str).collect();
                    let message = format!("the key is not used by a fleet {}", quote(fleet));
                    place.word("fleet").complain_with("K005", message, did_you_mean(fleet, &known));
                    return None;
                }
            },
        };
        let at_most = accept.at_most.as_ref().and_then(|span| self.span(&place.word("at_most"), span));
        let until = match &accept.until {
            Some(until) => self.hour(&place.word("until"), until),
            None => {
                place.missing("until");
                None
            }
        };
        let because = accept.because.as_ref().filter(|because| !because.trim().is_empty());
        if because.is_none() {
            place.missing("because");
        }
        Some(Accept { risk: risk?, fleet, at_most, until: until?, because: because?.clone() })
    }

    fn pre_images(&self, place: &Place<'_>, keep: &written::PreImages) -> Option<PreImages> {
        let span = self.span(&place.word("keep"), &keep.keep);
        let to = place.word("to");
        if let Some(name) = keep.to.strip_prefix("age:") {
            let known: Vec<&str> = self.recipients();
            if !known.contains(&name) {
                let message = format!("there are no recipients {}", quote(name));
                let hint = match known.is_empty() {
                    true => format!("write `[recipients] {name} = [\"age1..\"]` into `keyrota.toml`"),
                    false => did_you_mean(name, &known),
                };
                to.complain_with("K005", message, hint);
            }
            self.name(&to, name)?;
        } else if !["file", "history"].contains(&keep.to.as_str()) {
            let message = format!("{} is not a place for pre-images", quote(&keep.to));
            to.complain_with("K002", message, "write `file`, `history` or `age:NAME`");
            return None;
        }
        Some(PreImages { to: keep.to.clone(), keep: span? })
    }

    /// The names of recipients, of this policy and of the project.
    fn recipients(&self) -> Vec<&str> {
        let mut known = self.declared("recipients");
        known.extend(self.settings.recipients.keys().map(Name::as_str));
        known
    }
}
