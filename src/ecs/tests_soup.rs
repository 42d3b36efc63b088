//! Whatever a client sends, it is told something: an answer that holds to its tree (the kit sees to that), or a fault
//! of its own with a code. Nothing panics, and nothing is ever the house's fault.
//!
//! Requests are soups of declared names and names nearly so, with values that are valid, nearly so, or none at all.
//! `KILN_SEED` repeats a run, `KILN_SOUPS` makes a longer one; what failed is printed as it was asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::tests_calls::VALUES;
use crate::tests_contract::SCOPE;
use crate::tests_contract_unserved::UNSERVED;
use crate::tests_kit::{FRIEND, HERE, OWNER, World};
use crate::tests_tree::leaves;

/// Requests of a run.
const SOUPS: u64 = 3_000;

/// Requests after which there is something of everything again: some of them delete.
const REFILLED_AFTER: u64 = 200;

/// What nobody should send, and somebody does.
const VALUES_OF_NOBODY: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "1",
    "17",
    "100",
    "101",
    "2147483648",
    "-9223372036854775808",
    "9223372036854775807",
    "18446744073709551616",
    "1e9",
    "NaN",
    "true",
    "FALSE",
    "maybe",
    "null",
    "[]",
    "[",
    "{}",
    "['",
    "[\"a\",1,null]",
    "[[\"a\"]]",
    "a,b,,c",
    "*",
    "**",
    "%",
    "../../etc/passwd",
    "oss://uploads/system.raw",
    "\u{0}",
    "a\u{0}b",
    "\u{1}\r\n\t",
    "\u{feff}\u{202e}",
    "\u{fffe}",
    "镜像",
    "🧨",
    "e\u{301}",
    "<a>&\"'</a>",
    "' OR 1=1 --",
    "2026-02-30T00:00Z",
    "2026-01-01T00:00:00Z",
    "9999-99-99T99:99:99Z",
    "m-00000000000000000000",
    "s-00000000000000000000",
    "d-00000000000000000000",
    "t-00000000000000000000",
    "i-00000000000000000000",
    "acs:100000:web",
    "100000",
    "200000",
    "cn-beijing",
    "cn-nowhere",
    "all",
    "ALL",
    "image",
    "disk",
    "snapshot",
    "instance",
    "system",
    "data",
    "self",
    "others",
    "http://a",
];

/// A small generator, so that a seed is a run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or_default()
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    fn value(&mut self) -> String {
        match self.below(12) {
            0 => "x".repeat(self.below(3_000)),
            1 => (0..self.below(12))
                .filter_map(|_| char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap_or_default()))
                .collect(),
            2 => self.next().to_string(),
            _ => self.one(VALUES_OF_NOBODY).to_owned(),
        }
    }

    /// A name nearly as it was.
    fn mutated(&mut self, name: &str) -> String {
        let number = self.one(&["0", "1", "2", "17", "18", "99", "4294967296", "-1", "01", "N", ""]);
        match self.below(8) {
            0 => name.to_lowercase(),
            1 => format!("{name}."),
            2 => format!(".{name}"),
            3 => format!("{name}.{number}"),
            4 => name.split('.').next().unwrap_or_default().to_owned(),
            5 => name.chars().rev().collect(),
            _ => name.replace(".1", &format!(".{number}")),
        }
    }

    /// Parameters for an action that has these.
    fn soup(&mut self, names: &[String], usual: impl Fn(&str) -> String) -> BTreeMap<String, String> {
        let mut soup = BTreeMap::new();
        let (keep, twist) = (1 + self.below(4), 2 + self.below(12));
        for name in names {
            let is_needed = ["RegionId", "ImageId", "SnapshotId", "DiskId"].contains(&name.as_str());
            if !is_needed && !self.once_in(keep) {
                continue;
            }
            let value = if self.once_in(twist) { self.value() } else { usual(name) };
            let name = if self.once_in(20) { self.mutated(name) } else { name.clone() };
            if value != "-" {
                soup.insert(name, value);
            }
        }
        // Tokens of before are welcome; a trial now and then keeps the house as it is.
        if self.once_in(3) {
            soup.insert("DryRun".to_owned(), "true".to_owned());
        }
        soup
    }
}

fn number_of(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_is_answered_or_refused_as_a_fault_of_who_asks() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let (seed, soups) = (number_of("KILN_SEED", now), number_of("KILN_SOUPS", SOUPS));
    println!("soups from KILN_SEED={seed}");
    let world = Arc::new(World::new().await);
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut codes: BTreeMap<String, u32> = BTreeMap::new();
    let actions: Vec<&str> =
        SCOPE.iter().copied().chain(UNSERVED.iter().map(|unserved| unserved.action)).collect();
    for number in 0..soups {
        if number % REFILLED_AFTER == 0 {
            fill(&world).await;
        }
        let action = chance.one(&actions);
        let names = leaves(&world.contracts[action].request, "1");
        let usual = |name: &str| {
            let of = |wanted: &str| VALUES.iter().find(|(known, _)| *known == wanted);
            let found = of(&format!("{action}:{name}")).or_else(|| of(name));
            world.filled(found.map_or("", |(_, value)| value))
        };
        let soup = chance.soup(&names, usual);
        let account = if chance.once_in(8) { FRIEND } else { OWNER };
        let (asked, here) = (soup.clone(), world.clone());
        let told = tokio::spawn(async move { here.answer(account, action, soup).await }).await;
        let which = || format!("KILN_SEED={seed}, request {number}: {account} {action} {asked:?}");
        match told {
            Err(panic) => panic!("{}: {panic}", which()),
            Ok(Ok(_)) => *codes.entry("answered".to_owned()).or_default() += 1,
            Ok(Err(fault)) => {
                let is_theirs = (400..500).contains(&fault.status) && !fault.message.is_empty();
                assert!(is_theirs && is_code(&fault.code), "{}: {fault:?}", which());
                *codes.entry(fault.code).or_default() += 1;
            }
        }
    }
    println!("{codes:?}");
    assert!(codes.len() > 40, "soups are too thin: {codes:?}");
    assert!(codes["answered"] > u32::try_from(soups / 20).unwrap(), "soups are too wild: {codes:?}");
}

/// Whether a text is shaped as the codes of the API are.
fn is_code(code: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    code.split('.').all(word)
}

/// Something of everything, for soups to be about.
async fn fill(world: &World) {
    let image = world.import(&world.new_name("web")).await;
    let shown = world.available(HERE, &image).await;
    world.call_it("image", &image.into());
    let mapping = &shown["DiskDeviceMappings"]["DiskDeviceMapping"][0];
    for name in ["snapshot", "image-snapshot"] {
        world.call_it(name, &mapping["SnapshotId"]);
    }
    let tasks = world.ask("DescribeTasks", &[("RegionId", HERE)]).await.unwrap();
    world.call_it("task", &tasks["TaskSet"]["Task"][0]["TaskId"]);
    let disk = world.ask("CreateDisk", &[("RegionId", HERE), ("SnapshotId", "{snapshot}")]).await.unwrap();
    world.call_it("disk", &disk["DiskId"]);
}
