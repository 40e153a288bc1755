//! A proxy before the server, for what happens between a question and its answer.

use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;

use crate::server::Server;

/// What becomes of a question.
pub(crate) enum Fate {
    /// It goes through.
    Through,
    /// It goes through, and the answer is lost.
    Unanswered,
    /// Nobody hears it.
    Unheard,
}

/// The server behind a proxy, which asks `fate` about every question (`PUT /v1/..`) before it goes through.
pub(crate) fn before(server: &Server, fate: impl Fn(&str) -> Fate + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = format!("http://{}", listener.local_addr().unwrap());
    let to = server.addr.trim_start_matches("http://").to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(question) = heard(&mut stream) else { continue };
            let text = String::from_utf8_lossy(&question);
            let fate = fate(text.lines().next().unwrap_or_default());
            if matches!(fate, Fate::Unheard) {
                continue;
            }
            // One question a connection keeps this simple.
            let closing = text.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            let mut server = TcpStream::connect(&to).unwrap();
            server.write_all(closing.as_bytes()).unwrap();
            let mut answer = Vec::new();
            server.read_to_end(&mut answer).unwrap();
            if matches!(fate, Fate::Through) {
                stream.write_all(&answer).ok();
            }
        }
    });
    Server { addr, ..server.clone() }
}

/// Reads a whole question.
pub(crate) fn heard(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        all.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&all);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0_usize) {
            return Some(all);
        }
    }
}
