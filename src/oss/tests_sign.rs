//! Signatures that `oss2` made, at one moment and with one key: each is right, and with any letter of
//! what it covers changed it is not.

use std::cell::RefCell;

use http::Request;

use crate::asked::Asked;
use crate::error::Refused;
use crate::sign::{Signed, is_signed_for_buckets, verify};

/// Wed, 25 Nov 2026 18:32:04 GMT
const NOW_MS: i64 = 1_795_631_524_000;
const DATE: &str = "Wed, 25 Nov 2026 18:32:04 GMT";
const TIME: &str = "20261125T183204Z";
const SCOPE: &str = "LTAIvector/20261125/cn-hangzhou/oss/aliyun_v4_request";

/// What is signed: method, target, headers.
type Sent<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>);

fn verified(sent: &Sent<'_>, now_ms: i64) -> Result<Signed<()>, Refused> {
    let (method, target, headers) = sent;
    let mut request = Request::builder().method(*method).uri(*target).header("host", "127.0.0.1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let asked = Asked::of(&request.body(()).unwrap().into_parts().0)?;
    assert!(is_signed_for_buckets(&asked.headers, target.split_once('?').map_or("", |(_, query)| query)));
    let who =
        |key: &str, _: Option<&str>| Ok((key == "LTAIvector").then(|| ("vector-secret".to_owned(), ())));
    verify(&asked, who, now_ms)
}

fn code(sent: &Sent<'_>, now_ms: i64) -> String {
    verified(sent, now_ms).map_or_else(|refused| refused.code, |_| "well".to_owned())
}

fn v1<'a>(signature: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("authorization", signature), ("date", DATE)], more].concat()
}

fn v4<'a>(signature: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let fixed =
        [("authorization", signature), ("x-oss-date", TIME), ("x-oss-content-sha256", "UNSIGNED-PAYLOAD")];
    [&fixed, more].concat()
}

fn in_header_v4(signature: &str) -> String {
    format!("OSS4-HMAC-SHA256 Credential={SCOPE}, Signature={signature}")
}

const OBJECT: &str = "/disks/a%20b/%E9%95%9C?uploadId=U1&partNumber=3&other=x";
const BUCKET: &str = "/disks/?prefix=a%2F&max-keys=5&acl";
const PUT: [(&str, &str); 4] = [
    ("content-type", "a/b"),
    ("content-md5", "1B2M2Y8AsgTpgAmy7PhCfg=="),
    ("x-oss-meta-b", "two"),
    ("x-oss-meta-a", "one"),
];
const URL_V1: &str = "/disks/a?response-content-type=c%2Fd&OSSAccessKeyId=LTAIvector&Expires=1795631584\
                      &Signature=XKqHgo6Xwd6ZJFgzGF4ZJgmfW44%3D";
const URL_V4: &str = "/disks/a?response-content-type=c%2Fd&x-oss-date=20261125T183204Z&x-oss-expires=60\
                      &x-oss-signature-version=OSS4-HMAC-SHA256\
                      &x-oss-credential=LTAIvector%2F20261125%2Fcn-hangzhou%2Foss%2Faliyun_v4_request\
                      &x-oss-signature=197e7206625ccbffa8be2f5bf576f925a2e29d6fc3af8c882075b1575515187b";

