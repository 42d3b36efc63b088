//! The list of actions, and what each of them touches.

use std::pin::Pin;

use crate::ask::{Ask, Outcome};

/// An action of the API.
pub struct Action {
    /// Its name.
    pub name: &'static str,
    /// The version of its API.
    pub version: &'static str,
    /// What it touches, for policies: the kind of resource, and the parameter that names it. Several
    /// parameters are several resources; none is everything of the account.
    pub resources: &'static [(&'static str, &'static str)],
    run: fn(Ask) -> Running,
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl Action {
    /// What a policy has to allow: `ecs:DescribeImages`.
    pub fn permission(&self) -> String {
        let product =
            PRODUCTS.iter().find(|(version, _)| *version == self.version).map_or("ecs", |(_, name)| name);
        format!("{product}:{}", self.name)
    }

    /// With what it would be done: a name for each resource that the request names, as policies have them.
    pub fn resources(&self, account: &str, params: &wire::Params) -> Vec<String> {
        let region = params.text("RegionId").unwrap_or("*");
        let arn = |what: &str| format!("acs:ecs:{region}:{account}:{what}");
        let mut named = Vec::new();
        for (kind, param) in self.resources {
            let listed = params.list(param);
            let single = params.several(param).ok().flatten().unwrap_or_default();
            named.extend(listed.iter().chain(&single).map(|id| arn(&format!("{kind}/{id}"))));
        }
        match (named.is_empty(), self.resources.first()) {
            (false, _) => named,
            (true, Some((kind, _))) => vec![arn(&format!("{kind}/*"))],
            (true, None) => vec![arn("*")],
        }
    }

    /// Answers a request of this action.
    pub async fn answer(&self, ask: Ask) -> Outcome {
        (self.run)(ask).await
    }
}

/// The version of the ECS API.
const ECS: &str = "2014-05-26";

/// What policies call the APIs.
const PRODUCTS: &[(&str, &str)] = &[(ECS, "ecs")];

/// The versions of the APIs that are spoken, by which they are told apart.
pub const VERSIONS: &[&str] = &[ECS];

/// The action of a name in an API, if there is one.
pub fn find(version: &str, name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name && action.version == version)
}

/// The name of an action, if there is one of that name in any API.
pub fn known_name(name: &str) -> Option<&'static str> {
    ACTIONS.iter().map(|action| action.name).find(|known| *known == name)
}

macro_rules! actions {
    ($($version:ident { $($name:literal $file:ident [$($kind:literal $param:literal),*];)* })*) => {
        /// Every action there is.
        const ACTIONS: &[Action] = &[
            $($(Action {
                name: $name,
                version: $version,
                resources: &[$(($kind, $param)),*],
                run: |ask| Box::pin(crate::$file::run(ask)),
            },)*)*
        ];
    };
}

actions! {
    ECS {
        "AddTags" add_tags [];
        "CancelCopyImage" cancel_copy_image ["image" "ImageId"];
        "CancelTask" cancel_task ["task" "TaskId"];
        "CopyImage" copy_image ["image" "ImageId"];
        "CopySnapshot" copy_snapshot ["snapshot" "SnapshotId"];
        "CreateDisk" create_disk ["snapshot" "SnapshotId"];
        "CreateImage" create_image ["instance" "InstanceId", "snapshot" "SnapshotId"];
        "CreateSnapshot" create_snapshot ["disk" "DiskId"];
        "DeleteDisk" delete_disk ["disk" "DiskId"];
        "DeleteImage" delete_image ["image" "ImageId"];
        "DeleteSnapshot" delete_snapshot ["snapshot" "SnapshotId"];
        "DescribeDisks" describe_disks [];
        "DescribeImageFromFamily" describe_image_from_family [];
        "DescribeImageSharePermission" describe_image_share_permission ["image" "ImageId"];
        "DescribeImages" describe_images ["image" "ImageId"];
        "DescribeRegions" describe_regions [];
        "DescribeResourceByTags" describe_resource_by_tags [];
        "DescribeSnapshots" describe_snapshots [];
        "DescribeTags" describe_tags [];
        "DescribeTaskAttribute" describe_task_attribute ["task" "TaskId"];
        "DescribeTasks" describe_tasks [];
        "ExportImage" export_image ["image" "ImageId"];
        "ImportImage" import_image [];
        "ListTagResources" list_tag_resources [];
        "LockSnapshot" lock_snapshot ["snapshot" "SnapshotId"];
        "ModifyDiskAttribute" modify_disk_attribute [];
        "ModifyImageAttribute" modify_image_attribute ["image" "ImageId"];
        "ModifyImageShareGroupPermission" modify_image_share_group_permission ["image" "ImageId"];
        "ModifyImageSharePermission" modify_image_share_permission ["image" "ImageId"];
        "ModifySnapshotAttribute" modify_snapshot_attribute ["snapshot" "SnapshotId"];
        "RemoveTags" remove_tags [];
        "ResizeDisk" resize_disk ["disk" "DiskId"];
        "TagResources" tag_resources [];
        "UnlockSnapshot" unlock_snapshot ["snapshot" "SnapshotId"];
        "UntagResources" untag_resources [];
    }
}
