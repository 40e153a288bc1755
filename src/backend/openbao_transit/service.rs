//! What the engine opens and seals for us: in batches, each value with an answer of its own, as much at once as it takes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::backend::openbao_transit::body::Body;
use crate::command::printable;
use crate::fault::Fault;
use crate::gauge::Gauge;
use crate::gauge::Limits;
use crate::gauge::Push;
use crate::gauge::Quota;
use crate::gauge::Went;
use crate::model::VersionId;
use crate::openbao::Ask;
use crate::openbao::Client;
use crate::openbao::REQUEST_BYTES_MAX;
use crate::openbao::Right;
use crate::port::service::Answer;
use crate::port::service::Asked;
use crate::port::service::No;
use crate::port::service::Plain;
use crate::port::service::Service;
use crate::secret::Secret;

/// So often one value is asked about again, where the answer says that it may.
const AGAIN_MAX: u32 = 3;

/// One key of the engine.
pub(super) struct Served {
    name: String,
    client: Arc<Client>,
    mount: String,
    at: String,
    share: Option<u8>,
    gauge: Gauge,
    told: OnceLock<()>,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    data: Option<Batch<'a>>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow, default)]
    batch_results: Vec<One<'a>>,
}

/// The answer about one value.
#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow, default)]
    ciphertext: &'a str,
    #[serde(borrow, default)]
    plaintext: &'a str,
    #[serde(borrow, default)]
    error: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct Listed {
    data: Names,
}

#[derive(Deserialize)]
struct Names {
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Limit {
    data: Rate,
}

#[derive(Deserialize)]
struct Rate {
    #[serde(default)]
    path: String,
    rate: f64,
    #[serde(default)]
    interval: f64,
}

impl Served {
    pub(super) fn new(name: &str, client: &Arc<Client>, mount: &str, at: &str, share: Option<u8>) -> Self {
        Self {
            name: name.to_owned(),
            client: Arc::clone(client),
            mount: mount.to_owned(),
            at: at.to_owned(),
            share,
            gauge: Gauge::new(Limits { share, ..Limits::default() }),
            told: OnceLock::new(),
        }
    }

