//! `keyrota.toml`: from written to meant.

use std::collections::BTreeMap;

use crate::envelope::age::Recipient;
use crate::model::Name;
use crate::model::Risk;
use crate::model::Span;
use crate::policy::meaning::Block;
use crate::policy::meaning::Reader;
use crate::policy::meant::project::Approval;
use crate::policy::meant::project::Calendar;
use crate::policy::meant::project::Freeze;
use crate::policy::meant::project::Guard;
use crate::policy::meant::project::Home;
use crate::policy::meant::project::Settings;
use crate::policy::meant::project::Window;
use crate::policy::place::Place;
use crate::policy::problem::quote;
use crate::policy::shape::Judge;
use crate::policy::tree;
use crate::policy::words;
use crate::policy::written::defaults;
use crate::policy::written::project as written;
use crate::policy::written::value::Text;

impl<'a> Reader<'a> {
    /// The programs that policies may run: read first, for the settings themselves may name commands.
    pub(crate) fn allowed(&self) -> Vec<String> {
        let commands = self.block("commands");
        let commands = commands.and_then(|block| tree::read::<written::Commands>(block.node, &tree::Skip::new()).ok());
        commands.unwrap_or_default().allow
    }

    /// The settings.
    pub(crate) fn settings(&self) -> Settings {
        self.judge_top(words::project(), "`keyrota.toml`");
        let mut settings = Settings { allow: self.allowed(), ..Settings::default() };
        if let Some(block) = self.block("home") {
            settings.home = self.home(&block).unwrap_or_default();
        }
        if let Some(block) = self.block("approval") {
            settings.approval = self.approval(&block);
        }
        if let Some(block) = self.block("commands") {
            let _: Option<written::Commands> = self.shaped(block, words::project(), "Commands", "`commands`");
        }
        if let Some(block) = self.block("calendar") {
            settings.calendar = self.calendar(&block).unwrap_or_default();
        }
        if let Some(block) = self.block("recipients") {
            settings.recipients = self.recipients_of(&block, words::project());
        }
        settings.guard = self.guards();
        settings.actor = self.block("actor").and_then(|block| {
            let top = Place::new(self.sheet, &self.sheet.root, block.head);
            self.full(&top.word("actor"), &self.value(block)?).map(std::borrow::Cow::into_owned)
        });
        let expire = self.block("plans_expire").and_then(|block| {
            let top = Place::new(self.sheet, &self.sheet.root, block.head);
            self.span(&top.word("plans_expire"), &self.value(block)?)
        });
        settings.plans_expire = expire.or_else(|| defaults::PLANS_EXPIRE.parse().ok());
        settings
    }

    /// The words at the top of a file: what is unknown there, and what has a wrong kind. Blocks are judged by themselves.
    pub(crate) fn judge_top(&self, schema: &'static serde_json::Value, file: &str) {
        let Some(table) = self.table() else { return };
        let known = schema.get("properties").and_then(serde_json::Value::as_object);
        let known: Vec<&str> = known.into_iter().flatten().map(|(word, _)| word.as_str()).collect();
        for word in table.keys().filter(|word| !known.contains(&word.get_ref().as_ref())) {
            let message = format!("{} is not a word of {file}", quote(word.get_ref()));
            let hint = crate::policy::shape::did_you_mean(word.get_ref(), &known);
            self.sheet.complain(word.span(), "K002", message, Some(hint));
        }
    }

    /// A value at the top of a file.
    fn value(&self, block: Block<'a>) -> Option<Text> {
        let read = tree::read(block.node, &tree::Skip::new());
        if read.is_err() {
            let mut judge = Judge::new(self.sheet, words::project(), block.head.get_ref(), block);
            let shape = words::project().get("properties").and_then(|all| all.get(block.head.get_ref().as_ref()));
            if let Some(shape) = shape {
                judge.judge(block.node, shape);
            }
        }
        read.ok()
    }

