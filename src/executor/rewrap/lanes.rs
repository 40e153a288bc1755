//! Workers beside the writer: each takes the next page, works on it while it is warm, and hands it on in the order of the
//! table. Nobody runs ahead of the writer by more than a page, so that memory does not grow with the rows.

use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::tell::Flow;
use crate::fault::Fault;
use crate::port::store::Page;
use crate::port::store::Reader;

/// Pages that wait for the writer.
const WAITING: usize = 1;

/// Brings every page of `reader` through one of the workers, and what they make of it to `take`, which runs on the calling
/// thread. Says whether it was stopped.
pub(super) fn run<W, M: Send>(
    reader: Box<dyn Reader>,
    (threads, rows_per_page): (usize, usize),
    worker: impl Fn() -> Result<W, Fault> + Sync,
    work: impl Fn(&mut W, Page) -> Result<M, Fault> + Sync,
    mut take: impl FnMut(M) -> Result<Flow, Fault>,
) -> Result<bool, Fault> {
    let source = Mutex::new(Source { reader, rows_per_page, next: 0, done: false });
    let turns = Turns::default();
    thread::scope(|scope| {
        let (hand_on, made) = sync_channel::<Result<M, Fault>>(WAITING);
        for _ in 0..threads.max(1) {
            let (hand_on, source, turns, worker, work) = (hand_on.clone(), &source, &turns, &worker, &work);
            scope.spawn(move || {
                let mut watched = Watched { turns, well: false };
                let mut hand = worker();
                while let Some((turn, page)) = held(source).next() {
                    let result = match &mut hand {
                        Ok(hand) => page.and_then(|page| work(hand, page)),
                        Err(fault) => Err(fault.clone()),
                    };
                    if !turns.wait(turn) || hand_on.send(result).is_err() {
                        return;
                    }
                    turns.pass();
                }
                watched.well = true;
            });
        }
        drop(hand_on);
        // When it returns, by whatever way, `made` is gone, and with it the workers.
        for result in made {
            if take(result?)? == Flow::Stop {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// The reader, and whose turn its next page is.
struct Source {
    reader: Box<dyn Reader>,
    rows_per_page: usize,
    next: u64,
    done: bool,
}

impl Source {
    fn next(&mut self) -> Option<(u64, Result<Page, Fault>)> {
        if self.done {
            return None;
        }
        let mut page = self.reader.page().at_most(self.rows_per_page);
        let read = self.reader.next(&mut page);
        self.done = read.is_err() || page.is_empty();
        if read.is_ok() && page.is_empty() {
            return None;
        }
        let turn = self.next;
        self.next = turn.saturating_add(1);
        Some((turn, read.map(|()| page)))
    }
}

/// Whose turn it is to hand on.
#[derive(Default)]
struct Turns {
    state: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Default)]
struct Turn {
    now: u64,
    over: bool,
}

impl Turns {
    /// Waits for a turn; `false` where it will never come.
    fn wait(&self, turn: u64) -> bool {
        let mut state = held(&self.state);
        while state.now != turn && !state.over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.over
    }

    fn pass(&self) {
        let mut state = held(&self.state);
        state.now = state.now.saturating_add(1);
        self.changed.notify_all();
    }

    fn end(&self) {
        held(&self.state).over = true;
        self.changed.notify_all();
    }
}

/// A worker that ends before the table does, by a stop or a panic, ends the others too: they would wait for its turn for ever.
struct Watched<'a> {
    turns: &'a Turns,
    well: bool,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.well {
            self.turns.end();
        }
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]
mod tests {
    use std::sync::Arc;

    use super::Flow;
    use super::run;
    use crate::fault::Fault;
    use crate::port::store::Layout;
    use crate::port::store::Page;
    use crate::port::store::Reader;
    use crate::port::store::Value;

    /// Counts up to `rows`; fails at `fails`.
    struct Counter {
        at: i64,
        rows: i64,
        fails: i64,
    }

    impl Reader for Counter {
        fn page(&self) -> Page {
            Page::new(Arc::new(Layout::new(vec!["n".to_owned()], vec![], vec![], None, &[])))
        }

        fn next(&mut self, page: &mut Page) -> Result<(), Fault> {
            page.clear();
            while self.at < self.rows && !page.is_full() {
                if self.at == self.fails {
                    return Err(Fault::retry("count", "gone"));
                }
                page.push(Value::Int(self.at));
                self.at += 1;
            }
            Ok(())
        }
    }

    fn counter(rows: i64, fails: i64) -> Box<Counter> {
        Box::new(Counter { at: 0, rows, fails })
    }

    /// Works unevenly, so that pages finish out of order.
    fn slowly(page: &Page) {
        let Value::Int(first) = page.cell(0, 0) else { panic!("a number") };
        for _ in 0..(first * 7919 % 13) * 1000 {
            std::hint::black_box(first);
        }
    }

    #[test]
    fn pages_come_out_in_order_whoever_works_on_them() {
        for threads in [0, 1, 2, 7] {
            let mut seen = 0;
            let stopped = run(
                counter(5000, -1),
                (threads, 10),
                || Ok(()),
                |(), page| {
                    slowly(&page);
                    Ok(page)
                },
                |page| {
                    assert_eq!(page.cell(0, 0), Value::Int(seen));
                    seen += i64::try_from(page.rows()).unwrap();
                    Ok(Flow::Go)
                },
            );
            assert_eq!((stopped.unwrap(), seen), (false, 5000));
        }
    }

    #[test]
    fn a_stop_or_a_fault_anywhere_ends_them_all() {
        for threads in [1, 4] {
            let mut taken = 0;
            let stop = run(
                counter(5000, -1),
                (threads, 10),
                || Ok(()),
                |(), page| Ok(page),
                |_| {
                    taken += 1;
                    Ok(if taken == 5 { Flow::Stop } else { Flow::Go })
                },
            );
            assert_eq!((stop.unwrap(), taken), (true, 5));
            let read = run(counter(5000, 99), (threads, 10), || Ok(()), |(), page| Ok(page), |_| Ok(Flow::Go));
            assert_eq!(read.unwrap_err().source, "gone");
            let worker = || Err::<(), _>(Fault::retry("begin", "no hands"));
            let none = run(counter(50, -1), (threads, 10), worker, |(), page| Ok(page), |_| Ok(Flow::Go));
            assert_eq!(none.unwrap_err().source, "no hands");
            let work =
                |(): &mut (), page: Page| if page.cell(0, 0) == Value::Int(30) { panic!("dropped") } else { Ok(page) };
            let fell =
                std::panic::catch_unwind(|| run(counter(5000, -1), (threads, 10), || Ok(()), work, |_| Ok(Flow::Go)));
            assert!(fell.is_err());
        }
    }
}
