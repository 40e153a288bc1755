//! Proofs: what a command prints, one JSON object a line, or what each member answers by HTTP.

use crate::command::printable;
use crate::fault::Fault;
use crate::fleet::command::Commanded;
use crate::policy::meant::Command;
use crate::policy::meant::check::HeaderValue;
use crate::policy::meant::fleet::ProofFrom;
use crate::port::facts::Facts;
use crate::port::fleet::Fleet;
use crate::port::fleet::Row;
use crate::secret::Secret;
use crate::template::Template;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is being done, to follow "could not".
const DOING: &str = "read the fleet's proofs";
/// How long one member may take to answer.
const WITHIN: Duration = Duration::from_secs(10);

/// Reads the proofs that the fleet itself gives.
pub(super) fn read(fleet: &Commanded) -> Result<Vec<Row>, Fault> {
    let proof = fleet.fleet.proof.as_ref();
    match proof.map(|proof| (&proof.from, proof.member.as_str())) {
        Some((ProofFrom::Command { command }, _)) => by_command(fleet, command),
        Some((ProofFrom::Http { url, headers }, field)) => by_http(fleet, (url, headers), field),
        Some((ProofFrom::Store { .. }, _)) => Err(Fault::report_bug(DOING, "they are read in their store")),
        None => Err(Fault::report_bug(DOING, "this fleet gives none")),
    }
}

fn by_command(fleet: &Commanded, command: &Command) -> Result<Vec<Row>, Fault> {
    fleet.lines(DOING, command)?.iter().map(|line| row(line.as_bytes())).collect()
}

/// Each member speaks for itself alone, whatever name it gives. One that does not answer gives no proof, which opens no gate.
fn by_http(
    fleet: &Commanded,
    (url, headers): (&Template, &BTreeMap<String, HeaderValue>),
    field: &str,
) -> Result<Vec<Row>, Fault> {
    let value = |(name, value): (&String, &HeaderValue)| {
        let value = match value {
            HeaderValue::Plain(text) => Secret::from_vec(text.clone().into_bytes()),
            HeaderValue::Secret(source) => fleet.secrets.reveal(source)?,
        };
        Ok::<_, Fault>((name.clone(), value))
    };
    let headers = headers.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    for member in fleet.members()? {
        let url = Facts::none().with_member(&member).fill(url);
        let url = url.map_err(|missing| Fault::ask_operator(DOING, missing))?;
        let reply = match crate::http::get(DOING, &url, &headers, WITHIN) {
            Err(fault) if fault.may_retry() => continue,
            other => other?,
        };
        if reply.status == 200 && !reply.cut {
            let mut row = row(&reply.body)?;
            row.insert(field.to_owned(), member.as_str().into());
            rows.push(row);
        }
    }
    Ok(rows)
}

fn row(text: &[u8]) -> Result<Row, Fault> {
    serde_json::from_slice(text).map_err(|_| {
        let start: String = String::from_utf8_lossy(text).chars().take(60).collect();
        Fault::ask_operator(DOING, format!("`{}` is not a JSON object", printable(&start)))
    })
}
