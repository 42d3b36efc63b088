//! What nobody should send, and whether everybody else is still served while it is sent.
//!
//! Nothing here waits for a limit of time to be over, for those are minutes: that the limits are there is the
//! business of the rooms' own tests. Here the abuse is held up while a client like any other asks.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::scope;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::client::{Client, answer_on};
use crate::server::Server;

/// Connections that hold on with half a request, of each kind.
const HALF_REQUESTS: usize = 300;
/// Idle connections.
const IDLE: u64 = 10_000;
/// Open files of this process that are no idle connections.
const FILES_KEPT: u64 = 500;
/// Requests at once that are more than are answered at once.
const AT_ONCE: usize = 1500;
/// Requests of an account and action in a minute, where that is limited.
const PER_MINUTE: usize = 40;
/// A body that nobody would read.
const TEN_GIB: u64 = 10 << 30;
/// Bytes of a body without a stated length that are sent at most: far more than is read.
const STREAMED_MAX: usize = 64 << 20;

pub fn more_than_is_allowed_in_a_minute_is_throttled() {
    let server = Server::start(&["--per-minute", &PER_MINUTE.to_string()]);
    let mut well = 0;
    // Twice what is allowed, and as much again: should a minute begin within, there is one that is too much.
    for _ in 0..3 * PER_MINUTE {
        let answer = server.client.ask("DescribeRegions", &[]).expect("every request is answered");
        well += usize::from(answer.status == 200);
        if answer.status != 200 {
            let wait_ms: u32 = answer.header("x-acs-retry-after").unwrap().parse().unwrap();
            assert_eq!(answer.json()["Code"], "Throttling.User", "{answer}");
            assert!((1..=60_000).contains(&wait_ms), "{wait_ms} ms are within the minute");
        }
    }
    assert!((PER_MINUTE..=2 * PER_MINUTE).contains(&well), "{well} went well");
    // Another action of the same account has a count of its own.
    assert_eq!(server.client.ask("DescribeTags", &[("RegionId", "cn-hangzhou")]).unwrap().status, 200);
    server.end();
}

pub fn more_than_is_answered_at_once_is_throttled_and_nobody_is_cut_off() {
    let server = Server::start(&[]);
    raise_limit();
    let connections: Vec<TcpStream> = (0..AT_ONCE).map(|_| server.client.connect().unwrap()).collect();
    let answers: Vec<_> = scope(|threads| {
        let one = |(number, mut stream): (usize, TcpStream)| {
            let client = &server.client;
            threads.spawn(move || {
                // What waits for the disk, so that many are under way.
                let name = format!("disk-{number}");
                let params = [("RegionId", "cn-hangzhou"), ("DiskName", &name), ("Size", "20")];
                stream.write_all(&client.signed("2014-05-26", "CreateDisk", &params)).unwrap();
                answer_on(&mut stream).expect("every request is answered")
            })
        };
        let running: Vec<_> = connections.into_iter().enumerate().map(one).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut well = 0;
    for answer in answers {
        let code = answer.json()["Code"].as_str().unwrap_or_default().to_owned();
        match (answer.status, code.as_str()) {
            (200, _) => well += 1,
            (400, "Throttling") => assert_eq!(answer.header("x-acs-retry-after"), Some("200"), "{answer}"),
            _ => panic!("{answer}"),
        }
    }
    assert!(well > 0, "some are served");
    server.check_serves();
    server.end();
}

pub fn requests_that_trickle_in_keep_nobody_waiting() {
    let server = Server::start(&[]);
    let client = &server.client;
    assert_eq!(client.object("PUT", "/trickled", &[]).unwrap().status, 200);
    let mut half: Vec<(TcpStream, Vec<u8>, usize)> = Vec::new();
    for number in 0..HALF_REQUESTS {
        let whole = client.signed("2014-05-26", "DescribeRegions", &[]);
        let body = whole.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let object = client.about("PUT", &format!("/trickled/{number}"), &vec![7; 1 << 20]);
        let head = object.len() - (1 << 20);
        // One within its head, one within its body, one within the bytes of an object.
        for (bytes, sent) in [(whole.clone(), 20), (whole, body + 5), (object, head + 5)] {
            let mut stream = client.connect().unwrap();
            stream.write_all(&bytes[..sent]).unwrap();
            half.push((stream, bytes, sent));
        }
    }
    for _ in 0..3 {
        for (stream, bytes, sent) in &mut half {
            stream.write_all(&bytes[*sent..=*sent]).expect("they are patient with a byte now and then");
            *sent += 1;
        }
        server.check_serves();
        assert_eq!(client.object("PUT", "/trickled/whole", b"whole").unwrap().status, 200);
    }
    // Who was slow and goes on is answered, as long as it does within the time there is.
    let (stream, bytes, sent) = &mut half[1];
    stream.write_all(&bytes[*sent..]).unwrap();
    assert_eq!(answer_on(stream).unwrap().status, 200);
    drop(half);
    server.check_serves();
    server.end();
}

pub fn a_body_of_10_gib_is_refused_unread() {
    let server = Server::start(&[]);
    let client = &server.client;
    let head = |length: &str| {
        format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n{length}\r\n\r\n",
            client.at
        )
    };
    let mut stream = client.connect().unwrap();
    stream.write_all(head(&format!("content-length: {TEN_GIB}")).as_bytes()).unwrap();
    let answer = answer_on(&mut stream).unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")), "{answer}");
    // Nor is it asked for.
    let mut stream = client.connect().unwrap();
    let expect = format!("content-length: {TEN_GIB}\r\nexpect: 100-continue");
    stream.write_all(head(&expect).as_bytes()).unwrap();
    assert_eq!(answer_on(&mut stream).unwrap().status, 413);
    // One that does not say how long it is comes to an end as well.
    let mut stream = client.connect().unwrap();
    stream.write_all(head("transfer-encoding: chunked").as_bytes()).unwrap();
    let chunk = [format!("{:x}\r\n", 1 << 20).into_bytes(), vec![b'a'; 1 << 20], b"\r\n".to_vec()].concat();
    let sent = (0..STREAMED_MAX >> 20).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < STREAMED_MAX >> 20, "it is not read to its end");
    // An object may be large, but not so large.
    let begun = client.about("PUT", "/trickled/huge", &[]);
    let begun =
        String::from_utf8(begun).unwrap().replace("content-length: 0", &format!("content-length: {TEN_GIB}"));
    let mut stream = client.connect().unwrap();
    stream.write_all(begun.as_bytes()).unwrap();
    assert!((400..500).contains(&answer_on(&mut stream).unwrap().status));
    server.check_serves();
    server.end();
}

