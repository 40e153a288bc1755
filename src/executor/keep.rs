//! Pre-images: wrapped values as they were before a rewrap replaced them, one JSON object a line, in private files of the run
//! and the key, until a plan deletes them. In plain files they hold no key material, and what they hold opens with the old
//! version only. Where the policy names recipients, each chunk is an `age` file of its own, because one that was closed cannot
//! grow; and what stood in the backend before the first change, which is key material, is one more.

use crate::digest;
use crate::disk;
use crate::disk::Appender;
use crate::envelope::age;
use crate::envelope::age::Recipient;
use crate::executor::Executor;
use crate::executor::perform::Outcome;
use crate::executor::rewrap::About;
use crate::executor::scene::Scene;
use crate::fault::Fault;
use crate::inventory::Reopens;
use crate::journal::Facts;
use crate::journal::PRE_IMAGES_DELETED;
use crate::journal::RunId;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::Span;
use crate::port::store::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// How the names of all files begin that hold a run's pre-images of one key. A key's name may hold what a file's may not, so
/// its digest stands for it.
fn stem(run: &str, key: &KeyName) -> String {
    let key = digest::of("keyrota pre-images", &[key.to_string().as_bytes()]);
    format!("{run}-{}", key.short())
}

/// Where a run's pre-images of one key are kept in plain.
#[must_use]
pub fn file(folder: &Path, run: &str, key: &KeyName) -> PathBuf {
    folder.join(format!("{}.jsonl", stem(run, key)))
}

/// Where a run's pre-images of one key are kept for recipients: `before`, and a number a chunk.
#[must_use]
pub fn sealed_files(folder: &Path, run: &str, key: &KeyName) -> Vec<PathBuf> {
    let stem = stem(run, key);
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(&stem));
        name.is_some_and(|rest| rest.starts_with('-') && rest.ends_with(AGE))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(ours).collect();
    found.sort();
    found
}

/// Deletes the pre-images that these runs kept of a key. Twice is once.
pub(super) fn discard(folder: &Path, key: &KeyName, runs: &[String]) -> Result<Outcome, Fault> {
    for run in runs {
        // A plan could be made to name any file.
        let run: RunId = run.parse().map_err(|bad| Fault::give_up(format!("delete pre-images of `{key}`"), bad))?;
        disk::remove(&file(folder, run.as_str(), key))?;
        sealed_files(folder, run.as_str(), key).iter().try_for_each(|path| disk::remove(path))?;
    }
    let facts = Facts::from([(PRE_IMAGES_DELETED.to_owned(), runs.join(" ").into())]);
    Ok(Outcome::Done { facts, change: Vec::new() })
}

/// The ending of a file that recipients open.
const AGE: &str = ".age";

/// Keeps what a rewrap is about to replace.
pub(super) struct Keeper {
    to: To,
    key: KeyName,
    store: Name,
}

enum To {
    Plain(Appender),
    Sealed(Sealed),
}

/// Files that only recipients open.
struct Sealed {
    folder: PathBuf,
    stem: String,
    recipients: Vec<Recipient>,
    /// How many there are.
    count: usize,
}

impl Keeper {
    /// Writes the values of one chunk down, durably, before they are replaced.
    pub(super) fn keep(&mut self, about: &About<'_>) -> Result<(), Fault> {
        let mut lines = Vec::new();
        about.each(|row, version, column, value| {
            let line = serde_json::json!({
                "key": self.key, "store": self.store, "table": about.block.table, "row": row, "column": column,
                "version": text(version), "value": text(value),
            });
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
            Ok(())
        })?;
        match &mut self.to {
            To::Plain(appender) => {
                appender.append(&lines)?;
                appender.sync()
            }
            To::Sealed(sealed) => sealed.keep(&lines),
        }
    }
}

impl Sealed {
    fn keep(&mut self, lines: &[u8]) -> Result<(), Fault> {
        self.count = self.count.saturating_add(1);
        self.write(&format!("{:06}", self.count), lines)
    }

    /// Nothing but what is sealed ever comes to the disk.
    fn write(&self, name: &str, plain: &[u8]) -> Result<(), Fault> {
        let path = self.folder.join(format!("{}-{name}{AGE}", self.stem));
        disk::sweep(&path)?;
        disk::create_new(&path, &age::seal(&self.recipients, plain)?, disk::PRIVATE_FILE)
    }
}

/// Where pre-images of a key go.
enum Wanted {
    Nowhere,
    Plain,
    History,
    Sealed(Vec<Recipient>),
}

/// Where only a service opens what it sealed, nobody can look at a value twice: what it replaces is kept until the run ends.
fn served(scene: &Scene<'_>) -> bool {
    scene.planned.base.able.reopens == Reopens::Service
}

