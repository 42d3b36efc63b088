//! What the clients ask, signed before the time begins to count.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};
use service::DEFAULT_REGION;
use wire::{Pairs, Seen, percent, sha256_hex, sign_acs3};

use crate::set::{self, IMAGES_EACH, LINE_BYTES, Set};

/// Clients, each with a connection.
pub(crate) const CLIENTS: u64 = 64;
/// Accounts that ask: eight to a client, of the nine hundred that have a thousand images.
pub(crate) const ACCOUNTS: u64 = 8 * CLIENTS;
/// Where their keys lie: account, key and secret a line.
pub(crate) const KEYS: &str = "keys";
/// Of so many requests that are mixed, one creates.
const CREATE_ONE_IN: usize = 10;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One image, by its id.
    Describe,
    /// Descriptions, and images that are created.
    Mixed,
    /// The first page of all of one's own.
    Page,
}

impl Kind {
    /// As the command line names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Mixed => "mixed",
            Self::Page => "page",
        }
    }
}

struct Asker {
    key: String,
    secret: String,
    snapshot: String,
}

/// Who asks, and about what.
pub(crate) struct Asking {
    askers: Vec<Asker>,
    list: File,
    number: AtomicU64,
}

impl Asking {
    /// Reads what the set and its keys are.
    pub(crate) fn read(root: &Path) -> Self {
        let set: Set = set::large(root);
        let snapshots: BTreeMap<String, String> = set.snapshots();
        let text = std::fs::read_to_string(root.join(KEYS)).expect("the keys are made");
        let asker = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let [account, key, secret] = words[..] else { panic!("`{line}` is no key") };
            let snapshot = snapshots[account].clone();
            Asker { key: key.to_owned(), secret: secret.to_owned(), snapshot }
        };
        let list = File::open(set.list()).expect("the set is made");
        Self { askers: text.lines().map(asker).collect(), list, number: AtomicU64::new(0) }
    }

    /// Some requests of each client.
    pub(crate) fn requests(&self, at: SocketAddr, kind: Kind, times: usize) -> Vec<Vec<Vec<u8>>> {
        let client = |client: u64| (0..times).map(|time| self.request(at, kind, client, time)).collect();
        (0..CLIENTS).map(client).collect()
    }

    fn request(&self, at: SocketAddr, kind: Kind, client: u64, time: usize) -> Vec<u8> {
        let number = mixed(self.number.fetch_add(1, Ordering::Relaxed));
        // Accounts in turns, as the order of the keys has them.
        let account = client + CLIENTS * (number % (ACCOUNTS / CLIENTS));
        let asker = &self.askers[usize::try_from(account).expect("some hundreds")];
        match kind {
            Kind::Mixed if time % CREATE_ONE_IN == CREATE_ONE_IN - 1 => {
                let name = format!("wire-{}-{number:016x}", now_ms());
                let disk = ("DiskDeviceMapping.1.SnapshotId", asker.snapshot.as_str());
                let kind = ("DiskDeviceMapping.1.DiskType", "system");
                asker.signed(at, "CreateImage", &[disk, kind, ("ImageName", &name)])
            }
            Kind::Describe | Kind::Mixed => {
                let image = self.image(account * IMAGES_EACH + number / ACCOUNTS % IMAGES_EACH);
                let status = "Available,Deprecated";
                asker.signed(at, "DescribeImages", &[("ImageId", &image), ("Status", status)])
            }
            Kind::Page => asker.signed(at, "DescribeImages", &[("ImageOwnerAlias", "self")]),
        }
    }

    /// The id in a line of the list.
    fn image(&self, line: u64) -> String {
        let mut bytes = [0; LINE_BYTES];
        self.list.read_exact_at(&mut bytes, line * LINE_BYTES as u64).expect("the list has that line");
        let text = std::str::from_utf8(&bytes).expect("it is text").trim();
        text.split(' ').nth(1).expect("an account and an image").to_owned()
    }
}

impl Asker {
    /// The bytes of a request, as the newer clients send it.
    fn signed(&self, at: SocketAddr, action: &'static str, params: &[(&str, &str)]) -> Vec<u8> {
        let region = [("RegionId", DEFAULT_REGION)];
        let parts = region.iter().chain(params);
        let parts: Vec<_> = parts.map(|(name, value)| format!("{name}={}", percent(value))).collect();
        let query = parts.join("&");
        let pairs = Pairs::read(&query, "").expect("it has few parameters");
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).expect("the kernel gives random bytes");
        let nonce = format!("{:032x}", u128::from_be_bytes(nonce));
        let text = |text: &str| HeaderValue::from_str(text).expect("it is plain ASCII");
        let headers: HeaderMap = [
            ("accept", text("application/json")),
            ("host", text(&at.to_string())),
            ("user-agent", text("bench of the wire")),
            ("x-acs-action", text(action)),
            ("x-acs-content-sha256", text(&sha256_hex(b""))),
            ("x-acs-date", text(&wire::seconds(now_ms()))),
            ("x-acs-signature-nonce", text(&nonce)),
            ("x-acs-version", text("2014-05-26")),
        ]
        .into_iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value))
        .collect();
        let seen =
            Seen { method: "POST", path: "/", headers: &headers, query: &pairs, all: &pairs, body: b"" };
        let authorization = sign_acs3(&self.key, &self.secret, seen);
        let mut bytes = format!("POST /?{query} HTTP/1.1\r\n").into_bytes();
        for (name, value) in &headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend(format!("authorization: {authorization}\r\ncontent-length: 0\r\n\r\n").into_bytes());
        bytes
    }
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or_default()
}

/// A number that looks like chance: `SplitMix64`.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
