//! What actions about instances check before they say that there are none: no compute driver runs any yet.
//!
//! A request that could not be served in any case is told so first, in the codes of the API, so that scripts which
//! are
//! written against this find their mistakes here. One with nothing wrong in it ends in `OperationDenied.NoStock`.

use base64::Engine as _;
use domain::RegionId;
use domain::machine::Architecture;
use domain::network::{Is, Kind, zones};
use service::{DiskRequest, DiskView, ImageView, ItemQuery, ItemView, Request};
use wire::{Fault, Object, Value};

use crate::ask::{Ask, Outcome};
use crate::pages::Paging;
use crate::types;

/// Instances that one request starts, as the API documents.
const AMOUNT: std::ops::RangeInclusive<i64> = 1..=100;
/// GiB of a system disk at least, as the API documents.
const SYSTEM_DISK_MIN_GIB: i64 = 20;
/// Bytes of user data at most, before they are written in base64, as the API documents.
const USER_DATA_MAX: usize = 32 * 1024;
/// Characters of a password, as the API documents.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=30;
/// Kinds of characters (lower, upper, digits, others) that a password has at least.
const PASSWORD_KINDS: usize = 3;
/// Instances that a request of the Cloud Assistant names, as the API documents.
const TARGETS_MAX: usize = 100;
/// Bytes of a command, as it comes, as the API documents.
const COMMAND_BYTES_MAX: usize = 24 * 1024;

impl Ask {
    /// Refuses the start of a new instance: for what is wrong with it, or because nothing runs it.
    pub(crate) async fn launch(&self, image_not_valid: &str) -> Outcome {
        let region = self.region().await?;
        let params = &self.params;
        if let Some(amount) = params.number("Amount")?.filter(|amount| !AMOUNT.contains(amount)) {
            return Err(self.refuse(
                "InvalidParameter.Amount",
                format!("The specified Amount is not valid: `{amount}`."),
            ));
        }
        let id = params.need("InstanceType")?;
        let Some(machine) = types::named(id) else {
            let why = format!("The specified InstanceType does not exist: `{}`.", id.escape_debug());
            return Err(self.refuse("InvalidInstanceType.ValueNotSupported", why));
        };
        let image = self.launched_image(&region).await?;
        if !["Available", "Deprecated"].contains(&image.status.as_str()) {
            return Err(
                self.refuse(image_not_valid, format!("The image `{}` is {}.", image.image_id, image.status))
            );
        }
        let architecture =
            Architecture::parse(&image.architecture).map_err(|refusal| self.refused(refusal))?;
        if !machine.starts(architecture) {
            let why =
                format!("The image `{}` of {} does not start on {id}.", image.image_id, image.architecture);
            return Err(self.refuse("ImageNotSupportInstanceType", why));
        }
        self.check_names()?;
        self.check_boot(&image)?;
        self.check_place(&region).await?;
        if params.flag("DryRun")?.unwrap_or(false) {
            let why = "Request validation has been passed with DryRun flag set.";
            return Err(self.refuse("DryRunOperation", why));
        }
        Err(self.no_stock())
    }

    /// Nothing here runs instances.
    pub(crate) fn no_stock(&self) -> Fault {
        let why = "The requested resource is not available: there is no compute driver here yet. \
                   Images, disks and snapshots work without one.";
        self.refuse("OperationDenied.NoStock", why)
    }

    /// The image that an instance is to be started from.
    async fn launched_image(&self, region: &RegionId) -> Result<ImageView, Fault> {
        let params = &self.params;
        match (params.text("ImageId"), params.text("ImageFamily")) {
            (Some(_), Some(_)) => {
                let why = "The specified ImageId and ImageFamily exclude each other.";
                Err(self.refuse("InvalidParameter.Conflict", why))
            }
            (None, Some(family)) => {
                let (family, region) = (family.to_owned(), Some(region.clone()));
                let found: Result<service::FamilyView, Fault> =
                    self.look(Request::FamilyShow { family: family.clone(), region }).await;
                // A family that is not there is told as an image that is not.
                let found = found.map_err(|_| self.no_image(&family))?;
                let at = service::ImageAt {
                    image: found.image.image_id,
                    region: Some(found.image.region_id.as_str().into()),
                };
                self.look(Request::ImageShow(at)).await
            }
            _ => self.look(Request::ImageShow(self.image_at(region)?)).await,
        }
    }

