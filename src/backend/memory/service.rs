//! The service beside the keys in memory. It is as strict as a real one: it takes so many values a request and no more, throttles,
//! opens nothing that is disabled, and answers about each value by itself.

use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::Places;
use crate::envelope::Cipher;
use crate::envelope::Refused;
use crate::envelope::Seal;
use crate::envelope::Sealed;
use crate::envelope::key::LocalKey;
use crate::fault::Fault;
use crate::gauge::Gauge;
use crate::gauge::Limits;
use crate::gauge::Push;
use crate::gauge::Quota;
use crate::gauge::Went;
use crate::model::VersionId;
use crate::port::service::Answer;
use crate::port::service::Asked;
use crate::port::service::No;
use crate::port::service::Plain;
use crate::port::service::Service;
use crate::port::trouble::Trouble;
use crate::secret::Secret;

/// How a service behaves.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// The most values in one request; associated data counts as one more.
    pub values_max: usize,
    /// It pushes back at one request out of so many.
    pub busy_every: u64,
    /// It loses the answer of one request out of so many, with the work done.
    pub loses_every: u64,
    /// Its quota, where it tells.
    pub quota: Option<Quota>,
}

impl Default for Manners {
    fn default() -> Self {
        Self { values_max: 499, busy_every: 7, loses_every: 11, quota: None }
    }
}

/// The service of one place.
pub(super) struct Served {
    places: Arc<Mutex<Places>>,
    at: String,
    trouble: Trouble,
    manners: Manners,
    gauge: Gauge,
    requests: AtomicU64,
}

impl Served {
    pub(super) fn new(
        places: &Arc<Mutex<Places>>,
        at: &str,
        trouble: &Trouble,
        manners: Manners,
        share: Option<u8>,
    ) -> Self {
        Self {
            places: Arc::clone(places),
            at: at.to_owned(),
            trouble: trouble.clone(),
            manners,
            gauge: Gauge::new(Limits { share, ..Limits::default() }),
            requests: AtomicU64::new(0),
        }
    }

    /// Asks about values in requests as large as it takes.
    fn ask<T: Send>(
        &self,
        doing: &'static str,
        weights: &[usize],
        one: impl Fn(usize) -> Result<Answer<T>, Fault> + Sync,
    ) -> Result<Vec<Answer<T>>, Fault> {
        let request = |values: Range<usize>| {
            let number = self.requests.fetch_add(1, Ordering::SeqCst).saturating_add(1);
            let weight: usize = weights.get(values.clone()).unwrap_or_default().iter().sum();
            if weight > self.manners.values_max {
                return Err(Push::TooLarge(Fault::ask_operator(doing, "the request is too complex")));
            }
            if number.is_multiple_of(self.manners.busy_every) {
                return Err(Push::Busy(
                    Fault::retry(doing, "too many requests").after(0),
                    self.manners.quota.map(Box::new),
                ));
            }
            let answers: Result<Vec<_>, Fault> = values.map(&one).collect();
            let answers = answers.map_err(Push::Fault)?;
            if number.is_multiple_of(self.manners.loses_every) {
                return Err(Push::Lost(Fault::retry(doing, "the answer never came")));
            }
            Ok(Went { answers, quota: self.manners.quota })
        };
        self.trouble.call(doing, || self.gauge.run(doing, weights.len(), request))
    }

    fn key(&self, version: &VersionId) -> Result<Answer<LocalKey>, Fault> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = places.get(&self.at) else { return Ok(Err(No::NoKey)) };
        let opens = place.key.version(version).is_some_and(|version| version.state.opens());
        let Some((_, material)) = place.versions.get(version).filter(|_| opens) else { return Ok(Err(No::NoKey)) };
        LocalKey::new(Cipher::Aes256Gcm, material).map(Ok).map_err(|why| Fault::ask_operator("use the key", why))
    }

    fn open_one(&self, value: &Asked<'_>) -> Result<Answer<Secret>, Fault> {
        let key = match self.key(value.version)? {
            Ok(key) => key,
            Err(no) => return Ok(Err(no)),
        };
        Ok(match form()?.open(&key, Sealed::Bytes(value.bytes), value.aad) {
            Ok(plain) => Ok(plain),
            Err(Refused::Misfit(misfit)) => Err(No::Misfit(misfit.0)),
            Err(Refused::Fault(fault)) => return Err(fault),
            Err(_) => Err(No::DoesNotOpen),
        })
    }

    fn seal_one(&self, plain: &Secret, aad: &[u8], version: &VersionId) -> Result<Answer<Vec<u8>>, Fault> {
        let key = match self.key(version)? {
            Ok(key) => key,
            Err(no) => return Ok(Err(no)),
        };
        let sealed = plain.lend(|bytes| form()?.seal(&key, bytes, aad, None, None).map_err(fault))?;
        Ok(sealed.as_bytes().map(<[u8]>::to_vec).ok_or_else(|| No::Said("it gave no bytes".into())))
    }
}

fn fault(refused: Refused) -> Fault {
    match refused {
        Refused::Fault(fault) => fault,
        other => Fault::report_bug("seal in memory", other),
    }
}

/// The service's own format: nonce, ciphertext and tag.
fn form() -> Result<Seal, Fault> {
    let written = serde_json::json!({ "cipher": "aes-256-gcm", "layout": ["nonce", "ciphertext", "tag"] });
    Seal::from_written(&written).map_err(|faults| Fault::report_bug("seal in memory", faults.join("; ")))
}

fn weight(aad: &[u8]) -> usize {
    if aad.is_empty() { 1 } else { 2 }
}

impl Service for Served {
    fn rewrap(&self, values: &[Asked<'_>], target: &VersionId) -> Result<Vec<Answer<Vec<u8>>>, Fault> {
        let weights: Vec<usize> = values.iter().map(|_| 1).collect();
        self.ask("have values sealed anew", &weights, |at| {
            let Some(value) = values.get(at) else { return Ok(Err(No::NoKey)) };
            // As the real one does: what binds the value is not looked at.
            match self.open_one(&Asked { aad: b"", ..*value })? {
                Ok(plain) => self.seal_one(&plain, b"", target),
                Err(no) => Ok(Err(no)),
            }
        })
    }

    fn open(&self, values: &[Asked<'_>]) -> Result<Vec<Answer<Secret>>, Fault> {
        let weights: Vec<usize> = values.iter().map(|value| weight(value.aad)).collect();
        self.ask("open values", &weights, |at| values.get(at).map_or(Ok(Err(No::NoKey)), |value| self.open_one(value)))
    }

    fn seal(&self, values: &[Plain<'_>], version: &VersionId) -> Result<Vec<Answer<Vec<u8>>>, Fault> {
        let weights: Vec<usize> = values.iter().map(|value| weight(value.aad)).collect();
        self.ask("seal values", &weights, |at| {
            values.get(at).map_or(Ok(Err(No::NoKey)), |value| self.seal_one(value.bytes, value.aad, version))
        })
    }
}
