//! The clients: each writes a request and reads its answer, over and over, on a connection it keeps. One thread has
//! all of them, so that most of the machine is the server's.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What a turn gave.
pub(crate) struct Turn {
    /// How long each answer took, in microseconds, sorted.
    pub(crate) times_us: Vec<f64>,
    seconds: f64,
    /// The body of one answer.
    pub(crate) example: Vec<u8>,
}

impl Turn {
    pub(crate) fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of some hundred thousand")]
        let count = self.times_us.len() as f64;
        count / self.seconds
    }

    /// The time that so many percent of the answers took at most.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        self.times_us[(self.times_us.len() - 1) * percent / 100]
    }
}

/// Sends each client's requests one after the other, all clients at once.
pub(crate) fn run(at: SocketAddr, requests: Vec<Vec<Vec<u8>>>) -> Turn {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut connections = Vec::new();
        for requests in requests {
            let stream = TcpStream::connect(at).await.expect("it listens");
            stream.set_nodelay(true).expect("it is a socket");
            connections.push((stream, requests));
        }
        let begun = Instant::now();
        let mut clients = JoinSet::new();
        for (stream, requests) in connections {
            clients.spawn(client(stream, requests));
        }
        let mut turn = Turn { times_us: Vec::new(), seconds: 0.0, example: Vec::new() };
        while let Some(done) = clients.join_next().await {
            let (times_us, example) = done.expect("a client gets its answers");
            turn.times_us.extend(times_us);
            turn.example = example;
        }
        turn.seconds = begun.elapsed().as_secs_f64();
        turn.times_us.sort_by(f64::total_cmp);
        turn
    })
}

async fn client(mut stream: TcpStream, requests: Vec<Vec<u8>>) -> (Vec<f64>, Vec<u8>) {
    let (mut times_us, mut bytes) = (Vec::with_capacity(requests.len()), Vec::with_capacity(1 << 16));
    let mut body = 0..0;
    for request in requests {
        let begun = Instant::now();
        stream.write_all(&request).await.expect("it reads");
        bytes.clear();
        body = answer(&mut stream, &mut bytes).await;
        times_us.push(begun.elapsed().as_secs_f64() * 1e6);
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        // An error is never timed as an answer, nor is a description of nothing.
        assert!(bytes.starts_with(b"HTTP/1.1 200"), "{}", text());
        assert!(bytes.windows(9).any(|window| window == b"\"ImageId\""), "{}", text());
    }
    (times_us, bytes[body].to_vec())
}

/// Reads an answer whole; where its body is.
async fn answer(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::ops::Range<usize> {
    loop {
        if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = std::str::from_utf8(&bytes[..head]).expect("a head is text");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("it says how long it is").parse().expect("a length");
            let body = head + 4..head + 4 + length;
            while bytes.len() < body.end {
                assert_ne!(stream.read_buf(bytes).await.expect("it answers"), 0, "it answers whole");
            }
            return body;
        }
        assert_ne!(stream.read_buf(bytes).await.expect("it answers"), 0, "it answers whole");
    }
}
