//! Requests of the ECS API for the kill test: how each is asked, and whether what it asked for is there, whole.

use serde_json::Value;

use crate::client::Client;
use crate::server::Server;

/// Where things are, and where images are copied to.
pub const HERE: &str = "cn-hangzhou";
pub const THERE: &str = "cn-beijing";
/// Every status an image may be found in.
const STATUSES: &str = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated";

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Makes an image, which is seen in a region.
    Image(&'static str),
    Snapshot,
    Disk,
    Vpc,
    /// Gives an image a name, a description and a boot mode.
    Modify,
    /// Puts two tags on two images.
    Tag,
    /// Shares an image, or takes that back.
    Share(bool),
}

/// A request under a token of its own.
#[derive(Clone, Debug)]
pub struct Ask {
    pub does: Does,
    pub action: &'static str,
    version: &'static str,
    params: Vec<(String, String)>,
    /// The name of what it makes, or the words it changes something to.
    pub name: String,
    /// The images it changes.
    targets: Vec<String>,
}

/// What a round asks about.
pub struct Around<'a> {
    pub round: u64,
    pub bucket: &'a str,
    pub objects: &'a [String],
    pub snapshot: &'a str,
    /// Disks that snapshots are made of.
    pub disks: &'a [String],
    /// Images to be copied.
    pub sources: &'a [String],
    pub other: &'a str,
}

impl Ask {
    fn new(does: Does, action: &'static str, name: &str, params: &[(&str, &str)]) -> Self {
        let version = if does == Does::Vpc { "2016-04-28" } else { "2014-05-26" };
        let token = ("ClientToken".to_owned(), format!("{action}-{name}"));
        let mut params: Vec<_> =
            params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        params.push(token);
        Self { does, action, version, params, name: name.to_owned(), targets: Vec::new() }
    }

    fn on(mut self, targets: &[String]) -> Self {
        self.targets = targets.to_vec();
        self
    }

    pub fn import(around: &Around<'_>, number: usize) -> Self {
        let name = format!("r{}-import-{number:02}", around.round);
        let object = &around.objects[number % around.objects.len()];
        let params = [
            ("RegionId", HERE),
            ("ImageName", &name),
            ("Description", &name),
            ("DiskDeviceMapping.1.OSSBucket", around.bucket),
            ("DiskDeviceMapping.1.OSSObject", object),
            ("DiskDeviceMapping.1.Format", "RAW"),
            ("Tag.1.Key", "round"),
            ("Tag.1.Value", &name),
        ];
        Self::new(Does::Image(HERE), "ImportImage", &name, &params)
    }

    pub fn create_image(around: &Around<'_>, number: usize) -> Self {
        let name = format!("r{}-image-{number:02}", around.round);
        let params = [
            ("RegionId", HERE),
            ("ImageName", &name),
            ("Description", &name),
            ("DiskDeviceMapping.1.SnapshotId", around.snapshot),
            ("DiskDeviceMapping.1.DiskType", "system"),
            ("Tag.1.Key", "round"),
            ("Tag.1.Value", &name),
        ];
        Self::new(Does::Image(HERE), "CreateImage", &name, &params)
    }

    pub fn copy(around: &Around<'_>, number: usize) -> Self {
        let name = format!("r{}-copy-{number:02}", around.round);
        let params = [
            ("RegionId", HERE),
            ("ImageId", &around.sources[number]),
            ("DestinationRegionId", THERE),
            ("DestinationImageName", &name),
            ("DestinationDescription", &name),
            ("Tag.1.Key", "round"),
            ("Tag.1.Value", &name),
        ];
        Self::new(Does::Image(THERE), "CopyImage", &name, &params)
    }

    pub fn snapshot(around: &Around<'_>, number: usize) -> Self {
        let name = format!("r{}-snapshot-{number:02}", around.round);
        let params = [
            ("DiskId", around.disks[number].as_str()),
            ("SnapshotName", &name),
            ("Description", &name),
            ("Tag.1.Key", "round"),
            ("Tag.1.Value", &name),
        ];
        Self::new(Does::Snapshot, "CreateSnapshot", &name, &params)
    }

