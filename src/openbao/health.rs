//! Who the server is, and what a login may do there.

use crate::fault::Fault;
use crate::openbao::Ask;
use crate::openbao::Client;
use crate::openbao::Right;
use crate::openbao::json;
use crate::openbao::trouble;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

#[derive(serde::Deserialize)]
struct Health {
    #[serde(default)]
    cluster_id: String,
    #[serde(default)]
    sealed: bool,
    #[serde(default = "yes")]
    initialized: bool,
}

fn yes() -> bool {
    true
}

/// What a login may do, path by path.
pub type Capabilities = BTreeMap<String, BTreeSet<String>>;

impl Client {
    /// The identity of the world behind a mount: the same after a restart, on another node of the cluster and under another
    /// address; another for another cluster, namespace or mount.
    ///
    /// # Errors
    /// The server cannot be asked, or is sealed.
    pub fn world(&self, mount: &str) -> Result<String, Fault> {
        let inner = &self.inner;
        let doing = format!("ask who {} is", inner.name);
        let sealed = |why: &str, hint: &str| Fault::retry(&doing, format!("{}: {why}", inner.place())).hint(hint);
        // Standbys answer with 429, sealed servers with 503: here that is no failure. Nobody needs to be logged in, and only
        // the topmost namespace answers.
        let path = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200&drsecondarycode=200";
        let ask =
            Ask { doing: &doing, right: Right::Read, method: "GET", path, body: None, again: true, patient: true };
        let heard = inner.without_namespace(&ask)?;
        let health = match heard.status {
            200 => heard.body.lend(|bytes| serde_json::from_slice::<Health>(bytes)).map_err(|_| {
                Fault::ask_operator(&doing, format!("{}: what answers there is no secrets server", inner.place()))
                    .hint("does `addr` lead to OpenBao or Vault, and not to a page in front of it?")
            })?,
            // A front that lets nobody ask for its health: the address is all there is.
            401..=405 => Health { cluster_id: String::new(), sealed: false, initialized: true },
            _ => return Err(trouble::fault(inner, &ask, &heard)),
        };
        if !health.initialized {
            return Err(sealed("the server is not initialised", "`bao operator init` comes first"));
        }
        if health.sealed {
            let hint = "unseal it (`bao operator unseal`), then run this again: nothing was changed";
            return Err(sealed("the server is sealed", hint));
        }
        let cluster = match health.cluster_id.as_str() {
            "" => inner.addr.clone(),
            id => format!("cluster {}", crate::command::printable(id)),
        };
        let namespace = inner.namespace.as_ref().map(|name| format!(", namespace {name}")).unwrap_or_default();
        Ok(format!("{cluster}{namespace}, mount {}", mount.trim_matches('/')))
    }

    /// What one of the logins may do at these paths (`root` means everything, `deny` nothing).
    ///
    /// # Errors
    /// The server cannot be asked.
    pub fn capabilities(&self, right: Right, paths: &[&str]) -> Result<Capabilities, Fault> {
        let doing = format!("ask what {} may do", self.inner.name);
        let path = "sys/capabilities-self";
        let body = &json(&doing, &serde_json::json!({ "paths": paths }))?;
        let ask = Ask { doing: &doing, right, method: "POST", path, body: Some(body), again: true, patient: true };
        let answer = self.ask(&ask)?;
        if !answer.is_good() {
            return Err(self.unexpected(&doing, path, &answer));
        }
        #[derive(serde::Deserialize)]
        struct Told {
            data: BTreeMap<String, serde_json::Value>,
        }
        let mut told = answer.json::<Told>(&doing)?.data;
        let words = |value: serde_json::Value| serde_json::from_value::<BTreeSet<String>>(value).unwrap_or_default();
        Ok(paths.iter().map(|path| ((*path).to_owned(), told.remove(*path).map(words).unwrap_or_default())).collect())
    }

    /// Whether one of the logins may do all of this; each a path and one of the words that allow it.
    ///
    /// # Errors
    /// Names every path and capability that is missing, and the lines to add; or the server cannot be asked.
    pub fn may(&self, doing: &str, right: Right, wanted: &[(&str, &[&str])]) -> Result<(), Fault> {
        // The server takes a question about nothing for a mistake.
        if wanted.is_empty() {
            return Ok(());
        }
        let paths: Vec<&str> = wanted.iter().map(|(path, _)| *path).collect();
        let told = self.capabilities(right, &paths)?;
        let (mut missing, mut lines) = (Vec::new(), Vec::new());
        for (path, words) in wanted {
            let has = told.get(*path).cloned().unwrap_or_default();
            let lacks: Vec<&&str> =
                words.iter().filter(|word| !has.contains("root") && !has.contains(**word)).collect();
            if has.contains("deny") || !lacks.is_empty() {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                missing.push(format!("{} on `{path}`", quoted.join(", ")));
                lines.push(format!("`{}`", trouble::policy_line(path, &quoted.join(", "))));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let login = self.inner.tokens.login(right).shown();
        let why = format!("{}: {login} may not: {}", self.inner.place(), missing.join("; "));
        Err(Fault::ask_operator(doing, why).hint(format!("add to its policy: {}", lines.join(" "))))
    }
}
