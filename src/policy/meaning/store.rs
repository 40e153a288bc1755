//! Stores: from written to meant.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::envelope::Seal;
use crate::policy::meaning::Block;
use crate::policy::meaning::Reader;
use crate::policy::meant::Store;
use crate::policy::meant::store::Literal;
use crate::policy::meant::store::Pace;
use crate::policy::meant::store::Place as Meant;
use crate::policy::meant::store::Sealed;
use crate::policy::meant::store::VersionAt;
use crate::policy::place::Place;
use crate::policy::placeholders;
use crate::policy::problem::quote;
use crate::policy::tree;
use crate::policy::tree::Skip;
use crate::policy::words;
use crate::policy::written::defaults;
use crate::policy::written::store as written;
use crate::policy::written::value::OneOrMany;
use crate::policy::written::value::Reach;
use crate::policy::written::value::Text;

/// The named seals of a policy; none where one is named and wrong.
pub(crate) type Seals = BTreeMap<String, Option<Seal>>;

/// What most stores have beside their address.
struct Common<'w> {
    sealed: &'w [written::Sealed],
    restorable_for: Option<&'w Text>,
    atomic: bool,
    pace: Option<&'w written::Pace>,
    /// Whether it keeps rows in tables, rather than documents.
    tables: bool,
}

impl<'a> Reader<'a> {
    /// One store.
    pub(crate) fn store(&self, block: &Block<'a>, seals: &Seals) -> Option<Store> {
        let place = &block.place(self.sheet);
        let written = self.shaped::<written::Store>(*block, words::policy(), "Store", "a store")?;
        let meant = match &written {
            written::Store::Sqlite(store) => match &store.path {
                Some(path) => {
                    self.path_template(&place.word("path"), path, placeholders::EACH).map(|path| Meant::Sqlite { path })
                }
                None => {
                    place.missing("path");
                    None
                }
            },
            written::Store::Postgres(store) => {
                let url = self.url(place, store.url.as_ref());
                let tls = self.tls(place, store.tls.as_ref());
                url.map(|url| Meant::Postgres { url, tls })
            }
            written::Store::Mongodb(store) => {
                let url = self.url(place, store.url.as_ref());
                let tls = self.tls(place, store.tls.as_ref());
                let database = self.needed(place, "database", store.database.as_ref());
                url.zip(database).map(|(url, database)| Meant::Mongodb { url, database, tls })
            }
            written::Store::Cosmos(store) => {
                let addr = self.address(place, "addr", store.addr.as_ref());
                let database = self.needed(place, "database", store.database.as_ref());
                if store.auth.is_none() {
                    place.missing("auth");
                }
                let auth = store.auth.as_ref().map(|auth| self.auth(&place.word("auth"), auth));
                addr.zip(auth).zip(database).map(|((addr, auth), database)| Meant::Cosmos { addr, auth, database })
            }
            written::Store::Grpc(store) => self.grpc(place, store).map(|grpc| Meant::Grpc(Box::new(grpc))),
            written::Store::Unseen(_) => Some(Meant::Unseen),
        };
        let common = common(&written);
        let sealed = self.all_sealed(place, &common, seals);
        let restorable_for = common.restorable_for.and_then(|span| self.span(&place.word("restorable_for"), span));
        let pace = common.pace.and_then(|pace| self.pace(&place.word("pace"), pace));
        Some(Store { place: meant?, sealed, restorable_for, atomic: common.atomic, pace })
    }

    fn url(&self, place: &Place<'_>, url: Option<&Reach>) -> Option<crate::policy::meant::Address> {
        if url.is_none() {
            place.missing("url");
        }
        url.and_then(|url| self.reach(&place.word("url"), url, false))
    }

    fn all_sealed(&self, place: &Place<'_>, common: &Common<'_>, seals: &Seals) -> Vec<Sealed> {
        // Whether it needs any is seen once it is known who uses it: one that only holds proofs does not.
        let place = place.word("sealed");
        let sealed = common.sealed.iter().enumerate();
        sealed.filter_map(|(at, sealed)| self.sealed(&place.item(at), sealed, common.tables, seals)).collect()
    }

