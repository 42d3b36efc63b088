//! What actions about snapshots, disks and tags read alike.

use domain::RegionId;
use service::{Called, Request, Started, ThingAt, WorkflowView};
use wire::{Fault, parse_time};

use crate::ask::Ask;
use crate::words::is_id;

/// Kinds of resources the API knows. Those that are not kept here have no tags.
const RESOURCE_TYPES: &[&str] = &[
    "instance",
    "disk",
    "snapshot",
    "image",
    "securitygroup",
    "volume",
    "eni",
    "ddh",
    "ddhcluster",
    "keypair",
    "launchtemplate",
    "reservedinstance",
    "snapshotpolicy",
    "elasticityassurance",
    "capacityreservation",
    "command",
    "invocation",
    "activation",
    "managedinstance",
];

impl Ask {
    /// A snapshot or a disk by its id. Its region is what the id says, whatever the request names.
    pub(crate) fn thing(&self, name: &str, prefix: &str, absent: &str) -> Result<ThingAt, Fault> {
        let named = self.params.need(name)?;
        if is_id(named, prefix) {
            return Ok(ThingAt { thing: named.to_owned(), region: None });
        }
        Err(self.refuse(absent, format!("The specified {name} does not exist: `{}`.", named.escape_debug())))
    }

    /// The same, where it has to be in the region that the request names.
    pub(crate) fn thing_in(
        &self,
        region: &RegionId,
        name: &str,
        prefix: &str,
        absent: &str,
    ) -> Result<ThingAt, Fault> {
        Ok(ThingAt { region: Some(region.clone()), ..self.thing(name, prefix, absent)? })
    }

    /// What something new is called.
    pub(crate) fn called(&self, name: &str, description: &str) -> Called {
        let tags = self.params.tags("Tag").into_iter();
        Called {
            name: self.params.string(name).unwrap_or_default(),
            description: self.params.string(description).unwrap_or_default(),
            tags: tags.map(|(key, value)| (key, value.unwrap_or_default())).collect(),
        }
    }

    /// How many days a snapshot is kept.
    pub(crate) fn retention_days(&self) -> Result<Option<u32>, Fault> {
        let days = self.params.number("RetentionDays")?;
        let wrong = || {
            Fault::new(
                400,
                "InvalidRetentionDays.Malformed",
                "The specified RetentionDays is not valid: use 1 to 65536.",
            )
        };
        days.map(|days| u32::try_from(days).map_err(|_| wrong())).transpose()
    }

    /// The id of what an operation made, once it has begun.
    pub(crate) async fn made(&self, started: &Started, prefix: &str) -> Result<String, Fault> {
        let flow: WorkflowView = self.look(Request::WorkflowShow(started.workflow_id)).await?;
        let made = flow
            .subjects
            .into_iter()
            .find(|subject| subject.starts_with(prefix) && !started.image_id.starts_with(prefix));
        Ok(made.unwrap_or_else(|| started.image_id.clone()))
    }

    /// The region of an action about tags, which has a code of its own for none.
    pub(crate) async fn tagged_region(&self) -> Result<RegionId, Fault> {
        if self.params.text("RegionId").is_none() {
            return Err(self.refuse("MissingParameter.RegionId", "The parameter RegionId is missing."));
        }
        self.region().await
    }

    /// That no tag is named where one has to be.
    pub(crate) fn no_tags(&self, why: &str) -> Fault {
        self.refuse("MissingParameter.Tags", why)
    }

    /// The kind of resource that is meant.
    pub(crate) fn resource_type(&self) -> Result<String, Fault> {
        self.any_resource_type()?.ok_or_else(|| {
            self.refuse("MissingParameter.ResourceType", "The parameter ResourceType is missing.")
        })
    }

    /// The kind of resource that is meant, if one is.
    pub(crate) fn any_resource_type(&self) -> Result<Option<String>, Fault> {
        let Some(kind) = self.params.text("ResourceType") else { return Ok(None) };
        let lower = kind.to_ascii_lowercase();
        if RESOURCE_TYPES.contains(&lower.as_str()) {
            return Ok(Some(lower));
        }
        let why = format!("The specified ResourceType does not exist: `{}`.", kind.escape_debug());
        Err(self.refuse("InvalidResourceType.NotFound", why))
    }

    /// The resources that are named, each of the kind that is.
    pub(crate) fn resources(&self) -> Result<Vec<String>, Fault> {
        let kind = self.resource_type()?;
        let resources = self.params.list("ResourceId");
        if resources.is_empty() {
            return Err(Fault::new(400, "MissingParameter", "The parameter ResourceId.N is missing."));
        }
        self.of_kind(&kind, resources)
    }

    /// The one resource that an older action about tags names.
    pub(crate) fn resource(&self) -> Result<Vec<String>, Fault> {
        let kind = self.resource_type()?;
        self.of_kind(&kind, vec![self.params.need("ResourceId")?.to_owned()])
    }

    /// Resources, if each is an id of the kind. On the wire a name is none.
    pub(crate) fn of_kind(&self, kind: &str, resources: Vec<String>) -> Result<Vec<String>, Fault> {
        let prefix = match kind {
            "image" => "m-",
            "snapshot" => "s-",
            "disk" => "d-",
            "securitygroup" => "sg-",
            "keypair" => "ssh-",
            other => {
                let why = format!("There are no resources of the type `{other}` here.");
                return Err(self.refuse("InvalidResourceId.NotFound", why));
            }
        };
        match resources.iter().find(|id| !is_id(id, prefix)) {
            None => Ok(resources),
            Some(id) => {
                let why = format!("The specified ResourceId does not exist: `{}`.", id.escape_debug());
                Err(self.refuse("InvalidResourceId.NotFound", why))
            }
        }
    }

    /// Between which times something was created, from `Filter.N`: what is left of a list's filters.
    pub(crate) fn created(&self) -> Result<(Option<i64>, Option<i64>), Fault> {
        let (mut from_ms, mut until_ms) = (None, None);
        for filter in self.params.objects("Filter") {
            let (Some(key), Some(value)) = (filter.text("Key"), filter.text("Value")) else { continue };
            let time = || {
                parse_time(value).map(Some).ok_or_else(|| {
                    let why = format!("The specified filter value is not valid: `{}`.", value.escape_debug());
                    self.refuse("InvalidFilterValue", why)
                })
            };
            match key {
                "CreationStartTime" => from_ms = time()?,
                "CreationEndTime" => until_ms = time()?,
                _ => {
                    let why = format!("The specified filter key does not exist: `{}`.", key.escape_debug());
                    return Err(self.refuse("InvalidFilterKey.NotFound", why));
                }
            }
        }
        Ok((from_ms, until_ms))
    }

    /// Refuses a place outside the regions: there is none.
    pub(crate) fn check_storage_location(&self, name: &str) -> Result<(), Fault> {
        if self.params.text(name).is_none() {
            return Ok(());
        }
        let why = format!("There are no storage locations here: leave {name} out.");
        Err(self.refuse("InvalidStorageLocation.NotFound", why))
    }

    /// Whether what is the same of everything here is what is asked for: a list has nothing to show else.
    pub(crate) fn asks_for_what_is(&self, all: &[(&str, &str)]) -> bool {
        let fits = |(name, is): &(&str, &str)| {
            // All are looked at, so that it is known which there are.
            self.params.text(name).is_none_or(|said| said.eq_ignore_ascii_case(is))
        };
        all.iter().filter(|one| !fits(one)).count() == 0
    }
}
