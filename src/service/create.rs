//! The use cases on images that `request_image.rs` has: creating one from snapshots, and checking one.
//!
//! Which snapshots are meant, where the disks will be and what machine it wants is found out here;
//! whether it may be is the rule's to say, first here and then at the head of the log.

use async_trait::async_trait;
use domain::image::{DiskKind, IMAGES, Region, SNAPSHOTS, Snapshot, scope};
use domain::machine::{BootMode, Machine, MachineAsked};
use domain::port_compute::{CapturedDisk, Compute};
use domain::{AccountId, RegionId, SnapshotId, rules};
use engine::{Snapshot as Log, Workflow as _};
use event::{Actor, Refusal, Rows, View};
use workflows::{CheckImage, CreateImage, MappedDisk};

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::lookup_things;
use crate::request::{ImageAt, Reply};
use crate::request_image::{CreateDisk, ImageCreate, ImageRequest};
use crate::view::Started;
use crate::{Service, Trouble};

/// Size of an empty disk when none is said, as the API documents.
const EMPTY_DISK_BYTES: u64 = 20 << 30;

/// The answer of a house in which nothing runs instances: there are none, and so none to be found.
pub(crate) struct NoCompute;

#[async_trait]
impl Compute for NoCompute {
    async fn machine(&self, _: &AccountId, _: &RegionId, instance: &str) -> Result<Machine, Refusal> {
        Err(no_instance(instance))
    }

    async fn capture(
        &self,
        _: &AccountId,
        _: &RegionId,
        instance: &str,
    ) -> Result<Vec<CapturedDisk>, Refusal> {
        Err(no_instance(instance))
    }
}

fn no_instance(instance: &str) -> Refusal {
    let why = format!("there is no instance `{}`: nothing here runs instances", instance.escape_debug());
    Refusal::new("InvalidInstanceId.NotFound", why)
        .advise("create the image from a snapshot with `--from-snapshot`, or import its disk")
}

impl Service {
    /// What may be asked of images beside the oldest requests.
    pub(crate) async fn image_more(
        &self,
        actor: Actor,
        asked: &Asked,
        request: ImageRequest,
    ) -> Result<Reply, Trouble> {
        Ok(match request {
            ImageRequest::Create(ask) => self.create(actor, asked, ask).await?.into(),
            ImageRequest::Check(at) => self.check_image(actor, asked, &at).await?.into(),
        })
    }

    /// Starts to create an image.
    async fn create(&self, actor: Actor, asked: &Asked, ask: ImageCreate) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let source = match (&ask.instance, ask.disks.is_empty(), &ask.snapshot) {
            (Some(instance), _, _) => self.of_instance(&rows, &actor, asked, &ask, instance).await?,
            (None, false, _) => mapped(&rows, &actor, &ask)?,
            (None, true, Some(snapshot)) => of_snapshot(&rows, &actor, &ask, snapshot)?,
            (None, true, None) => {
                let why = "nothing was named to create the image from";
                return Err(Refusal::new("MissingParameter", why)
                    .advise("name a snapshot with `--from-snapshot`, or disks with `--disk`")
                    .into());
            }
        };
        let create = CreateImage {
            account: account(&actor),
            machine: inherit(ask.machine, source.machine).resolve()?,
            region: source.region.id,
            store: source.region.store,
            disks: source.disks,
            name: ask.name,
            description: ask.description,
            family: ask.family,
            tags: ask.tags,
            check: ask.check,
        };
        // The instance's snapshots are newer than what was looked at.
        let rows = self.engine.snapshot()?;
        let scope = create.scope();
        rules::reserve(&View::new(&rows, &scope, self.clock.now_ms()), create.foresee())?;
        self.begin_making(actor, asked, create).await
    }

    /// What an image made of an instance consists of: every disk it has, as it is at this moment.
    async fn of_instance(
        &self,
        rows: &Log,
        actor: &Actor,
        asked: &Asked,
        ask: &ImageCreate,
        instance: &str,
    ) -> Result<Origin, Trouble> {
        let region = lookup::region(rows, ask.region.as_ref())?;
        let owner = account(actor);
        let machine = self.compute.machine(&owner, &region.id, instance).await?;
        // Snapshots are an effect already.
        asked.go_on()?;
        let captured = self.compute.capture(&owner, &region.id, instance).await?;
        let disk = |disk: CapturedDisk| MappedDisk {
            device: disk.device,
            kind: disk.kind,
            snapshot: Some(disk.snapshot),
            size_bytes: None,
        };
        let disks = system_first(captured.into_iter().map(disk).collect());
        Ok(Origin { region, disks, machine: Some(machine) })
    }

    /// Starts to check an image.
    async fn check_image(&self, actor: Actor, asked: &Asked, at: &ImageAt) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let image = self.allowed(&actor, at, |view, image| rules::ask_check(view, &image.id).map(drop))?;
        let store = lookup::region(&self.engine.snapshot()?, Some(&image.region))?.store;
        let flow =
            CheckImage { account: image.account, region: image.region, store, image: image.id.clone() };
        self.begin(actor, asked, flow, image.id.0).await
    }
}

