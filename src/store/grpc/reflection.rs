//! Shapes as the server tells them, by server reflection: the service's file, and whatever that imports.

use crate::fault::Fault;
use crate::store::grpc::line::Line;
use crate::store::grpc::trouble::Lost;
use prost::Message;
use std::collections::BTreeMap;

/// The newer protocol first; the older speaks the same messages.
const PROTOCOLS: [&str; 2] = ["grpc.reflection.v1", "grpc.reflection.v1alpha"];
/// More files than this are no service's.
const FILES_MAX: usize = 1_000;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(string, optional, tag = "3")]
    file_by_filename: Option<String>,
    #[prost(string, optional, tag = "4")]
    file_containing_symbol: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "4")]
    files: Option<Files>,
    #[prost(message, optional, tag = "7")]
    error: Option<Refused>,
}

#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Refused {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// What of a file's own shape is needed to find the others.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    imports: Vec<String>,
}

/// A set of files, as `protoc` writes it.
#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

/// The descriptor set of a service, as bytes.
pub(super) fn ask(line: &Line, service: &str) -> Result<Vec<u8>, Fault> {
    let mut known: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let first = Request { file_containing_symbol: Some(service.to_owned()), ..Request::default() };
    let protocol = greet(line, &first, service, &mut known)?;
    loop {
        let heads = known.values().filter_map(|file| Head::decode(file.as_slice()).ok());
        let missing = heads.flat_map(|head| head.imports).find(|name| !known.contains_key(name));
        let Some(name) = missing else { break };
        if known.len() >= FILES_MAX {
            return Err(odd(line, format!("it names more than {FILES_MAX} files")));
        }
        let request = Request { file_by_filename: Some(name.clone()), ..Request::default() };
        let response = once(line, protocol, &request).map_err(|lost| line.fault(&lost, None))?;
        take(line, response, &name, &mut known)?;
        if !known.contains_key(&name) {
            return Err(odd(line, format!("it does not tell its file `{name}`")));
        }
    }
    Ok(Set { file: known.into_values().collect() }.encode_to_vec())
}

/// Finds the protocol that the server speaks, by its first question.
fn greet(
    line: &Line,
    first: &Request,
    service: &str,
    known: &mut BTreeMap<String, Vec<u8>>,
) -> Result<&'static str, Fault> {
    for protocol in PROTOCOLS {
        match once(line, protocol, first) {
            Ok(response) => {
                take(line, response, service, known)?;
                return Ok(protocol);
            }
            Err(lost) if lost.is_unimplemented() => {}
            Err(lost) => return Err(line.fault(&lost, None)),
        }
    }
    let fault = Fault::ask_operator(line.doing(), format!("`{}` does not speak server reflection", line.authority()));
    Err(fault.hint("give the shapes as a file: `shapes = { descriptor_set = \"FILE\" }` or `{ proto = \"FILE\" }`"))
}

fn once(line: &Line, protocol: &str, request: &Request) -> Result<Option<Response>, Lost> {
    let path = format!("/{protocol}.ServerReflection/ServerReflectionInfo");
    let answer = line.ask(&path, request.encode_to_vec())?;
    Ok(answer.and_then(|bytes| Response::decode(bytes.as_slice()).ok()))
}

fn take(
    line: &Line,
    response: Option<Response>,
    wanted: &str,
    known: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), Fault> {
    let response = response.ok_or_else(|| odd(line, "its answer makes no sense".into()))?;
    if let Some(refused) = response.error {
        let said = crate::command::first_lines(refused.message.as_bytes());
        let fault = Fault::ask_operator(line.doing(), format!("the server knows no `{wanted}`: {said}"));
        return Err(fault.hint("see `method` and `endpoint`"));
    }
    for file in response.files.unwrap_or_default().file {
        match Head::decode(file.as_slice()) {
            Ok(head) => drop(known.insert(head.name, file)),
            Err(_) => return Err(odd(line, "one of its files is none".into())),
        }
    }
    Ok(())
}

fn odd(line: &Line, why: String) -> Fault {
    Fault::ask_operator(line.doing(), format!("server reflection at `{}`: {why}", line.authority()))
        .hint("give the shapes as a file: `shapes = { descriptor_set = \"FILE\" }`")
}
