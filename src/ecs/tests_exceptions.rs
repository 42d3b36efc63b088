//! What the actions do not look at, and what they never tell, each with its reason. `*` is every action; a name
//! stands for all that is below it.

/// An exception: the action, the name, and why.
pub(crate) type Exception = (&'static str, &'static str, &'static str);

const ONE_STORAGE: &str = "there is one kind of storage, as fast as the house's";
const NO_INSTANCE: &str = "no instance has a disk here";
const NO_GROUPS: &str =
    "new things are in the default group until they join another, and lists but of images tell of none";
const NO_MARKET: &str = "nobody sells images here";
const NO_KEYS: &str = "nothing is encrypted here";
const NO_ROLES: &str = "buckets are in the same house, and no role has to be taken to reach them";
const NO_BILLS: &str = "nothing costs anything";
const NO_LIMITS: &str = "nothing limits a disk but the house";
const NO_SETS: &str = "there are no storage sets and clusters";
const NO_LOCKS: &str = "snapshots are never locked here, whatever else is asked";
const NO_POLICIES: &str = "snapshots are taken by schedules of the house's own, and no disk names one";
const AT_ONCE: &str = "a snapshot may be used as soon as it is accomplished";
const NO_ZONES: &str = "a disk is in a region, and in no part of it";
const NO_LISTS: &str = "lists of addresses or ports that rules name there are none";
const NO_HOSTS: &str = "nobody has hosts of their own";
const NO_PROMISE: &str = "nobody can promise it before there is a compute driver";
const BY_NUMBER: &str = "an account is known by its number";

/// Parameters that change nothing.
pub(crate) const IGNORED: &[Exception] = &[
    ("CopySnapshot", "ResourceGroupId", NO_GROUPS),
    ("CreateDisk", "ResourceGroupId", NO_GROUPS),
    ("CreateSnapshot", "ResourceGroupId", NO_GROUPS),
    ("DescribeDisks", "ResourceGroupId", NO_GROUPS),
    ("DescribeSnapshots", "ResourceGroupId", NO_GROUPS),
    ("CopySnapshot", "Arn", NO_KEYS),
    ("CreateDisk", "AdvancedFeatures", ONE_STORAGE),
    ("CreateDisk", "Arn", NO_KEYS),
    ("CreateDisk", "BurstingEnabled", ONE_STORAGE),
    ("CreateDisk", "DiskCategory", ONE_STORAGE),
    ("CreateDisk", "MultiAttach", NO_INSTANCE),
    ("CreateDisk", "PerformanceLevel", ONE_STORAGE),
    ("CreateDisk", "ProvisionedIops", ONE_STORAGE),
    ("CreateDisk", "StorageClusterId", NO_SETS),
    ("CreateDisk", "StorageSetId", NO_SETS),
    ("CreateDisk", "StorageSetPartitionNumber", NO_SETS),
    ("CreateDisk", "ZoneId", NO_ZONES),
    ("CreateImage", "ImageVersion", NO_MARKET),
    ("CreateSnapshot", "InstantAccess", AT_ONCE),
    ("CreateSnapshot", "InstantAccessRetentionDays", AT_ONCE),
    ("DescribeDisks", "AdditionalAttributes", NO_LIMITS),
    ("DescribeDisks", "ZoneId", NO_ZONES),
    ("DescribeImages", "ShowExpired", NO_MARKET),
    ("DescribeRegions", "InstanceChargeType", NO_BILLS),
    ("DescribeTags", "Category", "a tag says by its key whether it is the system's"),
    ("ExportImage", "RoleName", NO_ROLES),
    ("ImportImage", "RoleName", NO_ROLES),
    ("LockSnapshot", "ClientToken", NO_LOCKS),
    ("LockSnapshot", "DryRun", NO_LOCKS),
    ("ModifyDiskAttribute", "BurstingEnabled", ONE_STORAGE),
    ("ModifyDiskAttribute", "DeleteAutoSnapshot", NO_POLICIES),
    ("ModifyDiskAttribute", "DeleteWithInstance", NO_INSTANCE),
    ("ModifyDiskAttribute", "EnableAutoSnapshot", NO_POLICIES),
    ("ModifyDiskAttribute", "RegionId", "a disk's id says where it is"),
    ("ModifySnapshotAttribute", "DisableInstantAccess", AT_ONCE),
    ("AuthorizeSecurityGroup", "Permissions.N.SourceGroupOwnerAccount", BY_NUMBER),
    ("AuthorizeSecurityGroup", "SourceGroupOwnerAccount", BY_NUMBER),
    ("AuthorizeSecurityGroupEgress", "DestGroupOwnerAccount", BY_NUMBER),
    ("AuthorizeSecurityGroupEgress", "Permissions.N.DestGroupOwnerAccount", BY_NUMBER),
    ("RevokeSecurityGroup", "Permissions.N.SourceGroupOwnerAccount", BY_NUMBER),
    ("RevokeSecurityGroup", "SourceGroupOwnerAccount", BY_NUMBER),
    ("CreateSecurityGroup", "ServiceManaged", "the cloud's own services keep none here"),
    ("CreateVpc", "UserCidr", "a network has the addresses of its own block alone"),
    ("DescribeAvailableResource", "Scope", "what is there is in all zones alike"),
    ("DescribeAvailableResource", "SpotDuration", NO_BILLS),
    ("DescribeAvailableResource", "SpotStrategy", NO_BILLS),
    ("DescribeImageSupportInstanceTypes", "Filter", "the API documents it as without effect"),
    ("DescribeInstanceTypes", "AdditionalAttributes", NO_PROMISE),
    ("DescribeSecurityGroupAttribute", "Attribute", NO_POLICIES),
    (
        "DescribeSecurityGroups",
        "IsQueryEcsCount",
        "no instance is in a group, whether they are counted or not",
    ),
    ("DescribeZones", "SpotStrategy", NO_BILLS),
    ("UnlockSnapshot", "ClientToken", NO_LOCKS),
    ("UnlockSnapshot", "DryRun", NO_LOCKS),
];

/// Fields that are in no answer.
pub(crate) const NEVER: &[Exception] = &[
    ("CreateDisk", "OrderId", NO_BILLS),
    ("DescribeDisks", "Disks.Disk.AttachedTime", NO_INSTANCE),
    ("DescribeDisks", "Disks.Disk.Attachments", NO_INSTANCE),
    ("DescribeDisks", "Disks.Disk.AutoSnapshotPolicyId", NO_POLICIES),
    ("DescribeDisks", "Disks.Disk.BdfId", NO_INSTANCE),
    ("DescribeDisks", "Disks.Disk.BurstingEnabled", ONE_STORAGE),
    ("DescribeDisks", "Disks.Disk.DataSource", "what a disk was made from is told by id"),
    ("DescribeDisks", "Disks.Disk.DetachedTime", NO_INSTANCE),
    ("DescribeDisks", "Disks.Disk.ExpiredTime", NO_BILLS),
    ("DescribeDisks", "Disks.Disk.IOPS", NO_LIMITS),
    ("DescribeDisks", "Disks.Disk.IOPSRead", NO_LIMITS),
    ("DescribeDisks", "Disks.Disk.IOPSWrite", NO_LIMITS),
    ("DescribeDisks", "Disks.Disk.MountInstanceNum", NO_INSTANCE),
    ("DescribeDisks", "Disks.Disk.MountInstances", NO_INSTANCE),
    ("DescribeDisks", "Disks.Disk.OperationLocks", "nobody locks a disk but its owner"),
    ("DescribeDisks", "Disks.Disk.Placement", NO_ZONES),
    ("DescribeDisks", "Disks.Disk.ProvisionedIops", NO_LIMITS),
    ("DescribeDisks", "Disks.Disk.SourceDiskId", "no disk is made from a disk"),
    ("DescribeDisks", "Disks.Disk.StorageClusterId", NO_SETS),
    ("DescribeDisks", "Disks.Disk.StorageSetId", NO_SETS),
    ("DescribeDisks", "Disks.Disk.StorageSetPartitionNumber", NO_SETS),
    ("DescribeDisks", "Disks.Disk.Throughput", NO_LIMITS),
    ("DescribeDisks", "Disks.Disk.ThroughputRead", NO_LIMITS),
    ("DescribeDisks", "Disks.Disk.ThroughputWrite", NO_LIMITS),
    ("DescribeDisks", "Disks.Disk.ZoneId", NO_ZONES),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.CpuSpeedFrequency", NO_PROMISE),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.CpuTurboFrequency", NO_PROMISE),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.InstanceBandwidthRx", NO_PROMISE),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.InstanceBandwidthTx", NO_PROMISE),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.InstancePpsRx", NO_PROMISE),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.InstancePpsTx", NO_PROMISE),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.NetworkInfo", NO_PROMISE),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.PhysicalProcessorModel", NO_PROMISE),
    ("DescribeSnapshots", "Snapshots.Snapshot.InstantAccessRetentionDays", AT_ONCE),
    ("DescribeSnapshots", "Snapshots.Snapshot.SnapshotLinkId", "snapshots stand by themselves, in no chain"),
    ("LockSnapshot", "LockedSnapshotInfo", NO_LOCKS),
    ("ResizeDisk", "OrderId", NO_BILLS),
];

