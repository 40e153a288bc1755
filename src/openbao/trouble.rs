//! What the server says, or that it says nothing, in plain words with the way out.

use crate::command::printable;
use crate::fault::Fault;
use crate::http::call::Answer as Heard;
use crate::http::call::Broken;
use crate::http::call::Kind;
use crate::openbao::Answer;
use crate::openbao::Ask;
use crate::openbao::Inner;
use crate::secret::Secret;

/// How much of the server's own words is shown.
const SAID_CHARS_MAX: usize = 300;

/// Whether the same question may well be answered a little later. `again`: whether it may be asked again where nobody knows
/// whether it was done.
pub(super) fn passes(status: u16, body: &Secret, again: bool) -> bool {
    match status {
        // Judged before anything is done: a limit, and a server that has not caught up with what this client wrote.
        429 | 412 => true,
        503 => again && !said(body).contains("sealed"),
        500 | 502 | 504 => again,
        // An engine that was mounted a moment ago.
        400 => said(body).contains("will resume service shortly"),
        _ => false,
    }
}

/// The list of errors that the server itself sends; nothing where it sent none.
pub(super) fn errors(body: &Secret) -> Option<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    body.lend(|bytes| serde_json::from_slice::<Errors>(bytes)).ok().map(|errors| errors.errors)
}

/// The server's own words.
pub(super) fn said(body: &Secret) -> String {
    let text = errors(body).unwrap_or_default().join("; ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut kept: String = text.chars().take(SAID_CHARS_MAX).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    printable(&kept)
}

/// `why: the server's own words`, or only the first where it says nothing more.
fn with_said(why: &str, body: &Secret) -> String {
    match said(body) {
        text if text.is_empty() => why.to_owned(),
        text => format!("{why}: {text}"),
    }
}

/// No answer came.
pub(super) fn broken(client: &Inner, doing: &str, broken: &Broken) -> Fault {
    let why = format!("{}: {}", client.place(), printable(&broken.why));
    match broken.kind {
        Kind::Unreached => Fault::retry(doing, why).hint(format!(
            "nobody answers there: is the server up, and is `{}` its address as seen from this machine?",
            client.addr
        )),
        Kind::Untrusted => Fault::ask_operator(doing, why).hint(match client.tls {
            None => "the server's certificate is not trusted: name its authority with `tls = { ca = { file = \"..\" } }`",
            Some(_) => {
                "the two do not trust each other: do `ca`, `cert` and `key` in `tls` fit this server, and its name the certificate?"
            }
        }),
        Kind::Lost if client.addr.starts_with("http:") => Fault::retry(doing, why)
            .hint("the connection ended without an answer: run this again, and if the server speaks TLS write `https://`"),
        Kind::Lost => Fault::retry(doing, why)
            .hint("the connection ended without an answer: look at the server's log, and run this again"),
        Kind::Nonsense => Fault::ask_operator(doing, why),
    }
}

/// Whether the server speaks TLS and was asked in the clear.
pub(super) fn wants_tls(heard: &Heard) -> bool {
    heard.status == 400 && heard.body.lend(|body| body.starts_with(b"Client sent an HTTP request to an HTTPS server"))
}

/// The server speaks TLS, and was asked in the clear.
pub(super) fn no_tls(client: &Inner, doing: &str) -> Fault {
    Fault::ask_operator(doing, format!("{}: it speaks TLS, and `addr` does not", client.place()))
        .hint("write `addr` with `https://`, and look whether a token went there in the clear")
}

/// The capabilities that a question needs, as a policy of the server writes them.
pub(super) fn capabilities(method: &str) -> &'static str {
    match method {
        "GET" => "\"read\"",
        "LIST" => "\"list\"",
        "DELETE" => "\"delete\"",
        "PATCH" => "\"patch\"",
        _ => "\"create\", \"update\"",
    }
}

/// The line that allows it.
pub(super) fn policy_line(path: &str, capabilities: &str) -> String {
    format!("path \"{path}\" {{ capabilities = [{capabilities}] }}")
}

/// It is not allowed, though the login is good.
pub(super) fn forbidden(client: &Inner, ask: &Ask<'_>, login: &str) -> Fault {
    let path = ask.path.split('?').next().unwrap_or(ask.path);
    let capabilities = capabilities(ask.method);
    let why = format!("{}: permission denied: {capabilities} on `{path}`", client.place());
    Fault::ask_operator(ask.doing, why)
        .hint(format!("add to the policy of {login}: `{}`", policy_line(path, capabilities)))
}

