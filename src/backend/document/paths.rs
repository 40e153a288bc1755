//! One document for each version on a secrets server, named by its id below the key's place, the material at a path inside. A new
//! one is written only where there is none; nothing else is ever written. What ends is destroyed in all its versions: its name
//! stays, so that no id is given twice.

use crate::backend::document::Edit;
use crate::backend::document::table::Entries;
use crate::backend::document::table::Entry;
use crate::backend::document::table::Table;
use crate::backend::document::table::Value;
use crate::backend::document::whole::Whole;
use crate::backend::id::Ids;
use crate::backend::openbao_kv::document;
use crate::backend::openbao_kv::document::Document;
use crate::backend::openbao_kv::document::Found;
use crate::backend::openbao_kv::document::Written;
use crate::backend::openbao_kv::fit;
use crate::backend::openbao_kv::history;
use crate::fault::Fault;
use crate::model::Act;
use crate::model::VersionId;
use crate::openbao::Client;
use crate::openbao::Right;
use crate::openbao::json;
use crate::pointer;
use crate::pointer::Format;
use crate::port::backend::Failed;
use crate::port::facts::Facts;
use crate::secret::Secret;
use crate::template::Template;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// Documents of an engine, one for each version.
pub struct Paths {
    name: String,
    client: Client,
    mount: String,
    /// Where the material stands in each.
    field: String,
    /// What else stands in a new one.
    set: BTreeMap<String, Template>,
}

impl fmt::Debug for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paths").field("name", &self.name).field("mount", &self.mount).finish_non_exhaustive()
    }
}

/// A text, and the parts of the path to it.
type Leaf = (Vec<String>, Zeroizing<String>);

/// The fields of an object of these texts, each at its path below `depth`.
fn fields<'l>(leaves: &[&'l Leaf], depth: usize) -> Vec<(&'l str, Zeroizing<String>)> {
    let mut below: BTreeMap<&str, Vec<&Leaf>> = BTreeMap::new();
    for leaf in leaves {
        if let Some(part) = leaf.0.get(depth) {
            below.entry(part).or_default().push(leaf);
        }
    }
    let deeper = depth.saturating_add(1);
    let raw = |leaves: &[&'l Leaf]| match leaves {
        [(path, text)] if path.len() == deeper => document::quoted(text),
        leaves => document::object(fields(leaves, deeper).iter().map(|(part, raw)| (*part, raw.as_str()))),
    };
    below.into_iter().map(|(part, leaves)| (part, raw(&leaves))).collect()
}

impl Paths {
    /// Documents of the engine at `mount`, of the backend that the policy calls `name`, on the server that `client` asks: the
    /// material stands at `field`, and a new one holds what `set` says as well.
    #[must_use]
    pub fn new(name: &str, client: Client, mount: &str, field: &str, set: &BTreeMap<String, Template>) -> Self {
        let (name, mount, field) = (name.to_owned(), mount.to_owned(), field.to_owned());
        Self { name, client, mount, field, set: set.clone() }
    }

    fn doing(&self, what: &str, at: &str) -> String {
        format!("{what} `{at}` of backend `{}`", self.name)
    }

    /// The names below a place.
    fn names(&self, at: &str) -> Result<Vec<String>, Fault> {
        #[derive(serde::Deserialize)]
        struct Reply {
            data: Names,
        }
        #[derive(serde::Deserialize)]
        struct Names {
            keys: Vec<String>,
        }
        let doing = self.doing("list the versions in", at);
        let path = document::path(&self.mount, "metadata", at);
        let answer = self.client.list(&doing, &path)?;
        match answer.status {
            200..=299 => Ok(answer.json::<Reply>(&doing)?.data.keys),
            _ if answer.is_nothing() => Ok(Vec::new()),
            _ => Err(self.client.unexpected(&doing, &path, &answer)),
        }
    }

