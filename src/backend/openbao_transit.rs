//! Keys of a transit engine, which never leave it. `rotate` makes a version that is current at once and takes no mark;
//! `min_encryption_version` is raised with it, `min_decryption_version` is a floor that disables, `trim` ends what is below.
//! The server's own books are all there is. Never here: `encrypt` on a key that is not there, which would make one.

mod body;
mod seen;
mod service;

use self::seen::Seen;
use self::service::Served;
use crate::fault::Fault;
use crate::inventory::Able;
use crate::inventory::Disables;
use crate::inventory::Fingerprints;
use crate::inventory::Reopens;
use crate::inventory::key::Drift;
use crate::model::Act;
use crate::model::Change;
use crate::model::Hour;
use crate::model::State;
use crate::model::VersionId;
use crate::openbao::Client;
use crate::openbao::Right;
use crate::openbao::json;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Backend;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::backend::Prepared;
use crate::port::backend::in_turn;
use crate::port::backend::judge;
use crate::port::facts::number;
use crate::port::service::Service;
use crate::secret::Secret;
use std::sync::Arc;

/// What the engine can do.
const ABLE: Able = Able {
    promotes: true,
    demotes: false,
    disables: Disables::Floor,
    destroys: true,
    exports: false,
    reopens: Reopens::Service,
    fingerprints: Fingerprints::None,
    marks: false,
    remembers: false,
};

/// The keys of one transit engine.
pub struct OpenbaoTransit {
    name: String,
    client: Arc<Client>,
    mount: String,
}

impl OpenbaoTransit {
    /// The engine at `mount`, which the policy calls `name`.
    #[must_use]
    pub fn new(name: &str, client: Client, mount: &str) -> Self {
        Self { name: name.to_owned(), client: Arc::new(client), mount: mount.trim_matches('/').to_owned() }
    }

    fn path(&self, what: &str, at: &str) -> String {
        format!("{}/{what}/{at}", self.mount)
    }

    /// What the server says of a key; nothing where there is none.
    fn seen(&self, at: &str) -> Result<Option<Seen>, Fault> {
        let doing = format!("look at `{at}` in backend `{}`", self.name);
        let path = self.path("keys", at);
        let answer = self.client.get(&doing, &path)?;
        match answer.status {
            _ if answer.is_nothing() => Ok(None),
            _ if answer.is_good() => Seen::read(&doing, &answer).map(Some),
            _ => Err(self.client.unexpected(&doing, &path, &answer)),
        }
    }

    /// Changes something. What the server refuses is a refusal in its own words.
    fn put(&self, doing: &str, path: &str, body: &serde_json::Value) -> Result<(), Failed> {
        let answer = self.client.put(doing, path, &json(doing, body)?)?;
        if answer.is_good() {
            return Ok(());
        }
        match answer.said() {
            said if answer.status == 400 && !said.is_empty() => Err(Failed::refused(said)),
            _ => Err(self.client.unexpected(doing, path, &answer).into()),
        }
    }

    fn config(&self, at: &str, doing: &str, word: &str, value: u64) -> Result<(), Failed> {
        self.put(doing, &format!("{}/config", self.path("keys", at)), &serde_json::json!({ word: value }))
    }

    /// Makes the first version, or the next one. Once it is there, nobody seals under an older one.
    fn add(&self, at: &str, version: &VersionId, made: Option<&Prepared>, seen: Option<&Seen>) -> Result<(), Failed> {
        let wanted = counted(version)?;
        let doing = format!("make version `{version}` of `{at}` in backend `{}`", self.name);
        let latest = seen.map_or(0, |seen| seen.latest);
        if latest < wanted {
            let Some(made) = made.filter(|made| made.version == *version) else {
                return Err(Failed::Unmade(version.clone()));
            };
            if latest.checked_add(1) != Some(wanted) {
                return Err(Failed::refused(format!(
                    "its newest version is `{latest}`, so the next is not `{version}`"
                )));
            }
            match seen {
                None => {
                    let kind = seen::kind(made.algorithm);
                    self.put(&doing, &self.path("keys", at), &serde_json::json!({ "type": kind }))?;
                }
                Some(_) => {
                    self.put(&doing, &format!("{}/rotate", self.path("keys", at)), &serde_json::json!({}))?;
                }
            }
        }
        if seen.is_some_and(|seen| seen.latest == wanted && seen.min_encryption == wanted) || latest > wanted {
            return Ok(());
        }
        self.config(at, &doing, "min_encryption_version", wanted)
    }
}

/// The number that an id is.
fn counted(version: &VersionId) -> Result<u64, Failed> {
    let number = number(version).filter(|number| version.as_str() == number.to_string());
    number.ok_or_else(|| Failed::refused(format!("`{version}` is no version of a transit key: those are numbers")))
}

impl Backend for OpenbaoTransit {
    fn world(&self) -> Result<String, Fault> {
        self.client.world(&self.mount)
    }

