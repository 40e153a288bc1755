//! The values that a key seals, with the keys to open them; and the acts that only read them.

use crate::executor::Executor;
use crate::executor::asking;
use crate::executor::counting::count;
use crate::executor::keep::before;
use crate::executor::keep::keeper;
use crate::executor::perform::Outcome;
use crate::executor::rewrap;
use crate::executor::rewrap::Flow;
use crate::executor::rewrap::Job;
use crate::executor::rewrap::Progress;
use crate::executor::rewrap::Quarantined;
use crate::executor::rewrap::Ring;
use crate::executor::scene::Scene;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::inventory::Reopens;
use crate::journal::Event;
use crate::journal::Facts;
use crate::journal::PRE_IMAGES_UNDER;
use crate::journal::Place as Row;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::VersionId;
use crate::plan::Part;
use crate::policy::Policy;
use crate::policy::meant;
use crate::policy::meant::store::Pace;
use crate::policy::meant::store::Place;
use crate::port::backend::Backend;
use crate::port::backend::Failed;
use crate::port::facts::Facts as VersionFacts;
use crate::port::store::Block;
use crate::port::store::Store;
use crate::port::store::Versions;
use crate::port::store::service::Asked;
use crate::port::world::World;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// About so many rows of each table are opened before the turn, where a service is asked to.
const SAMPLE: u64 = 1000;
/// So many values that do not open are named in the journal at once.
const NAMED_MAX: usize = 100;

/// The values of one store that a key seals, with the keys to open them.
pub struct Lot<'a> {
    /// The store's name.
    pub name: Name,
    /// The store.
    pub store: &'a dyn Store,
    /// What is to be moved, and where to.
    pub job: Job,
    /// The keys.
    pub ring: Ring,
    /// Who is asked, where a service moves its own rows: then there are neither blocks nor keys.
    pub asked: Option<Asked<'a>>,
}

impl Lot<'_> {
    /// What is there, block by block; where a service moves its rows, by its own count.
    ///
    /// # Errors
    /// The store failed.
    pub fn recount(&self) -> Result<Vec<Census>, Fault> {
        match &self.asked {
            Some(asked) => Ok(vec![asked.census(&asked.call(None, true)?)]),
            None => rewrap::recount(self.store, &self.job, &self.ring),
        }
    }
}

/// Every store of a key that we move values in, with the keys of every version that opens.
///
/// # Errors
/// A store, the backend or a template stands in the way.
pub fn lots<'a>(world: &'a dyn World, scene: &Scene<'_>, target: &VersionId) -> Result<Vec<Lot<'a>>, Fault> {
    lots_of(world, scene.policy, scene.name(), scene.key, &scene.expected, target)
}

/// The same for a key that no step is about: its policy, and its versions as they were looked at.
///
/// # Errors
/// As [`lots`].
pub fn lots_of<'a>(
    world: &'a dyn World,
    policy: &Policy,
    name: &KeyName,
    key: &meant::Key,
    seen: &Key,
    target: &VersionId,
) -> Result<Vec<Lot<'a>>, Fault> {
    let mut versions = Versions::new();
    for version in &seen.versions {
        let facts = VersionFacts::of(version);
        let words =
            ["n", "sha256"].into_iter().filter_map(|word| Some((word.to_owned(), facts.know(word)?.into_owned())));
        versions = versions.with(version.id.clone(), words);
    }
    let mut lots = Vec::new();
    for sealed in &key.seals {
        // What nobody sees is nobody's to move.
        let Some(meant) = policy.stores.get(sealed).filter(|store| store.place != Place::Unseen) else { continue };
        let store = world.store(name, sealed)?;
        if let Some(service) = store.service() {
            let asked = Some(Asked::new(sealed, service, seen, &versions)?);
            let job = Job::new(Vec::new(), target.clone());
            lots.push(Lot { name: sealed.clone(), store, job, ring: Ring::new(), asked });
            continue;
        }
        let blocks = Block::all(&meant.sealed, key.each.as_deref(), &versions)?;
        let share = match meant.pace {
            Some(Pace::ShareOfQuota(share)) => Some(share),
            _ => None,
        };
        let ring = ring(world.backend(name, &key.backend)?, (name, key), seen, share, &blocks)?;
        let job = Job { atomic: meant.atomic, ..Job::new(blocks, target.clone()) };
        let job = if meant.pace.is_some() { job.gently() } else { job };
        lots.push(Lot { name: sealed.clone(), store, job, ring, asked: None });
    }
    Ok(lots)
}

