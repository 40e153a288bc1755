//! Where the values of secrets are read: variables that the wiring lends us, private files, the operator's commands.

use crate::command::Job;
use crate::command::Runner;
use crate::disk;
use crate::fault::Fault;
use crate::port::probe::Secrets;
use crate::secret::Secret;
use crate::secret::Source;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a command that prints a secret may take.
const WITHIN: Duration = Duration::from_secs(60);
/// No certificate with its chain and no list of authorities is larger.
const OPEN_BYTES_MAX: u64 = 1 << 20;

/// Reads secrets for one project.
pub struct Revealer<V> {
    variable: V,
    runner: Arc<Runner>,
}

impl<V: Fn(&str) -> Option<Vec<u8>>> Revealer<V> {
    /// `variable` gives the value of an environment variable; files are found from the runner's folder.
    pub fn new(variable: V, runner: Arc<Runner>) -> Self {
        Self { variable, runner }
    }
}

impl<V: Fn(&str) -> Option<Vec<u8>> + Send + Sync> Secrets for Revealer<V> {
    fn reveal(&self, source: &Source) -> Result<Secret, Fault> {
        let doing = format!("read the secret in {source}");
        let secret = match source {
            Source::Env(name) => {
                let value = (self.variable)(name).map(Secret::from_vec);
                value.ok_or_else(|| Fault::ask_operator(&doing, "the variable is not set"))?
            }
            Source::File(path) => without_newline(&disk::read_private(&self.runner.root().join(path))?),
            Source::Command(words) => {
                let ran = self.runner.must(&Job::new(&doing, words.clone(), WITHIN))?;
                if ran.cut {
                    return Err(Fault::ask_operator(&doing, "it printed more than is read"));
                }
                without_newline(&Secret::from_vec(ran.stdout))
            }
        };
        if secret.is_empty() {
            return Err(Fault::ask_operator(&doing, "there is nothing in it"));
        }
        Ok(secret)
    }

    fn read(&self, source: &Source) -> Result<Secret, Fault> {
        let Source::File(path) = source else { return self.reveal(source) };
        let doing = format!("read {source}");
        let failed = |error| Fault::io(&doing, &error);
        let file = File::open(self.runner.root().join(path)).map_err(failed)?;
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(OPEN_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        match u64::try_from(bytes.len()) {
            Ok(0) => Err(Fault::ask_operator(&doing, "there is nothing in it")),
            Ok(length) if length <= OPEN_BYTES_MAX => {
                Ok(without_newline(&Secret::from_vec(std::mem::take(&mut *bytes))))
            }
            _ => Err(Fault::ask_operator(&doing, "it is larger than any certificate or token")),
        }
    }
}

/// Without the newline that editors and `echo` put at the end.
fn without_newline(secret: &Secret) -> Secret {
    let mut kept = secret.lend(|bytes| {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        Zeroizing::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
    });
    Secret::from_vec(std::mem::take(&mut *kept))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests {
    use super::Revealer;
    use crate::command::Runner;
    use crate::port::probe::Secrets;
    use crate::secret::Source;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    #[test]
    fn secrets_come_from_where_the_policy_says() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("private");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        let file = folder.join("token");
        fs::write(&file, "canary\r\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let runner = Arc::new(Runner::new(root.path(), ["echo".to_owned(), "true".to_owned()]));
        let revealer = Revealer::new(|name: &str| (name == "TOKEN").then(|| b" from env ".to_vec()), runner);
        let reveal = |source: Source| {
            revealer.reveal(&source).map(|secret| secret.lend(|bytes| String::from_utf8(bytes.to_vec()).unwrap()))
        };
        let command = |words: &[&str]| Source::Command(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(reveal(Source::Env("TOKEN".to_owned())).unwrap(), " from env ");
        assert_eq!(reveal(Source::File("private/token".to_owned())).unwrap(), "canary");
        assert_eq!(reveal(command(&["echo", "a b"])).unwrap(), "a b");
        for (source, why) in [
            (Source::Env("OTHER".to_owned()), "variable `OTHER`: the variable is not set"),
            (command(&["true"]), "there is nothing in it"),
            (command(&["cat", "token"]), "`cat` is not a program that may run"),
            (Source::File("absent".to_owned()), "could not read"),
        ] {
            let said = reveal(source).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(reveal(Source::File("private/token".to_owned())).is_err());
    }
}