    fn sealed(&self, place: &Place<'_>, sealed: &written::Sealed, tables: bool, seals: &Seals) -> Option<Sealed> {
        let (table_word, column_word, store) =
            if tables { ("table", "column", "tables") } else { ("collection", "field", "documents") };
        let (table, other_table) =
            if tables { (&sealed.table, &sealed.collection) } else { (&sealed.collection, &sealed.table) };
        let (columns, other_columns) =
            if tables { (&sealed.column, &sealed.field) } else { (&sealed.field, &sealed.column) };
        for (strange, word, right) in [
            (other_table.is_some(), if tables { "collection" } else { "table" }, table_word),
            (other_columns.is_some(), if tables { "field" } else { "column" }, column_word),
        ] {
            if strange {
                let message = format!("this store keeps {store}, which have no {}", quote(word));
                place.word(word).complain_with("K006", message, format!("write `{right}`"));
            }
        }
        let table = if other_table.is_some() { None } else { self.needed(place, table_word, table.as_ref()) };
        let columns = match columns {
            Some(columns) => self.columns(&place.word(column_word), columns),
            None => {
                if other_columns.is_none() {
                    place.missing(column_word);
                }
                None
            }
        };
        let only = self.only(&place.word("where"), &sealed.only);
        let seal = self.seal_of(place, sealed.seal.as_ref(), seals);
        let aad = sealed.aad.as_ref().and_then(|aad| self.template(&place.word("aad"), aad, placeholders::AAD));
        let at = self.version_at(place, sealed, tables);
        if let (Some(seal), Some((VersionAt::InSeal, _))) = (&seal, &at)
            && !seal.names_version()
        {
            let hint = "let the layout hold `{{ version }}`, or say where the version stands";
            place.word("version").complain_with("K006", "nothing in this seal names the version", hint);
        }
        if let (Some(seal), Some(_)) = (&seal, &aad)
            && !seal.takes_aad()
        {
            let message = format!("`{}` takes no associated data", seal.cipher());
            place.word("aad").complain("K006", message);
        }
        let (version, is) = at?;
        Some(Sealed { table: table?, columns: columns?, only, seal: seal?, aad, version, is })
    }

    fn columns(&self, place: &Place<'_>, columns: &OneOrMany<String>) -> Option<Vec<String>> {
        let columns = columns.all();
        let mut good = !columns.is_empty();
        if columns.is_empty() {
            place.complain("K004", "this must not be empty");
        }
        for (at, column) in columns.iter().enumerate() {
            if column.is_empty() {
                place.item(at).complain("K004", "this must not be empty");
                good = false;
            }
            if columns.iter().take(at).any(|other| other == column) {
                place.item(at).complain("K006", format!("{} is named twice", quote(column)));
                good = false;
            }
        }
        good.then(|| columns.to_vec())
    }

    fn only(&self, place: &Place<'_>, written: &BTreeMap<String, written::Literal>) -> BTreeMap<String, Literal> {
        let mut only = BTreeMap::new();
        for (column, value) in written {
            let place = place.word(column);
            if column.is_empty() {
                place.complain("K004", "the name of a column must not be empty");
            }
            let value = match value {
                written::Literal::Bool(value) => Some(Literal::Bool(*value)),
                written::Literal::Int(value) => Some(Literal::Int(*value)),
                written::Literal::Text(text) => self.template(&place, text, placeholders::EACH).map(Literal::Text),
            };
            if let Some(value) = value {
                only.insert(column.clone(), value);
            }
        }
        only
    }

