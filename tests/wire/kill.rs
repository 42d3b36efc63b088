//! A hundred mixed requests at once, and SIGKILL in the middle of them, again and again.
//!
//! ```text
//!  100 threads ──▶ serve ──╳ SIGKILL        some were answered, most were not
//!                  serve again, let end     each has happened whole or not at all, and who was answered has it
//!  the same, same tokens ──▶ serve          one answer each: the id of before, or the one that is there
//!                  let end                  each has happened, once
//! ```
//!
//! The first round is not killed: it shows how long the hundred take, and the moments of the others are chosen
//! within that, from one seed.

use std::sync::Barrier;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::chance::{Chance, count, seed};
use crate::client::Answer;
use crate::objects::{Put, noise};
use crate::server::Server;
use crate::things::{Around, Ask, HERE};

/// Kills in an ordinary run.
const KILLS: u64 = 8;
/// How many of each a round has; with the objects a hundred.
const IMPORTS: usize = 12;
const IMAGES: usize = 16;
const COPIES: usize = 4;
const SNAPSHOTS: usize = 8;
const DISKS: usize = 8;
const VPCS: usize = 4;
const MODIFIED: usize = 12;
const TAGGED: usize = 8;
const SHARED: usize = 8;
const PUTS: usize = 10;
const PARTS: usize = 6;
const COMPLETED: usize = 4;
/// Of the objects that are put, so many stand in the place of others.
const REPLACED: usize = 4;
/// A hundred requests take less than this on any machine; the moments of kills lie within it.
const SPAN_MAX: Duration = Duration::from_secs(20);
/// The bucket.
const BUCKET: &str = "kill-uploads";
/// Bytes of a disk that is imported.
const DISK_BYTES: usize = 1 << 20;

/// One of the hundred.
enum Request {
    Thing(Ask),
    Object(Put),
}

/// What a request came to before the kill.
struct Sent {
    request: Request,
    answer: Option<Answer>,
}

struct Scene {
    server: Server,
    chance: Chance,
    objects: Vec<String>,
    /// Images to be copied: one is not copied twice at a time.
    sources: Vec<String>,
    /// Disks that snapshots are made of: of one there is one snapshot at a time.
    disks: Vec<String>,
    /// A snapshot that images are made from.
    snapshot: String,
    /// Images that are modified, tagged in pairs, and shared.
    modified: Vec<String>,
    tagged: Vec<String>,
    shared: Vec<String>,
    /// What the objects hold that are replaced.
    replaced: Vec<Vec<u8>>,
    answered: u64,
    begun: u64,
    unanswered: u64,
}

pub fn play() {
    let seed = seed();
    println!("a hundred requests at once, killed, from KILN_SEED={seed}");
    let begun = Instant::now();
    let mut scene = Scene::new(Chance::new(seed));
    let span = scene.round(0, None).min(SPAN_MAX);
    let kills = count("KILN_WIRE_KILLS").unwrap_or(KILLS);
    for round in 1..=kills {
        let micros = u64::try_from(span.as_micros()).unwrap();
        let moment = Duration::from_micros(scene.chance.below(micros));
        scene.round(round, Some(moment));
    }
    scene.judge();
    let Scene { answered, begun: went_on, unanswered, .. } = scene;
    println!(
        "soak: seed {seed}: {kills} kills within {} ms; of the requests {answered} were answered before, {went_on} \
         had happened without an answer, {unanswered} had not; in {} s",
        span.as_millis(),
        begun.elapsed().as_secs()
    );
    scene.server.end();
}

