//! Everything that can be wrong with a guest, by code: one list. Each constant has a page.
//!
//! | code | risk | what is wrong |
//! |---|---|---|
//! | [`FileSystem.NotFound`](FILE_SYSTEM_NOT_FOUND) | High | no partition holds anything that is known |
//! | [`FileSystem.Damaged`](FILE_SYSTEM_DAMAGED) | High | a file system, or some of its files, made no sense |
//! | [`FileSystem.NotSupported`](FILE_SYSTEM_NOT_SUPPORTED) | Medium | a file system has what the check cannot read |
//! | [`FileSystem.TooCostly`](FILE_SYSTEM_TOO_COSTLY) | Medium | the check was given up as it would read without end |
//! | [`BootMode.LoaderNotFound`](BOOT_NOT_FOUND) | High | neither a BIOS nor UEFI firmware finds a loader |
//! | [`KernelVersion.NotFound`](KERNEL_NOT_FOUND) | High | there is no kernel |
//! | [`Virtio.NotInstalled`](VIRTIO_NOT_INSTALLED) | High | the newest kernel does not drive disk and network |
//! | [`NVMe.NotInstallded`](NVME_NOT_INSTALLED) | Medium | the newest kernel does not drive NVMe disks |
//! | [`Fstab.DeviceNotFound`](FSTAB_DEVICE_NOT_FOUND) | High | `/etc/fstab` waits for a device that is not there |
//! | [`Fstab.DeviceName`](FSTAB_DEVICE_NAME) | High | `/etc/fstab` names `/dev/sda1` or such |
//! | [`Grub.ConfigNotFound`](GRUB_CONFIG_NOT_FOUND) | High | the boot loader has no menu |
//! | [`Grub.RootNotFound`](GRUB_ROOT_NOT_FOUND) | High | the kernel is told to mount what is not there |
//! | [`Grub.DeviceName`](GRUB_DEVICE_NAME) | High | the kernel is told to mount `/dev/sda1` or such |
//! | [`Dhcp.NotConfigured`](DHCP_NOT_CONFIGURED) | High | nothing asks for an address |
//! | [`Dhcp.StaticAddress`](DHCP_STATIC_ADDRESS) | Medium | an interface has an address of its own |
//! | [`CloudInit.NotInstalled`](CLOUD_INIT_NOT_INSTALLED) | Medium | there is no cloud-init |
//! | [`CloudInit.Disabled`](CLOUD_INIT_DISABLED) | Medium | there is, and it is switched off |
//! | [`Sshd.NotInstalled`](SSHD_NOT_INSTALLED) | Medium | there is no SSH server |
//! | [`Sshd.HostKeysNotFound`](SSHD_NO_HOST_KEYS) | High | there is, without keys or anything to make them |
//! | [`OnlineResizeFS.NotInstalled`](RESIZE_NOT_INSTALLED) | Medium | nothing grows the root partition |
//! | [`Selinux.Enforcing`](SELINUX_ENFORCING) | Medium | SELinux enforces labels that nothing renews |
//!
//! A code is for ever: clients compare it. A new finding gets a new one.

use domain::port::Risk;

/// What is wrong, and how much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub &'static str, pub Risk);

