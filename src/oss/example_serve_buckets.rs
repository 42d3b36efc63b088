//! Serves the buckets of a data directory on a local port, for clients to be tried against.
//!
//! `serve_buckets DIR PORT` prints a line when it is ready. Two accounts have a key each: `key-one`
//! and `key-two`, with the secrets `secret-one` and `secret-two`. It serves nothing else, and knows
//! no limits: that is the server's business.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::AccountId;
use domain::port::DataPlane;
use files::Files;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use oss::{Keys, Oss};
use service::{
    Call, Manner, Options, PROTOCOL, Request, Service, ShareRequest, Started, Wiring, dispatch, local_actor,
};
use tokio::net::TcpListener;

struct Two(BTreeMap<&'static str, (&'static str, AccountId)>);

impl Keys for Two {
    fn key(&self, id: &str) -> Option<(String, AccountId)> {
        self.0.get(id).map(|(secret, account)| ((*secret).to_owned(), account.clone()))
    }
}

fn wiring() -> Wiring {
    let files: Arc<dyn Files> = Arc::new(files::RealFiles);
    let under = Arc::clone(&files);
    let data = move |root: &Path| -> Arc<dyn DataPlane> {
        Arc::new(data::Plane::new(Arc::clone(&under), root.to_owned(), data::Options::default()))
    };
    Wiring { files, clock: Arc::new(engine::SystemClock), data: Arc::new(data) }
}

/// A second account, made if it is not there; its id.
async fn second_account(service: &Arc<Service>) -> Result<AccountId, Box<dyn Error>> {
    let call = |request| Call {
        protocol: PROTOCOL,
        drive: true,
        actor: local_actor(),
        id: "second-account".to_owned(),
        manner: Manner::default(),
        request,
    };
    let second = AccountId::from("200000");
    let create = ShareRequest::AccountCreate { name: "second".to_owned(), account: Some(second.clone()) };
    let made = dispatch(service, call(Request::Share(create))).await;
    match made {
        Ok(started) => service.ended(Started::try_from(started)?.workflow_id).await?,
        Err(trouble) if trouble.message.contains("already") => {}
        Err(trouble) => return Err(trouble.into()),
    }
    Ok(second)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (dir, port) = arguments.next().zip(arguments.next()).ok_or("usage: serve_buckets DIR PORT")?;
    let options = Options { dir: PathBuf::from(dir), wiring: wiring(), drive: true };
    let service = Service::open(options).await?;
    service.drive().await?;
    let second = second_account(&service).await?;
    let first = AccountId::from(service::DEFAULT_ACCOUNT);
    let keys = Two([("key-one", ("secret-one", first)), ("key-two", ("secret-two", second))].into());
    let oss = Arc::new(Oss::new(service, Arc::new(keys)));
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
