//! What went wrong with a call, in words, each with its own way out.

use crate::command::first_lines;
use crate::fault::Fault;
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio_rustls::rustls;
use tonic::Code;
use tonic::Status;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// No connection, or it broke.
    Connection(Box<dyn Error + Send + Sync>),
    /// The service said so.
    Status(Status),
    /// Our own patience ended.
    TooLong(Duration),
}

/// Where a call went, for people.
pub(super) struct Place<'a> {
    /// `host:port`.
    pub(super) at: String,
    /// The method.
    pub(super) method: &'a str,
    /// Whether by TLS.
    pub(super) secure: bool,
    /// What the call was narrowed to.
    pub(super) scope: Option<&'a str>,
}

impl Lost {
    /// Whether the same again may work soon: the service was away, or too slow.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Lost::Connection(error) => secured(error.as_ref()).is_none(),
            Lost::Status(status) => {
                let away = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
                away || broken(status) && tls_of(status).is_none()
            }
            Lost::TooLong(_) => true,
        }
    }

    /// Whether the service does not know the method.
    pub(super) fn is_unimplemented(&self) -> bool {
        matches!(self, Lost::Status(status) if status.code() == Code::Unimplemented)
    }
}

/// Whether a status was made on this side because the connection broke.
fn broken(status: &Status) -> bool {
    matches!(status.code(), Code::Unknown | Code::Internal | Code::Cancelled) && status.source().is_some()
}

/// What TLS has to do with it.
fn secured(error: &(dyn Error + 'static)) -> Option<String> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls.to_string());
        }
        // An input and output error carries what it is made of apart from its source.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(tls) = secured(inner)
        {
            return Some(tls);
        }
        at = error.source();
    }
    None
}

fn tls_of(status: &Status) -> Option<String> {
    status.source().and_then(secured)
}

/// The failure of a call as a fault.
pub(super) fn told(doing: &str, lost: &Lost, place: &Place<'_>) -> Fault {
    match lost {
        Lost::Connection(error) => match secured(error.as_ref()) {
            Some(tls) => of_tls(doing, &tls, &place.at),
            None => of_connection(doing, error.as_ref(), place),
        },
        Lost::TooLong(limit) => {
            let why = format!("`{}` gave no answer within {}s", place.at, limit.as_secs());
            Fault::retry(doing, why).hint(
                "it may still be at work: what it has done is found by the next look; raise `within` if it needs longer",
            )
        }
        Lost::Status(status) => match tls_of(status) {
            Some(tls) => of_tls(doing, &tls, &place.at),
            None if broken(status) => {
                let why = format!("the connection to `{}` broke: {}", place.at, deepest(status));
                Fault::retry(doing, why).hint(AWAY)
            }
            None => of_status(doing, status, place),
        },
    }
}

const AWAY: &str =
    "see that the service is up, then run `keyrota apply` again: what it has done is found by the next look";

/// A server that does not accept a certificate may close before its reason is read.
const CLOSED_ON_TLS: &str =
    "see that the service is up, and that it accepts the certificate in `tls.cert`; it must not have expired";

fn of_tls(doing: &str, tls: &str, at: &str) -> Fault {
    let asks_for_ours = ["CertificateRequired", "BadCertificate", "UnknownCA", "CertificateUnknown", "AccessDenied"];
    let hint = if asks_for_ours.iter().any(|alert| tls.contains(alert)) && tls.contains("alert") {
        "the service did not accept our certificate: see `tls.cert` and `tls.key`, and that it has not expired"
    } else if tls.contains("UnknownIssuer") {
        "set `tls.ca` to the authority that signed the service's certificate"
    } else if tls.contains("NotValidForName") || tls.contains("not valid for name") {
        "the certificate is for another name: see the host in `endpoint`"
    } else {
        "see `tls`, and that the service speaks TLS at this address"
    };
    Fault::ask_operator(doing, format!("no trusted connection to `{at}`: {tls}")).hint(hint)
}

fn of_connection(doing: &str, error: &(dyn Error + 'static), place: &Place<'_>) -> Fault {
    let at = &place.at;
    let kind = find_io(error).map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => Fault::retry(doing, format!("`{at}` refuses connections"))
            .hint("see that the service is up, and `endpoint`"),
        Some(io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            Fault::retry(doing, format!("`{at}` cannot be reached")).hint("see `endpoint` and the network")
        }
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) => {
            Fault::retry(doing, format!("`{at}` closed the connection")).hint(if place.secure {
                CLOSED_ON_TLS
            } else {
                "see that it speaks gRPC, and whether it wants TLS (`https`)"
            })
        }
        _ => Fault::retry(doing, format!("no connection to `{at}`: {}", deepest(error))).hint("see `endpoint`"),
    }
}

fn find_io<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        at = error.source();
    }
    None
}

fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    first_lines(at.to_string().as_bytes())
}

fn of_status(doing: &str, status: &Status, place: &Place<'_>) -> Fault {
    let said = first_lines(status.message().as_bytes());
    let method = place.method;
    let why = |what: &str| if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") };
    let ask = |what: &str, hint: String| Fault::ask_operator(doing, why(what)).hint(hint);
    let again = |what: &str, hint: String| Fault::retry(doing, why(what)).hint(hint);
    match status.code() {
        Code::NotFound => match place.scope {
            Some(scope) => {
                ask("the service finds nothing", format!("see that it knows `{scope}`, and `scope.values`"))
            }
            None => ask("the service finds nothing", "see `dry_run`, `apply` and the service's own log".into()),
        },
        Code::InvalidArgument => ask(
            "the service refuses the request",
            "see that the key of the version that it has as current was delivered to every instance; and `dry_run`, `apply` \
             and `scope`"
                .into(),
        ),
        Code::Unauthenticated => ask(
            "the service does not know who asks",
            "see `tls.cert` and `tls.key`: the certificate it wants, and not expired".into(),
        ),
        Code::PermissionDenied => {
            ask("the service does not let us", format!("let the client of `tls.cert` call `{method}`"))
        }
        Code::Unavailable => again("the service is not available", AWAY.into()),
        Code::DeadlineExceeded => again(
            "the service did not answer in time",
            "it may still be at work: what it has done is found by the next look; raise `within` if it needs longer".into(),
        ),
        Code::Unimplemented => {
            ask("the service does not know the method", format!("see `method` (`{method}`) and `endpoint`"))
        }
        Code::ResourceExhausted => again("the service asks us to wait", "run `keyrota apply` again later".into()),
        Code::Aborted => again("the service gave up the call", AWAY.into()),
        Code::FailedPrecondition => {
            ask("the service is not in a state to do it", "mend what it says, then run `keyrota apply` again".into())
        }
        code => ask(&format!("the service failed ({code})"), "see the service's own log".into()),
    }
}