/// No partition holds anything that is known.
///
/// Another disk was imported than was meant, or one in a format that was taken for raw.
///
/// *What to do:* Import the right disk, and name its format.
pub const FILE_SYSTEM_NOT_FOUND: Code = Code("FileSystem.NotFound", Risk::High);
/// A file system, or some of its files, made no sense.
///
/// The guest lost power, or the disk was copied while it was written.
///
/// *What to do:* Run `fsck`, shut the guest down cleanly and import again.
pub const FILE_SYSTEM_DAMAGED: Code = Code("FileSystem.Damaged", Risk::High);
/// A file system has what the check cannot read.
///
/// A feature newer than the check, or a file that is encrypted. Nothing has to be wrong.
///
/// *What to do:* Look at the guest by hand; what the check did not tell, it does not know.
pub const FILE_SYSTEM_NOT_SUPPORTED: Code = Code("FileSystem.NotSupported", Risk::Medium);
/// The check was given up as it would read without end.
///
/// Structures that point back at themselves: damage, or malice.
///
/// *What to do:* Run `fsck` and import again.
pub const FILE_SYSTEM_TOO_COSTLY: Code = Code("FileSystem.TooCostly", Risk::Medium);
/// Neither a BIOS nor UEFI firmware finds a loader.
///
/// A data disk, or one put together without its loader.
///
/// *What to do:* Install GRUB on the disk, or a loader on its system partition.
pub const BOOT_NOT_FOUND: Code = Code("BootMode.LoaderNotFound", Risk::High);
/// There is no kernel.
///
/// A container's file system was taken for a machine's.
///
/// *What to do:* Install the distribution's kernel.
pub const KERNEL_NOT_FOUND: Code = Code("KernelVersion.NotFound", Risk::High);
/// The newest kernel does not drive disk and network.
///
/// A kernel was built without `virtio_blk` or `virtio_net`.
///
/// *What to do:* Install a kernel that has both.
pub const VIRTIO_NOT_INSTALLED: Code = Code("Virtio.NotInstalled", Risk::High);
/// The newest kernel does not drive NVMe disks.
///
/// A kernel was built without `nvme`. The code is spelt as the ECS API spells it.
///
/// *What to do:* Install a kernel that has it if instances with NVMe disks are wanted.
pub const NVME_NOT_INSTALLED: Code = Code("NVMe.NotInstallded", Risk::Medium);
/// `/etc/fstab` waits for a device that is not there.
///
/// A disk that was not imported along is mounted.
///
/// *What to do:* Remove the line, or add `nofail` to it.
pub const FSTAB_DEVICE_NOT_FOUND: Code = Code("Fstab.DeviceNotFound", Risk::High);
/// `/etc/fstab` names `/dev/sda1` or such.
///
/// Disks have other names where their driver is another.
///
/// *What to do:* Write `UUID=` and what `blkid` gives.
pub const FSTAB_DEVICE_NAME: Code = Code("Fstab.DeviceName", Risk::High);
/// The boot loader has no menu.
///
/// The disk was put together without it, or `/boot` lies on a disk that was not imported.
///
/// *What to do:* Run `update-grub` or `grub2-mkconfig`.
pub const GRUB_CONFIG_NOT_FOUND: Code = Code("Grub.ConfigNotFound", Risk::High);
/// The kernel is told to mount what is not there.
///
/// The disk was copied to a new file system and its menu was not.
///
/// *What to do:* Run `update-grub` or `grub2-mkconfig`.
pub const GRUB_ROOT_NOT_FOUND: Code = Code("Grub.RootNotFound", Risk::High);
/// The kernel is told to mount `/dev/sda1` or such.
///
/// Disks have other names where their driver is another.
///
/// *What to do:* Let the menu say `root=UUID=`: remove `GRUB_DISABLE_LINUX_UUID` and run `update-grub`.
pub const GRUB_DEVICE_NAME: Code = Code("Grub.DeviceName", Risk::High);
/// Nothing asks for an address.
///
/// No network manager is configured, so the instance is not reached.
///
/// *What to do:* Enable DHCP for the first interface, or install cloud-init.
pub const DHCP_NOT_CONFIGURED: Code = Code("Dhcp.NotConfigured", Risk::High);
/// An interface has an address of its own.
///
/// The address belongs to the network the guest comes from.
///
/// *What to do:* Enable DHCP for the interface.
pub const DHCP_STATIC_ADDRESS: Code = Code("Dhcp.StaticAddress", Risk::Medium);
/// There is no cloud-init.
///
/// Host name, keys and user data do not reach the guest.
///
/// *What to do:* Install cloud-init.
pub const CLOUD_INIT_NOT_INSTALLED: Code = Code("CloudInit.NotInstalled", Risk::Medium);
/// There is, and it is switched off.
///
/// Host name, keys and user data do not reach the guest.
///
/// *What to do:* Remove `/etc/cloud/cloud-init.disabled` and unmask its units.
pub const CLOUD_INIT_DISABLED: Code = Code("CloudInit.Disabled", Risk::Medium);
/// There is no SSH server.
///
/// The instance is reached by its console only.
///
/// *What to do:* Install `openssh-server`.
pub const SSHD_NOT_INSTALLED: Code = Code("Sshd.NotInstalled", Risk::Medium);
/// There is, without keys or anything to make them.
///
/// Keys were removed, as they should be, and nothing in the guest makes new ones.
///
/// *What to do:* Install cloud-init, or a unit that runs `ssh-keygen -A`.
pub const SSHD_NO_HOST_KEYS: Code = Code("Sshd.HostKeysNotFound", Risk::High);
/// Nothing grows the root partition.
///
/// A system disk larger than the image stays unused.
///
/// *What to do:* Install `cloud-initramfs-growroot` or `cloud-utils-growpart`.
pub const RESIZE_NOT_INSTALLED: Code = Code("OnlineResizeFS.NotInstalled", Risk::Medium);
/// SELinux enforces labels that nothing renews.
///
/// Files written from outside have none, and may be out of bounds for the guest.
///
/// *What to do:* Make `/.autorelabel`, or set `SELINUX=permissive`.
pub const SELINUX_ENFORCING: Code = Code("Selinux.Enforcing", Risk::Medium);

/// All of them, for whoever prints the list.
pub const ALL: &[Code] = &[
    FILE_SYSTEM_NOT_FOUND,
    FILE_SYSTEM_DAMAGED,
    FILE_SYSTEM_NOT_SUPPORTED,
    FILE_SYSTEM_TOO_COSTLY,
    BOOT_NOT_FOUND,
    KERNEL_NOT_FOUND,
    VIRTIO_NOT_INSTALLED,
    NVME_NOT_INSTALLED,
    FSTAB_DEVICE_NOT_FOUND,
    FSTAB_DEVICE_NAME,
    GRUB_CONFIG_NOT_FOUND,
    GRUB_ROOT_NOT_FOUND,
    GRUB_DEVICE_NAME,
    DHCP_NOT_CONFIGURED,
    DHCP_STATIC_ADDRESS,
    CLOUD_INIT_NOT_INSTALLED,
    CLOUD_INIT_DISABLED,
    SSHD_NOT_INSTALLED,
    SSHD_NO_HOST_KEYS,
    RESIZE_NOT_INSTALLED,
    SELINUX_ENFORCING,
];
