//! A connection to the service, for one call: TCP, TLS with our certificate, HTTP/2, gRPC; within a time limit.

use crate::fault::Fault;
use crate::policy::meant::store::Grpc as Meant;
use crate::port::probe::Secrets;
use crate::store::grpc::trouble;
use crate::store::grpc::trouble::Lost;
use crate::tls;
use hyper::Uri;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::client::conn::http2::SendRequest;
use hyper::http::uri::PathAndQuery;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use prost::bytes::Buf;
use prost::bytes::BufMut;
use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::Request;
use tonic::Status;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::client::GrpcService;
use tonic::codec::Codec;
use tonic::codec::DecodeBuf;
use tonic::codec::Decoder;
use tonic::codec::EncodeBuf;
use tonic::codec::Encoder;

/// How large an answer may be: a list of failures is long where much fails.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long connecting may take, whatever a call may.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// How long a connection that broke may take to say why.
const END_WITHIN: Duration = Duration::from_millis(500);

/// How to reach the service.
pub(super) struct Line {
    doing: String,
    method: String,
    origin: Uri,
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    within: Duration,
    runtime: Runtime,
}

/// A connection that stands.
struct Standing {
    send: SendRequest<Body>,
    peer: Option<Vec<u8>>,
    end: Ending,
}

/// How a connection ended.
type Ending = JoinHandle<Result<(), hyper::Error>>;

