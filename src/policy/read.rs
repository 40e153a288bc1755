//! The way through: texts in, a project out, or every problem of every file at once.

use std::collections::BTreeMap;

use crate::digest;
use crate::model::Name;
use crate::policy::cross;
use crate::policy::lint;
use crate::policy::meaning::Around;
use crate::policy::meaning::Block;
use crate::policy::meaning::Reader;
use crate::policy::meaning::each::KEYS_MAX;
use crate::policy::meant::Policy;
use crate::policy::meant::Project;
use crate::policy::meant::project::Settings;
use crate::policy::problem::Level;
use crate::policy::problem::Problem;
use crate::policy::problem::quote;
use crate::policy::sheet::Lines;
use crate::policy::sheet::Sheet;
use crate::policy::words;
use crate::policy::written;
use crate::template::Template;

/// A file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its path, relative to the project.
    pub file: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Text {
    /// A file of this path that holds this text.
    pub fn new(file: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self { file: file.into(), bytes: text.into() }
    }
}

/// The files of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// `keyrota.toml`, where there is one.
    pub settings: Option<Text>,
    /// `policies/*.toml`.
    pub policies: Vec<Text>,
}

/// A project that was read, and what is doubtful in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The project.
    pub project: Project,
    /// What is doubtful in it.
    pub lints: Vec<Problem>,
}

/// A policy as far as it could be read, with what it was read from.
pub(super) struct Draft<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) policy: Policy,
    /// Where each key was declared, by its declared name.
    pub(super) keys: BTreeMap<Name, Block<'a>>,
    pub(super) fleets: BTreeMap<Name, Block<'a>>,
    pub(super) stores: BTreeMap<Name, Block<'a>>,
    pub(super) backends: BTreeMap<Name, Block<'a>>,
    /// The keys that other keys name, still to be looked for.
    pub(super) named: Vec<Named>,
}

/// A key that another one names.
pub(super) struct Named {
    /// By whom, as declared.
    pub(super) by: Name,
    /// In which word, at which place.
    pub(super) word: &'static str,
    pub(super) at: usize,
    /// What stands there.
    pub(super) template: Template,
}

/// Reads a project.
///
/// # Errors
/// Every problem of every file, and the lints beside them, in the order of files and lines.
pub fn read(texts: &Texts, around: &Around<'_>) -> Result<Read, Vec<Problem>> {
    let settings_sheet = texts.settings.as_ref().map(|text| Sheet::parse(&text.file, &text.bytes));
    let settings = match &settings_sheet {
        Some(sheet) => read_settings(sheet, around),
        None => Settings { plans_expire: written::defaults::PLANS_EXPIRE.parse().ok(), ..Settings::default() },
    };
    let mut order: Vec<&Text> = texts.policies.iter().collect();
    order.sort_by(|a, b| a.file.cmp(&b.file));
    let sheets: Vec<(&Text, Sheet<'_>)> =
        order.into_iter().map(|text| (text, Sheet::parse(&text.file, &text.bytes))).collect();
    let has_settings = settings_sheet.is_some();
    let mut drafts: Vec<Draft<'_>> = Vec::with_capacity(sheets.len());
    let mut keys_left = KEYS_MAX;
    for (text, sheet) in &sheets {
        let reader = Reader { around, settings: &settings, has_settings, sheet };
        drafts.extend(read_policy(reader, digest::plain(&text.bytes), &mut keys_left));
    }
    cross::judge(&mut drafts);
    lint::judge(&drafts, &settings);
    let policies: Vec<Policy> = drafts.into_iter().map(|draft| draft.policy).collect();
    let mut problems: Vec<Problem> = settings_sheet.iter().flat_map(Sheet::problems).collect();
    problems.extend(sheets.iter().flat_map(|(_, sheet)| sheet.problems()));
    if problems.iter().any(|problem| problem.level == Level::Error) {
        return Err(problems);
    }
    let mut policies = policies;
    policies.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Read { project: Project { settings, policies }, lints: problems })
}

fn read_settings(sheet: &Sheet<'_>, around: &Around<'_>) -> Settings {
    let none = Settings::default();
    let allow = Reader { around, settings: &none, has_settings: true, sheet }.allowed();
    let first = Settings { allow, ..Settings::default() };
    Reader { around, settings: &first, has_settings: true, sheet }.settings()
}