    fn home(&self, block: &Block<'a>) -> Option<Home> {
        let place = &block.place(self.sheet);
        match self.shaped::<written::Home>(*block, words::project(), "Home", "`home`")? {
            written::Home::Local(local) => {
                let path = self.optional(place, "path", local.path.as_ref()).unwrap_or_else(|| defaults::HOME.into());
                self.path(&place.word("path"), &path).then_some(Home::Local { path })
            }
            written::Home::Postgres(remote) => {
                let schema = self.optional(place, "schema", remote.schema.as_ref());
                let schema = self.name(&place.word("schema"), schema.as_deref().unwrap_or(defaults::SCHEMA));
                let tls = self.tls(place, remote.tls.as_ref());
                let Some(url) = &remote.url else {
                    place.missing("url");
                    return None;
                };
                let url = self.reach(&place.word("url"), url, false)?;
                Some(Home::Postgres { url, tls, schema: schema? })
            }
        }
    }

    fn approval(&self, block: &Block<'a>) -> Option<Approval> {
        let place = &block.place(self.sheet);
        let approval: written::Approval = self.shaped(*block, words::project(), "Approval", "`approval`")?;
        let signers = self.needed(place, "signers", approval.signers.as_ref());
        let need = approval.need.unwrap_or_default();
        let classes = [(Risk::Safe, need.safe), (Risk::Switch, need.switch), (Risk::Irreversible, need.irreversible)];
        let need: BTreeMap<Risk, u32> = classes
            .into_iter()
            .filter_map(|(class, count)| count.filter(|count| *count > 0).map(|count| (class, count)))
            .collect();
        if need.is_empty() {
            let hint = "write `need = { switch = 1, irreversible = 2 }`";
            place.word("need").complain_with("K003", "nobody is needed, so nothing is approved by anybody", hint);
        }
        Some(Approval { signers: signers?, need })
    }

    fn calendar(&self, block: &Block<'a>) -> Option<Calendar> {
        let place = &block.place(self.sheet);
        let calendar: written::Calendar = self.shaped(*block, words::project(), "Calendar", "`calendar`")?;
        let zone = self.optional(place, "zone", calendar.zone.as_ref());
        if let Some(zone) = zone.as_deref().filter(|zone| !is_zone(zone)) {
            let hint = "write `UTC` or a fixed offset such as `+02:00`";
            place.word("zone").complain_with("K004", format!("{} is not a zone", quote(zone)), hint);
        }
        let mut windows = BTreeMap::new();
        for (name, openings) in &calendar.windows {
            let place = place.word("windows");
            let place = place.word(name);
            let Some(name) = self.name(&place, name) else { continue };
            if openings.is_empty() {
                place.complain("K004", "a window that never opens lets nothing happen");
            }
            let openings = openings.iter().enumerate();
            let openings = openings.filter_map(|(at, window)| self.opening(&place.item(at), window)).collect();
            windows.insert(name, openings);
        }
        let freezes = calendar.freezes.iter().enumerate();
        let here = place.word("freezes");
        let freezes = freezes.filter_map(|(at, freeze)| self.freeze(&here.item(at), freeze)).collect();
        let here = place.word("at_once");
        let at_once = calendar.at_once.as_ref().and_then(|count| self.count(&here, count));
        let at_once = at_once.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        if at_once == Some(0) {
            here.complain("K004", "nothing could ever begin: this must be at least 1");
        }
        Some(Calendar { zone, windows, freezes, at_once })
    }

    fn opening(&self, place: &Place<'_>, window: &written::Window) -> Option<Window> {
        let from = self.needed(place, "from", window.from.as_ref());
        let from_minute = from.as_deref().and_then(minute);
        if let (Some(from), None) = (&from, from_minute) {
            let message = format!("{} is not an hour of the day", quote(from));
            place.word("from").complain_with("K004", message, "write it as `22:00`");
        }
        let lasts = match &window.lasts {
            Some(lasts) => self.span(&place.word("lasts"), lasts),
            None => {
                place.missing("lasts");
                None
            }
        };
        if lasts.is_some_and(|lasts| lasts.is_zero() || lasts > Span::days(7)) {
            place.word("lasts").complain("K004", "a window stays open for something up to a week");
        }
        let days = window.days.iter().map(|day| format!("{day:?}").to_ascii_lowercase()).collect();
        Some(Window { days, from_minute: from_minute?, lasts: lasts? })
    }

