//! How long a journal of 1,000,000 entries takes to verify, beside the floor: reading the file and one SHA-256 of its bytes.
//!
//! `cargo bench --bench journal`; another count is an argument.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "it measures, for people to read"
)]

use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use keyrota::digest;
use keyrota::journal;
use keyrota::journal::Clock;
use keyrota::journal::Draft;
use keyrota::journal::Event;
use keyrota::journal::Head;
use keyrota::journal::Tail;
use keyrota::model::Hour;
use keyrota::port::home::Home;

const RUNS: usize = 7;
const APPENDS: usize = 200;

fn main() {
    let count = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let head = write(&path, count);
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("{count} entries, {bytes} bytes, {} a line; median of {RUNS}, interleaved", bytes / count);

    let mut times = [const { Vec::new() }; 4];
    for _ in 0..RUNS {
        times[0].push(timed(|| floor(&path)));
        times[1].push(timed(|| stream(&path, &head)));
        times[2].push(timed(|| whole(&path, &head)));
        times[3].push(timed(|| assert!(entries(&path) == count)));
    }
    let [floor, stream, whole, parsed] = times.map(median);
    println!("floor: read the file, SHA-256 of it  {:>8.1} ms", ms(floor));
    for (name, time) in
        [("verify, one line held", stream), ("read, whole and indexed", whole), ("read and parse all", parsed)]
    {
        println!("{name:<35}  {:>8.1} ms  {:.2} x the floor", ms(time), time.as_secs_f64() / floor.as_secs_f64());
    }
    append(&folder.path().join("home"));
}

/// The time of one durable append, and of one that only keeps the order.
fn append(folder: &Path) {
    let mut home = keyrota::home::Local::new(folder);
    let lease = home.lock("bench").unwrap();
    home.open(&lease).unwrap();
    home.append(&lease, vec![Draft::new(hour(0), "bench", Event::begun(Clock::Virtual))]).unwrap();
    let (mut durable, mut jotted) = (Vec::new(), Vec::new());
    for n in 0..APPENDS as u64 {
        durable.push(timed(|| drop(home.append(&lease, vec![chunk(n), chunk(n)]).unwrap())));
        jotted.push(timed(|| drop(home.jot(&lease, vec![chunk(n), chunk(n)]).unwrap())));
    }
    println!(
        "append of two entries               {:>8.3} ms, without sync {:.3} ms",
        ms(median(durable)),
        ms(median(jotted))
    );
}

/// As a plain `sha256sum` does it: a buffer at a time.
fn floor(path: &Path) {
    let (mut file, mut hasher, mut buffer) =
        (File::open(path).unwrap(), digest::Hasher::new("floor"), vec![0; 1 << 20]);
    while let count @ 1.. = file.read(&mut buffer).unwrap() {
        hasher.part(&buffer[..count]);
    }
    assert!(hasher.finish() != Head::NONE.digest);
}

fn stream(path: &Path, head: &Head) {
    let file = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    assert!(journal::verify(file, &[*head]).unwrap().unwrap().head == *head);
}

fn whole(path: &Path, head: &Head) {
    assert!(journal::read(std::fs::read(path).unwrap(), Some(head)).unwrap().head() == *head);
}

fn entries(path: &Path) -> u64 {
    let journal = journal::read(std::fs::read(path).unwrap(), None).unwrap();
    journal.entries().fold(0, |_, entry| entry.unwrap().n)
}

fn write(path: &Path, count: u64) -> Head {
    let mut file = File::create(path).unwrap();
    let begun = Tail::NONE.draw(vec![Draft::new(hour(0), "kim@ops", Event::begun(Clock::Virtual))]).unwrap();
    file.write_all(&begun.bytes).unwrap();
    let mut tail = begun.tail;
    while tail.head().count < count {
        let more = (count - tail.head().count).min(10_000);
        let drawn = tail.draw((0..more).map(chunk).collect()).unwrap();
        file.write_all(&drawn.bytes).unwrap();
        tail = drawn.tail;
    }
    tail.head()
}

fn chunk(n: u64) -> Draft {
    let event = Event::Chunk {
        step: "app/kek/4-rewrap".parse().unwrap(),
        store: "db".parse().unwrap(),
        round: 1,
        moved: 1000,
        quarantined: 0,
        up_to: n.to_string(),
    };
    Draft::new(hour(n), "kim@ops", event).of(&"r-0123456789ab".parse().unwrap())
}

fn hour(_: u64) -> Hour {
    Hour::from_timestamp(1_772_366_400, 0).unwrap()
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
