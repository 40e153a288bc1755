//! Asking, with the crate `ureq`.

use crate::command::printable;
use crate::fault::Fault;
use crate::http::BODY_BYTES_MAX;
use crate::http::Reply;
use crate::secret::Secret;
use crate::tls;
use std::io::Read;
use std::time::Duration;
use std::time::Instant;
use ureq::Agent;
use ureq::Error;
use ureq::RequestExt;
use ureq::http::HeaderValue;
use ureq::http::Request;
use ureq::http::Response;
use ureq::http::StatusCode;
use ureq::http::Uri;
use ureq::http::header::LOCATION;
use ureq::tls::TlsConfig;
use ureq::tls::TlsConfigBuilder;

const REDIRECTS_MAX: u32 = 5;
/// Open connections that wait for the next call.
const CONNECTIONS_KEPT_MAX: usize = 16;

/// Asks; see [`crate::http::get`].
pub(super) fn get(doing: &str, url: &str, headers: &[(String, Secret)], within: Duration) -> Result<Reply, Fault> {
    let wrong = |why: &str| Fault::ask_operator(doing, format!("`{}` {why}", printable(url)));
    let mut at: Uri = url.parse().map_err(|_| wrong("is no address"))?;
    if !matches!(at.scheme_str(), Some("http" | "https")) || at.host().is_none_or(str::is_empty) {
        return Err(wrong("is no address of a web server"));
    }
    let agent = agent(TlsConfig::builder());
    let begun = Instant::now();
    for _ in 0..=REDIRECTS_MAX {
        let left = within.saturating_sub(begun.elapsed());
        let response = ask(&agent, &at, headers, left).map_err(|error| fault(doing, &at, &error))?;
        match elsewhere(&at, &response) {
            Some(next) => at = next,
            None => return read(response).map_err(|error| fault(doing, &at, &error)),
        }
    }
    Err(wrong(&format!("redirects more than {REDIRECTS_MAX} times")))
}

/// An agent that trusts whom `tls` trusts.
pub(super) fn agent(tls: TlsConfigBuilder) -> Agent {
    // The environment names a proxy only by accident; redirects are ours to judge; an error status is an answer.
    Agent::config_builder()
        .proxy(None)
        .tls_config(tls.unversioned_rustls_crypto_provider(tls::provider()).build())
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent("keyrota")
        .max_idle_connections(CONNECTIONS_KEPT_MAX)
        .max_idle_connections_per_host(CONNECTIONS_KEPT_MAX)
        .build()
        .into()
}

fn ask(agent: &Agent, at: &Uri, headers: &[(String, Secret)], left: Duration) -> Result<Response<ureq::Body>, Error> {
    let mut request = Request::get(at.clone());
    for (name, value) in headers {
        let mut value = value.lend(HeaderValue::from_bytes).map_err(|error| Error::Http(error.into()))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let request = request.body(()).map_err(Error::Http)?;
    request.with_agent(agent).configure().timeout_global(Some(left)).run()
}

/// Where a redirect within the same host leads.
fn elsewhere(at: &Uri, response: &Response<ureq::Body>) -> Option<Uri> {
    let moved = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !moved.contains(&response.status()) {
        return None;
    }
    let to = response.headers().get(LOCATION)?.to_str().ok()?;
    // `//host/path` is another host's address and begins like a path.
    if to.starts_with('/') && !to.starts_with("//") {
        let mut parts = at.clone().into_parts();
        parts.path_and_query = Some(to.parse().ok()?);
        return Uri::from_parts(parts).ok();
    }
    let next: Uri = to.parse().ok()?;
    (next.scheme() == at.scheme() && next.authority() == at.authority()).then_some(next)
}

fn read(response: Response<ureq::Body>) -> Result<Reply, Error> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let most = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    response.into_body().into_reader().take(most).read_to_end(&mut body)?;
    let cut = body.len() > BODY_BYTES_MAX;
    body.truncate(BODY_BYTES_MAX);
    Ok(Reply { status, body, cut })
}

