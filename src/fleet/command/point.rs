//! A member's own pointer: one scalar in its configuration file.

use crate::disk;
use crate::fault::Fault;
use crate::model::Member;
use crate::pointer;
use crate::pointer::Format;
use crate::policy::meant::Pointer;
use crate::port::facts::Facts;
use std::fs;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// No configuration file is larger.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads where a member points.
pub(super) fn read(root: &Path, pointer: &Pointer, member: &Member, doing: &str) -> Result<String, Fault> {
    let file = file(root, pointer, member, doing)?;
    pointer::read(file.format, &file.text(doing)?, &pointer.at).map_err(|unfit| file.unfit(doing, &unfit))
}

/// Points a member at a version. A file that says so already is not touched.
pub(super) fn write(root: &Path, pointer: &Pointer, member: &Member, value: &str, doing: &str) -> Result<(), Fault> {
    let file = file(root, pointer, member, doing)?;
    // What a crash left of an earlier attempt lies beside a file that is not ours.
    disk::sweep(&file.path)?;
    let before = file.text(doing)?;
    let after = pointer::write(file.format, &before, &pointer.at, value).map_err(|unfit| file.unfit(doing, &unfit))?;
    if after == before {
        return Ok(());
    }
    // The file is somebody else's: what they wrote while we thought must not be lost.
    if file.text(doing)? != before {
        return Err(Fault::retry(doing, format!("`{}` was changed at this very moment", file.path.display())));
    }
    disk::replace(&file.path, after.as_bytes())
}

struct File {
    path: PathBuf,
    format: Format,
}

impl File {
    fn text(&self, doing: &str) -> Result<String, Fault> {
        let bytes = disk::read(&self.path, FILE_BYTES_MAX)?;
        String::from_utf8(bytes)
            .map_err(|_| Fault::ask_operator(doing, format!("`{}` is no text", self.path.display())))
    }

    fn unfit(&self, doing: &str, unfit: &pointer::Unfit) -> Fault {
        Fault::ask_operator(doing, format!("`{}`: {unfit}", self.path.display()))
    }
}

/// The member's file, below the project's folder unless it is named from the machine's root; through no symbolic link of ours,
/// and never upwards: a member's name may come from a table that others write.
fn file(root: &Path, pointer: &Pointer, member: &Member, doing: &str) -> Result<File, Fault> {
    let named = Facts::none().with_member(member).fill(&pointer.file);
    let named = named.map_err(|missing| Fault::ask_operator(doing, missing))?;
    let format = Format::of(&named).ok_or_else(|| {
        Fault::ask_operator(doing, format!("`{}` is neither TOML, JSON nor YAML by its name", named.escape_debug()))
    })?;
    let mut path = root.to_owned();
    for part in Path::new(&named).components() {
        match part {
            Component::Normal(_) | Component::RootDir => path.push(part),
            Component::CurDir => continue,
            Component::ParentDir | Component::Prefix(_) => {
                return Err(Fault::ask_operator(doing, format!("`{}` leads up by `..`", named.escape_debug())));
            }
        }
        let is_link = || fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_symlink());
        if path.starts_with(root) && is_link() {
            return Err(Fault::ask_operator(doing, format!("`{}` is a symbolic link", path.display()))
                .hint("name the file that it points to"));
        }
    }
    Ok(File { path, format })
}
