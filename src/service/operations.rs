//! The operations that are known by name, with their parameters: one table, sorted by name.
//!
//! Each is what the command of the same name asks for, with parameters called as its options are. What only looks,
//! what asks a person and what belongs to the house (accounts, quotas, keys) is none of them.

use domain::RegionId;
use domain::events::Attributes;
use domain::machine::{Architecture, BootMode, Imds, LicenseType, MachineAsked, Nvme, OsType, SecureBoot};
use domain::port::{Compression, Format};
use domain::upkeep::Kind;

use crate::operation::{Known, Parameter, Said, Takes, Wrong};
use crate::request::{ExportTo, FileAt, ImageExport, ImageImport, ImportDisk, Request};
use crate::request_image::{ImageCreate, ImageRequest};
use crate::request_share::{FamilyTo, FamilyWhere, ImageCopy, ShareRequest, Term};
use crate::request_things::{Called, DiskRequest, SnapshotRequest, TagRequest};
use crate::request_upkeep::{UpkeepAt, UpkeepRequest};

/// What the address of an object begins with.
const SCHEME: &str = "oss://";
/// Parameters of a change of an image that change it.
const CHANGES: [&str; 10] = [
    "name",
    "description",
    "family",
    "tag",
    "remove-tag",
    "boot-mode",
    "license-type",
    "imds",
    "nvme",
    "secure-boot",
];
/// The formats of disk files.
const FORMATS: [(&str, Format); 3] = [("raw", Format::Raw), ("qcow2", Format::Qcow2), ("vhd", Format::Vhd)];
/// How a qcow2 file may be compressed.
const COMPRESSIONS: [(&str, Compression); 3] =
    [("none", Compression::None), ("zlib", Compression::Zlib), ("zstd", Compression::Zstd)];

const fn takes(name: &'static str, takes: Takes, about: &'static str) -> Parameter {
    Parameter { name, takes, needed: false, about }
}

const fn needs(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, takes: Takes::Text, needed: true, about }
}

const IMAGE: Parameter = needs("image", "id or name of the image");
const DISK: Parameter = needs("disk", "id or name of the disk");
const SNAPSHOT: Parameter = needs("snapshot", "id or name of the snapshot");
const FAMILY: Parameter = needs("family", "name of the family");
const IN: Parameter = takes("region", Takes::Text, "where it is, when its name alone does not tell");
const AT: Parameter = takes("region", Takes::Text, "where it will be");
const NAME: Parameter = takes("name", Takes::Text, "its name");
const DESCRIPTION: Parameter = takes("description", Takes::Text, "its description; empty for none");
const NEW_FAMILY: Parameter = takes("family", Takes::Text, "its family");
const TAG: Parameter = takes("tag", Takes::Tags, "tags to set");
const SIZE: Parameter = takes("size", Takes::Size, "its size");
const DAYS: Parameter = takes("retention-days", Takes::Number, "days it is kept for; for ever if not said");
const BANDWIDTH: Parameter = takes("bandwidth", Takes::Size, "bytes a second it may send at most");
const FORCE: Parameter = takes("force", Takes::Yes, "even if something uses it");
const CHECK: Parameter = takes("check", Takes::Yes, "check its file systems when it is there");
const REGIONS: Parameter = takes("region", Takes::List, "in these regions");
const ALL_REGIONS: Parameter = takes("all-regions", Takes::Yes, "wherever the family is");
const BOOT_MODE: Parameter = takes("boot-mode", Takes::OneOf(BootMode::WORDS), "how it boots");
const LICENSE: Parameter = takes("license-type", Takes::OneOf(LicenseType::WORDS), "its Windows licence");
const IMDS: Parameter = takes("imds", Takes::OneOf(Imds::WORDS), "the metadata service of its instances");
const NVME: Parameter = takes("nvme", Takes::OneOf(Nvme::WORDS), "whether it has a driver for NVMe disks");
const SECURE: Parameter = takes("secure-boot", Takes::OneOf(SecureBoot::WORDS), "whether it boots securely");
const ARCHITECTURE: Parameter = takes("architecture", Takes::OneOf(Architecture::WORDS), "its processor");
const OS_TYPE: Parameter = takes("os-type", Takes::OneOf(OsType::WORDS), "its kind of system");
const PLATFORM: Parameter = takes("platform", Takes::Text, "its distribution");

