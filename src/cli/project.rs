//! A project's folder, read from disk.

use crate::cli::exit::Fail;
use crate::cli::wire;
use crate::disk;
use crate::fault::Fault;
use crate::model::KeyName;
use crate::policy;
use crate::policy::Around;
use crate::policy::FILE_BYTES_MAX;
use crate::policy::Policy;
use crate::policy::Project;
use crate::policy::Read;
use crate::policy::Text;
use crate::policy::Texts;
use crate::policy::meant::Key;
use crate::policy::meant::project::Settings;
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
    meant(folder, &texts)
}

/// The project file alone: enough to find the journal, also while a policy is being edited.
pub(super) fn settings(folder: &Path) -> Result<Settings, Fail> {
    let texts = Texts { policies: Vec::new(), ..texts(folder)? };
    Ok(meant(folder, &texts)?.project.settings)
}

/// The settings in another project file.
pub(super) fn settings_in(file: &Path) -> Result<Settings, Fail> {
    let cap = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let text = Text::new(file.display().to_string(), disk::read(file, cap)?);
    let folder = file.parent().unwrap_or(Path::new("."));
    Ok(meant(folder, &Texts { settings: Some(text), policies: Vec::new() })?.project.settings)
}

/// A key of the project by its name.
pub(super) fn key<'a>(project: &'a Project, name: &KeyName) -> Result<(&'a Policy, &'a Key), Fail> {
    let policy = project.policies.iter().find(|policy| policy.name == *name.policy());
    if let Some(found) = policy.and_then(|policy| Some((policy, policy.keys.get(name.key())?))) {
        return Ok(found);
    }
    let all = project.policies.iter().flat_map(|policy| policy.keys.keys().map(|name| policy.key_name(name)));
    let all: Vec<String> = all.map(|name| name.to_string()).collect();
    let hint = nearest(&name.to_string(), all.iter().map(String::as_str));
    let hint = hint.unwrap_or_default() + "`keyrota status --all` lists every key";
    Err(Fail::refused(format!("no policy has a key `{name}`"), hint))
}

/// `did you mean ..?; `, where something is near enough.
pub(super) fn nearest<'a>(text: &str, all: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = all.map(|name| (strsim::levenshtein(name, text), name)).min()?;
    (near.0 <= text.len().max(3) / 2).then(|| format!("did you mean `{}`? ", near.1))
}

fn meant(folder: &Path, texts: &Texts) -> Result<Read, Fail> {
    let env = |name: &str| wire::variable(name).and_then(|value| String::from_utf8(value).ok());
    let file = |name: &str| -> Result<String, Fault> {
        let bytes = disk::read(&folder.join(name), LISTED_BYTES_MAX)?;
        String::from_utf8(bytes).map_err(|_| Fault::ask_operator(format!("read `{name}`"), "it is not UTF-8 text"))
    };
    let around = Around { env: &env, file: &file, built: &wire::BUILT };
    policy::read(texts, &around).map_err(Fail::Problems)
}

/// The most bytes of a file that a policy names.
const LISTED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A text of the project: what does not read well in it is shown. So a link may lead to another `.toml` of the same folder, as
/// mounted configurations do, and not to a key or to somebody else's secret.
fn text(folder: &Path, name: &str, cap: u64) -> Result<Vec<u8>, Fail> {
    let path = folder.join(name);
    let real = |path: &Path| {
        path.canonicalize().map_err(|error| Fault::io(format!("find out where `{}` leads", path.display()), &error))
    };
    if path.is_symlink() {
        let target = real(&path)?;
        if !target.starts_with(real(folder)?) || target.extension().is_none_or(|ending| ending != "toml") {
            let why = format!("`{}` is a symbolic link to something other than a `.toml` beside it", path.display());
            return Err(Fail::refused(why, "put the text itself there: a link could show what nobody should read"));
        }
    }
    Ok(disk::read(&path, cap)?)
}

fn texts(folder: &Path) -> Result<Texts, Fail> {
    let cap = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let settings = match folder.join(SETTINGS).exists() {
        true => Some(Text::new(SETTINGS, text(folder, SETTINGS, cap)?)),
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
                policies.push(Text::new(format!("{POLICIES}/{name}"), text(&inside, &name, cap)?));
            }
        }
    }
    policies.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(Texts { settings, policies })
}