    /// Where only a share of the server's quota is ours, the quota must be known before anything is asked.
    fn know_quota(&self) -> Result<(), Fault> {
        if self.share.is_none() || self.told.get().is_some() {
            return Ok(());
        }
        let doing = format!("see the quota of backend `{}`", self.name);
        let path = "sys/quotas/rate-limit";
        let hint = "let the login read `sys/quotas/rate-limit` and what is below it, or write `pace` in rows a second";
        // Within a namespace nobody tells: then the answers have to, by their headers.
        let listed = match self.client.list(&doing, path) {
            Ok(listed) if listed.status == 400 => {
                let _known = self.told.set(());
                return Ok(());
            }
            listed => listed.map_err(|fault| fault.hint(hint))?,
        };
        let names = if listed.is_good() { listed.json::<Listed>(&doing)?.data.keys } else { Vec::new() };
        let mut least: Option<(f64, Quota)> = None;
        for name in names {
            let answer = self.client.get(&doing, &format!("{path}/{name}")).map_err(|fault| fault.hint(hint))?;
            if !answer.is_good() {
                return Err(self.client.unexpected(&doing, path, &answer));
            }
            let Rate { path: on, rate, interval } = answer.json::<Limit>(&doing)?.data;
            let on = on.trim_matches('/');
            let ours = format!("{}/", self.mount);
            if !(on.is_empty() || ours.starts_with(&format!("{on}/")) || on.starts_with(&ours)) || rate <= 0.0 {
                continue;
            }
            let per = if interval > 0.0 { interval } else { 1.0 };
            if least.as_ref().is_none_or(|(known, _)| rate / per < *known) {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a positive rate, rounded down"
                )]
                let requests = rate as u64;
                least = Some((rate / per, Quota { requests, per: Duration::from_secs_f64(per), left: None }));
            }
        }
        let Some((_, quota)) = least else {
            return Err(Fault::ask_operator(doing, format!("no rate limit is set for mount `{}`", self.mount))
                .hint("take `share_of_quota` out of the store's `pace`, or write it in rows a second"));
        };
        self.gauge.tell(quota);
        let _known = self.told.set(());
        Ok(())
    }

    /// Asks one request about values of the batch, each written by `write`.
    fn request<T>(
        &self,
        (doing, verb): (&str, &'static str),
        values: Range<usize>,
        write: &(impl Fn(usize, &mut Body) + Sync),
        read: &(impl Fn(&One<'_>) -> Answer<T> + Sync),
    ) -> Result<Went<Answer<T>>, Push> {
        let count = values.len();
        let mut body = Body::default();
        body.put(b"{\"batch_input\":[");
        for (nth, at) in values.enumerate() {
            if nth > 0 {
                body.put(b",");
            }
            write(at, &mut body);
        }
        body.put(b"]}");
        let body = body.done();
        if body.len() > REQUEST_BYTES_MAX {
            return Err(Push::TooLarge(Fault::ask_operator(doing, "a value is larger than the server takes")));
        }
        let path = format!("{}/{verb}/{}", self.mount, self.at);
        let ask = Ask {
            doing,
            right: Right::Write,
            method: "POST",
            path: &path,
            body: Some(&body),
            again: true,
            // How long to wait is the gauge's, who asks with several at once.
            patient: false,
        };
        let answer = self.client.ask(&ask).map_err(|fault| match fault.may_retry() {
            true if fault.source.contains("status 429") => Push::Busy(fault, None),
            true => Push::Lost(fault),
            false if fault.source.contains("too large") => Push::TooLarge(fault),
            false => Push::Fault(fault),
        })?;
        let answers: Option<Vec<Answer<T>>> = answer.body.lend(|bytes| {
            let told = serde_json::from_slice::<Told<'_>>(bytes).ok()?.data?;
            (told.batch_results.len() == count).then(|| told.batch_results.iter().map(read).collect())
        });
        let quota = answer.limit.map(|limit| Quota {
            requests: limit.requests,
            per: Duration::from_secs(limit.seconds.max(1)),
            left: Some(limit.left),
        });
        match answers {
            Some(answers) if answer.is_good() || answer.status == 400 => Ok(Went { answers, quota }),
            _ if answer.status == 400 && is_too_large(&answer.said()) => {
                Err(Push::TooLarge(self.client.unexpected(doing, &path, &answer)))
            }
            _ if answer.is_good() => Err(Push::Fault(Fault::give_up(doing, "the server answered about other values"))),
            _ => Err(Push::Fault(self.client.unexpected(doing, &path, &answer))),
        }
    }

    /// Asks about all of the values, and again about those whose answer says that it may be another one later.
    fn ask<T: Send>(
        &self,
        (doing, verb): (&str, &'static str),
        count: usize,
        write: impl Fn(usize, &mut Body) + Sync,
        read: impl Fn(&One<'_>) -> Answer<T> + Sync,
    ) -> Result<Vec<Answer<T>>, Fault> {
        self.know_quota()?;
        let mut answers = self.gauge.run(verb, count, |values| self.request((doing, verb), values, &write, &read))?;
        for _ in 0..AGAIN_MAX {
            let passing = |answer: &Answer<T>| matches!(answer, Err(No::Said(why)) if passes(why));
            let again: Vec<usize> =
                answers.iter().enumerate().filter(|(_, answer)| passing(answer)).map(|(at, _)| at).collect();
            if again.is_empty() {
                break;
            }
            let write = |at: usize, body: &mut Body| write(again.get(at).copied().unwrap_or_default(), body);
            let anew =
                self.gauge.run(verb, again.len(), |values| self.request((doing, verb), values, &write, &read))?;
            for (at, answer) in again.iter().zip(anew) {
                if let Some(slot) = answers.get_mut(*at) {
                    *slot = answer;
                }
            }
        }
        Ok(answers)
    }
}

/// Whether a request held too much.
fn is_too_large(said: &str) -> bool {
    ["complexity", "too large", "too many", "exceed"].iter().any(|word| said.contains(word))
}

/// Whether what was said about one value may be otherwise a little later.
fn passes(said: &str) -> bool {
    ["timeout", "deadline", "temporarily", "try again", "connection"].iter().any(|word| said.contains(word))
}

/// What the server says about one value, in our words.
fn no(said: &str) -> No {
    if said.contains("disallowed by policy") || said.contains("version is too new") {
        return No::NoKey;
    }
    if said.contains("authentication failed") || said.contains("unable to decrypt") || said.contains("decryption error")
    {
        return No::DoesNotOpen;
    }
    match said.strip_prefix("invalid ciphertext: ") {
        Some(why) => No::Misfit(printable(why)),
        None => No::Said(printable(said)),
    }
}

/// The bytes of a value that was sealed, under the version that was asked for.
fn sealed(one: &One<'_>, target: &str) -> Answer<Vec<u8>> {
    if !one.error.is_empty() {
        return Err(no(&one.error));
    }
    let rest = one.ciphertext.strip_prefix("vault:v").and_then(|rest| rest.split_once(':'));
    match rest {
        Some((version, bytes)) if version == target => {
            STANDARD.decode(bytes).map_err(|_| No::Said("it answered with no base64".to_owned()))
        }
        Some((version, _)) => Err(No::Said(format!("it sealed under version `{}`", printable(version)))),
        None => Err(No::Said("it answered with no ciphertext".to_owned())),
    }
}

fn opened(one: &One<'_>) -> Answer<Secret> {
    if !one.error.is_empty() {
        return Err(no(&one.error));
    }
    STANDARD.decode(one.plaintext).map(Secret::from_vec).map_err(|_| No::Said("it answered with no base64".to_owned()))
}

impl Service for Served {
    fn rewrap(&self, values: &[Asked<'_>], target: &VersionId) -> Result<Vec<Answer<Vec<u8>>>, Fault> {
        let doing = format!("have values of `{}` sealed anew by backend `{}`", self.at, self.name);
        let write = |at: usize, body: &mut Body| {
            if let Some(value) = values.get(at) {
                body.ciphertext(value);
                body.put(b"}");
            }
        };
        self.ask((&doing, "rewrap"), values.len(), write, |one| sealed(one, target.as_str()))
    }

    fn open(&self, values: &[Asked<'_>]) -> Result<Vec<Answer<Secret>>, Fault> {
        let doing = format!("open values of `{}` by backend `{}`", self.at, self.name);
        let write = |at: usize, body: &mut Body| {
            if let Some(value) = values.get(at) {
                body.ciphertext(value);
                body.aad(value.aad);
                body.put(b"}");
            }
        };
        self.ask((&doing, "decrypt"), values.len(), write, opened)
    }

    fn seal(&self, values: &[Plain<'_>], version: &VersionId) -> Result<Vec<Answer<Vec<u8>>>, Fault> {
        let doing = format!("seal values of `{}` by backend `{}`", self.at, self.name);
        // To seal under a key that is not there would make one.
        let path = format!("{}/keys/{}", self.mount, self.at);
        let there = self.client.get(&doing, &path)?;
        if !there.is_good() {
            return Err(self.client.unexpected(&doing, &path, &there));
        }
        let write = |at: usize, body: &mut Body| {
            if let Some(value) = values.get(at) {
                body.put(b"{\"plaintext\":\"");
                value.bytes.lend(|bytes| body.coded(bytes));
                body.put(b"\",\"key_version\":");
                body.number(version);
                body.aad(value.aad);
                body.put(b"}");
            }
        };
        self.ask((&doing, "encrypt"), values.len(), write, |one| sealed(one, version.as_str()))
    }
}