    pub fn disk(round: u64, number: usize) -> Self {
        let name = format!("r{round}-disk-{number:02}");
        let params = [
            ("RegionId", HERE),
            ("ZoneId", "cn-hangzhou-a"),
            ("Size", "20"),
            ("DiskName", &name),
            ("Description", &name),
            ("Tag.1.Key", "round"),
            ("Tag.1.Value", &name),
        ];
        Self::new(Does::Disk, "CreateDisk", &name, &params)
    }

    pub fn vpc(around: &Around<'_>, number: usize) -> Self {
        let name = format!("r{}-vpc-{number:02}", around.round);
        let params = [("RegionId", HERE), ("VpcName", &name), ("Description", &name)];
        Self::new(Does::Vpc, "CreateVpc", &name, &params)
    }

    pub fn modify(around: &Around<'_>, target: &String) -> Self {
        let name = format!("r{}-named-{target}", around.round);
        let mode = if around.round.is_multiple_of(2) { "UEFI" } else { "BIOS" };
        let params = [
            ("RegionId", HERE),
            ("ImageId", target),
            ("ImageName", &name),
            ("Description", &name),
            ("BootMode", mode),
        ];
        Self::new(Does::Modify, "ModifyImageAttribute", &name, &params).on(std::slice::from_ref(target))
    }

    pub fn tag(around: &Around<'_>, targets: &[String]) -> Self {
        let name = format!("r{}-tagged-{}", around.round, targets[0]);
        let params = [
            ("RegionId", HERE),
            ("ResourceType", "image"),
            ("ResourceId.1", &targets[0]),
            ("ResourceId.2", &targets[1]),
            ("Tag.1.Key", "one"),
            ("Tag.1.Value", &name),
            ("Tag.2.Key", "two"),
            ("Tag.2.Value", &name),
        ];
        Self::new(Does::Tag, "TagResources", &name, &params).on(targets)
    }

    pub fn share(around: &Around<'_>, target: &String) -> Self {
        let is_added = around.round.is_multiple_of(2);
        let name = format!("r{}-shared-{target}", around.round);
        let which = if is_added { "AddAccount.1" } else { "RemoveAccount.1" };
        let params = [("RegionId", HERE), ("ImageId", target), (which, around.other)];
        Self::new(Does::Share(is_added), "ModifyImageSharePermission", &name, &params)
            .on(std::slice::from_ref(target))
    }

    /// The request, signed now: no signature is accepted twice.
    pub fn signed(&self, client: &Client) -> Vec<u8> {
        let params: Vec<_> =
            self.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        client.signed(self.version, self.action, &params)
    }

    /// The id an answer tells; nothing where the action tells none.
    pub fn told(&self, answer: &Value) -> String {
        let field = match self.does {
            Does::Image(_) => "ImageId",
            Does::Snapshot => "SnapshotId",
            Does::Disk => "DiskId",
            Does::Vpc => "VpcId",
            Does::Modify | Does::Tag | Does::Share(_) => return String::new(),
        };
        answer[field].as_str().unwrap_or_else(|| panic!("no {field}: {answer}")).to_owned()
    }

