//! A journal moves into another home: plans and lines are copied, checked, and then one write says that it is there now.
//!
//! At every instant at most one of the two homes opens. Until that write it is the old one; the new one bears a mark from
//! before its first line until after it. Killed anywhere, the same command goes on.

use crate::digest::Digest;
use crate::fault::Fault;
use crate::journal::Draft;
use crate::journal::Event;
use crate::journal::Head;
use crate::model::Hour;
use crate::port::elsewhere::Elsewhere;
use crate::port::home::Lease;
use crate::port::home::Trouble;
use crate::port::movable::Movable;

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Where it came from.
    pub from: String,
    /// Where it is now.
    pub to: String,
    /// Where it ends.
    pub head: Head,
    /// How many plans came with it.
    pub plans: usize,
}

const DOING: &str = "move the journal";

/// Moves the journal of one home into another.
///
/// # Errors
/// Somebody is at work in one of them; the other one holds another history; a copy is not as its source. The old home is the
/// true one then, or the same call finishes.
pub fn carry(from: &mut dyn Movable, to: &mut dyn Movable, actor: &str, now: Hour) -> Result<Moved, Trouble> {
    let (source, target) = (from.place()?, to.place()?);
    if source == target {
        return Err(Fault::give_up(DOING, format!("it is in {source} already")).into());
    }
    let (ours, theirs) = (from.lock(actor)?, to.lock(actor)?);
    let coming = Elsewhere::Coming { from: source.clone() };
    match (from.elsewhere()?, to.elsewhere()?) {
        // It was copied and said to be there; only the new home does not know yet.
        (Some(Elsewhere::Gone { head, to: there }), mark) if there == target => {
            match mark {
                Some(mark) if mark == coming => arrive(to, &theirs, &head)?,
                // It arrived, and has gone on since.
                None => drop(to.verify(Some(&head))?),
                Some(mark) => return Err(mark.refusal().into()),
            }
            let plans = to.plans()?.len();
            return Ok(Moved { from: source, to: target, head, plans });
        }
        (Some(mark), _) => return Err(mark.refusal().into()),
        (None, None) if begun(to)? => {
            let fault = Fault::give_up(DOING, format!("{target} holds a journal of its own"));
            return Err(fault.hint("name a home that nothing is in").into());
        }
        (None, Some(Elsewhere::Gone { to: there, .. })) if there != source => {
            let fault =
                Fault::give_up(DOING, format!("the journal of {target} was moved to {there}, which is not this one"));
            return Err(fault.hint("name a home that nothing is in").into());
        }
        (None, Some(Elsewhere::Coming { from })) if from != source => {
            let fault = Fault::give_up(DOING, format!("another journal is on its way to {target}, from {from}"));
            return Err(fault.hint("name a home that nothing is in").into());
        }
        (None, _) => {}
    }
    let ready = from.open(&ours)?;
    if ready.journal.count() == 0 {
        let fault = Fault::give_up(DOING, "there is none yet");
        return Err(fault.hint("name the new home in `[home]`, and begin there").into());
    }
    let mut first: Vec<Event> = ready.aside.map(|aside| aside.event()).into_iter().collect();
    first.push(Event::Note { text: format!("the journal moves from {source} to {target}") });
    from.append(&ours, first.into_iter().map(|event| Draft::new(now, actor, event)).collect())?;
    let head = from.seal_head(&ours)?;

    to.mark(&theirs, Some(&coming))?;
    let plans = copy(from, to, &theirs, &head)?;
    from.mark(&ours, Some(&Elsewhere::Gone { to: target.clone(), head }))?;
    arrive(to, &theirs, &head)?;
    Ok(Moved { from: source, to: target, head, plans })
}

/// Whether anything was ever begun in it.
fn begun(home: &dyn Movable) -> Result<bool, Trouble> {
    Ok(home.head()?.is_some_and(|head| head != Head::NONE) || home.read()?.count() > 0 || !home.plans()?.is_empty())
}

fn copy(from: &dyn Movable, to: &mut dyn Movable, theirs: &Lease, head: &Head) -> Result<usize, Trouble> {
    let ids = from.plans()?;
    let missing = |id: &Digest| Fault::retry(DOING, format!("plan `{}` is not there as it was", id.short()));
    for id in &ids {
        let bytes = from.plan(id)?.ok_or_else(|| missing(id))?;
        to.save_plan(id, &bytes)?;
        if to.plan(id)?.as_ref() != Some(&bytes) {
            return Err(missing(id).into());
        }
    }
    let journal = from.read()?;
    to.take_in(theirs, &journal)?;
    to.ends_at(head)?;
    Ok(ids.len())
}

/// The new home is the true one from here on.
fn arrive(to: &mut dyn Movable, theirs: &Lease, head: &Head) -> Result<(), Trouble> {
    to.ends_at(head)?;
    Ok(to.mark(theirs, None)?)
}