impl Scene {
    fn new(mut chance: Chance) -> Self {
        let server = Server::start(&[]);
        let client = &server.client;
        let answer = client.object("PUT", &format!("/{BUCKET}"), &[]).unwrap();
        assert_eq!(answer.status, 200, "{answer}");
        let put = |key: &str, bytes: &[u8]| {
            let answer = client.object("PUT", &format!("/{BUCKET}/{key}"), bytes).unwrap();
            assert_eq!(answer.status, 200, "{answer}");
        };
        let objects: Vec<String> = (0..3).map(|number| format!("disk-{number}.raw")).collect();
        for object in &objects {
            let bytes: Vec<u8> = (0..DISK_BYTES / 8).flat_map(|_| chance.next().to_le_bytes()).collect();
            put(object, &bytes);
        }
        let mut replaced = Vec::new();
        for number in 0..REPLACED {
            let bytes = noise(&mut chance);
            put(&format!("replaced-{number}"), &bytes);
            replaced.push(bytes);
        }
        let source = |number| {
            let name = format!("source-{number}");
            let params = [
                ("RegionId", HERE),
                ("ImageName", &name),
                ("DiskDeviceMapping.1.OSSBucket", BUCKET),
                ("DiskDeviceMapping.1.OSSObject", &objects[0]),
                ("DiskDeviceMapping.1.Format", "RAW"),
            ];
            client.call("ImportImage", &params)["ImageId"].as_str().unwrap().to_owned()
        };
        let sources = (0..COPIES).map(source).collect();
        let mut scene = Self {
            server,
            chance,
            objects,
            sources,
            disks: Vec::new(),
            snapshot: String::new(),
            modified: Vec::new(),
            tagged: Vec::new(),
            shared: Vec::new(),
            replaced,
            answered: 0,
            begun: 0,
            unanswered: 0,
        };
        scene.server.let_end();
        let disk = |number| {
            let name = format!("disk-{number}");
            let params =
                [("RegionId", HERE), ("ZoneId", "cn-hangzhou-a"), ("Size", "20"), ("DiskName", &name)];
            let disk = scene.server.client.call("CreateDisk", &params);
            disk["DiskId"].as_str().unwrap().to_owned()
        };
        let disks: Vec<String> = (0..SNAPSHOTS).map(disk).collect();
        scene.server.let_end();
        let snapshot = scene.server.client.call("CreateSnapshot", &[("DiskId", &disks[0])]);
        let snapshot = snapshot["SnapshotId"].as_str().unwrap().to_owned();
        scene.server.let_end();
        let several = |what: &str, count: usize| -> Vec<String> {
            let one = |number| {
                let name = format!("{what}-{number}");
                let params = [
                    ("RegionId", HERE),
                    ("ImageName", &name),
                    ("DiskDeviceMapping.1.SnapshotId", &snapshot),
                    ("DiskDeviceMapping.1.DiskType", "system"),
                ];
                let image = scene.server.client.call("CreateImage", &params);
                image["ImageId"].as_str().unwrap().to_owned()
            };
            (0..count).map(one).collect()
        };
        let made = (several("modified", MODIFIED), several("tagged", 2 * TAGGED), several("shared", SHARED));
        (scene.modified, scene.tagged, scene.shared) = made;
        (scene.disks, scene.snapshot) = (disks, snapshot);
        scene.server.let_end();
        scene
    }

    /// A hundred requests, killed at a moment if there is one, looked at, sent again, looked at; how long they took.
    fn round(&mut self, round: u64, moment: Option<Duration>) -> Duration {
        let requests = self.requests(round);
        assert_eq!(requests.len(), 100);
        let (sent, took) = self.send(requests, moment);
        if moment.is_some() {
            self.server.restart();
        }
        self.server.let_end();
        let again: Vec<String> = sent.iter().map(|sent| self.see_to(sent)).collect();
        // An answer to what takes long says that it has begun.
        self.server.let_end();
        for (sent, id) in sent.iter().zip(again) {
            self.check_happened(sent, id);
        }
        self.clean_up();
        took
    }

    fn requests(&mut self, round: u64) -> Vec<Request> {
        let around = Around {
            round,
            bucket: BUCKET,
            objects: &self.objects,
            snapshot: &self.snapshot,
            disks: &self.disks,
            sources: &self.sources,
            other: &self.server.other,
        };
        let mut asks = Vec::new();
        asks.extend((0..IMPORTS).map(|number| Ask::import(&around, number)));
        asks.extend((0..IMAGES).map(|number| Ask::create_image(&around, number)));
        asks.extend((0..COPIES).map(|number| Ask::copy(&around, number)));
        asks.extend((0..SNAPSHOTS).map(|number| Ask::snapshot(&around, number)));
        asks.extend((0..DISKS).map(|number| Ask::disk(round, number)));
        asks.extend((0..VPCS).map(|number| Ask::vpc(&around, number)));
        asks.extend(self.modified.iter().map(|target| Ask::modify(&around, target)));
        asks.extend(self.tagged.chunks(2).map(|pair| Ask::tag(&around, pair)));
        asks.extend(self.shared.iter().map(|target| Ask::share(&around, target)));
        let mut requests: Vec<Request> = asks.into_iter().map(Request::Thing).collect();
        let (client, chance) = (&self.server.client, &mut self.chance);
        for number in 0..PUTS {
            let before = self.replaced.get(number).cloned();
            let key = match &before {
                Some(_) => format!("replaced-{number}"),
                None => format!("r{round}-object-{number}"),
            };
            requests.push(Request::Object(Put::whole(BUCKET, &key, before, chance)));
        }
        for number in 0..PARTS {
            let key = format!("r{round}-part-{number}");
            requests.push(Request::Object(Put::part(client, BUCKET, &key, chance)));
        }
        for number in 0..COMPLETED {
            let key = format!("r{round}-completed-{number}");
            requests.push(Request::Object(Put::complete(client, BUCKET, &key, chance)));
        }
        requests
    }

