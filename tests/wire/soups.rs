//! Soups: requests of declared names and names nearly so, with values that are valid, nearly so or none at all, signed
//! rightly or not, and then with bytes changed, lost and doubled. Whatever comes, what goes back is an answer that
//! clients read, nothing is the server's fault, and nothing is done for who has not signed.
//!
//! `KILN_SEED` repeats a run, `KILN_WIRE_SOUPS` makes a longer one.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;

use crate::chance::{Chance, count};
use crate::client::{Answer, Client, answer_on, random};
use crate::server::Server;

/// Requests of a run, half of them by who has no secret.
const SOUPS: u64 = 3000;
/// Clients that ask at once.
const CLIENTS: u64 = 4;
/// One of so many requests has its bytes changed.
const MANGLED: u64 = 3;
/// Parameters of a request at most.
const PARAMS_MAX: u64 = 12;
/// Changes to the bytes of a request at most.
const CHANGES_MAX: u64 = 8;
/// Requests of an account and action in a minute: none of these is to be throttled.
const PER_MINUTE: &str = "100000000";

/// Every action of the reference with its parameters and fields.
const CONTRACT: &str = include_str!("../../src/ecs/contract.txt");
const VERSIONS: &[&str] = &[
    "2014-05-26",
    "2014-05-26",
    "2014-05-26",
    "2016-04-28",
    "2015-05-01",
    "2015-04-01",
    "2015-06-12",
    "2020-03-31",
    "",
];
const METHODS: &[&str] = &["GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"];
const RESOURCES: &[&str] = &[
    "/",
    "/?location",
    "/bucket-of-nobody",
    "/soups",
    "/soups/key",
    "/soups/key?uploads",
    "/soups/key?uploadId=1&partNumber=1",
    "/soups/key?append&position=0",
    "/soups?list-type=2&prefix=%E6%B5%8B&max-keys=-1",
    "/soups?delete",
    "/soups/..%2F..%2Fetc%2Fpasswd",
    "/soups/%00",
    "/soups?acl",
    "/kiln/v1",
    "//",
];
const VALUES: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "1",
    "17",
    "101",
    "2147483648",
    "-9223372036854775808",
    "18446744073709551616",
    "1e9",
    "true",
    "FALSE",
    "maybe",
    "null",
    "[]",
    "[",
    "{}",
    "['a',\"b\",null]",
    "a,b,,c",
    "*",
    "%",
    "../../etc/passwd",
    "oss://soups/key",
    "\u{0}",
    "a\r\nb",
    "\u{feff}\u{202e}",
    "镜像",
    "🧨",
    "cn-hangzhou",
    "cn-beijing",
    "cn-nowhere",
    "m-00000000000000000000",
    "s-00000000000000000000",
    "d-00000000000000000000",
    "acs:ram::1:role/x",
    "soups",
    "RAW",
    "2014-05-26T00:00:00Z",
    "10.0.0.0/8",
    "{\"Version\":\"1\",\"Statement\":[]}",
];

pub fn play() {
    let server = Server::start(&["--per-minute", PER_MINUTE]);
    let (first, soups) = (count("KILN_SEED").unwrap_or(1), count("KILN_WIRE_SOUPS").unwrap_or(SOUPS));
    println!("soups begin at KILN_SEED={first}");
    let events = || server.operator(&["audit", "verify"])["Events"].as_u64().unwrap();
    let before = events();
    let thief = Client { secret: random(), ..server.client.clone() };
    let refused = serve(&thief, first, soups / 2, |answer, what| {
        assert!(answer.status >= 400, "somebody without the secret was served: {answer}\n{what}");
    });
    assert_eq!(events(), before, "something was done for who had not signed");
    let answered = serve(&server.client, first.wrapping_add(1), soups - soups / 2, |_, _| {});
    server.let_end();
    server.check_serves();
    println!(
        "soak: {soups} requests, {refused} of {} without the secret told so, {answered} of the others answered",
        soups / 2
    );
    server.end();
}

/// Sends so many soups, and says how many had an answer.
fn serve(client: &Client, first: u64, soups: u64, check: impl Fn(&Answer, &str) + Sync) -> u64 {
    let answered = AtomicU64::new(0);
    let names = names();
    scope(|threads| {
        for number in 0..CLIENTS {
            let (answered, check, names) = (&answered, &check, &names);
            threads.spawn(move || {
                for soup in (number..soups).step_by(usize::try_from(CLIENTS).unwrap()) {
                    let mut chance = Chance::new(first.wrapping_mul(1_000_003).wrapping_add(soup));
                    let mut request = request(client, names, &mut chance);
                    let is_mangled = chance.below(MANGLED) == 0;
                    if is_mangled {
                        mangle(&mut request, &mut chance);
                    }
                    let what = String::from_utf8_lossy(&request).into_owned();
                    match send(client, &request, is_mangled) {
                        Ok(answer) => {
                            well_formed(&answer, &what);
                            check(&answer, &what);
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        // What is no request any more may be cut off.
                        Err(error) => assert!(is_mangled, "{error}: no answer to\n{what}"),
                    }
                }
            });
        }
    });
    answered.into_inner()
}

/// Every name of the reference: of actions, parameters and fields.
fn names() -> Vec<&'static str> {
    let words = CONTRACT.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 1);
    words.collect::<BTreeSet<_>>().into_iter().collect()
}