/// Every operation, sorted by name.
pub(crate) const OPERATIONS: &[Known] = &[
    Known {
        name: "disk.create",
        about: "make a disk, empty or from a snapshot or an image",
        parameters: &[
            NAME,
            AT,
            SIZE,
            takes("snapshot", Takes::Text, "the snapshot it is made from"),
            takes("image", Takes::Text, "the image whose system disk it is made from"),
            DESCRIPTION,
            TAG,
        ],
        request: |said| {
            Ok(Request::Disk(DiskRequest::Create {
                called: called(said)?,
                region: said.region("region"),
                size_bytes: said.size("size")?.unwrap_or_default(),
                snapshot: said.text("snapshot"),
                image: said.text("image"),
            }))
        },
    },
    Known {
        name: "disk.delete",
        about: "delete a disk",
        parameters: &[DISK, IN],
        request: |said| Ok(Request::Disk(DiskRequest::Delete(said.thing("disk")))),
    },
    Known {
        name: "disk.modify",
        about: "change name, description or size of a disk",
        parameters: &[DISK, IN, NAME, DESCRIPTION, SIZE],
        request: |said| {
            some(said, &["name", "description", "size"])?;
            Ok(Request::Disk(DiskRequest::Modify {
                at: said.thing("disk"),
                name: said.said("name"),
                description: said.said("description"),
                size_bytes: said.size("size")?,
            }))
        },
    },
    Known {
        name: "distribution.run",
        about: "bring and share what a distribution list lacks",
        parameters: &[needs("distribution", "name of the distribution list")],
        request: |said| Ok(run(Kind::Distribution, said.needed("distribution"))),
    },
    Known {
        name: "family.promote",
        about: "tell a family which image to stand for",
        parameters: &[FAMILY, needs("image", "id or name of the image"), REGIONS, ALL_REGIONS],
        request: |said| family(said, FamilyTo::Image(said.needed("image"))),
    },
    Known {
        name: "family.rollback",
        about: "have a family stand for the image before",
        parameters: &[FAMILY, REGIONS, ALL_REGIONS],
        request: |said| family(said, FamilyTo::Before),
    },
    Known {
        name: "family.unpin",
        about: "have a family stand for its newest image again",
        parameters: &[FAMILY, REGIONS, ALL_REGIONS],
        request: |said| family(said, FamilyTo::Newest),
    },
    Known {
        name: "image.check",
        about: "check an image's file systems",
        parameters: &[IMAGE, IN],
        request: |said| Ok(Request::Image(ImageRequest::Check(said.image()))),
    },
    Known {
        name: "image.copy",
        about: "copy an image to another region, or one that is shared with you within its region",
        parameters: &[
            IMAGE,
            IN,
            takes("to-region", Takes::Text, "where to"),
            takes("name", Takes::Text, "name of the copy; that of the image if not said"),
            DESCRIPTION,
            TAG,
            BANDWIDTH,
        ],
        request: |said| {
            Ok(Request::Share(ShareRequest::Copy(ImageCopy {
                at: said.image(),
                to: said.region("to-region").into_iter().collect(),
                name: said.text("name"),
                description: said.said("description").unwrap_or_default(),
                tags: said.tags()?.into_iter().collect(),
                bytes_per_second: said.size("bandwidth")?,
            })))
        },
    },
    Known {
        name: "image.create",
        about: "make an image of a snapshot of a system disk, or of an instance",
        parameters: &[
            takes("snapshot", Takes::Text, "the snapshot"),
            takes("from-instance", Takes::Text, "the instance"),
            NAME,
            NEW_FAMILY,
            AT,
            DESCRIPTION,
            TAG,
            CHECK,
            ARCHITECTURE,
            OS_TYPE,
            PLATFORM,
            BOOT_MODE,
            LICENSE,
            IMDS,
            NVME,
            SECURE,
        ],
        request: |said| {
            some(said, &["snapshot", "from-instance"])?;
            Ok(Request::Image(ImageRequest::Create(ImageCreate {
                instance: said.text("from-instance"),
                disks: Vec::new(),
                snapshot: said.text("snapshot"),
                name: said.text("name").unwrap_or_default(),
                description: said.said("description").unwrap_or_default(),
                family: said.text("family"),
                tags: said.tags()?.into_iter().collect(),
                region: said.region("region"),
                machine: machine(said)?,
                check: said.yes("check")?,
            })))
        },
    },
    Known {
        name: "image.delete",
        about: "delete an image and give its space back",
        parameters: &[IMAGE, IN, FORCE, takes("keep-snapshots", Takes::Yes, "keep the snapshots it made")],
        request: |said| {
            Ok(Request::ImageDelete {
                at: said.image(),
                force: said.yes("force")?,
                keep_snapshots: said.yes("keep-snapshots")?,
            })
        },
    },
    Known {
        name: "image.deprecate",
        about: "deprecate an image: its family falls back to the one before",
        parameters: &[IMAGE, IN],
        request: |said| Ok(Request::ImageDeprecate(said.image())),
    },
    Known {
        name: "image.export",
        about: "write an image to a file, to an object or to a bucket",
        parameters: &[
            IMAGE,
            IN,
            takes("to", Takes::File, "the file or object to make"),
            takes("to-bucket", Takes::Text, "the bucket, under the names of the ECS API"),
            takes("prefix", Takes::Text, "what those names begin with"),
            takes("format", Takes::OneOf(&["raw", "qcow2", "vhd"]), "its format; raw if not said"),
            takes("compression", Takes::OneOf(&["none", "zlib", "zstd"]), "compression, for qcow2"),
            takes("force", Takes::Yes, "replace files of these names if they are there"),
        ],
        request: |said| {
            some(said, &["to", "to-bucket"])?;
            let format = said.one_of("format", &FORMATS)?.unwrap_or(Format::Raw);
            let compression = said.one_of("compression", &COMPRESSIONS)?.unwrap_or_default();
            if format != Format::Qcow2 && compression != Compression::None {
                let word = said.needed("compression");
                return Err(said.bad("compression", &word, "only a qcow2 file is compressed: leave it out"));
            }
            Ok(Request::ImageExport(ImageExport {
                at: said.image(),
                to: export_to(said)?,
                format,
                compression,
                replace: said.yes("force")?,
            }))
        },
    },
    Known {
        name: "image.import",
        about: "make an image of disk files, or of objects in a bucket",
        parameters: &[
            Parameter { takes: Takes::File, ..needs("file", "the file or object of the system disk") },
            needs("name", "its name"),
            NEW_FAMILY,
            AT,
            takes("format", Takes::OneOf(&["raw", "qcow2", "vhd"]), "its format; found out if not said"),
            takes("size", Takes::Size, "size an instance's system disk has at least"),
            takes("data-disk", Takes::List, "files or objects of data disks"),
            DESCRIPTION,
            TAG,
            CHECK,
            ARCHITECTURE,
            OS_TYPE,
            PLATFORM,
            BOOT_MODE,
            LICENSE,
            IMDS,
            NVME,
            SECURE,
        ],
        request: |said| {
            let mut disks = vec![ImportDisk {
                at: file_at(said, "file", &said.needed("file"))?,
                format: said.one_of("format", &FORMATS)?,
                device: None,
                size_bytes: said.size("size")?,
            }];
            for file in said.list("data-disk") {
                let at = file_at(said, "data-disk", &file)?;
                disks.push(ImportDisk { at, format: None, device: None, size_bytes: None });
            }
            Ok(Request::ImageImport(ImageImport {
                disks,
                name: said.needed("name"),
                description: said.said("description").unwrap_or_default(),
                family: said.text("family"),
                tags: said.tags()?.into_iter().collect(),
                region: said.region("region"),
                machine: machine(said)?,
                check: said.yes("check")?,
            }))
        },
    },
    Known {
        name: "image.modify",
        about: "change name, description, family, tags and what is said of the machine",
        parameters: &[
            IMAGE,
            IN,
            NAME,
            DESCRIPTION,
            NEW_FAMILY,
            TAG,
            takes("remove-tag", Takes::List, "keys of tags to remove"),
            BOOT_MODE,
            LICENSE,
            IMDS,
            NVME,
            SECURE,
            takes("deprecated", Takes::Yes, "whether it is deprecated as well, or restored"),
        ],
        request: |said| {
            let deprecated = said.answer("deprecated")?;
            if deprecated.is_none() {
                some(said, &CHANGES)?;
            }
            let set = said.tags()?.into_iter().map(|(key, value)| (key, Some(value)));
            let to = Attributes {
                name: said.text("name"),
                description: said.said("description"),
                family: said.text("family"),
                deprecated,
                boot_mode: said.word("boot-mode", BootMode::parse)?,
                license_type: said.word("license-type", LicenseType::parse)?,
                imds: said.word("imds", Imds::parse)?,
                nvme: said.word("nvme", Nvme::parse)?,
                secure_boot: said.word("secure-boot", SecureBoot::parse)?,
                tags: set.chain(said.list("remove-tag").into_iter().map(|key| (key, None))).collect(),
            };
            Ok(Request::ImageModify { at: said.image(), to })
        },
    },
    Known {
        name: "image.publish",
        about: "let everybody in the region use an image",
        parameters: &[IMAGE, IN],
        request: |said| Ok(Request::Share(ShareRequest::Publish(said.image()))),
    },
    Known {
        name: "image.restore",
        about: "restore a deprecated image",
        parameters: &[IMAGE, IN],
        request: |said| Ok(Request::ImageRestore(said.image())),
    },
    Known {
        name: "image.share",
        about: "share an image with other accounts",
        parameters: &[
            IMAGE,
            IN,
            Parameter { takes: Takes::List, ..needs("with", "the accounts") },
            takes("until", Takes::Time, "until then; for ever if not said"),
            takes("for", Takes::Span, "for so long"),
        ],
        request: |said| {
            let term = match (said.time_ms("until")?, said.span_ms("for")?) {
                (Some(_), Some(_)) => {
                    let span = said.needed("for");
                    return Err(said.bad(
                        "for",
                        &span,
                        "it is shared `until` a time or `for` a while, not both",
                    ));
                }
                (Some(until_ms), None) => Term::Until(until_ms),
                (None, Some(ms)) => Term::For(ms),
                (None, None) => Term::Ever,
            };
            let with = said.list("with").into_iter().map(domain::AccountId).collect();
            Ok(Request::Share(ShareRequest::Share { at: said.image(), with, term }))
        },
    },
    Known {
        name: "image.tag",
        about: "set tags of an image",
        parameters: &[IMAGE, IN, TAG],
        request: |said| {
            some(said, &["tag"])?;
            Ok(tags(said, said.tags()?, Vec::new(), false))
        },
    },
    Known {
        name: "image.unpublish",
        about: "make a published image its owner's again",
        parameters: &[IMAGE, IN],
        request: |said| Ok(Request::Share(ShareRequest::Unpublish(said.image()))),
    },
    Known {
        name: "image.unshare",
        about: "share an image with other accounts no more",
        parameters: &[
            IMAGE,
            IN,
            takes("from", Takes::List, "the accounts"),
            takes("all", Takes::Yes, "all accounts it is shared with"),
        ],
        request: |said| {
            let (all, from) = (said.yes("all")?, said.list("from"));
            if !all && from.is_empty() {
                return Err(Said::none_of(&["from", "all"]));
            }
            let from = (!all).then(|| from.into_iter().map(domain::AccountId).collect());
            Ok(Request::Share(ShareRequest::Unshare { at: said.image(), from }))
        },
    },
    Known {
        name: "image.untag",
        about: "remove tags of an image",
        parameters: &[
            IMAGE,
            IN,
            takes("remove-tag", Takes::List, "keys of tags to remove"),
            takes("all", Takes::Yes, "all its tags"),
        ],
        request: |said| {
            let (all, remove) = (said.yes("all")?, said.list("remove-tag"));
            if !all && remove.is_empty() {
                return Err(Said::none_of(&["remove-tag", "all"]));
            }
            Ok(tags(said, Vec::new(), remove, all))
        },
    },
    Known {
        name: "region.collect",
        about: "remove what no snapshot names any more",
        parameters: &[takes("region", Takes::Text, "where; in the default region if not said")],
        request: |said| Ok(Request::RegionCollect { region: said.region("region"), after: None }),
    },
    Known {
        name: "retention.run",
        about: "deprecate and delete what a retention policy says",
        parameters: &[needs("retention", "name of the retention policy")],
        request: |said| Ok(run(Kind::Retention, said.needed("retention"))),
    },
    Known {
        name: "snapshot.copy",
        about: "copy a snapshot to another region",
        parameters: &[SNAPSHOT, IN, needs("to-region", "where to"), NAME, DESCRIPTION, TAG, DAYS, BANDWIDTH],
        request: |said| {
            Ok(Request::Snapshot(SnapshotRequest::Copy {
                at: said.thing("snapshot"),
                to: RegionId(said.needed("to-region")),
                called: called(said)?,
                retention_days: said.number("retention-days")?,
                bytes_per_second: said.size("bandwidth")?,
            }))
        },
    },
    Known {
        name: "snapshot.create",
        about: "take a snapshot of a disk",
        parameters: &[DISK, IN, NAME, DESCRIPTION, TAG, DAYS],
        request: |said| {
            Ok(Request::Snapshot(SnapshotRequest::Create {
                disk: said.thing("disk"),
                called: called(said)?,
                retention_days: said.number("retention-days")?,
            }))
        },
    },
    Known {
        name: "snapshot.delete",
        about: "delete a snapshot",
        parameters: &[SNAPSHOT, IN, FORCE],
        request: |said| {
            let (at, force) = (said.thing("snapshot"), said.yes("force")?);
            Ok(Request::Snapshot(SnapshotRequest::Delete { at, force }))
        },
    },
    Known {
        name: "snapshot.modify",
        about: "change name, description or retention of a snapshot",
        parameters: &[SNAPSHOT, IN, NAME, DESCRIPTION, DAYS],
        request: |said| {
            some(said, &["name", "description", "retention-days"])?;
            Ok(Request::Snapshot(SnapshotRequest::Modify {
                at: said.thing("snapshot"),
                name: said.said("name"),
                description: said.said("description"),
                retention_days: said.number("retention-days")?,
            }))
        },
    },
];