    fn freeze(&self, place: &Place<'_>, freeze: &written::Freeze) -> Option<Freeze> {
        let hour = |word: &str, text: &Option<Text>| match text {
            Some(text) => self.hour(&place.word(word), text),
            None => {
                place.missing(word);
                None
            }
        };
        let (from, to) = (hour("from", &freeze.from), hour("to", &freeze.to));
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            place.word("to").complain("K006", "this freeze ends before it begins");
        }
        if freeze.because.is_none() {
            place.missing("because");
        }
        Some(Freeze { from: from?, to: to?, because: freeze.because.clone()? })
    }

    fn guards(&self) -> Vec<Guard> {
        let Some(block) = self.block("guard") else { return Vec::new() };
        let place = block.place(self.sheet);
        let Some(guards) = block.node.get_ref().as_array() else {
            place.complain_with("K003", "`guard` is a list of rules", "write `[[guard]]`");
            return Vec::new();
        };
        let mut meant = Vec::new();
        for (at, node) in guards.iter().enumerate() {
            let one = Block { head: block.head, node };
            let Some(guard) = self.shaped::<written::Guard>(one, words::project(), "Guard", "a guard") else {
                continue;
            };
            let place = place.item(at);
            let span =
                |word: &str, text: &Option<Text>| text.as_ref().and_then(|text| self.span(&place.word(word), text));
            meant.push(Guard {
                rotate_every_at_most: span("rotate_every_at_most", &guard.rotate_every_at_most),
                current_at_most: span("current_at_most", &guard.current_at_most),
                keys: guard.keys.unwrap_or_else(|| "*".to_owned()),
                proof: guard.proof,
            });
        }
        meant
    }

    /// Recipients by name.
    pub(crate) fn recipients_of(
        &self,
        block: &Block<'a>,
        schema: &'static serde_json::Value,
    ) -> BTreeMap<Name, Vec<String>> {
        let place = block.place(self.sheet);
        let read = tree::read::<BTreeMap<String, Vec<String>>>(block.node, &tree::Skip::new());
        let Ok(written) = read else {
            let mut judge = Judge::new(self.sheet, schema, "recipients", *block);
            if let Some(shape) = schema.get("properties").and_then(|all| all.get("recipients")) {
                judge.judge(block.node, shape);
            }
            return BTreeMap::new();
        };
        let mut recipients = BTreeMap::new();
        for (name, keys) in written {
            let place = place.word(&name);
            for (at, key) in keys.iter().enumerate() {
                if let Err(why) = key.parse::<Recipient>() {
                    let message = format!("{} is not a recipient: {why}", quote(key));
                    place.item(at).complain_with(
                        "K004",
                        message,
                        "write a public key of `age`, as `age-keygen` prints it",
                    );
                }
            }
            if let Some(name) = self.name(&place, &name) {
                recipients.insert(name, keys);
            }
        }
        recipients
    }
}

fn is_zone(zone: &str) -> bool {
    let offset = zone.strip_prefix(['+', '-']).and_then(minute);
    zone == "UTC" || offset.is_some_and(|minutes| minutes <= 14 * 60)
}

/// An hour of the day, in minutes after midnight.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok());
    let (hours, minutes): (u32, u32) = (digits(hours)??, digits(minutes)??);
    (hours < 24 && minutes < 60).then(|| hours.saturating_mul(60).saturating_add(minutes))
}

#[cfg(test)]
mod tests {
    use super::is_zone;
    use super::minute;

    #[test]
    fn hours_and_zones_have_one_spelling() {
        assert_eq!((minute("22:00"), minute("00:01"), minute("23:59")), (Some(1320), Some(1), Some(1439)));
        assert!(["24:00", "9:00", "09:60", "0900", "", "+1:00", "09:00:00"].iter().all(|text| minute(text).is_none()));
        assert!(["UTC", "+02:00", "-09:30"].into_iter().all(is_zone));
        assert!(["utc", "CET", "02:00", "+15:00", "Europe/Berlin"].iter().all(|zone| !is_zone(zone)));
    }
}
