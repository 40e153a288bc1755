//! Pre-images: wrapped values as they were before a rewrap replaced them, one JSON object a line, in a private
//! file per run and key, until a plan deletes them. They hold no key material; what they hold opens with the old version only.

use crate::digest;
use crate::disk;
use crate::disk::Appender;
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
use crate::port::store::Value;
use std::path::Path;
use std::path::PathBuf;

/// Where a run's pre-images of one key are kept. A key's name may hold what a file's may not, so its digest stands for it.
#[must_use]
pub fn file(folder: &Path, run: &str, key: &KeyName) -> PathBuf {
    let key = digest::of("keyrota pre-images", &[key.to_string().as_bytes()]);
    folder.join(format!("{run}-{}.jsonl", key.short()))
}

/// Deletes the pre-images that these runs kept of a key. Twice is once.
pub(super) fn discard(folder: &Path, key: &KeyName, runs: &[String]) -> Result<Outcome, Fault> {
    for run in runs {
        // A plan could be made to name any file.
        let run: RunId = run.parse().map_err(|bad| Fault::give_up(format!("delete pre-images of `{key}`"), bad))?;
        disk::remove(&file(folder, run.as_str(), key))?;
    }
    let facts = Facts::from([(PRE_IMAGES_DELETED.to_owned(), runs.join(" ").into())]);
    Ok(Outcome::Done { facts, change: Vec::new() })
}

/// Keeps what a rewrap is about to replace.
pub(super) struct Keeper {
    appender: Appender,
    key: KeyName,
    store: Name,
}

impl Keeper {
    /// Keeps values of this key and store in the run's file.
    pub(super) fn open(folder: &Path, run: &str, key: &KeyName, store: &Name) -> Result<Self, Fault> {
        disk::make_folder(folder, disk::PRIVATE_FOLDER)?;
        let appender = Appender::open(&file(folder, run, key), disk::PRIVATE_FILE)?;
        Ok(Self { appender, key: key.clone(), store: store.clone() })
    }

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
        self.appender.append(&lines)?;
        self.appender.sync()
    }
}

/// Who keeps pre-images of one store, where the policy asks for them.
pub(super) fn keeper(executor: &Executor<'_, '_>, scene: &Scene<'_>, store: &Name) -> Result<Option<Keeper>, Fault> {
    // Where only a service opens what it sealed, nobody can look at a value twice: what it replaces is kept until the run ends.
    let served = scene.planned.base.able.reopens == Reopens::Service;
    let wanted = match &scene.key.pre_images {
        None if served => None,
        None => return Ok(None),
        wanted => wanted.as_ref(),
    };
    if let Some(wanted) = wanted.filter(|wanted| wanted.to != "file") {
        let doing = format!("keep pre-images of `{}`", scene.name());
        return Err(Fault::give_up(doing, format!("this build cannot keep them in `{}`", wanted.to))
            .hint("use `to = \"file\"`"));
    }
    let run = executor.desk.run()?;
    Keeper::open(executor.pre_images, run.as_str(), scene.name(), store).map(Some)
}

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