    /// Looks whether it has happened: `Some` with the id of what it made if it has, whole. Anything between the
    /// two fails the test.
    pub fn happened(&self, server: &Server) -> Option<String> {
        let name = self.name.as_str();
        match self.does {
            Does::Image(region) => {
                let params = [("RegionId", region), ("ImageName", name), ("Status", STATUSES)];
                let image = only(&server.client.call("DescribeImages", &params), "Images", "Image")?;
                let disks = image["DiskDeviceMappings"]["DiskDeviceMapping"].as_array().map(Vec::len);
                assert_eq!((&image["Status"], disks), (&"Available".into(), Some(1)), "{image}");
                Some(self.whole(&image, "ImageId"))
            }
            Does::Snapshot => {
                let params = [("RegionId", HERE), ("SnapshotName", name)];
                let snapshot =
                    only(&server.client.call("DescribeSnapshots", &params), "Snapshots", "Snapshot")?;
                assert_eq!(snapshot["Status"], "accomplished", "{snapshot}");
                Some(self.whole(&snapshot, "SnapshotId"))
            }
            Does::Disk => {
                let params = [("RegionId", HERE), ("DiskName", name)];
                let disk = only(&server.client.call("DescribeDisks", &params), "Disks", "Disk")?;
                assert_eq!((&disk["Status"], &disk["Size"]), (&"Available".into(), &20.into()), "{disk}");
                Some(self.whole(&disk, "DiskId"))
            }
            Does::Vpc => {
                let params = [("RegionId", HERE), ("VpcName", name)];
                let vpc = only(&server.client.call("DescribeVpcs", &params), "Vpcs", "Vpc")?;
                assert_eq!(vpc["Description"], *name, "{vpc}");
                Some(vpc["VpcId"].as_str().unwrap().to_owned())
            }
            Does::Modify => {
                let image = self.target(server, 0);
                let given = self.params.iter().find(|(name, _)| name == "BootMode").map(|(_, mode)| mode);
                // The mode alternates between rounds, so that what another round gave is seen as such.
                let said = [
                    image["ImageName"] == *name,
                    image["Description"] == *name,
                    image["BootMode"].as_str() == given.map(String::as_str),
                ];
                self.all_or_none(&said, &image)
            }
            Does::Tag => {
                let images = [self.target(server, 0), self.target(server, 1)];
                let said: Vec<bool> = images
                    .iter()
                    .flat_map(|image| ["one", "two"].map(|key| tag(image, key) == Some(name)))
                    .collect();
                self.all_or_none(&said, &Value::from(images.to_vec()))
            }
            Does::Share(is_added) => {
                let params = [("RegionId", HERE), ("ImageId", &self.targets[0])];
                let said = server.client.call("DescribeImageSharePermission", &params);
                let accounts = said["Accounts"]["Account"].as_array().unwrap();
                let is_there = accounts.iter().any(|account| account["AliyunId"] == *server.other);
                assert!(accounts.len() <= 1, "{said}");
                (is_there == is_added).then(String::new)
            }
        }
    }

    fn whole(&self, thing: &Value, id: &str) -> String {
        assert_eq!(thing["Description"], *self.name, "{thing}");
        assert_eq!(tag(thing, "round"), Some(self.name.as_str()), "{thing}");
        thing[id].as_str().unwrap().to_owned()
    }

    fn target(&self, server: &Server, number: usize) -> Value {
        let params = [("RegionId", HERE), ("ImageId", &self.targets[number])];
        only(&server.client.call("DescribeImages", &params), "Images", "Image").expect("it was made before")
    }

    fn all_or_none(&self, said: &[bool], seen: &Value) -> Option<String> {
        let all = said.iter().all(|said| *said);
        assert!(all || said.iter().all(|said| !said), "{} happened in part: {seen}", self.name);
        all.then(String::new)
    }
}

/// The one thing of a list, if there is any. Two are what a retry must never make.
fn only(answer: &Value, list: &str, one: &str) -> Option<Value> {
    let mut found = answer[list][one].as_array().unwrap_or_else(|| panic!("no {list}: {answer}")).clone();
    assert!(found.len() <= 1, "one request made two things: {answer}");
    found.pop()
}

fn tag<'a>(thing: &'a Value, key: &str) -> Option<&'a str> {
    let tags = thing["Tags"]["Tag"].as_array()?;
    tags.iter().find(|tag| tag["TagKey"] == *key || tag["Key"] == *key)?["TagValue"].as_str()
}
