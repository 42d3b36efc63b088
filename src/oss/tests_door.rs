//! Requests at the door, without a network: what a client gets whatever it sends.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::port::DataPlane;
use files::Files;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use service::{
    Call, KeyCreated, KeyRequest, Manner, Options, PROTOCOL, Service, Wiring, dispatch, local_actor,
};
use sha1::Sha1;

use crate::body::full;
use crate::{Body, Oss, time};

struct House {
    oss: Oss,
    key: (String, String),
    _place: tempfile::TempDir,
}

struct Told {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Told {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl House {
    async fn open() -> Self {
        let place = tempfile::tempdir().unwrap();
        let files: Arc<dyn Files> = Arc::new(files::RealFiles);
        let under = Arc::clone(&files);
        let data = move |root: &Path| -> Arc<dyn DataPlane> {
            Arc::new(data::Plane::new(Arc::clone(&under), root.to_owned(), data::Options::default()))
        };
        let wiring = Wiring { files, clock: Arc::new(engine::SystemClock), data: Arc::new(data) };
        let service =
            Service::open(Options { dir: place.path().to_owned(), wiring, drive: true }).await.unwrap();
        let request = service::Request::Key(KeyRequest::Create { account: None, user: None });
        let (actor, manner, id) = (local_actor(), Manner::default(), "key".to_owned());
        let call = Call { protocol: PROTOCOL, drive: true, actor, id, manner, request };
        let made = KeyCreated::try_from(dispatch(&service, call).await.unwrap()).unwrap();
        let house = Self {
            oss: Oss::new(service),
            key: (made.access_key_id, made.access_key_secret.0),
            _place: place,
        };
        assert_eq!(house.ask("PUT", "/disks/", &[], full("")).await.status, StatusCode::OK);
        house
    }

    /// Sends a request, signed by the first version.
    async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Body) -> Told {
        let date = time::http(self.oss.service.now_ms());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let covered = ["acl", "append", "delete", "objectMeta", "position", "tagging", "uploads", "symlink"];
        let mut covered: Vec<&str> =
            query.split('&').filter(|pair| covered.contains(&pair.split('=').next().unwrap())).collect();
        covered.sort_unstable();
        let mark = if covered.is_empty() { "" } else { "?" };
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        lines.retain(|line| line.starts_with("x-oss-"));
        lines.sort_unstable();
        let text = format!("{method}\n\n\n{date}\n{}{path}{mark}{}", lines.concat(), covered.join("&"));
        let mut mac = Hmac::<Sha1>::new_from_slice(self.key.1.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let mut request = Request::builder().method(method).uri(target).header("host", "127.0.0.1:1");
        request =
            request.header("date", date).header("authorization", format!("OSS {}:{signature}", self.key.0));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, body) = self.oss.answer(request.body(body).unwrap()).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        assert_eq!(parts.headers["x-oss-request-id"].len(), 24);
        Told { status: parts.status, headers: parts.headers, body }
    }

