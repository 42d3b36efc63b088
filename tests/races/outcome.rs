//! What a race comes to, freed of what every run has otherwise: times, numbers of the log, and the
//! ids of flows, for which the names of the competitors stand.

use std::collections::BTreeMap;

use domain::port::BucketAt;
use domain::{access, group, image, network};
use engine::{FlowRow, Outcome as Ended, State};
use event::FlowId;
use serde_json::Value;
use sim::SimFiles;

use crate::scene::Scene;
use crate::world::{House, bucket};

/// Ids a story of ours makes at most.
const MINTED_MAX: u32 = 12;
/// What of a row is a time, a place in the log, a flow, or what happened to be in the store already.
const BLANK: [&str; 8] =
    ["created_ms", "born", "since_ms", "until_ms", "finished_ms", "flow", "stored_bytes", "modified_ns"];

/// How one competitor ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Well, with its answer.
    Done(String),
    /// Undone, with a code.
    Undone(String),
}

/// What a race came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How A and B ended; none for one that did not take part.
    pub ends: [Option<End>; 2],
    /// Rows, files and objects.
    pub world: Vec<String>,
}

/// Names for the ids of the competitors' making.
#[derive(Default)]
pub struct Names(Vec<(String, String)>);

impl Names {
    pub fn add(&mut self, name: &str, flow: FlowId) {
        self.0.push((flow.to_string(), format!("flow of {name}")));
        for number in 1..=MINTED_MAX {
            self.0.push((flow.mint(&number.to_string()), format!("{name}{number}")));
        }
    }

    fn put(&self, text: &str) -> String {
        let named = self.0.iter().filter(|(id, _)| text.contains(id.as_str()));
        named.fold(text.to_owned(), |text, (id, name)| text.replace(id, name))
    }
}

impl End {
    pub fn of(row: &FlowRow, names: &Names) -> Self {
        match (row.state, &row.outcome) {
            // What a collection has found depends on when it looked, and is the world's business.
            (State::Done, _) if row.name == "collect_chunks" => Self::Done(String::new()),
            (State::Done, Some(Ended::Done(answer))) => {
                Self::Done(names.put(&String::from_utf8_lossy(answer)))
            }
            (State::Undone, _) => Self::Undone(row.trouble().unwrap().code),
            _ => panic!("{} is {:?}: {:?}", row.label, row.state, row.parked),
        }
    }

    /// The code of one that was undone.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Undone(code) => Some(code),
            Self::Done(_) => None,
        }
    }
}

/// Rows, files and objects as they stand.
pub async fn world(house: &House, disk: &SimFiles, scene: &Scene, names: &Names) -> Vec<String> {
    let mut lines = Vec::new();
    let mut ranks = BTreeMap::new();
    for (key, value) in house.rows() {
        let parts: Vec<&str> = key.split('/').collect();
        let table = parts[0];
        let key = match table {
            // The last part is a place in the order of creation: of that, only the order counts.
            "family" | "family-available" | "public" => {
                let before = parts[..parts.len() - 1].join("/");
                let rank = ranks.entry(before.clone()).or_insert(0);
                *rank += 1;
                format!("{before}/{rank}")
            }
            // The second last is a time, and the name may end in one.
            "due" => table.to_owned(),
            _ => key.clone(),
        };
        lines.push(names.put(&format!("{key} {}", row(table, &value))));
    }
    lines.extend(
        bucket(disk).into_iter().map(|(name, bytes)| format!("file {name} of {} bytes", bytes.len())),
    );
    lines.extend(objects(house, &scene.bucket).await);
    lines.sort();
    lines
}

async fn objects(house: &House, at: &BucketAt) -> Vec<String> {
    // There need not be such a bucket.
    let page = house.data.objects(at, "", "", 100).await;
    let objects = page.map(|page| page.objects).unwrap_or_default();
    objects.into_iter().map(|object| format!("object {} of {} bytes", object.key, object.bytes)).collect()
}

/// A row as text, without what differs from run to run.
fn row(table: &str, value: &[u8]) -> Value {
    macro_rules! json {
        ($($name:literal $table:path,)*) => {
            match table {
                $($name => serde_json::to_value($table.read(value)).unwrap(),)*
                other => panic!("the table `{other}` is new: say here what its rows are"),
            }
        };
    }
    let mut json = json! {
        "image" image::IMAGES,
        "image-listed" domain::LISTED,
        "image-name" image::NAMES,
        "family" image::FAMILIES,
        "family-row" image::FAMILY_ROWS,
        "family-available" image::FAMILY_AVAILABLE,
        "family-head" image::FAMILY_HEADS,
        "place" image::PLACES,
        "snapshot" image::SNAPSHOTS,
        "disk" image::DISKS,
        "usage" image::USAGE,
        "quota" image::QUOTAS,
        "shared" image::SHARED,
        "public" image::PUBLIC,
        "due" image::DUE,
        "region" image::REGIONS,
        "account" image::ACCOUNTS,
        "bucket" image::BUCKETS,
        "network" network::ITEMS,
        "resource-group" group::GROUPS,
        "grouped" group::GROUPED,
        "access-key" access::ACCESS_KEYS,
        "access-key-of" access::KEYS_OF,
        "user" access::USERS,
        "policy" access::POLICIES,
        "role" access::ROLES,
        "attached" access::ATTACHED,
    };
    blank(&mut json);
    json
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if BLANK.contains(&name.as_str()) && !field.is_null() {
                    *field = Value::from("·");
                } else {
                    blank(field);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(blank),
        _ => {}
    }
}