#[test]
fn what_the_clients_sign_is_right_in_both_versions() {
    let object = in_header_v4("d6708639309524119c49f012908c50d238b6716b8a4a7a29765b048cc3f82700");
    let bucket = in_header_v4("6736e3f679f99984bbd7bba3077be5f251c14202a7629bff90a807ca2cc3d69e");
    let service = in_header_v4("75a74a911afd74a10e0e95911cf0f411a7a09ada66390f77abe4987ad3fde42f");
    let sent: [Sent<'_>; 8] = [
        ("PUT", OBJECT, v1("OSS LTAIvector:wvlvcaveVgfIjxdd7K+KVCJldco=", &PUT)),
        ("GET", BUCKET, v1("OSS LTAIvector:2pspa9DwTRdlILkfHhQANp1oIuI=", &[])),
        ("GET", "/", v1("OSS LTAIvector:fNiX3FjZSfNzg0j1DiR/3C7MjCQ=", &[])),
        ("GET", URL_V1, vec![]),
        ("PUT", OBJECT, v4(&object, &PUT)),
        ("GET", BUCKET, v4(&bucket, &[])),
        ("GET", "/", v4(&service, &[])),
        ("GET", URL_V4, vec![]),
    ];
    for (at, sent) in sent.iter().enumerate() {
        let signed = verified(sent, NOW_MS).unwrap_or_else(|refused| panic!("{at}: {refused:?}"));
        assert_eq!(signed.region.as_deref(), (at > 3).then_some("cn-hangzhou"));
        assert_eq!(signed.place.bucket.is_some(), !matches!(at, 2 | 6));
        // Whatever is covered: a changed method, key, header or parameter is another request.
        let (method, target, headers) = sent;
        let other = if *method == "PUT" { "GET" } else { "PUT" };
        assert_eq!(code(&(other, target, headers.clone()), NOW_MS), "SignatureDoesNotMatch", "{at}");
        for (from, to) in
            [("disks", "disko"), ("partNumber=3", "partNumber=4"), ("c%2Fd", "c%2Fe"), ("acl", "cors")]
        {
            if target.contains(from) {
                let changed = target.replace(from, to);
                assert_eq!(
                    code(&(method, &changed, headers.clone()), NOW_MS),
                    "SignatureDoesNotMatch",
                    "{at}"
                );
            }
        }
        for name in ["content-type", "content-md5", "x-oss-meta-a"] {
            let mut changed = headers.clone();
            let Some(header) = changed.iter_mut().find(|(other, _)| *other == name) else { continue };
            header.1 = "changed";
            assert_eq!(code(&(method, target, changed), NOW_MS), "SignatureDoesNotMatch", "{at}");
        }
    }
}

#[test]
fn a_signature_is_good_for_its_time() {
    let header: Sent<'_> = ("GET", "/", v1("OSS LTAIvector:fNiX3FjZSfNzg0j1DiR/3C7MjCQ=", &[]));
    let minutes = |count: i64| NOW_MS + count * 60_000;
    for (now_ms, expected) in [
        (minutes(15), "well"),
        (minutes(-15), "well"),
        (minutes(16), "RequestTimeTooSkewed"),
        (minutes(-16), "RequestTimeTooSkewed"),
    ] {
        assert_eq!(code(&header, now_ms), expected);
    }
    for url in [URL_V1, URL_V4] {
        let sent: Sent<'_> = ("GET", url, vec![]);
        assert_eq!(code(&sent, NOW_MS + 59_999), "well");
        let refused = verified(&sent, NOW_MS + 60_000).unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (403, "AccessDenied"));
        assert!(refused.message.contains("expired"));
    }
    assert_eq!(code(&("GET", URL_V4, vec![]), minutes(-16)), "AccessDenied");
}

#[test]
fn what_is_no_signature_is_refused_by_name() {
    for (authorization, expected) in [
        ("OSS LTAIvector", "InvalidArgument"),
        ("OSS nobody:fNiX3FjZSfNzg0j1DiR/3C7MjCQ=", "InvalidAccessKeyId"),
        ("OSS LTAIvector:", "SignatureDoesNotMatch"),
        ("OSS LTAIvector:!!!", "SignatureDoesNotMatch"),
        ("OSS4-HMAC-SHA256 Signature=00", "InvalidArgument"),
        ("OSS4-HMAC-SHA256 Credential=a/b/c, Signature=00", "InvalidArgument"),
        (
            "OSS4-HMAC-SHA256 Credential=LTAIvector/20261125/x/oss/aliyun_v4_request, Signature=00",
            "InvalidArgument",
        ),
    ] {
        assert_eq!(code(&("GET", "/", v1(authorization, &[])), NOW_MS), expected, "{authorization}");
    }
    let dateless = vec![("authorization", "OSS LTAIvector:fNiX3FjZSfNzg0j1DiR/3C7MjCQ=")];
    assert_eq!(code(&("GET", "/", dateless), NOW_MS), "AccessDenied");
}

#[test]
fn a_token_is_handed_to_who_knows_keys() {
    let seen = RefCell::new(None);
    let request = Request::builder().uri("/").header("host", "h").header("date", DATE);
    let request = request.header("authorization", "OSS STS.a:b").header("x-oss-security-token", "token");
    let asked = Asked::of(&request.body(()).unwrap().into_parts().0).unwrap();
    let who = |key: &str, token: Option<&str>| {
        *seen.borrow_mut() = Some((key.to_owned(), token.map(str::to_owned)));
        Ok(None::<(String, ())>)
    };
    assert_eq!(verify(&asked, who, NOW_MS).unwrap_err().code, "InvalidAccessKeyId");
    assert_eq!(seen.into_inner(), Some(("STS.a".to_owned(), Some("token".to_owned()))));
}