/// What an image is created from.
struct Origin {
    region: Region,
    /// The system disk first.
    disks: Vec<MappedDisk>,
    /// The machine of the image or instance behind the system disk.
    machine: Option<Machine>,
}

/// One snapshot, which has to be of a system disk.
fn of_snapshot(rows: &Log, actor: &Actor, ask: &ImageCreate, named: &str) -> Result<Origin, Trouble> {
    let snapshot = find_snapshot(rows, actor, ask.region.as_ref(), named)?;
    if snapshot.kind != DiskKind::System {
        let why = format!("the snapshot `{}` is of a data disk", snapshot.id);
        return Err(Refusal::new("OperationDenied", why)
            .advise("to boot from it all the same, map it: `--disk SNAPSHOT:system`")
            .into());
    }
    let region = lookup::region(rows, Some(&snapshot.region))?;
    let disk = MappedDisk {
        device: "/dev/xvda".to_owned(),
        kind: DiskKind::System,
        snapshot: Some(snapshot.id.clone()),
        size_bytes: None,
    };
    Ok(Origin { region, disks: vec![disk], machine: machine_behind(rows, &snapshot) })
}

/// Disks one by one: snapshots, and empty ones beside them.
fn mapped(rows: &Log, actor: &Actor, ask: &ImageCreate) -> Result<Origin, Trouble> {
    let mut at = ask.region.clone();
    let mut found = Vec::with_capacity(ask.disks.len());
    for disk in &ask.disks {
        let snapshot = match &disk.snapshot {
            Some(named) => Some(find_snapshot(rows, actor, at.as_ref(), named)?),
            None => None,
        };
        if let Some(snapshot) = &snapshot {
            at.get_or_insert_with(|| snapshot.region.clone());
        }
        let kind = disk.kind.or(snapshot.as_ref().map(|snapshot| snapshot.kind)).unwrap_or(DiskKind::Data);
        if snapshot.is_none() && kind == DiskKind::System {
            let why = "nothing boots from an empty disk";
            return Err(Refusal::new("InvalidSystemSnapshot.Missing", why)
                .advise("name the snapshot of the system disk")
                .into());
        }
        if disk.size_bytes == Some(0) {
            let why = "a disk of no bytes was asked for";
            return Err(Refusal::new("InvalidSize.ValueNotSupported", why)
                .advise("leave the size out, or give at least 1 GiB")
                .into());
        }
        found.push((disk, snapshot, kind));
    }
    let region = lookup::region(rows, at.as_ref())?;
    let system = found.iter().find(|(_, _, kind)| *kind == DiskKind::System);
    let machine = system.and_then(|(_, snapshot, _)| machine_behind(rows, snapshot.as_ref()?));
    let mut free = free_devices(&ask.disks);
    let mut disks = Vec::with_capacity(found.len());
    for (disk, snapshot, kind) in found {
        let device = match (&disk.device, kind) {
            (Some(device), _) => device.clone(),
            (None, DiskKind::System) => "/dev/xvda".to_owned(),
            (None, DiskKind::Data) => free.next().unwrap_or_default(),
        };
        domain::name::device(&device, kind)?;
        let size_bytes = disk.size_bytes.or(snapshot.is_none().then_some(EMPTY_DISK_BYTES));
        if snapshot.is_none() && size_bytes.is_some_and(|size_bytes| size_bytes < rules::DISK_SIZE_MIN) {
            let why = format!("`{device}` would have {} bytes", size_bytes.unwrap_or_default());
            return Err(Refusal::new("InvalidSize.ValueNotSupported", why)
                .advise("an empty disk has at least 1 GiB")
                .into());
        }
        disks.push(MappedDisk { device, kind, snapshot: snapshot.map(|snapshot| snapshot.id), size_bytes });
    }
    Ok(Origin { region, disks: system_first(disks), machine })
}

/// The devices of data disks that nobody named, in order.
fn free_devices(disks: &[CreateDisk]) -> impl Iterator<Item = String> + use<> {
    let said: Vec<String> = disks.iter().filter_map(|disk| disk.device.clone()).collect();
    let free = ('b'..='z').map(|letter| format!("/dev/xvd{letter}"));
    free.filter(move |device| !said.contains(device) && !said.contains(&device.replace("xvd", "vd")))
}

fn system_first(mut disks: Vec<MappedDisk>) -> Vec<MappedDisk> {
    disks.sort_by_key(|disk| disk.kind == DiskKind::Data);
    disks
}