fn wanted(executor: &Executor<'_, '_>, scene: &Scene<'_>) -> Result<Wanted, Fault> {
    let Some(wanted) = &scene.key.pre_images else {
        return Ok(if served(scene) { Wanted::Plain } else { Wanted::Nowhere });
    };
    let doing = || format!("keep pre-images of `{}`", scene.name());
    match wanted.to.strip_prefix("age:") {
        None if wanted.to == "history" => Ok(Wanted::History),
        None => Ok(Wanted::Plain),
        Some(name) => {
            let settings = &executor.approved.plan().settings.recipients;
            let of = |all: &BTreeMap<Name, Vec<String>>| {
                all.iter().find(|(known, _)| known.as_str() == name).map(|(_, keys)| keys.clone())
            };
            let keys = of(&scene.policy.recipients).or_else(|| of(settings)).unwrap_or_default();
            let keys: Result<Vec<Recipient>, _> = keys.iter().map(|key| key.parse()).collect();
            let keys = keys.map_err(|bad| Fault::give_up(doing(), bad))?;
            if keys.is_empty() {
                let hint = format!("write `[recipients] {name} = [\"age1..\"]` into `keyrota.toml`, and plan anew");
                return Err(Fault::give_up(doing(), format!("there are no recipients `{name}`")).hint(hint));
            }
            Ok(Wanted::Sealed(keys))
        }
    }
}

fn sealed(executor: &Executor<'_, '_>, scene: &Scene<'_>, recipients: Vec<Recipient>) -> Result<Sealed, Fault> {
    let (folder, run) = (executor.pre_images.to_owned(), executor.desk.run()?);
    disk::make_folder(&folder, disk::PRIVATE_FOLDER)?;
    let numbered = |path: &PathBuf| path.file_stem().and_then(|name| name.to_str()?.rsplit('-').next()?.parse().ok());
    // An attempt that was cut off has kept some already, and may keep them again.
    let count = sealed_files(&folder, run.as_str(), scene.name()).iter().filter_map(numbered).max().unwrap_or(0);
    Ok(Sealed { folder, stem: stem(run.as_str(), scene.name()), recipients, count })
}

/// Who keeps pre-images of one store, where the policy asks for them. A backend's own history keeps no values of others.
pub(super) fn keeper(executor: &Executor<'_, '_>, scene: &Scene<'_>, store: &Name) -> Result<Option<Keeper>, Fault> {
    let to = match wanted(executor, scene)? {
        Wanted::Nowhere => return Ok(None),
        Wanted::History if !served(scene) => return Ok(None),
        Wanted::Sealed(recipients) => To::Sealed(sealed(executor, scene, recipients)?),
        Wanted::Plain | Wanted::History => {
            disk::make_folder(executor.pre_images, disk::PRIVATE_FOLDER)?;
            let path = file(executor.pre_images, executor.desk.run()?.as_str(), scene.name());
            To::Plain(Appender::open(&path, disk::PRIVATE_FILE)?)
        }
    };
    Ok(Some(Keeper { to, key: scene.name().clone(), store: store.clone() }))
}

/// Keeps what stands in the backend before the first change, where it may be kept: its own history reaches back far enough, or
/// recipients are named. A plain file never holds key material.
pub(super) fn before(executor: &Executor<'_, '_>, scene: &Scene<'_>) -> Result<(), Fault> {
    let keep = scene.key.pre_images.as_ref().map(|wanted| wanted.keep);
    let backend = executor.world.backend(scene.name(), &scene.key.backend)?;
    match wanted(executor, scene)? {
        Wanted::Nowhere | Wanted::Plain => Ok(()),
        Wanted::History => backend.history(&scene.key.at, keep.unwrap_or(Span::ZERO), executor.desk.now()),
        Wanted::Sealed(recipients) => {
            let sealed = sealed(executor, scene, recipients)?;
            let there = executor.pre_images.join(format!("{}-{BEFORE}{AGE}", sealed.stem));
            if fs::symlink_metadata(&there).is_ok() {
                // An attempt that was cut off has kept it: nothing changes before this step is done.
                return Ok(());
            }
            match backend.pre_image(&scene.key.at)? {
                Some(image) => image.lend(|image| sealed.write(BEFORE, image)),
                None => Ok(()),
            }
        }
    }
}

/// The name of what stood in the backend before.
const BEFORE: &str = "before";

/// A value as JSON: text and numbers as they are written, bytes in hex.
fn text(value: Value<'_>) -> serde_json::Value {
    let mut written = String::new();
    match (value, value.write_to(&mut written)) {
        (Value::Blob(_), _) => serde_json::json!({ "hex": written }),
        (_, true) => written.into(),
        (other, false) => {
            other.bytes().map_or(serde_json::Value::Null, |bytes| serde_json::json!({ "hex": hex::encode(bytes) }))
        }
    }
}