fn request(client: &Client, names: &[&str], chance: &mut Chance) -> Vec<u8> {
    if chance.below(4) == 0 {
        let (method, resource) = (chance.pick(METHODS).unwrap(), chance.pick(RESOURCES).unwrap());
        let body = if *method == "GET" { "" } else { chance.pick(VALUES).unwrap() };
        return client.about(method, resource, body.as_bytes());
    }
    let line = chance.pick(&CONTRACT.lines().collect::<Vec<_>>()).copied().unwrap();
    let action =
        if chance.below(8) == 0 { *chance.pick(names).unwrap() } else { line.split('\t').next().unwrap() };
    let declared: Vec<&str> =
        line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 1).collect();
    let params: Vec<(String, &str)> = (0..chance.below(PARAMS_MAX))
        .map(|_| {
            let from = if chance.below(4) == 0 { names } else { &declared };
            let name = *chance.pick(from).unwrap();
            let nested = *chance.pick(names).unwrap();
            let name = match chance.below(6) {
                0 => format!("{name}.1"),
                1 => format!("{name}.{}.{nested}", chance.below(30)),
                2 => format!("{name}.4294967296"),
                _ => name.to_owned(),
            };
            (name, *chance.pick(VALUES).unwrap())
        })
        .collect();
    let mut given: Vec<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    if chance.below(3) > 0 {
        given.push(("RegionId", "cn-hangzhou"));
    }
    if chance.below(4) == 0 {
        given.push(("ClientToken", *chance.pick(VALUES).unwrap()));
    }
    client.signed(chance.pick(VERSIONS).unwrap(), action, &given)
}

/// Changes, loses and doubles bytes.
fn mangle(request: &mut Vec<u8>, chance: &mut Chance) {
    for _ in 0..=chance.below(CHANGES_MAX) {
        let length = request.len().max(1) as u64;
        let (at, to) = (chance.below(length), chance.below(length));
        let (from, to) = (usize::try_from(at.min(to)).unwrap(), usize::try_from(at.max(to)).unwrap());
        match chance.below(6) {
            0 | 1 => request[from..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
            2 => request.insert(from, u8::try_from(at % 256).unwrap()),
            3 if to - from < 64 => _ = request.drain(from..to),
            4 if to - from < 64 => request.splice(from..from, request[from..to].to_vec()).for_each(drop),
            5 if at % 8 == 0 => request.truncate(to),
            _ => {}
        }
    }
}

/// Sends a request and reads the answer; what follows is nothing, if the request may say that more does.
fn send(client: &Client, request: &[u8], is_mangled: bool) -> std::io::Result<Answer> {
    let mut stream = client.connect()?;
    // A server that has read enough may answer and close before all is written.
    let written = stream.write_all(request);
    if is_mangled {
        // It may be closed already, which is an answer of a kind.
        let _ = stream.shutdown(Shutdown::Write);
    } else {
        written?;
    }
    answer_on(&mut stream)
}

/// An answer that clients read: JSON or XML, with a code where it refuses.
fn well_formed(answer: &Answer, what: &str) {
    let fine = |said: bool, why: &str| assert!(said, "{why}: {}\n{answer}\nto\n{what}", answer.head);
    fine(![500, 502, 504].contains(&answer.status), "the server's fault");
    // What is no HTTP is refused in no dialect, and some answers have nothing to say.
    let kind = answer.header("content-type").unwrap_or_default();
    if answer.body.is_empty() || answer.status < 400 && !kind.contains("json") && !kind.contains("xml") {
        return;
    }
    if kind.contains("json") {
        let told = answer.json();
        fine(told["RequestId"].is_string() || told["requestId"].is_string(), "no request id");
        fine(answer.status < 400 || told["Code"].is_string() && told["Message"].is_string(), "no code");
    } else if kind.contains("xml") {
        fine(is_xml(&answer.text()), "no XML");
        fine(answer.status < 400 || answer.element("Code").is_some_and(|code| !code.is_empty()), "no code");
    } else {
        fine(false, "neither JSON nor XML");
    }
}

/// Whether tags open and close in turn, in one element, without what XML cannot hold.
fn is_xml(text: &str) -> bool {
    let held = |c: char| c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}' || "\t\r\n".contains(c);
    let (mut open, mut elements) = (Vec::new(), 0);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((tag, after)) = after.split_once('>') else { return false };
        if open.is_empty() && !before.trim().is_empty() || before.contains("]]>") {
            return false;
        }
        rest = after;
        if tag.starts_with('?') || tag.ends_with('/') {
            continue;
        }
        match tag.strip_prefix('/') {
            Some(name) if open.pop() != Some(name) => return false,
            Some(_) => {}
            None => {
                elements += usize::from(open.is_empty());
                open.push(tag.split(' ').next().unwrap_or_default());
            }
        }
    }
    open.is_empty() && elements == 1 && rest.trim().is_empty() && text.chars().all(held)
}