/// Refuses an operation of which nothing is said that it is there for.
fn some(said: &Said<'_>, names: &[&str]) -> Result<(), Wrong> {
    if said.any(names) { Ok(()) } else { Err(Said::none_of(names)) }
}

fn called(said: &Said<'_>) -> Result<Called, Wrong> {
    Ok(Called {
        name: said.text("name").unwrap_or_default(),
        description: said.said("description").unwrap_or_default(),
        tags: said.tags()?,
    })
}

fn machine(said: &Said<'_>) -> Result<MachineAsked, Wrong> {
    Ok(MachineAsked {
        architecture: said.word("architecture", Architecture::parse)?,
        os_type: said.word("os-type", OsType::parse)?,
        platform: said.text("platform"),
        boot_mode: said.word("boot-mode", BootMode::parse)?,
        license_type: said.word("license-type", LicenseType::parse)?,
        imds: said.word("imds", Imds::parse)?,
        nvme: said.word("nvme", Nvme::parse)?,
        secure_boot: said.word("secure-boot", SecureBoot::parse)?,
    })
}

fn run(kind: Kind, named: String) -> Request {
    Request::Upkeep(UpkeepRequest::Run(UpkeepAt { kind, named }))
}

fn family(said: &Said<'_>, to: FamilyTo) -> Result<Request, Wrong> {
    let (all, named) = (said.yes("all-regions")?, said.list("region"));
    let regions = match (all, named.is_empty()) {
        (true, _) => FamilyWhere::All,
        (false, true) => FamilyWhere::One,
        (false, false) => FamilyWhere::Named(named.into_iter().map(RegionId).collect()),
    };
    Ok(Request::Share(ShareRequest::FamilyMove { family: said.needed("family"), to, regions }))
}

