//! A wire between the program and the server, which can be watched, cut, or made to kill at the Nth message from the program.

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

/// What happens to the message with this number, counted from 1 over all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The connection ends before the message is passed on.
    CutBefore(u64),
    /// The message is passed on, and its answer is lost with the connection.
    CutAfter(u64),
    /// The process is killed before the message is passed on.
    KillBefore(u64),
    /// The message is passed on, and the process is killed.
    KillAfter(u64),
}

#[derive(Default)]
struct Shared {
    seen: u64,
    at: Option<At>,
    process: Option<u32>,
    hit: bool,
}

/// The wire.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    /// In front of the server at `host:port`.
    pub(crate) fn new(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let (server, of) = (server.to_owned(), Arc::clone(&shared));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    std::io::copy(&mut from, &mut to).ok();
                    to.shutdown(Shutdown::Both).ok();
                });
                let of = Arc::clone(&of);
                thread::spawn(move || carry(client, server, &of));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Counts anew, for this process, and does that.
    pub(crate) fn arm(&self, at: Option<At>) {
        *self.shared.lock().unwrap() = Shared { at, ..Shared::default() };
    }

    /// Whom to kill.
    pub(crate) fn process(&self, id: u32) {
        self.shared.lock().unwrap().process = Some(id);
    }

    /// Whether it was done.
    pub(crate) fn hit(&self) -> bool {
        self.shared.lock().unwrap().hit
    }
}

fn kill(process: u32) {
    std::process::Command::new("kill").args(["-9", &process.to_string()]).status().unwrap();
}

fn carry(mut client: TcpStream, mut server: TcpStream, shared: &Mutex<Shared>) {
    let mut bytes = vec![0; 1 << 20];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let (at, process) = {
            let mut shared = shared.lock().unwrap();
            shared.seen += 1;
            let seen = shared.seen;
            let now = |number: u64| number == seen;
            let hit = shared.at.filter(|at| match *at {
                At::CutBefore(n) | At::CutAfter(n) | At::KillBefore(n) | At::KillAfter(n) => now(n),
            });
            shared.hit |= hit.is_some();
            (hit, shared.process)
        };
        // A process is known a moment after it was started.
        let kill_it = || match process {
            Some(process) => kill(process),
            None => {
                while shared.lock().unwrap().process.is_none() {
                    thread::yield_now();
                }
                kill(shared.lock().unwrap().process.unwrap());
            }
        };
        match at {
            Some(At::CutBefore(_)) => break,
            Some(At::KillBefore(_)) => {
                kill_it();
                break;
            }
            _ => {}
        }
        if server.write_all(&bytes[..count]).is_err() {
            break;
        }
        match at {
            Some(At::CutAfter(_)) => {
                // The server has done its work before the connection ends.
                thread::sleep(std::time::Duration::from_millis(30));
                client.shutdown(Shutdown::Both).ok();
                break;
            }
            Some(At::KillAfter(_)) => {
                kill_it();
                break;
            }
            _ => {}
        }
    }
    server.shutdown(Shutdown::Both).ok();
    client.shutdown(Shutdown::Both).ok();
}
