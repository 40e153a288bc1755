//! A project's folder, read from disk.

use crate::cli::exit::Fail;
use crate::cli::wire;
use crate::disk;
use crate::fault::Fault;
use crate::policy;
use crate::policy::Around;
use crate::policy::FILE_BYTES_MAX;
use crate::policy::Read;
use crate::policy::Text;
use crate::policy::Texts;
use std::path::Path;

/// The project file.
const SETTINGS: &str = "keyrota.toml";
/// The folder of policies.
const POLICIES: &str = "policies";

/// Reads the project in this folder.
pub(super) fn read(folder: &Path) -> Result<Read, Fail> {
    let texts = texts(folder)?;
    if texts.policies.is_empty() {
        let why = format!("there is no policy in `{}`", folder.join(POLICIES).display());
        return Err(Fail::refused(why, "`keyrota init` writes a first one; `-C FOLDER` names another project"));
    }
    let env = |name: &str| wire::variable(name).and_then(|value| String::from_utf8(value).ok());
    let file = |name: &str| -> Result<String, Fault> {
        let bytes = disk::read(&folder.join(name), LISTED_BYTES_MAX)?;
        String::from_utf8(bytes).map_err(|_| Fault::ask_operator(format!("read `{name}`"), "it is not UTF-8 text"))
    };
    let around = Around { env: &env, file: &file, built: &wire::BUILT };
    policy::read(&texts, &around).map_err(Fail::Problems)
}

/// The most bytes of a file that a policy names.
const LISTED_BYTES_MAX: u64 = 64 * 1024 * 1024;

fn texts(folder: &Path) -> Result<Texts, Fail> {
    let cap = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let settings = folder.join(SETTINGS);
    let settings = match settings.exists() {
        true => Some(Text::new(SETTINGS, disk::read(&settings, cap)?)),
        false => None,
    };
    let mut policies = Vec::new();
    let inside = folder.join(POLICIES);
    if inside.is_dir() {
        let doing = || format!("list `{}`", inside.display());
        let entries = std::fs::read_dir(&inside).map_err(|error| Fault::io(doing(), &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Fault::io(doing(), &error))?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if name.ends_with(".toml") && !name.starts_with('.') {
                policies.push(Text::new(format!("{POLICIES}/{name}"), disk::read(&entry.path(), cap)?));
            }
        }
    }
    policies.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(Texts { settings, policies })
}