    async fn check(&self, method: &str, target: &str, headers: &[(&str, &str)], status: u16, code: &str) {
        let told = self.ask(method, target, headers, full("body")).await;
        let text = if method == "HEAD" {
            assert!(told.body.is_empty());
            String::from_utf8(BASE64_STANDARD.decode(&told.headers["x-oss-err"]).unwrap()).unwrap()
        } else {
            assert_eq!(told.headers["content-type"], "application/xml");
            told.text()
        };
        assert_eq!(told.status, status, "{method} {target}: {text}");
        assert!(text.contains(&format!("<Code>{code}</Code>")), "{method} {target}: {text}");
        for element in ["Message", "RequestId", "HostId", "EC"] {
            assert!(text.contains(&format!("<{element}>")), "{method} {target}: {text}");
        }
    }
}

#[tokio::test]
async fn an_object_comes_back_with_what_was_said_of_it() {
    let house = House::open().await;
    let said = [("x-oss-meta-a", "b"), ("cache-control", "no-cache")];
    let put = house.ask("PUT", "/disks/a/b", &said, full("0123456789")).await;
    assert_eq!(
        (put.status, put.headers["etag"].to_str().unwrap()),
        (StatusCode::OK, "\"781E5E245D69B566979B86E28D23F2C7\"")
    );
    let got = house.ask("GET", "/disks/a/b", &[("range", "bytes=2-4")], full("")).await;
    assert_eq!((got.status, got.text().as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
    assert_eq!(got.headers["content-range"], "bytes 2-4/10");
    assert_eq!(
        (&got.headers["x-oss-meta-a"], &got.headers["cache-control"]),
        (&"b".parse().unwrap(), &"no-cache".parse().unwrap())
    );
    let head = house.ask("HEAD", "/disks/a/b", &[], full("")).await;
    assert_eq!((head.body.len(), &head.headers["content-length"]), (0, &"10".parse().unwrap()));
    let list = house.ask("GET", "/disks/?delimiter=/", &[], full("")).await.text();
    assert!(list.contains("<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"), "{list}");
    assert_eq!(house.ask("DELETE", "/disks/a/b", &[], full("")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.ask("DELETE", "/disks/", &[], full("")).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_the_wires_own_names() {
    let house = House::open().await;
    house.ask("PUT", "/disks/there", &[], full("x")).await;
    for (method, target, headers, status, code) in [
        ("GET", "/disks/nothing", &[][..], 404, "NoSuchKey"),
        ("HEAD", "/disks/nothing", &[], 404, "NoSuchKey"),
        ("GET", "/nowhere/there", &[], 404, "NoSuchBucket"),
        ("HEAD", "/nowhere/", &[], 404, "NoSuchBucket"),
        ("PUT", "/UPPER/", &[], 400, "InvalidBucketName"),
        ("PUT", "/disks//slash", &[], 400, "InvalidObjectName"),
        ("PUT", "/disks/there", &[("x-oss-forbid-overwrite", "true")], 409, "FileAlreadyExists"),
        ("PUT", "/disks/there", &[("content-length", "5368709121")], 400, "EntityTooLarge"),
        ("PUT", "/disks/there", &[("content-length", "3")], 400, "IncompleteBody"),
        ("PUT", "/disks/there", &[("x-oss-callback", "e30=")], 501, "NotImplemented"),
        ("PUT", "/disks/there?symlink", &[], 501, "NotImplemented"),
        ("PUT", "/disks/there?acl", &[("x-oss-object-acl", "public-read")], 403, "AccessDenied"),
        ("POST", "/disks/there?append&position=1", &[], 409, "ObjectNotAppendable"),
        ("POST", "/disks/new?append&position=7", &[], 409, "PositionNotEqualToLength"),
        ("POST", "/disks/?delete", &[], 400, "MalformedXML"),
        ("GET", "/disks/?max-keys=0", &[], 400, "InvalidArgument"),
        ("GET", "/disks/?max-keys=x", &[], 400, "InvalidArgument"),
        ("PATCH", "/disks/there", &[], 405, "MethodNotAllowed"),
        ("DELETE", "/disks/", &[], 409, "BucketNotEmpty"),
    ] {
        house.check(method, target, headers, status, code).await;
    }
    assert_eq!(house.ask("GET", "/disks/there", &[], full("")).await.text(), "x");
}

/// A body that gives this and then an error.
struct Broken(Option<Bytes>);

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let next = self.0.take().map(http_body::Frame::data);
        Poll::Ready(Some(next.ok_or_else(|| std::io::Error::other("gone"))))
    }
}

/// A body that ends in an error has not been sent: what was there stays, and nothing new comes.
#[tokio::test]
async fn a_body_that_breaks_off_leaves_what_was_there() {
    let house = House::open().await;
    house.ask("PUT", "/disks/there", &[], full("before")).await;
    let broken = Broken(Some(Bytes::from_static(b"af"))).boxed();
    let told = house.ask("PUT", "/disks/there", &[], broken).await;
    assert_eq!(told.status, StatusCode::BAD_REQUEST);
    assert_eq!(house.ask("GET", "/disks/there", &[], full("")).await.text(), "before");
    assert_eq!(house.ask("GET", "/disks/", &[], full("")).await.text().matches("<Contents>").count(), 1);
}

#[tokio::test]
async fn a_removed_list_of_objects_is_told_unless_it_is_to_be_quiet() {
    let house = House::open().await;
    for key in ["a", "b", "c"] {
        house.ask("PUT", &format!("/disks/{key}"), &[], full("x")).await;
    }
    let list = |quiet| {
        format!(
            "<Delete><Quiet>{quiet}</Quiet><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>"
        )
    };
    let told = house.ask("POST", "/disks/?delete", &[], full(list(false))).await;
    assert_eq!(told.text().matches("<Deleted>").count(), 2);
    let told = house.ask("POST", "/disks/?delete", &[], full(list(true))).await;
    assert_eq!((told.status, told.body.len()), (StatusCode::OK, 0));
    let left = house.ask("GET", "/disks/", &[], full("")).await.text();
    assert!(left.contains("<Key>c</Key>") && !left.contains("<Key>a</Key>"), "{left}");
}
