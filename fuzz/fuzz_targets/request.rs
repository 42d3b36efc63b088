//! A request as it comes from the wire, up to the point where it is known who asks: whatever the bytes are, nothing
//! panics, nobody is proved who has not signed, and what is refused is refused in an envelope that clients read.
//!
//! The input looks like a request: a line `METHOD PATH?QUERY`, headers, an empty line, the body.
//!
//! `cargo fuzz run request -- -runs=1000000`, or without a nightly compiler `cargo fuzz run --sanitizer none request`.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use wire::{Form, Pairs, Seen, Signed, sign_acs3, sign_rpc};

/// A secret, and one that is none.
const SECRET: &str = "the secret of the key";
const OTHER: &str = "another";

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap_or_default().split_once(' ').unwrap_or(("POST", "/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            headers.append(name, value);
        }
    }
    let (query, all) = match (Pairs::read(query, ""), Pairs::read(query, body)) {
        (Ok(query), Ok(all)) => (query, all),
        (Err(fault), _) | (_, Err(fault)) => return readable(&fault),
    };
    let seen = Seen { method, path, headers: &headers, query: &query, all: &all, body: body.as_bytes() };
    match Signed::read(seen) {
        Ok(signed) => {
            if let Err(fault) = signed.verify(SECRET) {
                readable(&fault);
            }
            // It is one of them at most.
            assert!(signed.verify(SECRET).is_err() || signed.verify(OTHER).is_err());
        }
        Err(fault) => readable(&fault),
    }
    signs_itself(seen, &headers);
    asks(all);
});

/// What is signed here is proved here, whatever it holds, and by its own secret alone.
fn signs_itself(seen: Seen<'_>, headers: &HeaderMap) {
    let mut signed = headers.clone();
    let written = sign_acs3("key", SECRET, seen);
    let Ok(value) = HeaderValue::from_str(&written) else { return };
    signed.insert(http::header::AUTHORIZATION, value);
    if let Ok(read) = Signed::read(Seen { headers: &signed, ..seen }) {
        assert!(read.verify(OTHER).is_err(), "{written}");
    }
    let _ = sign_rpc(SECRET, seen.method, seen.all);
}

/// Parameters are read as every action reads them.
fn asks(all: Pairs) {
    let names: Vec<String> = all.iter().map(|(name, _)| name.to_owned()).collect();
    let params = all.params();
    for name in names.iter().map(String::as_str).chain(["RegionId", "ImageId", "Tag", "DiskDeviceMapping"]) {
        let name = name.split('.').next().unwrap_or_default();
        let _ = (params.text(name), params.string(name), params.list(name), params.tags(name));
        let _ = (params.has(name), params.objects(name).len(), params.numbered(name).len());
        for fault in [params.need(name).err(), params.flag(name).err(), params.number(name).err()] {
            fault.iter().for_each(readable);
        }
        params.several(name).err().iter().for_each(readable);
    }
}

/// A fault in both envelopes.
fn readable(fault: &wire::Fault) {
    let told = fault.body(Form::Json, "request", "host");
    let json: serde_json::Value = serde_json::from_str(&told).expect("an envelope is JSON");
    assert!(json["Code"].is_string() && json["RequestId"] == "request", "{told}");
    let told = fault.body(Form::Xml, "request", "host");
    assert!(told.contains("<Code>") && !told.contains('\0'), "{told}");
    assert_ne!(fault.status, 500, "{told}");
}
