//! A service that seals its own rows anew, asked by one gRPC method of the policy's choice.
//!
//! The shapes of its messages are learnt from the server or from files, once; what the policy says of them is tried against
//! them before anything is asked. Each call has a connection of its own, so that no call dies of one that stood too long.

mod fit;
mod line;
mod reflection;
mod reply;
mod request;
mod shapes;
mod subject;
#[cfg(test)]
mod tests;
mod trouble;

use crate::command::Job;
use crate::command::Runner;
use crate::command::printable;
use crate::digest;
use crate::fault::Fault;
use crate::policy::meant::store::Grpc as Meant;
use crate::policy::meant::store::ScopeValues;
use crate::port::probe::Secrets;
use crate::port::store::Known;
use crate::port::store::Service;
use crate::port::store::Versions;
use crate::port::store::service::Reply;
use fit::Fitted;
use line::Line;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// How often a call is made at the most, where the method may be repeated.
const CALLS_MAX: u32 = 3;
/// How long before the first repetition; twice as long before the next.
const REST: Duration = Duration::from_millis(250);
/// How long the command that names scopes may take.
const SCOPES_WITHIN: Duration = Duration::from_secs(120);
/// More scopes than this are a mistake.
const SCOPES_MAX: usize = 100_000;

/// A service and its method.
pub struct Grpc {
    meant: Meant,
    folder: PathBuf,
    secrets: Arc<dyn Secrets>,
    runner: Arc<Runner>,
    fitted: Mutex<Option<Arc<Fitted>>>,
}

impl Grpc {
    /// The service as the policy means it. Files are found from `folder`; nothing is asked yet.
    #[must_use]
    pub fn new(meant: Meant, folder: &Path, secrets: Arc<dyn Secrets>, runner: Arc<Runner>) -> Self {
        Self { meant, folder: folder.to_owned(), secrets, runner, fitted: Mutex::new(None) }
    }

    fn line(&self, doing: &str) -> Result<Line, Fault> {
        Line::new(doing, &self.meant, self.secrets.as_ref())
    }

    /// The method and its messages, once the policy has been found to fit them.
    fn fitted(&self, line: &Line) -> Result<Arc<Fitted>, Fault> {
        let mut fitted = self.fitted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*fitted {
            return Ok(Arc::clone(known));
        }
        let pool = shapes::resolve(&self.meant, &self.folder, line)?;
        let fresh = Arc::new(Fitted::new(&self.meant, &pool)?);
        *fitted = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}

impl Service for Grpc {
    /// The address, and whom the server's certificate is for: a renewed certificate is the same world. Without TLS, or where
    /// the certificate names nobody, the address alone.
    fn world(&self) -> Result<String, Fault> {
        let line = self.line("reach the service")?;
        let subject = line.peer()?.as_deref().and_then(subject::of).unwrap_or_default();
        let shown = digest::of("keyrota/world/grpc", &[line.authority().as_bytes(), &subject]).short();
        Ok(format!("grpc:{}:{shown}", line.authority()))
    }

    fn call(&self, scope: Option<&str>, dry_run: bool) -> Result<Reply, Fault> {
        let what = if dry_run { "look with" } else { "move values with" };
        let line = self.line(&format!("{what} `{}`", self.meant.method))?;
        let fitted = self.fitted(&line)?;
        let request = fitted.request(&self.meant, scope, dry_run)?;
        let calls = if self.meant.idempotent { CALLS_MAX } else { 1 };
        let answer = line.call(&fitted.path(), &request, (calls, REST), scope)?;
        fitted.reply(&self.meant, line.doing(), &answer)
    }

    fn scopes(&self) -> Result<Vec<String>, Fault> {
        let doing = "name the scopes of a roll-out";
        let scopes = match self.meant.scope.as_ref().map(|scope| &scope.values) {
            None => Vec::new(),
            Some(ScopeValues::Listed(values)) => values.clone(),
            Some(ScopeValues::FromCommand(command)) => {
                let words = command.iter().map(|word| word.as_str().to_owned()).collect();
                let ran = self.runner.must(&Job::new(doing, words, SCOPES_WITHIN))?;
                if ran.cut {
                    return Err(Fault::ask_operator(doing, "the command printed more than is read"));
                }
                let text = String::from_utf8(ran.stdout);
                let text = text.map_err(|_| Fault::ask_operator(doing, "the command did not print text"))?;
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
            }
        };
        if scopes.len() > SCOPES_MAX {
            return Err(Fault::ask_operator(doing, format!("there are more than {SCOPES_MAX}")));
        }
        let mut known = BTreeSet::new();
        // A call with an empty scope is one for everything: nobody meant that.
        match scopes.iter().find(|scope| scope.trim().is_empty() || !known.insert(scope.as_str())) {
            Some(odd) => Err(Fault::ask_operator(doing, format!("`{}` is empty or named twice", printable(odd)))),
            None => Ok(scopes),
        }
    }

    fn written(&self, versions: &Versions) -> Result<Vec<Known>, Fault> {
        versions.written(&self.meant.reply.is, &format!("replies of `{}`", self.meant.method))
    }

    fn shapes(&self) -> Result<String, Fault> {
        let line = self.line(&format!("learn the shapes of `{}`", self.meant.method))?;
        Ok(self.fitted(&line)?.told(&self.meant))
    }

    fn method(&self) -> &str {
        &self.meant.method
    }
}
