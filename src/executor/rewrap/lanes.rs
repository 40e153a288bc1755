//! Reader, workers, writer: each on its own thread, with at most a few pages between them, so that memory does not grow with
//! the rows. Pages come out in the order in which they went in.

use std::sync::mpsc::sync_channel;
use std::thread;

use super::tell::Flow;
use crate::fault::Fault;
use crate::port::store::Page;
use crate::port::store::Reader;

/// Pages that wait before and after each worker.
const WAITING: usize = 1;

/// Brings every page of `reader` through one of the workers, and what they make of it to `take`, which runs on the calling
/// thread. Says whether it was stopped.
pub(super) fn run<W, M: Send>(
    mut reader: Box<dyn Reader>,
    (threads, rows_per_page): (usize, usize),
    worker: impl Fn() -> Result<W, Fault> + Sync,
    work: impl Fn(&mut W, Page) -> Result<M, Fault> + Sync,
    mut take: impl FnMut(M) -> Result<Flow, Fault>,
) -> Result<bool, Fault> {
    thread::scope(|scope| {
        let (mut ways_in, mut ways_out) = (Vec::new(), Vec::new());
        for _ in 0..threads.max(1) {
            let (way_in, pages) = sync_channel::<Result<Page, Fault>>(WAITING);
            let (made, way_out) = sync_channel::<Result<M, Fault>>(WAITING);
            let (worker, work) = (&worker, &work);
            scope.spawn(move || {
                let mut hand = worker();
                for page in pages {
                    let result = match &mut hand {
                        Ok(hand) => page.and_then(|page| work(hand, page)),
                        Err(fault) => Err(fault.clone()),
                    };
                    if made.send(result).is_err() {
                        return;
                    }
                }
            });
            ways_in.push(way_in);
            ways_out.push(way_out);
        }
        scope.spawn(move || {
            for way_in in ways_in.iter().cycle() {
                let mut page = reader.page().at_most(rows_per_page);
                let read = reader.next(&mut page);
                let last = read.is_err();
                if read.is_ok() && page.is_empty() {
                    return;
                }
                // Nobody takes it any more: the walk was stopped.
                if way_in.send(read.map(|()| page)).is_err() || last {
                    return;
                }
            }
        });
        // A way that ends has no page any more, and then none of those after it has. Dropping the ways ends the threads.
        for way_out in ways_out.iter().cycle() {
            match way_out.recv() {
                Err(_) => return Ok(false),
                Ok(made) => {
                    if take(made?)? == Flow::Stop {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    })
}