    /// What lies on a version's path, or lay there as its document's version `older`.
    fn found(&self, at: &str, id: &str, older: Option<u64>) -> Result<Found, Fault> {
        let doing = self.doing(&format!("read version `{id}` in"), at);
        document::find(&self.client, &self.mount, &below(at, id), &doing, older)
    }

    /// Whether everything on a path ended, where the newest document was destroyed: perhaps that one alone was. Older ones are
    /// asked for and not looked up in the metadata, which takes a right of its own.
    fn ended(&self, at: &str, id: &str, newest: u64) -> Result<bool, Fault> {
        for older in (1..newest).rev() {
            match self.found(at, id, Some(older))? {
                Found::Gone { destroyed: true, .. } => {}
                // This one and what is older fell out of the history.
                Found::Nothing => break,
                Found::There(_) | Found::Gone { .. } => return Ok(false),
            }
        }
        Ok(true)
    }

    fn value(&self, at: &str, id: &str) -> Result<Value, Fault> {
        Ok(match self.found(at, id, None)? {
            Found::There(document) => match pointer::read(Format::Json, &document.whole(), &self.field) {
                Ok(text) => Value::Text(Secret::from_vec(text.into_bytes())),
                Err(unfit) => Value::Other(unfit.to_string()),
            },
            Found::Gone { destroyed: false, .. } => Value::Deleted,
            Found::Gone { destroyed: true, version, .. } if !self.ended(at, id, version)? => Value::Deleted,
            Found::Gone { .. } | Found::Nothing => Value::Ended,
        })
    }

    fn put(&self, at: &str, id: &VersionId, facts: &Facts, value: &Secret) -> Result<(), Failed> {
        let doing = self.doing(&format!("write version `{id}` into"), at);
        let parts = |path: &str| pointer::parts(path).map_err(|unfit| Fault::ask_operator(&doing, unfit));
        // That it is text was found out when the backend was made.
        let text = value.lend(|value| Zeroizing::new(String::from_utf8_lossy(value).into_owned()));
        let mut leaves: Vec<Leaf> = vec![(parts(&self.field)?, text)];
        for (path, template) in &self.set {
            let text = facts.fill(template).map_err(|missing| Fault::ask_operator(&doing, missing))?;
            leaves.push((parts(path)?, Zeroizing::new(text)));
        }
        // Its version is 0: it is written only where there is none.
        let mut document = Document::default();
        for (field, raw) in fields(&leaves.iter().collect::<Vec<_>>(), 0) {
            document.put(field, raw);
        }
        match document.write(&self.client, &self.mount, &below(at, id.as_str()), &doing)? {
            Written::Done(_) => Ok(()),
            Written::Lost => Err(Fault::retry(doing, "somebody else has written there before us").into()),
        }
    }

    /// Destroys every version of a document up to the one that was seen: whatever somebody writes later is not ours to end.
    fn take(&self, at: &str, id: &VersionId) -> Result<(), Failed> {
        let doing = self.doing(&format!("destroy version `{id}` in"), at);
        let newest = match self.found(at, id.as_str(), None)? {
            Found::There(document) => document.version,
            Found::Gone { version, .. } => version,
            Found::Nothing => return Ok(()),
        };
        let path = document::path(&self.mount, "destroy", &below(at, id.as_str()));
        let versions: Vec<u64> = (1..=newest).collect();
        let answer = self.client.put(&doing, &path, &json(&doing, &serde_json::json!({ "versions": versions }))?)?;
        match answer.is_good() {
            true => Ok(()),
            false => Err(self.client.unexpected(&doing, &path, &answer).into()),
        }
    }
}

/// The path of a version's document.
fn below(at: &str, id: &str) -> String {
    format!("{}/{id}", at.trim_matches('/'))
}

impl Table for Paths {
    fn world(&self) -> Result<String, Fault> {
        self.client.world(&self.mount)
    }