    /// Sends all at once, and kills the server after a while.
    fn send(&mut self, requests: Vec<Request>, moment: Option<Duration>) -> (Vec<Sent>, Duration) {
        let start = Barrier::new(requests.len() + 1);
        let client = self.server.client.clone();
        let server = &mut self.server;
        let mut took = Duration::ZERO;
        let sent = scope(|threads| {
            let one = |request: Request| {
                let (client, start) = (&client, &start);
                threads.spawn(move || {
                    let bytes = request.signed(client);
                    start.wait();
                    // One that was cut off by the kill has no answer; whatever was answered counts.
                    let answer = client.send(&bytes).ok();
                    Sent { request, answer }
                })
            };
            let running: Vec<_> = requests.into_iter().map(one).collect();
            start.wait();
            let begun = Instant::now();
            if let Some(moment) = moment {
                sleep(moment);
                server.kill();
            }
            let sent = running.into_iter().map(|thread| thread.join().unwrap()).collect();
            took = begun.elapsed();
            sent
        });
        (sent, took)
    }

    /// What became of a request, and what it answers when it is sent again under its token: the id it tells.
    fn see_to(&mut self, sent: &Sent) -> String {
        let client = &self.server.client;
        if let Some(answer) = &sent.answer {
            assert_eq!(answer.status, 200, "{}: {answer}", sent.request);
        }
        let found = match &sent.request {
            Request::Thing(ask) => ask.happened(&self.server),
            Request::Object(put) => put.happened(client).then(String::new),
        };
        match (&sent.answer, &found) {
            (Some(answer), None) => panic!("{} was answered and has not happened: {answer}", sent.request),
            (Some(_), Some(_)) => self.answered += 1,
            (None, Some(_)) => self.begun += 1,
            (None, None) => self.unanswered += 1,
        }
        let again = client.send(&sent.request.signed(client)).unwrap();
        match &sent.request {
            Request::Thing(ask) => {
                assert_eq!(again.status, 200, "{} again: {again}", sent.request);
                let id = ask.told(&again.json());
                let before = sent.answer.as_ref().map(|answer| ask.told(&answer.json()));
                assert!(before.is_none_or(|before| before == id), "{} has two answers", sent.request);
                assert!(found.is_none_or(|found| found == id), "{} made two things", sent.request);
                id
            }
            Request::Object(put) => {
                assert!(again.status == 200 || found.is_some() && put.is_done_before(&again), "{again}");
                String::new()
            }
        }
    }

    /// In the end all have happened, once.
    fn check_happened(&mut self, sent: &Sent, id: String) {
        match &sent.request {
            Request::Thing(ask) => assert_eq!(ask.happened(&self.server), Some(id), "{}", sent.request),
            Request::Object(put) => {
                let client = &self.server.client;
                assert!(put.happened(client), "{} was answered and has not happened", sent.request);
                put.see_through(client);
                if let Put::Whole { before: Some(before), bytes, .. } = put {
                    let place = self.replaced.iter().position(|held| held == before).unwrap();
                    self.replaced[place].clone_from(bytes);
                }
            }
        }
    }

    /// VPCs are few to an account; those of a round make room for the next one's.
    fn clean_up(&self) {
        let vpcs = self.server.client.call("DescribeVpcs", &[("RegionId", HERE), ("PageSize", "50")]);
        for vpc in vpcs["Vpcs"]["Vpc"].as_array().unwrap() {
            self.server.client.call("DeleteVpc", &[("VpcId", vpc["VpcId"].as_str().unwrap())]);
        }
    }

    /// What has to hold in the end.
    fn judge(&self) {
        let server = &self.server;
        let report = server.operator(&["region", "check", "--deep"]);
        assert_eq!(report["Missing"], serde_json::json!([]), "{report}");
        let verified = server.operator(&["audit", "verify"]);
        assert!(verified["Fault"].is_null(), "{verified}");
        let rebuilt = server.operator(&["audit", "rebuild"]);
        assert_eq!(rebuilt["Differing"], 0, "{rebuilt}");
        server.check_serves();
    }
}

impl Request {
    fn signed(&self, client: &crate::client::Client) -> Vec<u8> {
        match self {
            Self::Thing(ask) => ask.signed(client),
            Self::Object(put) => put.signed(client),
        }
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Thing(ask) => write!(f, "{} {}", ask.action, ask.name),
            Self::Object(Put::Whole { resource, .. }) => write!(f, "putting {resource}"),
            Self::Object(Put::Part { resource, .. }) => write!(f, "putting a part of {resource}"),
            Self::Object(Put::Complete { resource, .. }) => write!(f, "completing {resource}"),
        }
    }
}