fn fault(doing: &str, at: &Uri, error: &Error) -> Fault {
    // Without the query, which may hold what is nobody's business.
    let place = format!("{}{}", at.authority().map(ToString::to_string).unwrap_or_default(), at.path());
    let why = format!("`{}`: {error}", printable(&place));
    match error {
        Error::Timeout(_) | Error::Io(_) | Error::HostNotFound | Error::ConnectionFailed | Error::BodyStalled => {
            Fault::retry(doing, why)
        }
        _ => Fault::ask_operator(doing, why),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::get;
    use crate::fault::Fault;
    use crate::http::BODY_BYTES_MAX;
    use crate::http::Reply;
    use crate::secret::Secret;
    use std::io::Read;
    use std::io::Write;
    use std::net::TcpListener;
    use std::net::TcpStream;
    use std::thread;
    use std::time::Duration;

    /// A server that answers so many questions, each with what `answer` makes of its head.
    fn serve(count: usize, answer: impl Fn(&str, &str) -> String + Send + 'static) -> (String, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let own = place.clone();
        let server = thread::spawn(move || {
            for _ in 0..count {
                let (mut stream, _) = listener.accept().unwrap();
                let answer = answer(&own, &head(&mut stream));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        (place, server)
    }

    fn head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    fn page(status: &str, extra: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    fn ask(url: &str) -> Result<Reply, Fault> {
        let token = Secret::from_vec(b"Bearer canary".to_vec());
        get("ask", url, &[("Authorization".to_owned(), token)], Duration::from_millis(1500))
    }

    #[test]
    fn any_status_is_an_answer_and_headers_go_along() {
        let (place, server) = serve(1, |_, head| {
            let known = head.contains("authorization: Bearer canary") || head.contains("Authorization: Bearer canary");
            page("503 Busy", "", if known { "known" } else { "unknown" })
        });
        let reply = ask(&format!("http://{place}/health?x=1")).unwrap();
        assert_eq!((reply.status, reply.body.as_slice(), reply.cut), (503, &b"known"[..], false));
        server.join().unwrap();
    }

    #[test]
    fn redirects_stay_on_the_host() {
        let (place, server) = serve(5, |own, head| match head.split(' ').nth(1).unwrap_or_default() {
            "/a" => page("302 Found", "Location: /b\r\n", ""),
            "/b" => page("307 Temporary", &format!("Location: http://{own}/c\r\n"), ""),
            "/c" => page("200 OK", "", "here"),
            "/out" => page("302 Found", "Location: http://localhost:1/\r\n", ""),
            _ => page("302 Found", "Location: //localhost:1/\r\n", ""),
        });
        assert_eq!(ask(&format!("http://{place}/a")).unwrap().body, b"here");
        for path in ["out", "slashes"] {
            assert_eq!(ask(&format!("http://{place}/{path}")).unwrap().status, 302);
        }
        server.join().unwrap();
        let (place, server) = serve(6, |_, _| page("302 Found", "Location: /again\r\n", ""));
        assert!(ask(&format!("http://{place}/")).unwrap_err().to_string().contains("redirects more than 5 times"));
        server.join().unwrap();
    }

    #[test]
    fn a_long_answer_is_cut_and_a_slow_one_given_up() {
        let (place, server) = serve(1, |_, _| page("200 OK", "", &"x".repeat(BODY_BYTES_MAX + 1)));
        let reply = ask(&format!("http://{place}/")).unwrap();
        assert_eq!((reply.body.len(), reply.cut), (BODY_BYTES_MAX, true));
        server.join().unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let fault = ask(&format!("http://{}/?secret", silent.local_addr().unwrap())).unwrap_err();
        assert!(fault.may_retry() && !fault.to_string().contains("secret"), "{fault}");
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "health", "file:///etc/passwd", "ftp://a/", "http://", "http://a b/", "http:///x"] {
            assert!(!ask(bad).unwrap_err().may_retry(), "{bad}");
        }
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(ask(&format!("http://{closed}/")).unwrap_err().may_retry());
    }
}