    fn able(&self) -> Able {
        ABLE
    }

    fn look(&self, at: &str) -> Result<Look, Fault> {
        let Some(seen) = self.seen(at)? else { return Ok(Look::default()) };
        let key = seen.key()?;
        let algorithms = seen.algorithm().into_iter();
        let algorithms =
            algorithms.flat_map(|is| key.versions.iter().map(move |version| (version.id.clone(), is))).collect();
        let every = seen.auto_rotate.filter(|seconds| *seconds > 0);
        let drift = every.map(|seconds| Drift::RotatesItself { every: format!("{}h", seconds / 3600) });
        Ok(Look { key, algorithms, drift: drift.into_iter().collect(), ..Look::default() })
    }

    fn beside(&self, named: &[&str]) -> Result<Vec<String>, Fault> {
        let doing = format!("list the keys of backend `{}`", self.name);
        let answer = self.client.list(&doing, &format!("{}/keys", self.mount))?;
        if !answer.is_good() {
            return Ok(Vec::new());
        }
        let all = seen::names(&doing, &answer)?.into_iter();
        Ok(all
            .filter(|name| !named.contains(&name.as_str()))
            .map(|name| format!("{}/keys/{name}", self.mount))
            .collect())
    }

    fn fit(&self, at: &str, _acts: &[Act]) -> Result<(), Fault> {
        let doing = format!("see what may be done with `{at}` in backend `{}`", self.name);
        if let Some(why) = self.seen(at)?.and_then(|seen| seen.unfit()) {
            return Err(Fault::ask_operator(doing, why));
        }
        let key = self.path("keys", at);
        let (rotate, config) = (format!("{key}/rotate"), format!("{key}/config"));
        let (rewrap, open, seal) = (self.path("rewrap", at), self.path("decrypt", at), self.path("encrypt", at));
        self.client.may(&doing, Right::Read, &[(&key, &["read"])])?;
        let update: &[&str] = &["update"];
        let wanted = [rotate.as_str(), &config, &rewrap, &open, &seal].map(|path| (path, update));
        self.client.may(&doing, Right::Write, &wanted)
    }

    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed> {
        let latest = self.seen(at)?.map_or(0, |seen| seen.latest);
        let next = latest.saturating_add(1).to_string().parse();
        let version = next.map_err(|bad| Fault::report_bug("choose the next version", bad))?;
        Ok(Prepared { version, fingerprint: None, algorithm, material: None })
    }

    fn change(&self, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
        let seen = self.seen(at)?;
        if let Change::Add { version, .. } = change {
            return self.add(at, version, prepared, seen.as_ref());
        }
        let Some(seen) = seen else { return Err(Failed::refused(format!("there is no key `{at}`"))) };
        let key = seen.key()?;
        if let Change::Destroy { version } = change
            && counted(version)? < seen.min_available
        {
            return Ok(());
        }
        if judge(&key, change, now)?.is_none() {
            return Ok(());
        }
        in_turn(&key, change)?;
        let doing = format!("change `{at}` in backend `{}`", self.name);
        match change {
            Change::Retire { version } => {
                self.config(at, &doing, "min_decryption_version", counted(version)?.saturating_add(1))
            }
            Change::Enable { version } => self.config(at, &doing, "min_decryption_version", counted(version)?),
            Change::Destroy { version } if key.version(version).map(|it| it.state) != Some(State::Disabled) => {
                Err(Failed::refused_with(format!("version `{version}` still opens"), "disable it first"))
            }
            Change::Destroy { version } => {
                let floor = counted(version)?.saturating_add(1);
                if seen.min_encryption < floor {
                    self.config(at, &doing, "min_encryption_version", seen.latest)?;
                }
                let body = serde_json::json!({ "min_available_version": floor });
                self.put(&doing, &format!("{}/trim", self.path("keys", at)), &body)
            }
            Change::Switch { .. } | Change::Discard { .. } | Change::Add { .. } => {
                Err(Failed::refused("a transit engine cannot make an older version current, nor take the newest away"))
            }
        }
    }

    fn material(&self, _at: &str, _version: &VersionId) -> Result<Secret, Failed> {
        Err(Failed::refused("material never leaves a transit engine"))
    }

    fn encoded(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.material(at, version)
    }

    fn service(&self, at: &str, share: Option<u8>) -> Result<Option<Arc<dyn Service>>, Fault> {
        Ok(Some(Arc::new(Served::new(&self.name, &self.client, &self.mount, at, share))))
    }

    fn adopt(&self, at: &str, version: &VersionId, _now: Hour) -> Result<(), Failed> {
        let there = self.seen(at)?.map(|seen| seen.key()).transpose()?;
        match there.is_some_and(|key| key.version(version).is_some()) {
            true => Ok(()),
            false => Err(Failed::refused(format!("there is no version `{version}` of `{at}`"))),
        }
    }
}