fn tags(said: &Said<'_>, set: Vec<(String, String)>, remove: Vec<String>, all: bool) -> Request {
    let (resources, region) = (vec![said.needed("image")], said.region("region"));
    Request::Tag(TagRequest::Change { resources, region, set, remove, all })
}

fn export_to(said: &Said<'_>) -> Result<ExportTo, Wrong> {
    if let Some(bucket) = said.text("to-bucket") {
        return Ok(ExportTo::Bucket { bucket, prefix: said.text("prefix") });
    }
    let at = file_at(said, "to", &said.needed("to"))?;
    Ok(match at.bucket {
        Some(bucket) => ExportTo::Object { bucket, key: at.path },
        None => ExportTo::File(at.path),
    })
}

/// The file or object of that name. A path is one from the root: who reads the line is another process, somewhere.
fn file_at(said: &Said<'_>, name: &str, file: &str) -> Result<FileAt, Wrong> {
    let file = file.trim();
    if let Some(rest) = file.strip_prefix(SCHEME) {
        return match rest.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(FileAt { bucket: Some(bucket.to_owned()), path: key.to_owned() })
            }
            _ => Err(said.bad(name, file, "an object is named `oss://BUCKET/KEY`")),
        };
    }
    if file.starts_with('/') {
        return Ok(FileAt { bucket: None, path: file.to_owned() });
    }
    Err(said.bad(name, file, "name a path from the root, or an object: `oss://BUCKET/KEY`"))
}
