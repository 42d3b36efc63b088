//! Serves the buckets of a data directory on a local port, for clients to be tried against.
//!
//! `serve_buckets DIR PORT` prints a line `key WHO ID SECRET` for each of two accounts and for a user
//! of the first who may only read, and then a line when it is ready. It serves nothing else, and knows
//! no limits: that is the server's business.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::AccountId;
use domain::port::DataPlane;
use event::Actor;
use files::Files;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use oss::Oss;
use service::{
    AccessRequest, Call, Grantee, KeyCreated, KeyRequest, Manner, Options, PROTOCOL, Reply, Request, Service,
    ShareRequest, Started, Trouble, Wiring, dispatch, local_actor,
};
use tokio::net::TcpListener;

fn wiring() -> Wiring {
    let files: Arc<dyn Files> = Arc::new(files::RealFiles);
    let under = Arc::clone(&files);
    let data = move |root: &Path| -> Arc<dyn DataPlane> {
        Arc::new(data::Plane::new(Arc::clone(&under), root.to_owned(), data::Options::default()))
    };
    Wiring { files, clock: Arc::new(engine::SystemClock), data: Arc::new(data) }
}

/// Asks under an id of its own: asked again on a later start, nothing is done twice.
async fn ask(service: &Arc<Service>, actor: &Actor, id: &str, request: Request) -> Result<Reply, Trouble> {
    let (actor, id, manner) = (actor.clone(), format!("serve-buckets/{id}"), Manner::default());
    dispatch(service, Call { protocol: PROTOCOL, drive: true, actor, id, manner, request }).await
}

async fn run(service: &Arc<Service>, actor: &Actor, id: &str, request: Request) -> Result<(), Trouble> {
    let started = Started::try_from(ask(service, actor, id, request).await?)?;
    service.ended(started.workflow_id).await
}

async fn show_key(
    service: &Arc<Service>,
    actor: &Actor,
    who: &str,
    user: Option<&str>,
) -> Result<(), Trouble> {
    let create = KeyRequest::Create { account: None, user: user.map(str::to_owned) };
    let made = ask(service, actor, &format!("key/{who}"), Request::Key(create)).await?;
    let KeyCreated { access_key_id, access_key_secret, .. } = KeyCreated::try_from(made)?;
    println!("key {who} {access_key_id} {}", access_key_secret.0);
    Ok(())
}

/// Makes two accounts and a user, and tells their keys.
async fn make_keys(service: &Arc<Service>) -> Result<(), Trouble> {
    let first = local_actor();
    let second = Actor { account: "200000".to_owned(), key: String::new() };
    let account = Some(AccountId::from("200000"));
    let create = ShareRequest::AccountCreate { name: "second".to_owned(), account };
    run(service, &first, "account", Request::Share(create)).await?;
    let user = || "reader".to_owned();
    let create =
        AccessRequest::UserCreate { name: user(), display_name: String::new(), comments: String::new() };
    run(service, &first, "user", Request::Access(create)).await?;
    let policy = "AliyunOSSReadOnlyAccess".to_owned();
    let attach = AccessRequest::Attach { policy, policy_type: None, to: Grantee::User(user()) };
    run(service, &first, "policy", Request::Access(attach)).await?;
    show_key(service, &first, "first", None).await?;
    show_key(service, &second, "second", None).await?;
    show_key(service, &first, "reader", Some("reader")).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (dir, port) = arguments.next().zip(arguments.next()).ok_or("usage: serve_buckets DIR PORT")?;
    let options = Options { dir: PathBuf::from(dir), wiring: wiring(), drive: true };
    let service = Service::open(options).await?;
    service.drive().await?;
    make_keys(&service).await?;
    let oss = Arc::new(Oss::new(service));
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let oss = Arc::clone(&oss);
        let answer = service_fn(move |request: http::Request<Incoming>| {
            let oss = Arc::clone(&oss);
            let request = request.map(|body| body.map_err(io::Error::other).boxed());
            async move { Ok::<_, std::convert::Infallible>(oss.answer(request).await) }
        });
        tokio::spawn(async move {
            let served =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            // A client that goes away is no failure of the server.
            let _ = served.await;
        });
    }
}
