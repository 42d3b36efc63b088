//! The list of actions, and what each of them touches.

use std::pin::Pin;

use wire::Fault;

use crate::ask::{Ask, Outcome};

/// An action of the API.
pub struct Action {
    /// Its name.
    pub name: &'static str,
    /// The version of its API.
    pub version: &'static str,
    /// What it touches, for policies: the kind of resource, and the parameter that names it, `List.N.Field` in a
    /// list. Several parameters are several resources; none is everything of the account. A kind of `ResourceType` is
    /// the one that the request says.
    pub resources: &'static [(&'static str, &'static str)],
    run: fn(Ask) -> Running,
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl Action {
    /// What a policy has to allow: `ecs:DescribeImages`.
    pub fn permission(&self) -> String {
        format!("{}:{}", self.product(), self.name)
    }

    /// What policies call the API it is of.
    fn product(&self) -> &'static str {
        PRODUCTS.iter().find(|(version, _)| *version == self.version).map_or("ecs", |(_, name)| name)
    }

    /// With what it would be done: a name for each resource that the request names, as policies have them. None
    /// for the token service, which lets anybody ask who they are, and asks itself whether a role may be assumed:
    /// that may be another account's.
    pub fn resources(&self, account: &str, params: &wire::Params) -> Vec<String> {
        if self.version == STS {
            return Vec::new();
        }
        // Users, roles and policies are of no region.
        let region = if self.version == RAM { "" } else { params.text("RegionId").unwrap_or("*") };
        let product = self.product();
        let arn = |what: &str| format!("acs:{product}:{region}:{account}:{what}");
        let mut named = Vec::new();
        let kind_of = |kind: &str| match kind {
            TYPED => params.text(TYPED).unwrap_or("*").to_ascii_lowercase(),
            kind => kind.to_owned(),
        };
        for (kind, param) in self.resources {
            let mut ids = params.list(param);
            ids.extend(params.several(param).ok().flatten().unwrap_or_default());
            if let Some((list, field)) = param.split_once(".N.") {
                ids.extend(params.objects(list).iter().filter_map(|object| object.string(field)));
            }
            named.extend(ids.iter().map(|id| arn(&format!("{}/{id}", kind_of(kind)))));
        }
        match (named.is_empty(), self.resources.first()) {
            (false, _) => named,
            (true, Some((kind, _))) => vec![arn(&format!("{}/*", kind_of(kind)))],
            (true, None) => vec![arn("*")],
        }
    }

    /// Answers a request of this action.
    pub async fn answer(&self, ask: Ask) -> Outcome {
        let answer = (self.run)(Ask { version: self.version, ..ask }).await;
        answer.map_err(|fault| self.spell(fault))
    }
}

impl Action {
    /// A fault in the spelling of the action's API.
    fn spell(&self, mut fault: Fault) -> Fault {
        let known =
            SPELLINGS.iter().find(|(version, code, _)| *version == self.version && *code == fault.code);
        if let Some((_, _, spelling)) = known {
            (*spelling).clone_into(&mut fault.code);
        }
        fault
    }
}

/// Codes that an API spells otherwise than ECS, whose spelling is the house's.
const SPELLINGS: &[(&str, &str, &str)] = &[
    (VPC, "InvalidVpcId.NotFound", "InvalidVpcID.NotFound"),
    (VPC, "InvalidVSwitchId.NotFound", "InvalidVswitchID.NotFound"),
    (RESOURCE_MANAGER, "InvalidResourceGroup.NotFound", "EntityNotExists.ResourceGroup"),
];

/// The version of the ECS API.
pub(crate) const ECS: &str = "2014-05-26";
/// The version of the API of the VPC product, which clients of today make networks with.
pub(crate) const VPC: &str = "2016-04-28";
/// The version of the API of the location service, which tells where products are.
pub(crate) const LOCATION: &str = "2015-06-12";
/// The version of the API of the resource manager, which keeps resource groups.
pub(crate) const RESOURCE_MANAGER: &str = "2020-03-31";