/// The login itself is not, or no longer, good.
pub(super) fn unknown_token(client: &Inner, doing: &str, login: &str) -> Fault {
    let why = format!("{}: it does not know {login}, or no longer", client.place());
    Fault::ask_operator(doing, why).hint(match &client.namespace {
        None => "the token has ended, was revoked, or is another server's or namespace's: give a new one".to_owned(),
        Some(name) => format!(
            "the token has ended, was revoked, or is not one for namespace `{name}`: give a new one, made there or above"
        ),
    })
}

/// A login was refused.
pub(super) fn refused_login(client: &Inner, doing: &str, login: &str, body: &Secret) -> Fault {
    let why = with_said(&format!("{}: login as {login} was refused", client.place()), body);
    Fault::ask_operator(doing, why)
        .hint("look at the role's settings, and whether what it logs in with has ended or was used up")
}

/// An answer that is no answer: what neither an engine nor a repeat can mend.
pub(super) fn fault(client: &Inner, ask: &Ask<'_>, heard: &Heard) -> Fault {
    let place = client.place();
    let why = |short: &str| with_said(&format!("{place}: {short} (status {})", heard.status), &heard.body);
    let said = said(&heard.body);
    match heard.status {
        429 => {
            let fault = Fault::retry(ask.doing, why("too many requests"));
            match heard.retry_after.filter(|seconds| *seconds > 0) {
                Some(seconds) => fault
                    .after(seconds)
                    .hint(format!("the server asks for {seconds} seconds of rest: run this again then")),
                None => {
                    fault.hint("a quota of the server's is used up: run this again a little later, or raise the quota")
                }
            }
        }
        412 => Fault::retry(ask.doing, why("this node has not caught up with the last write"))
            .hint("run this again; or let `addr` lead to the active node"),
        503 if said.contains("sealed") => Fault::retry(ask.doing, why("the server is sealed"))
            .hint("unseal it (`bao operator unseal`), then run this again: nothing was changed"),
        501 => {
            Fault::ask_operator(ask.doing, why("the server is not initialised")).hint("`bao operator init` comes first")
        }
        307 | 308 | 301 | 302 | 303 | 472 | 473 => standby(client, ask, heard),
        500.. if said.contains("standby") || said.contains("not active") => standby(client, ask, heard),
        500.. => {
            let fault = Fault::retry(ask.doing, why("the server failed"))
                .hint("look at its log and its health (`bao status`), then run this again");
            heard.retry_after.filter(|seconds| *seconds > 0).into_iter().fold(fault, Fault::after)
        }
        405 => Fault::ask_operator(ask.doing, why("this is not supported there"))
            .hint("is the engine at `mount` of the kind that the policy names?"),
        413 => Fault::ask_operator(ask.doing, why("the question is too large for it")),
        _ => Fault::ask_operator(ask.doing, why("it was refused")),
    }
}

fn standby(client: &Inner, ask: &Ask<'_>, heard: &Heard) -> Fault {
    let to = heard.location.as_deref().map(|to| format!(" and points to `{}`", printable(to))).unwrap_or_default();
    let why = with_said(&format!("{}: this node is a standby{to}", client.place()), &heard.body);
    Fault::retry(ask.doing, why).hint(
        "let `addr` lead to the active node, or to a load balancer that asks `sys/health`; is there an active node?",
    )
}

/// A 400 or 404 that the engine's client did not expect.
pub(super) fn unexpected(client: &Inner, doing: &str, path: &str, answer: &Answer) -> Fault {
    let place = client.place();
    let said = said(&answer.body);
    if said.contains("namespace not found") {
        return Fault::ask_operator(doing, format!("{place}: there is no such namespace"))
            .hint("look at the policy's `namespace`; `bao namespace list` shows what is there");
    }
    if said.contains("no handler for route") {
        let hint = "look at the policy's `mount` and `namespace`; `bao secrets list` shows what is mounted";
        return Fault::ask_operator(doing, format!("{place}: nothing is mounted at `{path}`")).hint(hint);
    }
    if answer.status == 404 && errors(&answer.body).is_none() {
        let why = format!("{place}: what answers at `{path}` (status 404) is no secrets server");
        return Fault::retry(doing, why).hint(
            "does `addr` lead to OpenBao or Vault, and is what stands in front of it in order? then run this again",
        );
    }
    let short = match answer.status {
        404 => format!("{place}: there is nothing at `{path}`"),
        status => format!("{place}: it was refused (status {status})"),
    };
    Fault::ask_operator(doing, with_said(&short, &answer.body))
}