    fn version_at(
        &self,
        place: &Place<'_>,
        sealed: &written::Sealed,
        tables: bool,
    ) -> Option<(VersionAt, crate::template::Template)> {
        let own = self.template_or(place, "is", sealed.is.as_ref(), defaults::IS, placeholders::IS);
        let Some(version) = &sealed.version else {
            place.missing("version");
            return None;
        };
        let here = place.word("version");
        match version {
            written::VersionAt::Word(written::VersionWord::InSeal) => Some((VersionAt::InSeal, own?)),
            written::VersionAt::Word(written::VersionWord::ByTrial) => Some((VersionAt::ByTrial, own?)),
            written::VersionAt::Beside(beside) => {
                let is = match &beside.is {
                    Some(_) => self.template_or(&here, "is", beside.is.as_ref(), defaults::IS, placeholders::IS),
                    None => own,
                };
                let at = match (&beside.column, &beside.field, tables) {
                    (Some(column), None, true) => VersionAt::Column(column.clone()),
                    (None, Some(field), false) => VersionAt::Field(field.clone()),
                    _ => {
                        let hint =
                            if tables { "write `{ column = \"NAME\" }`" } else { "write `{ field = \"NAME\" }`" };
                        here.complain_with("K006", "this does not say where the version stands in such a store", hint);
                        return None;
                    }
                };
                Some((at, is?))
            }
        }
    }

    /// The seal that is named or stands here.
    fn seal_of(&self, place: &Place<'_>, seal: Option<&written::SealRef>, seals: &Seals) -> Option<Seal> {
        let here = place.word("seal");
        match seal {
            None => {
                place.missing("seal");
                None
            }
            Some(written::SealRef::Named(name)) => match seals.get(name) {
                Some(seal) => seal.clone(),
                None if Seal::preset(name).is_some() => Seal::preset(name),
                None => {
                    let mut known = self.declared("seal");
                    known.extend(Seal::PRESETS);
                    let hint = crate::policy::shape::did_you_mean(name, &known);
                    here.complain_with("K005", format!("there is no seal {}", quote(name)), hint);
                    None
                }
            },
            Some(written::SealRef::Inline(_)) => self.seal_at(&here),
        }
    }

    /// A seal that is written out here.
    pub(crate) fn seal_at(&self, place: &Place<'_>) -> Option<Seal> {
        let node = place.node()?;
        if self.sheet.is_wrong_within(&node.span()) {
            return None;
        }
        let value: Value = tree::read(node, &Skip::new()).ok()?;
        match Seal::from_written(&value) {
            Ok(seal) => Some(seal),
            Err(faults) => {
                for fault in faults {
                    place.complain("K004", fault);
                }
                None
            }
        }
    }

    fn pace(&self, place: &Place<'_>, pace: &written::Pace) -> Option<Pace> {
        let limit = match pace {
            written::Pace::Word(written::PaceWord::Polite) => return Some(Pace::Polite),
            written::Pace::Limit(limit) => limit,
        };
        match (&limit.rows_per_second, &limit.share_of_quota) {
            (Some(rows), None) => {
                let place = place.word("rows_per_second");
                let rows = self.count(&place, rows)?;
                if rows == 0 {
                    place.complain("K004", "nothing would ever move: this must be at least 1");
                }
                Some(Pace::RowsPerSecond(rows))
            }
            (None, Some(share)) => {
                let place = place.word("share_of_quota");
                let share = u8::try_from(self.count(&place, share)?).ok().filter(|share| (1..=100).contains(share));
                if share.is_none() {
                    place.complain("K004", "a share is from 1 to 100 percent");
                }
                share.map(Pace::ShareOfQuota)
            }
            _ => {
                place.complain("K006", "a pace is either `rows_per_second` or `share_of_quota`");
                None
            }
        }
    }
}

fn common(store: &written::Store) -> Common<'_> {
    macro_rules! of {
        ($store:expr, $tables:expr) => {
            Common {
                sealed: $store.sealed.as_deref().unwrap_or_default(),
                restorable_for: $store.restorable_for.as_ref(),
                atomic: $store.atomic,
                pace: $store.pace.as_ref(),
                tables: $tables,
            }
        };
    }
    match store {
        written::Store::Sqlite(store) => of!(store, true),
        written::Store::Postgres(store) => of!(store, true),
        written::Store::Mongodb(store) => of!(store, false),
        written::Store::Cosmos(store) => of!(store, false),
        written::Store::Grpc(store) => Common {
            sealed: &[],
            restorable_for: store.restorable_for.as_ref(),
            atomic: false,
            pace: store.pace.as_ref(),
            tables: false,
        },
        written::Store::Unseen(store) => Common {
            sealed: &[],
            restorable_for: store.restorable_for.as_ref(),
            atomic: false,
            pace: None,
            tables: false,
        },
    }
}