/// Fields that are in every answer, and empty.
pub(crate) const BLANK: &[Exception] = &[
    ("DescribeDisks", "Disks.Disk.Device", NO_INSTANCE),
    ("DescribeDisks", "Disks.Disk.InstanceId", NO_INSTANCE),
    ("DescribeDisks", "Disks.Disk.KMSKeyId", NO_KEYS),
    ("DescribeDisks", "Disks.Disk.ProductCode", NO_MARKET),
    ("DescribeDisks", "Disks.Disk.ResourceGroupId", NO_GROUPS),
    ("DescribeImageFromFamily", "Image.ImageVersion", NO_MARKET),
    ("DescribeImageFromFamily", "Image.ProductCode", NO_MARKET),
    ("DescribeImages", "Images.Image.ImageVersion", NO_MARKET),
    ("DescribeImages", "Images.Image.ProductCode", NO_MARKET),
    ("DescribeImages", "Images.Image.SupplierName", NO_MARKET),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.GPUSpec", NO_PROMISE),
    ("DescribeInstanceTypes", "InstanceTypes.InstanceType.LocalStorageCategory", NO_PROMISE),
    (
        "DescribeInstanceTypes",
        "InstanceTypes.InstanceType.CpuOptions.SupportedTopologyTypes.SupportedTopologyType",
        NO_PROMISE,
    ),
    ("DescribeSecurityGroupAttribute", "Permissions.Permission.DestPrefixListId", NO_LISTS),
    ("DescribeSecurityGroupAttribute", "Permissions.Permission.DestPrefixListName", NO_LISTS),
    ("DescribeSecurityGroupAttribute", "Permissions.Permission.PortRangeListId", NO_LISTS),
    ("DescribeSecurityGroupAttribute", "Permissions.Permission.PortRangeListName", NO_LISTS),
    ("DescribeSecurityGroupAttribute", "Permissions.Permission.SourcePrefixListId", NO_LISTS),
    ("DescribeSecurityGroupAttribute", "Permissions.Permission.SourcePrefixListName", NO_LISTS),
    ("DescribeSecurityGroupAttribute", "SnapshotPolicyIds.SnapshotPolicyId", NO_POLICIES),
    ("DescribeSnapshots", "Snapshots.Snapshot.KMSKeyId", NO_KEYS),
    ("DescribeSnapshots", "Snapshots.Snapshot.ProductCode", NO_MARKET),
    ("DescribeSnapshots", "Snapshots.Snapshot.ResourceGroupId", NO_GROUPS),
    ("DescribeVpcs", "Vpcs.Vpc.UserCidrs.UserCidr", "a network has the addresses of its own block alone"),
    ("DescribeZones", "Zones.Zone.AvailableDedicatedHostTypes.DedicatedHostType", NO_HOSTS),
    ("DescribeZones", "Zones.Zone.AvailableVolumeCategories.VolumeCategories", ONE_STORAGE),
    ("DescribeZones", "Zones.Zone.DedicatedHostGenerations.DedicatedHostGeneration", NO_HOSTS),
];

/// Lists that are in every answer with nothing in them.
pub(crate) const EMPTY: &[Exception] =
    &[("DescribeInstanceTypes", "InstanceTypes.InstanceType.Attributes.Attribute", NO_PROMISE)];