/// The account's snapshot of that id or name, in the region or wherever it is.
fn find_snapshot(
    rows: &Log,
    actor: &Actor,
    region: Option<&RegionId>,
    named: &str,
) -> Result<Snapshot, Trouble> {
    let regions = lookup::regions(rows, region)?;
    let owner = account(actor);
    if let Some(region) = lookup_things::place(rows, actor, named).filter(|region| regions.contains(region))
        && let Some(snapshot) = SNAPSHOTS.get(rows, &scope(&owner, &region), &[named])
    {
        return Ok(snapshot);
    }
    let all: Vec<Snapshot> =
        regions.iter().flat_map(|region| SNAPSHOTS.list(rows, &scope(&owner, region), &[])).collect();
    let mut called: Vec<&Snapshot> =
        all.iter().filter(|snapshot| !named.is_empty() && snapshot.name == named).collect();
    match called.len() {
        1 => Ok(called.remove(0).clone()),
        0 => {
            let refusal = rules::snapshot_not_found(&SnapshotId::from(named));
            let words = all.iter().flat_map(|snapshot| [snapshot.name.as_str(), snapshot.id.as_str()]);
            Err(match lookup::nearest(named, words.filter(|word| !word.is_empty())) {
                Some(meant) => refusal.advise(format!("did you mean `{meant}`?")).into(),
                None => refusal.into(),
            })
        }
        count => {
            let why = format!("there are {count} snapshots named `{}`", named.escape_debug());
            Err(Refusal::new("InvalidSnapshotName.Ambiguous", why)
                .advise("give the id of the one meant")
                .into())
        }
    }
}

/// The machine of the image that made a snapshot, while that image is there.
fn machine_behind(rows: &dyn Rows, snapshot: &Snapshot) -> Option<Machine> {
    let image = snapshot.made_by.as_ref()?;
    let image = IMAGES.get(rows, &scope(&snapshot.account, &snapshot.region), &[image.as_str()])?;
    Some(image.machine)
}

/// What was said of the machine, and from the one behind the disk what goes together with it: a
/// system and its licence, a processor and how it boots, and UEFI and whether that is done securely.
fn inherit(asked: MachineAsked, behind: Option<Machine>) -> MachineAsked {
    let Some(behind) = behind else { return asked };
    let same_processor = asked.architecture.is_none_or(|asked| asked == behind.architecture);
    let same_system = asked.os_type.is_none_or(|asked| asked == behind.os_type)
        && asked.platform.as_ref().is_none_or(|asked| asked.eq_ignore_ascii_case(&behind.platform));
    let boot_mode = asked.boot_mode.or(same_processor.then_some(behind.boot_mode));
    let by_uefi = boot_mode.is_some_and(|boot_mode| boot_mode != BootMode::Bios);
    MachineAsked {
        architecture: asked.architecture.or(Some(behind.architecture)),
        os_type: asked.os_type.or(same_system.then_some(behind.os_type)),
        platform: asked.platform.or(same_system.then_some(behind.platform)),
        boot_mode,
        license_type: asked.license_type.or(same_system.then_some(behind.license_type)),
        imds: asked.imds.or(Some(behind.imds)),
        nvme: asked.nvme.or(Some(behind.nvme)),
        secure_boot: asked.secure_boot.or(by_uefi.then_some(behind.secure_boot)),
    }
}

#[cfg(test)]
mod tests {
    use domain::machine::{Architecture, Imds, OsType, SecureBoot};

    use super::*;

    #[test]
    fn what_goes_together_is_inherited_together() {
        let behind = MachineAsked {
            architecture: Some(Architecture::Arm64),
            platform: Some("Debian".to_owned()),
            imds: Some(Imds::V2),
            ..MachineAsked::default()
        };
        let behind = behind.resolve().unwrap();
        let same = inherit(MachineAsked::default(), Some(behind.clone())).resolve().unwrap();
        assert_eq!(same, behind);
        let other = MachineAsked {
            architecture: Some(Architecture::X8664),
            os_type: Some(OsType::Windows),
            ..MachineAsked::default()
        };
        let other = inherit(other, Some(behind)).resolve().unwrap();
        assert_eq!(
            (other.boot_mode, other.platform.as_str(), other.imds),
            (BootMode::Bios, "Other Windows", Imds::V2)
        );
    }

    #[test]
    fn a_secure_boot_is_inherited_by_what_boots_by_uefi_as_well() {
        let behind = MachineAsked {
            boot_mode: Some(BootMode::UefiPreferred),
            secure_boot: Some(SecureBoot::Supported),
            ..MachineAsked::default()
        };
        let behind = behind.resolve().unwrap();
        for (boot_mode, secure_boot) in [
            (None, SecureBoot::Supported),
            (Some(BootMode::Uefi), SecureBoot::Supported),
            (Some(BootMode::Bios), SecureBoot::Unsupported),
        ] {
            let asked = MachineAsked { boot_mode, ..MachineAsked::default() };
            let made = inherit(asked, Some(behind.clone())).resolve().unwrap();
            assert_eq!(made.secure_boot, secure_boot, "{boot_mode:?}");
        }
    }

    #[test]
    fn data_disks_get_the_devices_that_nobody_named() {
        let named = |device: &str| CreateDisk { device: Some(device.to_owned()), ..CreateDisk::default() };
        let free = free_devices(&[named("/dev/vdb"), named("/dev/xvdd"), CreateDisk::default()]);
        assert_eq!(free.take(2).collect::<Vec<_>>(), ["/dev/xvdc", "/dev/xvde"]);
    }
}
