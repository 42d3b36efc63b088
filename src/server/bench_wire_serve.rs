//! The servers of the bench, each a process of its own: Kiln over the set, and the bare handler; and before them the
//! keys of the accounts that ask.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use domain::image::Quotas;
use server::Limits;
use service::{
    Call, DEFAULT_REGION, KeyCreated, KeyRequest, Manner, Options, PROTOCOL, Reply, Service, ShareRequest,
    Started, dispatch, local_actor,
};
use wire::{Pairs, Seen, Signed};

use crate::ask::{ACCOUNTS, KEYS};
use crate::set::{self, account};

/// Where what a description is lies, for the bare handler to answer.
pub(crate) const EXAMPLE: &str = "example";
/// Images an account may have: more than any number of runs will create.
const IMAGES_MAX: u32 = 1_000_000;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime is made")
}

async fn open(root: &Path) -> Arc<Service> {
    let dir = set::large(root).dir();
    Service::open(Options { dir, wiring: set::wiring(), drive: true }).await.expect("the set opens")
}

/// The data directory as it was when it was made.
fn kept(root: &Path) -> PathBuf {
    set::large(root).dir().with_extension("kept")
}

/// Puts the data directory back to what it was when it was made.
pub(crate) fn renew(root: &Path) {
    let (kept, data) = (kept(root), set::large(root).dir());
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").args([from, to]).status().expect("there is `cp`");
        assert!(copied.success(), "the set was not copied");
    };
    if !kept.exists() {
        let part = kept.with_extension("part");
        let _ = std::fs::remove_dir_all(&part);
        copy(&data, &part);
        std::fs::rename(&part, &kept).expect("the bench's directory takes a name");
        return;
    }
    let _ = std::fs::remove_dir_all(&data);
    copy(&kept, &data);
}

/// Makes the set, and a key for each account that asks.
pub(crate) fn prepare(root: &Path) {
    runtime().block_on(async {
        let large = set::large(root);
        // Keys are of the set that they were made in.
        let is_ready = large.is_made() && root.join(KEYS).exists();
        large.make(|line| eprintln!("{line}")).await;
        if is_ready {
            return;
        }
        // There is one only where the keys alone are lost.
        let _ = std::fs::remove_dir_all(kept(root));
        let service = open(root).await;
        let mut lines = String::new();
        for number in 0..ACCOUNTS {
            let account = account(number);
            let id = account.as_str().into();
            let create = KeyRequest::Create { account: Some(id), user: None };
            let key: KeyCreated = ask(&service, service::Request::Key(create)).await;
            let quotas = Quotas { images: Some(IMAGES_MAX), ..Quotas::default() };
            let id = Some(account.as_str().into());
            let raise = ShareRequest::QuotaSet { account: id, region: Some(DEFAULT_REGION.into()), quotas };
            let _: Started = ask(&service, service::Request::Share(raise)).await;
            let (id, secret) = (key.access_key_id, key.access_key_secret.0);
            writeln!(lines, "{account} {id} {secret}").expect("a text takes a line");
        }
        Arc::into_inner(service).expect("nobody else has it").close().await;
        std::fs::write(root.join(KEYS), lines).expect("the bench's directory takes a file");
    });
}

async fn ask<T: TryFrom<Reply, Error = service::Trouble>>(
    service: &Arc<Service>,
    request: service::Request,
) -> T {
    let words = format!("{request:?}");
    let call = Call {
        protocol: PROTOCOL,
        drive: true,
        actor: local_actor(),
        id: format!("bench-wire/{words}"),
        manner: Manner::default(),
        request,
    };
    dispatch(service, call)
        .await
        .and_then(T::try_from)
        .unwrap_or_else(|trouble| panic!("{words}: {trouble:?}"))
}

/// Serves the set as `kiln serve` does, until it is ended.
pub(crate) fn kiln(root: &Path) {
    runtime().block_on(async {
        let options = server::Options {
            listen: ([127, 0, 0, 1], 0).into(),
            dir: set::large(root).dir(),
            limits: Limits::default(),
            is_logging: false,
            certificate: None,
        };
        let ready = |listening: server::Listening| println!("{}", listening.at);
        server::serve(open(root).await, options, ready, std::future::pending()).await.expect("it serves");
    });
}

struct Bare {
    secrets: HashMap<String, String>,
    answer: Vec<u8>,
}

/// Answers every request that is rightly signed with the same bytes.
pub(crate) fn bare(root: &Path) {
    let text = std::fs::read_to_string(root.join(KEYS)).expect("the keys are made");
    let pair = |line: &str| {
        let mut words = line.split(' ').skip(1).map(str::to_owned);
        Some((words.next()?, words.next()?))
    };
    let secrets = text.lines().filter_map(pair).collect();
    let answer = std::fs::read(root.join(EXAMPLE)).expect("it was asked for");
    runtime().block_on(async {
        let router = Router::new().fallback(verified).with_state(Arc::new(Bare { secrets, answer }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        println!("{}", listener.local_addr().expect("it is bound"));
        let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
        axum::serve(listener, router).await.expect("it serves");
    });
}

async fn verified(State(bare): State<Arc<Bare>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 1 << 20).await else { return StatusCode::BAD_REQUEST.into_response() };
    let Ok(query) = Pairs::read(parts.uri.query().unwrap_or_default(), "") else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let signed = Signed::read(Seen {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        headers: &parts.headers,
        query: &query,
        all: &query,
        body: &body,
    });
    let is_right = signed.is_ok_and(|signed| {
        bare.secrets.get(&signed.key).is_some_and(|secret| signed.verify(secret).is_ok())
    });
    if !is_right {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut response = Response::new(bare.answer.clone().into());
    let json = HeaderValue::from_static("application/json;charset=utf-8");
    response.headers_mut().insert("content-type", json);
    response
}
