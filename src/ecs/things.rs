//! What actions about snapshots, disks and tags read alike.

use service::{Called, Request, Started, ThingAt, WorkflowView};
use wire::Fault;

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

    /// What something new is called.
    pub(crate) fn called(&self, name: &str, description: &str) -> Result<Called, Fault> {
        let tags = self.params.tags("Tag").into_iter();
        Ok(Called {
            name: self.params.string(name).unwrap_or_default(),
            description: self.params.string(description).unwrap_or_default(),
            tags: tags.map(|(key, value)| (key, value.unwrap_or_default())).collect(),
        })
    }

    /// How many days a snapshot is kept.
    pub(crate) fn retention_days(&self) -> Result<Option<u32>, Fault> {
        let days = self.params.number("RetentionDays")?;
        let wrong = || {
            Fault::new(
                400,
                "InvalidParameter.RetentionDays",
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

    /// The kind of resource that is meant.
    pub(crate) fn resource_type(&self) -> Result<String, Fault> {
        let kind = self.params.text("ResourceType");
        let kind = kind.ok_or_else(|| {
            Fault::new(404, "MissingParameter.ResourceType", "The parameter ResourceType is missing.")
        })?;
        let lower = kind.to_ascii_lowercase();
        if RESOURCE_TYPES.contains(&lower.as_str()) {
            return Ok(lower);
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
        let prefix = match kind.as_str() {
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
}