fn read_policy<'a>(reader: Reader<'a>, digest: digest::Digest, keys_left: &mut usize) -> Option<Draft<'a>> {
    let about = reader.about()?;
    reader.judge_top(words::policy(), "a policy");
    let seals = reader.seals();
    let recipients = reader.block("recipients").map(|block| reader.recipients_of(&block, words::policy()));
    let backends = reader.blocks("backend");
    let stores = reader.blocks("store");
    let fleets = reader.blocks("fleet");
    let keys = reader.blocks("key");
    if keys.is_empty() && !reader.sheet.is_wrong() {
        reader.sheet.complain(0..0, "K003", "this policy has no keys".into(), Some("add `[key.NAME]`".into()));
    }
    let mut policy = Policy {
        name: about.0,
        file: reader.sheet.file.to_owned(),
        digest,
        owner: about.1.owner.unwrap_or_default(),
        about: about.1.about,
        controls: about.1.controls,
        backends: backends.iter().filter_map(|(name, block)| Some((name.clone(), reader.backend(block)?))).collect(),
        stores: stores.iter().filter_map(|(name, block)| Some((name.clone(), reader.store(block, &seals)?))).collect(),
        fleets: fleets.iter().filter_map(|(name, block)| Some((name.clone(), reader.fleet(block)?))).collect(),
        keys: BTreeMap::new(),
        recipients: recipients.unwrap_or_default(),
    };
    let lines = Lines::of(reader.sheet.text);
    let mut named = Vec::new();
    for (name, block) in &keys {
        let Some(declared) = reader.key(block, lines.at(block.head.span().start)) else { continue };
        let place = block.place(reader.sheet);
        let made = declared.keys(&place, name);
        if made.len() > *keys_left {
            place.complain("K001", format!("a project has at most {KEYS_MAX} keys, and with these there are more"));
            break;
        }
        *keys_left = keys_left.saturating_sub(made.len());
        for (name, key) in made {
            if policy.keys.insert(name.clone(), key).is_some() {
                place.complain("K006", format!("two keys are called {}", quote(name.as_str())));
            }
        }
        for (word, templates) in [("after", declared.after), ("wraps", declared.wraps)] {
            let all = templates.into_iter().enumerate();
            named.extend(all.map(|(at, template)| Named { by: name.clone(), word, at, template }));
        }
    }
    let map = |blocks: Vec<(Name, Block<'a>)>| blocks.into_iter().collect::<BTreeMap<_, _>>();
    Some(Draft {
        reader,
        policy,
        keys: map(keys),
        fleets: map(fleets),
        stores: map(stores),
        backends: map(backends),
        named,
    })
}

impl<'a> Reader<'a> {
    /// The top table.
    pub(super) fn table(&self) -> Option<&'a toml::de::DeTable<'a>> {
        let sheet: &'a Sheet<'a> = self.sheet;
        sheet.table()
    }

    /// A block or value at the top of the file.
    pub(super) fn block(&self, word: &str) -> Option<Block<'a>> {
        let (head, node) = self.table()?.get_key_value(word)?;
        Some(Block { head, node })
    }

    fn about(&self) -> Option<(Name, written::About)> {
        let Some(block) = self.block("policy") else {
            if !self.sheet.is_wrong() {
                let hint = "begin with `[policy]`, `name = \"..\"` and `owner = \"..\"`";
                self.sheet.complain(0..0, "K003", "this policy does not say what it is".into(), Some(hint.into()));
            }
            return Some(("_".parse().ok()?, written::About::default()));
        };
        let place = block.place(self.sheet);
        let about: written::About = self.shaped(block, words::policy(), "About", "`policy`").unwrap_or_default();
        if about.owner.as_deref().is_none_or(str::is_empty) {
            place.missing("owner");
        }
        let name = match &about.name {
            Some(name) => self.name(&place.word("name"), name),
            None => {
                place.missing("name");
                None
            }
        };
        if name.as_ref().is_some_and(|name| name.as_str().contains('/')) {
            place.word("name").complain("K004", "the name of a policy has no `/`: `policy/key` is a key");
        }
        Some((name.or_else(|| "_".parse().ok())?, about))
    }

    fn seals(&self) -> crate::policy::meaning::store::Seals {
        let mut seals = BTreeMap::new();
        for (name, block) in self.blocks("seal") {
            let before = self.sheet.count();
            let shape: Option<written::seal::Seal> = self.shaped(block, words::policy(), "Seal", "a seal");
            let good = shape.is_some() && self.sheet.count() == before;
            let seal = if good { self.seal_at(&block.place(self.sheet)) } else { None };
            seals.insert(name.as_str().to_owned(), seal);
        }
        seals
    }
}
