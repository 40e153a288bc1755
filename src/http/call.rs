//! Calls to a server that is asked more than once: by one agent, whose connections stay open, from several threads.
//! What is sent and what comes back may be secret, and is wiped.

use crate::fault::Fault;
use crate::http::ask;
use crate::policy::meant::Tls;
use crate::port::probe::Secrets;
use crate::secret::Secret;
use crate::tls;
use std::io;
use std::io::Read;
use std::time::Duration;
use ureq::Agent;
use ureq::Error;
use ureq::RequestExt;
use ureq::http::HeaderName;
use ureq::http::HeaderValue;
use ureq::http::Request;
use ureq::http::Response;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::header::RETRY_AFTER;
use ureq::tls::Certificate;
use ureq::tls::ClientCert;
use ureq::tls::PrivateKey;
use ureq::tls::RootCerts;
use ureq::tls::TlsConfig;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
const PIECE_MIN: usize = 16 * 1024;
const PIECE_MAX: usize = 1024 * 1024;

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller(Agent);

/// One call.
pub struct Call<'a> {
    /// `GET`, `POST` and the like.
    pub method: &'a str,
    /// The whole address.
    pub url: &'a str,
    /// Headers; their values are not shown.
    pub headers: &'a [(&'a str, &'a Secret)],
    /// What is sent, as JSON.
    pub body: Option<&'a Secret>,
    /// How long it may take.
    pub within: Duration,
    /// How long an answer may be.
    pub answer_bytes_max: usize,
}

/// What came back. Any status is an answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The seconds that the server asks to be left alone, where it says so.
    pub retry_after: Option<u64>,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// What it tells of a limit on requests.
    pub limit: Option<Limit>,
    /// All that it says.
    pub body: Secret,
}

/// A limit on requests, as answers tell it (`X-Ratelimit-..`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// So many requests are let through until it begins anew.
    pub requests: u64,
    /// So many of them are left.
    pub left: u64,
    /// The seconds until it begins anew.
    pub seconds: u64,
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What went wrong.
    pub kind: Kind,
    /// In words that hold no secret.
    pub why: String,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody listens there, or the name leads nowhere: nothing was sent.
    Unreached,
    /// One of the two could not show who they are.
    Untrusted,
    /// It took too long, or the connection ended: what was asked may have been done.
    Lost,
    /// It could not be asked as it stands.
    Nonsense,
}

