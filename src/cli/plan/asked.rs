//! What `plan` is asked for beyond what is due: at most one thing.

use crate::cli::exit::Fail;
use crate::cli::target::Exactly;
use crate::decision::Wish;
use crate::model::KeyName;
use crate::policy::Project;

/// The arguments that ask for a plan of another kind.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// Plan this key, due or not.
    #[arg(long, value_name = "POLICY/KEY")]
    key: Option<KeyName>,
    /// Plan to go to this version, which is there already; both stay readable.
    #[arg(long, value_name = "POLICY/KEY@VERSION")]
    to: Option<Exactly>,
    /// Plan to take this key's last rotation back; both versions stay readable.
    #[arg(long, value_name = "POLICY/KEY")]
    back: Option<KeyName>,
    /// Others know this version: plan the shortest safe way away from it, and tell what would break without it.
    #[arg(long, value_name = "POLICY/KEY@VERSION")]
    compromised: Option<Exactly>,
    /// Plan to destroy the old versions whose time has come.
    #[arg(long)]
    pub(super) destroy: bool,
}

impl Asked {
    /// What it comes to, of a key that some policy has.
    pub(super) fn wish(&self, project: &Project) -> Result<Wish, Fail> {
        let asked = [
            self.key.clone().map(|key| (format!("--key {key}"), Wish::Rotate(key))),
            self.to.clone().map(|Exactly { key, version }| (format!("--to {key}@{version}"), Wish::To(key, version))),
            self.back.clone().map(|key| (format!("--back {key}"), Wish::Back(key))),
            self.compromised.clone().map(|Exactly { key, version }| {
                (format!("--compromised {key}@{version}"), Wish::Compromised(key, version))
            }),
            self.destroy.then(|| ("--destroy".to_owned(), Wish::Destroy)),
        ];
        let mut asked = asked.into_iter().flatten();
        let Some((first, wish)) = asked.next() else { return Ok(Wish::WhatIsDue) };
        if let Some((second, _)) = asked.next() {
            let why = format!("`{first}` and `{second}` ask for two different plans");
            return Err(Fail::refused(why, "ask for one of them"));
        }
        wish.key().map_or(Ok(()), |key| known(project, key))?;
        Ok(wish)
    }
}

fn known(project: &Project, key: &KeyName) -> Result<(), Fail> {
    let all = project.policies.iter().flat_map(|policy| policy.keys.keys().map(|name| policy.key_name(name)));
    let all: Vec<String> = all.map(|name| name.to_string()).collect();
    if all.contains(&key.to_string()) {
        return Ok(());
    }
    let near = all.iter().min_by_key(|name| strsim::levenshtein(name, &key.to_string()));
    let hint = near.map_or_else(|| "no policy has a key".to_owned(), |near| format!("did you mean `{near}`?"));
    Err(Fail::refused(format!("no policy has a key `{key}`"), hint))
}
