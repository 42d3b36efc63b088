//! A line between a client and a server that can be cut: what goes up is counted, and goes no further than it may.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A relay on loopback. It takes connections until the test is over.
pub struct Relay {
    /// Where it listens.
    pub at: SocketAddr,
    up: Arc<AtomicU64>,
}

impl Relay {
    /// One in front of a server, which lets through so many bytes on the way up; then every connection ends.
    pub fn start(server: &str, up_max: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, up) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let (server, counted) = (server.to_owned(), up.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(&server) else { return };
                let counted = counted.clone();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || {
                    carry(from, to, &|bytes| counted.fetch_add(bytes, Ordering::Relaxed) + bytes <= up_max);
                });
                std::thread::spawn(move || carry(server, client, &|_| true));
            }
        });
        Self { at, up }
    }

    /// Bytes that came from clients so far, with the ones that were not let through.
    pub fn up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }
}

/// Carries bytes until there are no more or no more may pass; then both ends are told.
fn carry(mut from: TcpStream, mut to: TcpStream, may: &dyn Fn(u64) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(bytes) = from.read(&mut buffer)
        && bytes > 0
        && may(bytes as u64)
        && to.write_all(&buffer[..bytes]).is_ok()
    {}
    // Either may be gone already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
