//! Hands that write: one on the calling thread, or several, each with a writer of its own. What is done comes back in the order
//! in which it was given, so that whoever is told of a page may take everything before it for done.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::sync::mpsc::TryRecvError;
use std::sync::mpsc::channel;
use std::thread;

use super::judge::Judged;
use crate::fault::Fault;
use crate::port::store::Block;
use crate::port::store::Writer;
use crate::port::store::Written;

/// A page that was written.
pub(super) type Done = Result<(Judged, Written), Fault>;

/// Pages that wait for a hand, beside those in hand.
const WAITING: usize = 2;

/// Pages in hand, in order.
pub(super) struct Hands<'h> {
    given: VecDeque<Receiver<Done>>,
    most: usize,
    write: Write<'h>,
}

enum Write<'h> {
    Here(Box<dyn Writer + 'h>, &'h Block),
    There(Sender<(Judged, Sender<Done>)>, &'h AtomicBool),
}

/// Where the walk ends with a fault, what only waits for a hand is not begun.
impl Drop for Hands<'_> {
    fn drop(&mut self) {
        if let Write::There(_, over) = &self.write {
            over.store(true, Ordering::SeqCst);
        }
    }
}

/// Has `work` done with so many hands. A page that was given is written by the time this returns, unless a fault came first.
pub(super) fn with<T>(
    count: usize,
    block: &Block,
    writer: impl Fn() -> Result<Box<dyn Writer>, Fault> + Sync,
    work: impl FnOnce(Hands<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    if count <= 1 {
        return work(Hands { given: VecDeque::new(), most: 0, write: Write::Here(writer()?, block) });
    }
    let (give, take) = channel::<(Judged, Sender<Done>)>();
    let (take, over) = (Mutex::new(take), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..count {
            let (take, writer, over) = (&take, &writer, &over);
            scope.spawn(move || {
                let mut hand: Option<Result<Box<dyn Writer>, Fault>> = None;
                loop {
                    let next = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((judged, tell)) = next else { return };
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    // No connection is made for a hand that has nothing to do.
                    let done = match hand.get_or_insert_with(writer) {
                        Ok(hand) => write(hand.as_mut(), block, &judged).map(|written| (judged, written)),
                        Err(fault) => Err(fault.clone()),
                    };
                    // Nobody listens where the walk has ended with a fault.
                    let _told = tell.send(done);
                }
            });
        }
        work(Hands { given: VecDeque::new(), most: count.saturating_add(WAITING), write: Write::There(give, &over) })
    })
}

impl Hands<'_> {
    /// Gives a page to be written.
    pub(super) fn give(&mut self, judged: Judged) -> Result<(), Fault> {
        let (tell, told) = channel();
        let sent = if judged.changes.is_empty() {
            tell.send(Ok((judged, Written::default()))).is_ok()
        } else {
            match &mut self.write {
                Write::Here(writer, block) => {
                    let done = write(writer.as_mut(), block, &judged).map(|written| (judged, written));
                    tell.send(done).is_ok()
                }
                Write::There(hands, _) => hands.send((judged, tell)).is_ok(),
            }
        };
        self.given.push_back(told);
        if sent { Ok(()) } else { Err(gone()) }
    }

    /// The next page that is done; nothing where the next is still in hand and another may be given. With `all`, waits for it.
    pub(super) fn done(&mut self, all: bool) -> Option<Done> {
        let front = self.given.front()?;
        let done = if all || self.given.len() > self.most {
            front.recv().unwrap_or_else(|_| Err(gone()))
        } else {
            match front.try_recv() {
                Ok(done) => done,
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => Err(gone()),
            }
        };
        self.given.pop_front();
        Some(done)
    }
}

fn gone() -> Fault {
    Fault::report_bug("write a page", "the hand that writes is gone")
}

/// Writes one page.
fn write(writer: &mut dyn Writer, block: &Block, judged: &Judged) -> Result<Written, Fault> {
    let written = writer.write(&judged.page, &judged.changes)?;
    // A page leaves fewer rows to move than it found, or was changed under our hands; else the walk would never end.
    let due = u64::try_from(judged.changes.len()).unwrap_or(u64::MAX);
    if written.moved.saturating_add(written.lost) != due {
        let said = format!("of {due} rows it moved {} and lost {}", written.moved, written.lost);
        return Err(Fault::report_bug(format!("write a page of {}", block.name()), said));
    }
    Ok(written)
}
