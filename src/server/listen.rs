//! Listening, and ending well: nobody new is let in, who is being answered is answered.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use oss::Oss;
use s3::S3;
use service::{Service, Trouble};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::gate::Gate;
use crate::nonces::{Nonces, SYNC_EVERY};
use crate::patient::{Patient, TAKES_NOTHING_MAX};
use crate::route::{self, Peer, Routes};
use crate::throttle::Limits;
use crate::tls::{self, Certificate, HANDSHAKE};

/// Connections that are open at once. An idle one takes some kilobytes; the limit of open files is
/// raised for them.
const CONNECTIONS_MAX: usize = 16_384;
/// Connections that the kernel keeps until they are accepted, as many as it does where nobody told it otherwise. One
/// that finds no room there is not refused, but comes a second later.
const BACKLOG: u32 = 4096;
/// Open files that are kept for everything else.
const FILES_KEPT: u64 = 512;
/// The head of a request at most. Older clients put all parameters into it, of which contents of 16 KiB
/// are three times as long when encoded.
const HEAD_BYTES_MAX: usize = 256 << 10;
/// Headers of a request at most; the official clients send fifteen.
const HEADERS_MAX: usize = 128;
/// How long a client may take for a head, and how long a connection may be idle: longer than clients
/// keep theirs, short enough that those who only hold on are let go.
const HEAD_TIME_MAX: Duration = Duration::from_mins(1);
/// How long requests that are being answered may take when the server ends.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// A pause when accepting fails (no file descriptors left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 is any that is free.
    pub listen: SocketAddr,
    /// The data directory, where is kept which requests were answered.
    pub dir: PathBuf,
    /// How much is answered.
    pub limits: Limits,
    /// Whether a line is written for each request.
    pub is_logging: bool,
    /// The certificate by which HTTPS is spoken as well; none for HTTP alone.
    pub certificate: Option<Certificate>,
}

/// Where a server listens, and what its clients are to trust.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Address and port.
    pub at: SocketAddr,
    /// The certificate, if HTTPS is spoken.
    pub certificate: Option<PathBuf>,
}

/// Serves until `stop` is over, then lets what is being answered end. `ready` is told where it listens.
pub async fn serve(
    service: Arc<Service>,
    options: Options,
    ready: impl FnOnce(Listening),
    stop: impl Future<Output = ()>,
) -> Result<(), Trouble> {
    let connections = connections_max();
    let failed = |error: io::Error| {
        Trouble::world(format_args!("listening on `{}`", options.listen), error)
            .advise("choose another address or port with `--listen`, or end what listens there")
    };
    let (acceptor, certificate) = options.certificate.as_ref().map(tls::acceptor).transpose()?.unzip();
    let listener = listen(options.listen).map_err(failed)?;
    let nonces = Nonces::kept(&options.dir)
        .map_err(|error| Trouble::world("reading which requests were answered before", error))?;
    let routes = Arc::new(Routes {
        buckets: Oss::new(service.clone()),
        s3: S3::new(service.clone()),
        gate: Gate::new(service, options.limits, nonces),
        is_logging: options.is_logging,
        is_draining: false.into(),
    });
    ready(Listening { at: listener.local_addr().map_err(failed)?, certificate });
    let syncing = tokio::spawn(sync_nonces(routes.clone()));
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(connections));
    let mut stop = std::pin::pin!(stop);
    loop {
        // One that finds no room waits to be accepted, until an idle one is let go.
        let place = tokio::select! {
            place = room.clone().acquire_owned() => place.expect("it is never closed"),
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // A small answer is sent at once.
        let _ = stream.set_nodelay(true);
        let (routes, watcher, acceptor) = (routes.clone(), graceful.watcher(), acceptor.clone());
        tokio::spawn(async move {
            routes.gate.metrics.connections.fetch_add(1, Ordering::Relaxed);
            converse(routes.clone(), stream, peer.ip(), acceptor, watcher).await;
            routes.gate.metrics.connections.fetch_sub(1, Ordering::Relaxed);
            drop(place);
        });
    }
    drop(listener);
    routes.is_draining.store(true, Ordering::Release);
    let _ = tokio::time::timeout(DRAIN_MAX, graceful.shutdown()).await;
    syncing.abort();
    routes.gate.nonces.sync();
    Ok(())
}

/// Begins to listen.
fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that was ended a moment ago has left connections that are on their way out.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

/// Makes durable, now and then, which requests were answered.
async fn sync_nonces(routes: Arc<Routes>) {
    loop {
        tokio::time::sleep(SYNC_EVERY).await;
        let routes = routes.clone();
        let _ = tokio::task::spawn_blocking(move || routes.gate.nonces.sync()).await;
    }
}

/// Answers on a connection until either side has enough. What breaks it concerns only the client.
async fn converse(
    routes: Arc<Routes>,
    stream: TcpStream,
    peer: IpAddr,
    acceptor: Option<TlsAcceptor>,
    watcher: Watcher,
) {
    let plain = Peer { address: peer, is_secure: false };
    let Some(acceptor) = acceptor else { return answer_on(routes, stream, plain, watcher).await };
    let mut first = [0];
    let begun = async {
        match stream.peek(&mut first).await {
            Ok(1..) if first[0] == HANDSHAKE => Some(Err(acceptor.accept(stream).await.ok()?)),
            Ok(1..) => Some(Ok(stream)),
            _ => None,
        }
    };
    match tokio::time::timeout(HEAD_TIME_MAX, begun).await {
        Ok(Some(Ok(stream))) => answer_on(routes, stream, plain, watcher).await,
        Ok(Some(Err(stream))) => {
            answer_on(routes, stream, Peer { is_secure: true, ..plain }, watcher).await;
        }
        _ => {}
    }
}

async fn answer_on<S>(routes: Arc<Routes>, stream: S, peer: Peer, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let routes = routes.clone();
        async move {
            let request = request.map(|body| body.map_err(io::Error::other).boxed());
            Ok::<_, Infallible>(route::answer(routes, request, peer).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, TAKES_NOTHING_MAX)), answer);
    let _ = watcher.watch(connection).await;
}

/// How many connections there may be, after the limit of open files was raised as far as it goes.
fn connections_max() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS_MAX as u64 + FILES_KEPT;
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |most| most.min(wanted)));
        // Where it may not be raised there are fewer connections.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    usize::try_from(files.saturating_sub(FILES_KEPT).max(16)).unwrap_or(CONNECTIONS_MAX).min(CONNECTIONS_MAX)
}
