//! A proxy before the server, for what happens between a question and its answer.

use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
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
    /// The proxy answers itself: the status line and headers, and the body.
    Says(&'static str, &'static str),
}

/// Who judges questions, and may look at the answers.
pub(crate) trait Judge: Send + Sync + 'static {
    /// What becomes of a question (`PUT /v1/..`), with its body.
    fn fate(&self, question: &str, body: &[u8]) -> Fate;

    /// A question was answered, or is not any more under way.
    fn over(&self, question: &str, answer: &[u8]) {
        let _ = (question, answer);
    }
}

impl<F: Fn(&str) -> Fate + Send + Sync + 'static> Judge for F {
    fn fate(&self, question: &str, _: &[u8]) -> Fate {
        self(question)
    }
}

/// The server behind a proxy, which asks `judge` about every question before it goes through.
pub(crate) fn before(server: &Server, judge: impl Judge) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = format!("http://{}", listener.local_addr().unwrap());
    let to = server.addr.trim_start_matches("http://").to_owned();
    let judge = Arc::new(judge);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, to, judge) = (stream.unwrap(), to.clone(), Arc::clone(&judge));
            thread::spawn(move || one(stream, &to, judge.as_ref()));
        }
    });
    Server { addr, ..server.clone() }
}

/// One question a connection keeps this simple.
fn one(mut stream: TcpStream, to: &str, judge: &impl Judge) {
    let Some(question) = heard(&mut stream) else { return };
    let head = head(&question).unwrap();
    let line = String::from_utf8_lossy(&question).lines().next().unwrap_or_default().to_owned();
    let fate = judge.fate(&line, &question[head..]);
    let mut answer = Vec::new();
    match fate {
        Fate::Unheard => {}
        Fate::Says(head, body) => {
            answer =
                format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into();
        }
        Fate::Through | Fate::Unanswered => {
            let end = line.len() + 2;
            let mut server = TcpStream::connect(to).unwrap();
            let closing = [&question[..end], b"Connection: close\r\n", &question[end..]].concat();
            server.write_all(&closing).unwrap();
            server.read_to_end(&mut answer).unwrap();
        }
    }
    judge.over(&line, &answer);
    if !matches!(fate, Fate::Unanswered) {
        stream.write_all(&answer).ok();
    }
}

/// Where the body begins.
fn head(question: &[u8]) -> Option<usize> {
    question.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads a whole question.
pub(crate) fn heard(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 65536];
    let mut whole = None;
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        all.extend_from_slice(&buffer[..count]);
        if whole.is_none()
            && let Some(head) = head(&all)
        {
            let text = String::from_utf8_lossy(&all[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            whole = Some(head + length.unwrap_or(0_usize));
        }
        if whole.is_some_and(|whole| all.len() >= whole) {
            return Some(all);
        }
    }
}