pub fn a_hundred_thousand_parameters_are_refused() {
    let server = Server::start(&[]);
    let client = &server.client;
    let many: Vec<(String, &str)> = (0..100_000).map(|number| (format!("P.{number}"), "1")).collect();
    let form: Vec<String> = many.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let form = format!("Action=DescribeRegions&Version=2014-05-26&Format=JSON&{}", form.join("&"));
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        client.at,
        form.len()
    );
    let answer = client.send(&[head.as_bytes(), form.as_bytes()].concat()).unwrap();
    assert_eq!(answer.status, 400, "{answer}");
    assert!(answer.text().contains("InvalidParameter"), "{answer}");
    // In the query they are more than a head may have.
    let mut stream = client.connect().unwrap();
    let head = format!("GET /?{form} HTTP/1.1\r\nhost: {}\r\n\r\n", client.at);
    // It may be refused before all of it was sent.
    let _ = stream.write_all(head.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&said));
    server.check_serves();
    server.end();
}

pub fn ten_thousand_idle_connections_leave_it_serving() {
    let server = Server::start(&[]);
    let room = raise_limit().saturating_sub(FILES_KEPT).min(IDLE);
    println!("{room} idle connections, of {IDLE} wanted: as many as the limit of open files has room for");
    let mut idle: Vec<TcpStream> = (0..room).map(|_| server.client.connect().unwrap()).collect();
    server.check_serves();
    assert_eq!(connections(&server.client), room + 1, "none of them was cut off");
    // A connection that was idle is as good as any other.
    let asked = server.client.signed("2014-05-26", "DescribeRegions", &[]);
    let last = idle.last_mut().unwrap();
    last.write_all(&asked).unwrap();
    assert_eq!(answer_on(last).unwrap().status, 200);
    drop(idle);
    server.check_serves();
    server.end();
}

pub fn a_request_that_was_captured_is_of_no_use_after_a_kill_and_a_restart_either() {
    let mut server = Server::start(&[]);
    let captured = server.client.signed("2014-05-26", "DescribeRegions", &[]);
    assert_eq!(server.client.send(&captured).unwrap().status, 200);
    for _ in 0..2 {
        server.kill();
        server.restart();
        let answer = server.client.send(&captured).unwrap();
        assert_eq!((answer.status, &answer.json()["Code"]), (400, &"SignatureNonceUsed".into()), "{answer}");
        server.check_serves();
    }
    server.end();
}

/// Connections that the server counts, once it has accepted all.
fn connections(client: &Client) -> u64 {
    let mut count = 0;
    for _ in 0..100 {
        let metrics = client.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let text = metrics.text();
        let line = text.lines().find_map(|line| line.strip_prefix("kiln_connections ")).unwrap();
        let now = line.parse().unwrap();
        if now == count {
            break;
        }
        count = now;
        std::thread::sleep(Duration::from_millis(100));
    }
    count
}

/// Raises the limit of open files as far as it goes; how far that is.
fn raise_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum.or(limit.current);
    // Where it may not be raised there are fewer.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(IDLE + FILES_KEPT)
}