    /// Checks what a new instance is called, and how people get in.
    fn check_names(&self) -> Result<(), Fault> {
        let params = &self.params;
        if let Some(name) = params.text("InstanceName") {
            domain::name::lettered_name("instance", "InvalidInstanceName.Malformed", name)
                .map_err(|refusal| self.refused(refusal))?;
        }
        if let Some(name) = params.text("HostName") {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            let fits = (2..=64).contains(&name.len())
                && name.chars().all(plain)
                && name
                    .split('.')
                    .all(|part| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-'));
            if !fits {
                let why = format!("The specified HostName is not valid: `{}`.", name.escape_debug());
                return Err(self.refuse("InvalidHostName.Malformed", why));
            }
        }
        if let Some(password) = params.text("Password") {
            let kinds: [fn(char) -> bool; 4] = [
                |c| c.is_ascii_lowercase(),
                |c| c.is_ascii_uppercase(),
                |c| c.is_ascii_digit(),
                |c| c.is_ascii_punctuation(),
            ];
            let has = kinds.iter().filter(|kind| password.chars().any(kind)).count();
            let fits = PASSWORD_CHARS.contains(&password.chars().count())
                && password.chars().all(|c| c.is_ascii_graphic())
                && has >= PASSWORD_KINDS;
            if !fits {
                let why = "The specified Password is not valid: it has 8 to 30 characters of three kinds.";
                return Err(self.refuse("InvalidPassword.Malformed", why));
            }
        }
        Ok(())
    }

    /// Checks what an image has to go along with.
    fn check_boot(&self, image: &ImageView) -> Result<(), Fault> {
        let params = &self.params;
        if params.text("HttpTokens").is_some_and(|tokens| tokens == "required") && image.imds_support == "v1"
        {
            let why = format!(
                "The image `{}` does not speak to a metadata service that asks for tokens.",
                image.image_id
            );
            return Err(self.refuse("InvalidHttpTokens.NotSupported", why));
        }
        if let Some(data) = params.text("UserData") {
            let data = base64::engine::general_purpose::STANDARD.decode(data).map_err(|_| {
                self.refuse(
                    "InvalidUserData.Base64FormatInvalid",
                    "The specified UserData is not valid: it is no base64.",
                )
            })?;
            if data.len() > USER_DATA_MAX {
                return Err(
                    self.refuse("InvalidUserData.SizeExceeded", "The specified UserData is too long.")
                );
            }
        }
        if let Some(size) = params.number("SystemDisk.Size")? {
            let least = i64::try_from(image.size).unwrap_or(i64::MAX);
            if size < least {
                let why =
                    format!("The specified SystemDisk.Size `{size}` is less than the image's {least} GiB.");
                return Err(Fault::new(404, "InvalidSystemDiskSize.LessThanImageSize", why));
            }
            if size < SYSTEM_DISK_MIN_GIB {
                let why =
                    format!("The specified SystemDisk.Size `{size}` is less than {SYSTEM_DISK_MIN_GIB} GiB.");
                return Err(Fault::new(404, "InvalidSystemDiskSize.LessThanMinSize", why));
            }
        }
        Ok(())
    }

    /// Checks where a new instance would stand, and which keys it would know.
    async fn check_place(&self, region: &RegionId) -> Result<(), Fault> {
        let params = &self.params;
        let zone = params.text("ZoneId");
        if let Some(zone) = zone.filter(|zone| !zones(region).iter().any(|known| known == zone)) {
            let why = format!("The specified ZoneId does not exist: `{}`.", zone.escape_debug());
            return Err(self.refuse("InvalidZoneId.NotFound", why));
        }
        let vswitch = match params.text("VSwitchId") {
            Some(id) => Some(self.here(Kind::VSwitch, region, id).await?),
            None => None,
        };
        let vpc = vswitch.as_ref().and_then(|vswitch| vswitch.is.vpc());
        if let (Some(zone), Some(Is::VSwitch { zone: there, .. })) =
            (zone, vswitch.as_ref().map(|vswitch| &vswitch.is))
            && zone != there
        {
            let why = format!("The specified vSwitch is in the zone `{there}`, not in `{zone}`.");
            return Err(self.refuse("InvalidVSwitchId.ZoneMismatch", why));
        }
        let mut groups = params.list("SecurityGroupIds");
        groups.extend(params.string("SecurityGroupId"));
        if groups.is_empty() && params.list("NetworkInterface").is_empty() && !params.has("NetworkInterface")
        {
            params.need("SecurityGroupId")?;
        }
        for id in groups {
            let group = self.here(Kind::SecurityGroup, region, &id).await?;
            if vswitch.is_some() && group.is.vpc() != vpc {
                let why = format!("The security group `{id}` and the vSwitch are not in one VPC.");
                return Err(self.refuse("InvalidSecurityGroupId.VPCMismatch", why));
            }
        }
        if let Some(name) = params.text("KeyPairName") {
            let names = Some(vec![name.to_owned()]);
            let query = ItemQuery { region: Some(region.clone()), names, ..ItemQuery::of(Kind::KeyPair) };
            if self.items(query).await?.items.is_empty() {
                let why = format!("The specified KeyPairName does not exist: `{}`.", name.escape_debug());
                return Err(self.refuse("InvalidKeyPairName.NotFound", why));
            }
        }
        Ok(())
    }

    /// The item of an id in a region.
    async fn here(&self, kind: Kind, region: &RegionId, id: &str) -> Result<ItemView, Fault> {
        let (ids, region) = (Some(vec![id.to_owned()]), Some(region.clone()));
        let query = ItemQuery { ids, region, ..ItemQuery::of(kind) };
        self.items(query).await?.items.pop().ok_or_else(|| self.no_item(kind, id))
    }

    /// Refuses what is asked of one instance.
    pub(crate) fn on_instance(&self) -> Outcome {
        Err(self.no_instance(self.params.need("InstanceId")?))
    }

    /// Refuses what is asked of several instances of a region.
    pub(crate) async fn on_instances(&self) -> Outcome {
        self.region().await?;
        let instances = self.params.list("InstanceId");
        let Some(first) = instances.first() else { return Err(crate::network::missing("InstanceId")) };
        if instances.len() > TARGETS_MAX {
            let why =
                format!("{} instances were named; a request names up to {TARGETS_MAX}.", instances.len());
            return Err(self.refuse("InvalidInstanceId.LimitExceeded", why));
        }
        Err(self.no_instance(first))
    }

    /// The disk that is named.
    pub(crate) async fn named_disk(&self) -> Result<DiskView, Fault> {
        let at = self.thing("DiskId", "d-", "InvalidDiskId.NotFound")?;
        self.look(Request::Disk(DiskRequest::Show(at))).await
    }

    /// Refuses what is asked of a disk on an instance, for the disk if that is not there either.
    pub(crate) async fn on_disk_of_instance(&self) -> Outcome {
        let instance = self.params.need("InstanceId")?;
        self.named_disk().await?;
        Err(self.no_instance(instance))
    }

    /// Refuses what only a disk that an instance has can be asked for.
    pub(crate) async fn on_attached_disk(&self) -> Outcome {
        let disk = self.named_disk().await?;
        let why =
            format!("The disk `{}` is no instance's: there is no compute driver here yet.", disk.disk_id);
        Err(self.refuse("IncorrectDiskStatus", why))
    }

    /// Checks a command and whom it is for; nobody is there to run it.
    pub(crate) fn check_command(&self) -> Result<(), Fault> {
        let params = &self.params;
        let kind = params.need("Type")?;
        if !["RunShellScript", "RunBatScript", "RunPowerShellScript"].contains(&kind) {
            let why = format!("The specified Type does not exist: `{}`.", kind.escape_debug());
            return Err(Fault::new(403, "InvalidCmdType.NotFound", why));
        }
        let too_long =
            |name: &str, most: usize| params.text(name).is_some_and(|text| text.chars().count() > most);
        for (name, most, code) in [
            ("Name", 128, "CmdName.ExceedLimit"),
            ("Description", 512, "CmdDesc.ExceedLimit"),
            ("Username", 255, "Username.ExceedLimit"),
        ] {
            if too_long(name, most) {
                return Err(Fault::new(
                    403,
                    code,
                    format!("The specified {name} has more than {most} characters."),
                ));
            }
        }
        if params.need("CommandContent")?.len() > COMMAND_BYTES_MAX {
            return Err(Fault::new(
                403,
                "CmdContent.ExceedLimit",
                "The specified CommandContent is too long.",
            ));
        }
        Ok(())
    }

    /// Refuses what the Cloud Assistant is asked to do on instances.
    pub(crate) fn on_targets(&self) -> Outcome {
        let instances = self.params.list("InstanceId");
        if instances.len() > TARGETS_MAX {
            let why =
                format!("{} instances were named; a request names up to {TARGETS_MAX}.", instances.len());
            return Err(Fault::new(403, "InstanceIds.ExceedLimit", why));
        }
        let Some(first) = instances.first() else { return Err(crate::network::missing("InstanceId")) };
        let why = format!("The specified instances do not exist: `{}`.", first.escape_debug());
        Err(self.refuse("InvalidInstance.NotFound", why))
    }

    /// Checks the way an instance is paid for, where a question names it.
    pub(crate) fn check_charge_type(&self) -> Result<(), Fault> {
        match self.params.text("InstanceChargeType") {
            None | Some("PostPaid" | "PrePaid") => Ok(()),
            Some(other) => {
                let why =
                    format!("The specified InstanceChargeType is not valid: `{}`.", other.escape_debug());
                Err(Fault::new(404, "InvalidInstanceChargeType.NotFound", why))
            }
        }
    }

    /// A page on which there is nothing, of a list that is wrapped twice.
    pub(crate) async fn nothing(&self, list: &'static str, item: &'static str) -> Outcome {
        self.region().await?;
        let paging = Paging::of(self, RESULTS)?;
        self.read_only(paging.answer(Object::new().list(list, item, Vec::<Object>::new()), 0))
    }

    /// The same inside an object, which the page is told in.
    pub(crate) async fn nothing_inside(
        &self,
        name: &'static str,
        list: &'static str,
        item: &'static str,
    ) -> Outcome {
        let inside = self.nothing(list, item).await?;
        Ok(Object::new().put(name, Value::Object(inside)))
    }
}

/// Entries of a page by token where nobody says, and at most, as the API documents.
const RESULTS: (u32, u32) = (10, 100);
