//! Failures that a real server does not make on demand, by one that makes nothing else.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use serde_json::json;

use crate::proxy::heard;
use crate::sentences::words;
use crate::server::Server;

/// A server that answers the questions about its token well, and every other one with the next of these; the last one stays.
fn failing(answers: &'static [&'static str]) -> (Server, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(question) = heard(&mut stream) else { continue };
            if String::from_utf8_lossy(&question).contains("lookup-self") {
                let body = r#"{"data":{"ttl":0}}"#;
                write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                    .ok();
                continue;
            }
            let at = counted.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let Some((head, body)) = answers[at].split_once('|') else { continue };
            write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).ok();
        }
    });
    (Server { addr, token: "canary-token".to_owned(), namespace: None }, count)
}

const WELL: &str = "200 OK|{\"data\":{}}";
const BUSY: &str = "429 Too Many Requests|{\"errors\":[\"request path: rate limit quota exceeded\"]}";
const BUSY_LONG: &str = "429 Too Many Requests\r\nRetry-After: 3600|{\"errors\":[]}";
const BEHIND: &str = "412 Precondition Failed|{\"errors\":[\"required index state not present\"]}";
const BROKEN: &str = "500 Internal Server Error|{\"errors\":[\"1 error occurred:\\n\\t* internal error\\n\\n\"]}";
const STANDBY: &str = "307 Temporary Redirect\r\nLocation: http://10.0.0.7:8200/v1/kv/data/a|";
const NO_LEADER: &str =
    "500 Internal Server Error|{\"errors\":[\"local node not active but active cluster node not found\"]}";
const GONE: &str = "gone";
const PAGE: &str = "200 OK|<html>a page in front</html>";

#[test]
fn what_passes_is_waited_for() {
    for answers in [&[BUSY, BUSY, WELL][..], &[BEHIND, WELL], &[BROKEN, WELL], &[GONE, WELL]] {
        let (server, count) = failing(answers);
        assert!(server.client_with("canary-token").get("read", "kv/data/a").unwrap().is_good(), "{answers:?}");
        assert_eq!(count.load(Ordering::SeqCst), answers.len());
    }
}

#[test]
fn what_does_not_pass_is_said() {
    let cases: [(&[&str], &[&str], bool); 7] = [
        (&[BUSY], &["too many requests (status 429): request path", "a quota of the server's is used up"], true),
        (&[BUSY_LONG], &["too many requests", "asks for 3600 seconds of rest"], true),
        (&[BEHIND], &["has not caught up with the last write", "active node"], true),
        (&[BROKEN], &["the server failed (status 500): 1 error occurred: * internal error", "bao status"], true),
        (&[STANDBY], &["is a standby and points to `http://10.0.0.7:8200/v1/kv/data/a`", "load balancer"], true),
        (&[NO_LEADER], &["this node is a standby", "is there an active node?"], true),
        (&[GONE], &["the connection ended without an answer"], true),
    ];
    for (answers, wanted, retry) in cases {
        let answers: &'static [&'static str] = Box::leak(answers.to_vec().into_boxed_slice());
        let (server, _) = failing(answers);
        let fault = server.client_with("canary-token").get("read", "kv/data/a").err().unwrap();
        let said = words(&fault, "canary-token");
        assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{said}");
        assert_eq!(fault.may_retry(), retry, "{said}");
        let after = (answers == [BUSY_LONG]).then_some(3600);
        assert_eq!(fault.after, after, "{said}");
    }
    let (server, _) = failing(&[PAGE]);
    let answer = server.client_with("canary-token").get("read", "kv/data/a").unwrap();
    let fault = answer.json::<serde_json::Value>("read").unwrap_err();
    assert!(fault.to_string().contains("not what a secrets server says"), "{fault}");
}

#[test]
fn a_change_is_not_asked_for_twice_where_it_may_have_been_made() {
    for (answers, asked) in [(&[GONE, WELL][..], 1), (&[BROKEN, WELL], 1), (&[BUSY, WELL], 2)] {
        let (server, count) = failing(answers);
        let client = server.client_with("canary-token");
        let body = keyrota::openbao::json("write", &json!({})).ok().unwrap();
        let done = client.put("write", "kv/data/a", &body);
        assert_eq!(count.load(Ordering::SeqCst), asked, "{answers:?}");
        assert_eq!(done.is_ok(), asked == 2);
        assert!(done.err().is_none_or(|fault| fault.may_retry()));
    }
}