impl Caller {
    /// A caller with these papers.
    ///
    /// # Errors
    /// They cannot be read, or do not fit.
    pub fn new(tls: Option<&Tls>, secrets: &dyn Secrets) -> Result<Self, Fault> {
        let papers = tls::papers(tls, secrets)?;
        let mut config = TlsConfig::builder();
        if let Some(authorities) = &papers.authorities {
            let all: Vec<_> = authorities.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
            config = config.root_certs(RootCerts::new_with_certs(&all));
        }
        if let Some((chain, key)) = &papers.own {
            let chain: Vec<_> = chain.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
            let key = key
                .lend(|pem| PrivateKey::from_pem(pem))
                .map_err(|_| Fault::ask_operator("prepare TLS", tls::NO_KEY))?;
            config = config.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        // The agent leaves out an authority that makes no sense, and finds out late about a key that does not fit.
        papers.client()?;
        Ok(Self(ask::agent(config)))
    }

    /// Calls once.
    ///
    /// # Errors
    /// No answer came.
    pub fn call(&self, call: &Call<'_>) -> Result<Answer, Broken> {
        let mut request = Request::builder().method(call.method).uri(call.url);
        for (name, value) in call.headers {
            let nonsense = |_| Broken { kind: Kind::Nonsense, why: format!("the value of `{name}` is no header") };
            let mut value = value.lend(HeaderValue::from_bytes).map_err(nonsense)?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        let answer = match call.body {
            None => self.run(request.body(()), call.within),
            Some(body) => {
                // What is sent to change a part of something is a document of its own kind.
                let kind = if call.method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
                let request = request.header(CONTENT_TYPE, HeaderValue::from_static(kind));
                body.lend(|bytes| self.run(request.body(bytes), call.within))
            }
        };
        answer.and_then(|answer| read(answer, call.answer_bytes_max)).map_err(|error| broken(&error))
    }

    fn run(
        &self,
        request: Result<Request<impl ureq::AsSendBody>, ureq::http::Error>,
        within: Duration,
    ) -> Result<Response<ureq::Body>, Error> {
        let asked = request.map_err(Error::Http)?.with_agent(&self.0).configure();
        asked.timeout_global(Some(within)).timeout_connect(Some(within.min(CONNECT))).run()
    }
}

fn read(response: Response<ureq::Body>, most: usize) -> Result<Answer, Error> {
    let status = response.status().as_u16();
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let retry_after = text(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok());
    let location = text(ureq::http::header::LOCATION);
    let number = |name: &'static str| text(HeaderName::from_static(name)).and_then(|number| number.trim().parse().ok());
    let limit = number("x-ratelimit-limit").zip(number("x-ratelimit-remaining")).zip(number("x-ratelimit-reset"));
    let limit = limit.map(|((requests, left), seconds)| Limit { requests, left, seconds });
    let expected = response.body().content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut reader = response.into_body().into_reader();
    // Pieces that are wiped, so that growing leaves no copy behind.
    let mut pieces = vec![Secret::from_vec(Vec::new())];
    let mut total: usize = 0;
    loop {
        let mut piece = zeroize::Zeroizing::new(vec![0; expected.saturating_sub(total).clamp(PIECE_MIN, PIECE_MAX)]);
        let mut filled = 0;
        while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match reader.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if filled == 0 {
            break;
        }
        total = total.saturating_add(filled);
        if total > most {
            return Err(Error::BodyExceedsLimit(u64::try_from(most).unwrap_or(u64::MAX)));
        }
        piece.truncate(filled);
        pieces.push(Secret::from_vec(std::mem::take(&mut *piece)));
    }
    let mut whole = Vec::with_capacity(total);
    pieces.iter().for_each(|piece| piece.lend(|bytes| whole.extend_from_slice(bytes)));
    Ok(Answer { status, retry_after, location, limit, body: Secret::from_vec(whole) })
}

fn broken(error: &Error) -> Broken {
    let (kind, why) = match error {
        Error::Io(error) => {
            let why = words(error);
            let untrusted = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            let kind = match error.kind() {
                _ if untrusted => Kind::Untrusted,
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::NotFound => Kind::Unreached,
                _ => Kind::Lost,
            };
            (kind, why)
        }
        Error::Rustls(error) => (Kind::Untrusted, error.to_string()),
        Error::Tls(error) => (Kind::Untrusted, (*error).to_owned()),
        Error::HostNotFound => (Kind::Unreached, "the host's name is not known".to_owned()),
        Error::ConnectionFailed => (Kind::Unreached, "the connection failed".to_owned()),
        Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            (Kind::Unreached, "nobody answered in time".to_owned())
        }
        Error::Timeout(_) => (Kind::Lost, "no answer came in time".to_owned()),
        Error::BodyStalled => (Kind::Lost, "the connection ended".to_owned()),
        Error::Protocol(error) => (Kind::Lost, format!("what came back is no HTTP: {error}")),
        Error::BodyExceedsLimit(most) => (Kind::Nonsense, format!("the answer is longer than {most} bytes")),
        // Its words may quote an address, which is the caller's to name.
        Error::Http(_) | Error::BadUri(_) => (Kind::Nonsense, "the address or a header makes no sense".to_owned()),
        other => (Kind::Nonsense, other.to_string()),
    };
    Broken { kind, why }
}

fn words(error: &io::Error) -> String {
    let deeper = error.get_ref().and_then(std::error::Error::source).map(ToString::to_string);
    let said = error.to_string();
    match deeper {
        Some(deeper) if !said.contains(&deeper) => format!("{said}: {deeper}"),
        _ => said,
    }
}