/// The keys of every version that opens, or the service that alone has them.
fn ring(
    backend: &dyn Backend,
    (name, key): (&KeyName, &meant::Key),
    seen: &Key,
    share: Option<u8>,
    blocks: &[Block],
) -> Result<Ring, Fault> {
    if let Some(service) = backend.service(&key.at, share)? {
        return Ok(Ring::served(service, seen.opening().map(|version| version.id.clone())));
    }
    let mut ring = Ring::new();
    for version in seen.opening() {
        let material = backend.material(&key.at, &version.id).map_err(|failed| match failed {
            Failed::Fault(fault) => fault,
            other => Fault::ask_operator(format!("use version `{}` of `{name}`", version.id), other),
        })?;
        ring.add(&version.id, &material, blocks)?;
    }
    Ok(ring)
}

/// Where a value that does not open stands, as the journal names it.
#[must_use]
pub fn place(store: &Name, value: &Quarantined) -> Row {
    Row { store: store.clone(), table: value.table.clone(), column: value.column.clone(), row: vec![value.row.clone()] }
}

/// Opens what the old version sealed.
pub(super) fn open(executor: &mut Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    let old = match scene.old_version() {
        Ok(old) => old.clone(),
        Err(fault) => return Ok(fault.into()),
    };
    let lots = match lots(executor.world, scene, &old) {
        Ok(lots) => lots,
        Err(fault) => return Ok(fault.into()),
    };
    let (mut opened, mut unopened) = (0_u64, 0_u64);
    let mut told = Facts::new();
    for lot in &lots {
        if let Some(asked) = &lot.asked {
            let answer = match asking::ask(executor, scene, asked, (None, true), &old)? {
                Ok(answer) => answer,
                Err(fault) => return Ok(fault.into()),
            };
            told.insert("named by the service".into(), answer.there.into());
            unopened = unopened.saturating_add(answer.failed);
            count(executor, scene, lot, &[asked.census(&answer)])?;
            continue;
        }
        let mut quiet = Quiet { stop: executor.stop, first: None };
        // Each of them where that costs nobody but us; some of them where a service is asked.
        let sample = lot.ring.is_served().then_some(SAMPLE);
        match rewrap::verify(lot.store, &lot.job, &lot.ring, sample, &mut quiet) {
            Err(fault) => return Ok(fault.into()),
            Ok(found) => {
                if found.iter().any(|block| block.stopped) {
                    return Ok(Outcome::Stopped);
                }
                let whole = lot.job.atomic && found.iter().any(|block| block.opened > 0);
                if let Some(first) = quiet.first.filter(|_| whole) {
                    return Ok(whole_or_not(scene, &old, &first).into());
                }
                for block in &found {
                    opened = opened.saturating_add(block.opened);
                    unopened = unopened.saturating_add(block.unopened);
                }
                let counted: Vec<Census> = match sample.map(|_| lot.recount()) {
                    None => found.iter().map(|block| block.census.clone()).collect(),
                    Some(Ok(counted)) => counted,
                    Some(Err(fault)) => return Ok(fault.into()),
                };
                count(executor, scene, lot, &counted)?;
            }
        }
    }
    if opened == 0 && unopened > 0 && told.is_empty() {
        let doing = format!("open what `{old}` of `{}` sealed", scene.name());
        let why = format!("none of {unopened} values opens");
        let hint = "the key at hand is not the one that sealed them, or the policy's seal or associated data is wrong";
        return Ok(Fault::give_up(doing, why).hint(hint).into());
    }
    // A service tells by their version's id how many there are; nobody opened them.
    if opened > 0 || told.is_empty() {
        told.insert("opened".into(), opened.into());
    }
    if unopened > 0 {
        told.insert("did not open".into(), unopened.into());
    }
    Ok(Outcome::Done { facts: told, change: Vec::new() })
}

/// A store that moves whole or not at all would stop at the turn: it is told before anything is made.
fn whole_or_not(scene: &Scene<'_>, old: &VersionId, first: &str) -> Fault {
    let doing = format!("open what `{old}` of `{}` sealed", scene.name());
    Fault::ask_operator(doing, format!("{first}; its store is moved whole or not at all"))
        .hint("`keyrota verify` names every such row; mend or remove them, then run `keyrota apply` again")
}

