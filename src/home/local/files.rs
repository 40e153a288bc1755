//! Looking at the home's own files: never through a link, never one that others may write.

use std::fs;
use std::fs::File;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::fault::Fault;

/// Which file it is, whatever its name.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(facts: &Metadata) -> Identity {
    (facts.dev(), facts.ino())
}

/// The flags with which a file of ours is opened.
pub(super) fn flags() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed()
}

/// A folder of ours, where it is there, is a true one that nobody else may write.
pub(super) fn check_folder(path: &Path) -> Result<(), Fault> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Fault::io(format!("look at `{}`", path.display()), &error)),
        Ok(facts) if facts.is_dir() => check_mode(path, &facts, "700"),
        Ok(_) => Err(Fault::ask_operator(format!("use `{}`", path.display()), "it is not a folder")
            .hint("the journal's folder may not be a link: name the folder itself in `[home]`")),
    }
}

/// Opens a file of ours to read. Nothing where it is not there.
pub(super) fn open_ours(path: &Path) -> Result<Option<File>, Fault> {
    let failed = |error: &io::Error| Fault::io(format!("open `{}`", path.display()), error);
    let file = match OpenOptions::new().read(true).custom_flags(flags()).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| failed(&error))?,
    };
    let facts = file.metadata().map_err(|error| failed(&error))?;
    if !facts.is_file() {
        return Err(Fault::ask_operator(format!("open `{}`", path.display()), "it is not a regular file"));
    }
    check_mode(path, &facts, "600")?;
    Ok(Some(file))
}

/// Others may read it (there is no secret in it), but whoever may write it may change the past.
fn check_mode(path: &Path, facts: &Metadata, mended: &str) -> Result<(), Fault> {
    let mode = facts.mode() & 0o7777;
    if mode & 0o022 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Fault::ask_operator(format!("trust `{path}`"), format!("others than its owner may write it (mode {mode:04o})"))
        .hint(format!("`chmod {mended} {path}`, and check it with `keyrota journal verify`")))
}

/// The names in a folder, as far as they are text. None where it is not there.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Fault> {
    check_folder(folder)?;
    let listed = || -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        entries
            .filter_map(|entry| match entry {
                Ok(entry) => entry.file_name().into_string().ok().map(Ok),
                Err(error) => Some(Err(error)),
            })
            .collect()
    };
    listed().map_err(|error| Fault::io(format!("list `{}`", folder.display()), &error))
}