/// The version of the API of access management, which keeps users, roles and policies.
pub(crate) const RAM: &str = "2015-05-01";

/// The version of the API of the security token service, by which roles are assumed.
pub(crate) const STS: &str = "2015-04-01";

/// The parameter that says of what kind a resource is.
const TYPED: &str = "ResourceType";

/// What policies call the APIs.
const PRODUCTS: &[(&str, &str)] = &[
    (ECS, "ecs"),
    (VPC, "vpc"),
    (LOCATION, "location"),
    (RESOURCE_MANAGER, "resourcemanager"),
    (RAM, "ram"),
    (STS, "sts"),
];

/// The versions of the APIs that are spoken, by which they are told apart.
pub const VERSIONS: &[&str] = &[ECS, VPC, LOCATION, RESOURCE_MANAGER, RAM, STS];

/// The action of a name in an API, if there is one.
pub fn find(version: &str, name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name && action.version == version)
}

/// Every action there is.
#[cfg(test)]
pub(crate) fn all() -> &'static [Action] {
    ACTIONS
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
        "AddTags" add_tags ["ResourceType" "ResourceId"];
        "AllocateEipAddress" allocate_eip_address [];
        "AllocatePublicIpAddress" allocate_public_ip_address ["instance" "InstanceId"];
        "AssociateEipAddress" associate_eip_address ["eip" "AllocationId"];
        "AttachDisk" attach_disk ["disk" "DiskId", "instance" "InstanceId"];
        "AttachKeyPair" attach_key_pair ["instance" "InstanceIds", "keypair" "KeyPairName"];
        "AuthorizeSecurityGroup" authorize_security_group ["securitygroup" "SecurityGroupId"];
        "AuthorizeSecurityGroupEgress" authorize_security_group_egress ["securitygroup" "SecurityGroupId"];
        "CancelCopyImage" cancel_copy_image ["image" "ImageId"];
        "CancelTask" cancel_task ["task" "TaskId"];
        "CopyImage" copy_image ["image" "ImageId"];
        "CopySnapshot" copy_snapshot ["snapshot" "SnapshotId"];
        "CreateCommand" create_command [];
        "CreateDisk" create_disk ["snapshot" "SnapshotId"];
        "CreateImage" create_image
            ["instance" "InstanceId", "snapshot" "SnapshotId", "snapshot" "DiskDeviceMapping.N.SnapshotId"];
        "CreateInstance" create_instance ["image" "ImageId"];
        "CreateKeyPair" create_key_pair ["keypair" "KeyPairName"];
        "CreateSecurityGroup" create_security_group ["vpc" "VpcId"];
        "CreateSnapshot" create_snapshot ["disk" "DiskId"];
        "CreateVSwitch" create_v_switch ["vpc" "VpcId"];
        "CreateVpc" create_vpc [];
        "DeleteCommand" delete_command ["command" "CommandId"];
        "DeleteDisk" delete_disk ["disk" "DiskId"];
        "DeleteImage" delete_image ["image" "ImageId"];
        "DeleteInstance" delete_instance ["instance" "InstanceId"];
        "DeleteInstances" delete_instances ["instance" "InstanceId"];
        "DeleteKeyPairs" delete_key_pairs ["keypair" "KeyPairNames"];
        "DeleteSecurityGroup" delete_security_group ["securitygroup" "SecurityGroupId"];
        "DeleteSnapshot" delete_snapshot ["snapshot" "SnapshotId"];
        "DeleteVSwitch" delete_v_switch ["vswitch" "VSwitchId"];
        "DeleteVpc" delete_vpc ["vpc" "VpcId"];
        "DescribeAvailableResource" describe_available_resource [];
        "DescribeCloudAssistantStatus" describe_cloud_assistant_status [];
        "DescribeCommands" describe_commands [];
        "DescribeDisks" describe_disks [];
        "DescribeEipAddresses" describe_eip_addresses [];
        "DescribeImageFromFamily" describe_image_from_family [];
        "DescribeImageSharePermission" describe_image_share_permission ["image" "ImageId"];
        "DescribeImageSupportInstanceTypes" describe_image_support_instance_types ["image" "ImageId"];
        "DescribeImages" describe_images ["image" "ImageId"];
        "DescribeInstanceAttribute" describe_instance_attribute ["instance" "InstanceId"];
        "DescribeInstanceStatus" describe_instance_status [];
        "DescribeInstanceTypeFamilies" describe_instance_type_families [];
        "DescribeInstanceTypes" describe_instance_types [];
        "DescribeInstances" describe_instances [];
        "DescribeInvocationResults" describe_invocation_results [];
        "DescribeInvocations" describe_invocations [];
        "DescribeKeyPairs" describe_key_pairs [];
        "DescribeRegions" describe_regions [];
        "DescribeResourceByTags" describe_resource_by_tags [];
        "DescribeSecurityGroupAttribute" describe_security_group_attribute ["securitygroup" "SecurityGroupId"];
        "DescribeSecurityGroups" describe_security_groups [];
        "DescribeSendFileResults" describe_send_file_results [];
        "DescribeSnapshots" describe_snapshots [];
        "DescribeTags" describe_tags [];
        "DescribeTaskAttribute" describe_task_attribute ["task" "TaskId"];
        "DescribeTasks" describe_tasks [];
        "DescribeUserData" describe_user_data ["instance" "InstanceId"];
        "DescribeVSwitches" describe_v_switches [];
        "DescribeVpcs" describe_vpcs [];
        "DescribeZones" describe_zones [];
        "DetachDisk" detach_disk ["disk" "DiskId", "instance" "InstanceId"];
        "DetachKeyPair" detach_key_pair ["instance" "InstanceIds", "keypair" "KeyPairName"];
        "ExportImage" export_image ["image" "ImageId"];
        "ImportImage" import_image [];
        "ImportKeyPair" import_key_pair ["keypair" "KeyPairName"];
        "InstallCloudAssistant" install_cloud_assistant ["instance" "InstanceId"];
        "InvokeCommand" invoke_command ["command" "CommandId"];
        "JoinResourceGroup" join_resource_group ["ResourceType" "ResourceId"];
        "ListTagResources" list_tag_resources ["ResourceType" "ResourceId"];
        "LockSnapshot" lock_snapshot ["snapshot" "SnapshotId"];
        "ModifyDiskAttribute" modify_disk_attribute ["disk" "DiskId", "disk" "DiskIds"];
        "ModifyImageAttribute" modify_image_attribute ["image" "ImageId"];
        "ModifyImageShareGroupPermission" modify_image_share_group_permission ["image" "ImageId"];
        "ModifyImageSharePermission" modify_image_share_permission ["image" "ImageId"];
        "ModifyInstanceAttribute" modify_instance_attribute ["instance" "InstanceId"];
        "ModifySecurityGroupAttribute" modify_security_group_attribute ["securitygroup" "SecurityGroupId"];
        "ModifySecurityGroupPolicy" modify_security_group_policy ["securitygroup" "SecurityGroupId"];
        "ModifySnapshotAttribute" modify_snapshot_attribute ["snapshot" "SnapshotId"];
        "ReInitDisk" re_init_disk ["disk" "DiskId"];
        "RebootInstance" reboot_instance ["instance" "InstanceId"];
        "RebootInstances" reboot_instances ["instance" "InstanceId"];
        "ReleaseEipAddress" release_eip_address ["eip" "AllocationId"];
        "RemoveTags" remove_tags ["ResourceType" "ResourceId"];
        "ReplaceSystemDisk" replace_system_disk ["instance" "InstanceId"];
        "ResizeDisk" resize_disk ["disk" "DiskId"];
        "RevokeSecurityGroup" revoke_security_group ["securitygroup" "SecurityGroupId"];
        "RevokeSecurityGroupEgress" revoke_security_group_egress ["securitygroup" "SecurityGroupId"];
        "RunCommand" run_command [];
        "RunInstances" run_instances ["image" "ImageId"];
        "SendFile" send_file [];
        "StartInstance" start_instance ["instance" "InstanceId"];
        "StartInstances" start_instances ["instance" "InstanceId"];
        "StopInstance" stop_instance ["instance" "InstanceId"];
        "StopInstances" stop_instances ["instance" "InstanceId"];
        "StopInvocation" stop_invocation [];
        "TagResources" tag_resources ["ResourceType" "ResourceId"];
        "UnassociateEipAddress" unassociate_eip_address ["eip" "AllocationId"];
        "UnlockSnapshot" unlock_snapshot ["snapshot" "SnapshotId"];
        "UntagResources" untag_resources ["ResourceType" "ResourceId"];
    }
    VPC {
        "AllocateEipAddress" allocate_eip_address [];
        "AssociateEipAddress" associate_eip_address ["eip" "AllocationId"];
        "CreateVSwitch" create_v_switch ["vpc" "VpcId"];
        "CreateVpc" create_vpc [];
        "DeleteVSwitch" delete_v_switch ["vswitch" "VSwitchId"];
        "DeleteVpc" delete_vpc ["vpc" "VpcId"];
        "DescribeEipAddresses" describe_eip_addresses [];
        "DescribeRouteTableList" describe_route_table_list [];
        "DescribeVSwitchAttributes" describe_v_switch_attributes ["vswitch" "VSwitchId"];
        "DescribeVSwitches" describe_v_switches [];
        "DescribeVpcAttribute" describe_vpc_attribute ["vpc" "VpcId"];
        "DescribeVpcs" describe_vpcs [];
        "ModifyVSwitchAttribute" modify_v_switch_attribute ["vswitch" "VSwitchId"];
        "ModifyVpcAttribute" modify_vpc_attribute ["vpc" "VpcId"];
        "ReleaseEipAddress" release_eip_address ["eip" "AllocationId"];
        "UnassociateEipAddress" unassociate_eip_address ["eip" "AllocationId"];
    }
    LOCATION {
        "DescribeEndpoints" describe_endpoints [];
    }
    RESOURCE_MANAGER {
        "CreateResourceGroup" create_resource_group [];
        "GetResourceGroup" get_resource_group ["resourcegroup" "ResourceGroupId"];
        "ListResourceGroups" list_resource_groups [];
    }
    RAM {
        "AttachPolicyToRole" attach_policy_to_role ["role" "RoleName", "policy" "PolicyName"];
        "AttachPolicyToUser" attach_policy_to_user ["user" "UserName", "policy" "PolicyName"];
        "CreateAccessKey" create_access_key ["user" "UserName"];
        "CreatePolicy" create_policy ["policy" "PolicyName"];
        "CreateRole" create_role ["role" "RoleName"];
        "CreateUser" create_user ["user" "UserName"];
        "DeleteAccessKey" delete_access_key ["user" "UserName"];
        "DeletePolicy" delete_policy ["policy" "PolicyName"];
        "DeleteRole" delete_role ["role" "RoleName"];
        "DeleteUser" delete_user ["user" "UserName"];
        "DetachPolicyFromRole" detach_policy_from_role ["role" "RoleName", "policy" "PolicyName"];
        "DetachPolicyFromUser" detach_policy_from_user ["user" "UserName", "policy" "PolicyName"];
        "GetPolicy" get_policy ["policy" "PolicyName"];
        "GetRole" get_role ["role" "RoleName"];
        "GetUser" get_user ["user" "UserName"];
        "ListAccessKeys" list_access_keys ["user" "UserName"];
        "ListPolicies" list_policies ["policy" "PolicyName"];
        "ListPoliciesForRole" list_policies_for_role ["role" "RoleName"];
        "ListPoliciesForUser" list_policies_for_user ["user" "UserName"];
        "ListRoles" list_roles ["role" "RoleName"];
        "ListUsers" list_users ["user" "UserName"];
        "UpdateAccessKey" update_access_key ["user" "UserName"];
    }
    STS {
        "AssumeRole" assume_role [];
        "GetCallerIdentity" get_caller_identity [];
    }
}