/// Where only a service opens what it sealed anew, every value is opened once before the old version goes: says how many
/// there were. Nothing where we opened each of them ourselves before it was written. Else how the step ends.
pub(super) fn opens_anew(executor: &mut Executor<'_, '_>, scene: &Scene<'_>) -> Result<Option<u64>, Outcome> {
    if scene.planned.base.able.reopens != Reopens::Service || scene.step.part != Part::Close {
        return Ok(None);
    }
    let new = scene.new_version()?;
    let mut opened = 0_u64;
    for lot in lots(executor.world, scene, new)?.iter().filter(|lot| lot.asked.is_none()) {
        let accepted =
            executor.desk.ledger().keys.get(scene.name()).map(|known| known.accepted.keys().cloned().collect());
        let accepted = accepted.unwrap_or_default();
        let mut shut = Shut { stop: executor.stop, under: new, store: &lot.name, accepted, count: 0, some: Vec::new() };
        for block in rewrap::verify(lot.store, &lot.job, &lot.ring, None, &mut shut)? {
            if block.stopped {
                return Err(Outcome::Stopped);
            }
            opened = opened.saturating_add(block.opened);
        }
        if let Some(first) = shut.some.first() {
            let doing = format!("open every value that was sealed anew under `{new}`");
            let why = format!("{} of store `{}` do not open; the first: {first}", shut.count, lot.name);
            let hint = "the old version stays enabled, and what was replaced is kept in the run's pre-images; \
                 `keyrota quarantine list` names them";
            let named = shut.some.iter().map(|value| Event::Quarantined {
                key: scene.name().clone(),
                at: place(&lot.name, value),
                names: value.version.clone(),
                why: value.why.to_string(),
            });
            executor.desk.jot(named.collect())?;
            return Err(Fault::give_up(doing, why).hint(hint).into());
        }
    }
    Ok(Some(opened))
}

/// Who counts what does not open under the version that it was sealed anew with.
struct Shut<'a> {
    stop: &'a std::sync::atomic::AtomicBool,
    under: &'a VersionId,
    store: &'a Name,
    accepted: BTreeSet<Row>,
    count: u64,
    some: Vec<Quarantined>,
}

impl rewrap::Watch for Shut<'_> {
    fn quarantined(&mut self, value: &Quarantined) -> Result<(), Fault> {
        if value.version.as_ref() == Some(self.under) && !self.accepted.contains(&place(self.store, value)) {
            self.count = self.count.saturating_add(1);
            if self.some.len() < NAMED_MAX {
                self.some.push(value.clone());
            }
        }
        Ok(())
    }

    fn chunk(&mut self, _progress: &Progress<'_>) -> Result<Flow, Fault> {
        Ok(if self.stop.load(Ordering::SeqCst) { Flow::Stop } else { Flow::Go })
    }
}

/// Who follows a walk that changes nothing.
struct Quiet<'a> {
    stop: &'a std::sync::atomic::AtomicBool,
    /// The first value that did not open.
    first: Option<String>,
}

impl rewrap::Watch for Quiet<'_> {
    fn quarantined(&mut self, value: &Quarantined) -> Result<(), Fault> {
        self.first.get_or_insert_with(|| value.to_string());
        Ok(())
    }

    fn chunk(&mut self, _progress: &Progress<'_>) -> Result<Flow, Fault> {
        Ok(if self.stop.load(Ordering::SeqCst) { Flow::Stop } else { Flow::Go })
    }
}

/// Sees to it that there is a place for pre-images. The wrapped values themselves are kept by the rewrap, chunk by
/// chunk, before it replaces them.
pub(super) fn keep(executor: &Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    before(executor, scene)?;
    for name in &scene.key.seals {
        keeper(executor, scene, name)?;
    }
    // What may be replaced, and so may come back, for as long as the copies are there.
    let old = scene.old.as_ref();
    let versions = scene.expected.versions.iter().filter(|version| version.state.opens() || Some(&version.id) == old);
    let under: Vec<&str> = versions.map(|version| version.id.as_str()).collect();
    let facts = Facts::from([(PRE_IMAGES_UNDER.to_owned(), under.join(" ").into())]);
    Ok(Outcome::Done { facts, change: Vec::new() })
}