impl Line {
    /// By the policy's address and certificates. Nothing is asked yet.
    pub(super) fn new(doing: &str, meant: &Meant, secrets: &dyn Secrets) -> Result<Self, Fault> {
        let wrong = |why: &str| {
            let hint = "write `endpoint` as `https://HOST:PORT`, or `http://..` where nothing is secret on the way";
            Fault::ask_operator(doing, format!("`{}` {why}", meant.endpoint)).hint(hint)
        };
        let origin: Uri = meant.endpoint.parse().map_err(|_| wrong("is not an address"))?;
        let secure = match origin.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("is neither `https` nor `http`")),
        };
        if !secure && meant.tls.is_some() {
            return Err(wrong("takes no certificates: they would not be used"));
        }
        let host = origin.host().ok_or_else(|| wrong("names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = origin.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = if secure {
            let mut config = tls::client(meant.tls.as_ref(), secrets)?;
            config.alpn_protocols = vec![b"h2".to_vec()];
            Some(Arc::new(config))
        } else {
            None
        };
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| Fault::io(doing, &error))?;
        let within = Duration::from_secs(meant.within.as_seconds());
        Ok(Self { doing: doing.to_owned(), method: meant.method.clone(), origin, host, port, tls, within, runtime })
    }

    /// What it is used for, to follow "could not".
    pub(super) fn doing(&self) -> &str {
        &self.doing
    }

    /// `host:port`.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Who answers, by the certificate.
    pub(super) fn peer(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.limited(async { self.connect().await.map(|standing| standing.peer) })
    }

    /// Calls a method with one message and takes one; again, where that may be done, as long as the service is away.
    pub(super) fn call(
        &self,
        path: &str,
        request: &[u8],
        (calls, rest): (u32, Duration),
        scope: Option<&str>,
    ) -> Result<Vec<u8>, Fault> {
        let mut rest = rest;
        for _ in 1..calls {
            match self.once(path, request) {
                Err(lost) if lost.may_pass() => {
                    let pause = rest;
                    self.runtime.block_on(async move { tokio::time::sleep(pause).await });
                    rest = rest.saturating_mul(2);
                }
                other => return other.map_err(|lost| self.fault(&lost, scope)),
            }
        }
        self.once(path, request).map_err(|lost| self.fault(&lost, scope))
    }

    fn once(&self, path: &str, request: &[u8]) -> Result<Vec<u8>, Lost> {
        self.within(async {
            let (mut grpc, end) = self.grpc().await?;
            let mut message = Request::new(request.to_vec());
            message.set_timeout(self.within);
            let answer = grpc.unary(message, self.path(path)?, Raw).await;
            match answer {
                Ok(answer) => Ok(answer.into_inner()),
                Err(status) => Err(why(status, end).await),
            }
        })
    }

    /// Sends one message on a stream and takes the first answer.
    pub(super) fn ask(&self, path: &str, request: Vec<u8>) -> Result<Option<Vec<u8>>, Lost> {
        self.within(async {
            let (mut grpc, end) = self.grpc().await?;
            let answer = grpc.server_streaming(Request::new(request), self.path(path)?, Raw).await;
            let message = match answer {
                Ok(answer) => answer.into_inner().message().await,
                Err(status) => Err(status),
            };
            match message {
                Ok(message) => Ok(message),
                Err(status) => Err(why(status, end).await),
            }
        })
    }

    /// A failure of a call, in the words of who can mend it.
    pub(super) fn fault(&self, lost: &Lost, scope: Option<&str>) -> Fault {
        let place = trouble::Place { at: self.authority(), method: &self.method, secure: self.tls.is_some(), scope };
        trouble::told(&self.doing, lost, &place)
    }

    fn path(&self, path: &str) -> Result<PathAndQuery, Lost> {
        path.parse().map_err(|_| Lost::Status(Status::invalid_argument(format!("`{path}` is no path"))))
    }

    fn limited<T>(&self, work: impl Future<Output = Result<T, Lost>>) -> Result<T, Fault> {
        self.within(work).map_err(|lost| self.fault(&lost, None))
    }

    fn within<T>(&self, work: impl Future<Output = Result<T, Lost>>) -> Result<T, Lost> {
        let limit = self.within;
        self.runtime
            .block_on(async move { tokio::time::timeout(limit, work).await.unwrap_or(Err(Lost::TooLong(limit))) })
    }

    async fn grpc(&self) -> Result<(Grpc<Call>, Ending), Lost> {
        let Standing { send, end, .. } = self.connect().await?;
        let mut grpc = Grpc::with_origin(Call(send), self.origin.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        match grpc.ready().await {
            Ok(()) => Ok((grpc, end)),
            Err(error) => Err(ended(end).await.unwrap_or(Lost::Connection(error.into()))),
        }
    }

    async fn connect(&self) -> Result<Standing, Lost> {
        let reach = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_WITHIN, reach).await;
        let stream =
            stream.map_err(|_| Lost::TooLong(CONNECT_WITHIN))?.map_err(|error| Lost::Connection(error.into()))?;
        stream.set_nodelay(true).map_err(|error| Lost::Connection(error.into()))?;
        let Some(config) = &self.tls else {
            let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(|error| Lost::Connection(error.into()))?;
            return Ok(Standing { send, peer: None, end: tokio::spawn(connection) });
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|error| Lost::Connection(error.into()))?;
        let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        let secured = secured.map_err(|error| Lost::Connection(error.into()))?;
        let certificates = secured.get_ref().1.peer_certificates();
        let peer = certificates.and_then(|all| all.first()).map(|first| first.to_vec());
        let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(secured))
            .await
            .map_err(|error| Lost::Connection(error.into()))?;
        Ok(Standing { send, peer, end: tokio::spawn(connection) })
    }
}

/// A server that does not accept our certificate says so once the connection stands, and only to it: the call learns no more
/// than that it broke.
async fn why(status: Status, end: Ending) -> Lost {
    match status.source().is_some() {
        true => ended(end).await.unwrap_or(Lost::Status(status)),
        false => Lost::Status(status),
    }
}

async fn ended(end: Ending) -> Option<Lost> {
    let ended = tokio::time::timeout(END_WITHIN, end).await.ok()?.ok()?;
    ended.err().map(|error| Lost::Connection(error.into()))
}

/// The way into a connection.
struct Call(SendRequest<Body>);

impl GrpcService<Body> for Call {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<hyper::Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: hyper::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Messages as bytes: what they mean is known beside the wire.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; from.remaining()];
        from.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}