    fn read(&self, at: &str, ids: &Ids, _held: Option<(&Whole, &Secret)>) -> Result<Entries, Fault> {
        let mut entries = Vec::new();
        for name in self.names(at)? {
            let shown = format!("{}/{}", self.mount, below(at, &name.escape_debug().to_string()));
            let is_version = name.parse().is_ok_and(|id| ids.n(&id).is_some());
            // What is no version is not looked into.
            let value = if is_version { self.value(at, &name)? } else { Value::Ended };
            entries.push(Entry { name, shown, value });
        }
        Ok(Entries { place: format!("{}/{at}", self.mount), entries, file: None })
    }

    fn pre_image(&self, at: &str, ids: &Ids) -> Result<Secret, Fault> {
        let mut there = Vec::new();
        for name in self.names(at)?.into_iter().filter(|name| name.parse().is_ok_and(|id| ids.n(&id).is_some())) {
            if let Found::There(document) = self.found(at, &name, None)? {
                there.push((below(at, &name), document.whole()));
            }
        }
        let mut image = document::object(there.iter().map(|(path, whole)| (path.as_str(), whole.as_str())));
        Ok(Secret::from_vec(std::mem::take(&mut *image).into_bytes()))
    }

    fn fit(&self, entries: &Entries, at: &str, next: &VersionId, acts: &[Act]) -> Result<(), Fault> {
        let doing = self.doing("see what may be done in", at);
        fit::versioned(&self.client, &self.mount, &doing)?;
        let path = |kind: &str, name: &str| document::path(&self.mount, kind, &below(at, name));
        let there = entries.entries.iter().filter(|entry| matches!(entry.value, Value::Text(_)));
        let data = path("data", next.as_str());
        self.client.may(&doing, Right::Read, &[(&data, &["read"])])?;
        let mut ends: Vec<String> = Vec::new();
        if acts.contains(&Act::Discard) {
            ends.push(path("destroy", next.as_str()));
        }
        if acts.contains(&Act::Destroy) {
            ends.extend(there.clone().map(|entry| path("destroy", &entry.name)));
        }
        let mut wanted: Vec<(&str, &[&str])> = ends.iter().map(|path| (path.as_str(), ["update"].as_slice())).collect();
        if acts.contains(&Act::Add) {
            wanted.push((&data, &["create"]));
        }
        self.client.may(&doing, Right::Write, &wanted)?;
        let deletes_itself = |name: &str| {
            let reach = history::reach(&self.client, &self.mount, &below(at, name), &doing);
            reach.is_ok_and(|reach| reach.deletes_itself)
        };
        let after = "is deleted after a while (`delete_version_after`), and the key with it";
        if let Some(entry) = there.clone().find(|entry| deletes_itself(&entry.name)) {
            let hint = format!(
                "`bao write {} delete_version_after=0s`, and look at the engine's own setting",
                path("metadata", &entry.name)
            );
            return Err(Fault::ask_operator(&doing, format!("`{}` {after}", entry.shown)).hint(hint));
        }
        // What is to come has no setting of its own yet, and is made none: that would use its name up.
        if acts.contains(&Act::Add) && deletes_itself(next.as_str()) {
            let why = format!("what is written into `{}` {after}", entries.place);
            let hint = format!("`bao write {}/config delete_version_after=0s`", self.mount.trim_matches('/'));
            return Err(Fault::ask_operator(&doing, why).hint(hint));
        }
        Ok(())
    }

    fn edit(
        &self,
        at: &str,
        ids: &Ids,
        judge: &mut dyn FnMut(&Entries) -> Result<Option<Edit>, Failed>,
    ) -> Result<(), Failed> {
        match judge(&self.read(at, ids, None)?)? {
            None => Ok(()),
            Some(Edit::Put { version, fingerprint, value }) => {
                self.put(at, &version, &Facts::version(&version, fingerprint.as_ref()), &value)
            }
            Some(Edit::Take(version)) => self.take(at, &version),
        }
    }
}
