//! Each check against files in a map: one finding a case.
//!
//! The map follows a link only where a path ends; walking is the business of `view`, which is tested
//! at the door.

use std::collections::BTreeMap;

use crate::codes::{self, Code};
use crate::inventory::{Inventory, Volume};
use crate::item::Finding;
use crate::partitions::Partition;
use crate::recognise::{Content, Kind};
use crate::source::Result;
use crate::view::Root;
use crate::{FileCheck, kernel, mounts, network, services, system};

/// Files by path; one that begins with `-> ` is a link.
struct Map(BTreeMap<&'static str, &'static str>);

impl Root for Map {
    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let content = self.0.get(path).map(|content| content.as_bytes());
        Ok(content.map(|bytes| bytes[..bytes.len().min(limit)].to_vec()))
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let inside = self.0.keys().filter_map(|known| known.strip_prefix(path)?.strip_prefix('/'));
        let mut names: Vec<String> =
            inside.filter_map(|rest| rest.split('/').next()).map(str::to_owned).collect();
        names.dedup();
        Ok(names)
    }

    fn link(&self, path: &str) -> Result<Option<String>> {
        Ok(self.0.get(path).and_then(|content| content.strip_prefix("-> ")).map(str::to_owned))
    }

    fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.0.contains_key(path) || !self.list(path)?.is_empty())
    }
}

type Files = [(&'static str, &'static str)];

fn check(check: FileCheck, files: &Files, expected: Option<(&str, Option<Code>)>) {
    let found = check(&Map(files.iter().copied().collect())).unwrap();
    let expected = expected.map(|(value, code)| Finding { value: value.to_owned(), code });
    assert_eq!(found, expected, "{files:?}");
}

fn fine(check_of: FileCheck, files: &Files, value: &str) {
    check(check_of, files, Some((value, None)));
}

fn risk(check_of: FileCheck, files: &Files, value: &str, code: Code) {
    check(check_of, files, Some((value, Some(code))));
}

const RELEASE: &str = "/etc/os-release";

#[test]
fn platforms_are_named_as_the_api_names_them() {
    let cases = [
        ("ID=ubuntu", "Ubuntu"),
        ("ID=\"centos\"\nNAME=\"CentOS Stream\"", "CentOS Stream"),
        ("ID=\"centos\"\nNAME=\"CentOS Linux\"", "CentOS"),
        ("ID='rocky'", "Rocky Linux"),
        ("ID=alinux", "Aliyun"),
        ("ID=nobody-knows", "Others Linux"),
        ("VERSION_ID=debian", "Others Linux"),
        ("", "Others Linux"),
    ];
    for (text, platform) in cases {
        fine(system::platform, &[(RELEASE, text)], platform);
    }
}

#[test]
fn the_version_is_the_systems_own_word_for_it() {
    fine(system::os_version, &[("/usr/lib/os-release", "PRETTY_NAME='A 1'")], "A 1");
    fine(system::os_version, &[(RELEASE, "NAME=A\nVERSION=\"2 (b)\"")], "A 2 (b)");
    fine(
        system::os_version,
        &[("/etc/redhat-release", "CentOS release 6.10 (Final)\n")],
        "CentOS release 6.10 (Final)",
    );
    fine(system::os_version, &[("/etc/debian_version", "7.11\n")], "Debian 7.11");
    check(system::os_version, &[], None);
}

#[test]
fn a_script_is_no_program_to_tell_a_machine_by() {
    let arm = "\u{7f}ELF\u{2}\u{1}\u{1}\0\0\0\0\0\0\0\0\0\u{2}\0\u{28}\0";
    fine(system::architecture, &[("/bin/sh", "#!/bin/busybox so and so"), ("/sbin/init", arm)], "Unknown");
    check(system::architecture, &[("/bin/sh", "\u{7f}ELF")], None);
}

#[test]
fn the_clock_is_local_only_if_the_system_says_so() {
    fine(system::rtc_time_mode, &[("/etc/adjtime", "0.0 0 0.0\n0\nLOCAL\n")], "LOCAL");
    fine(system::rtc_time_mode, &[("/etc/adjtime", "LOCAL\n")], "UTC");
    fine(system::rtc_time_mode, &[], "UTC");
}

#[test]
fn drivers_are_found_built_in_as_modules_and_by_configuration() {
    const BUILT_IN: &str = "kernel/drivers/block/virtio_blk.ko\nkernel/drivers/net/virtio-net.ko\n";
    let builtin = "/lib/modules/5.4.0/modules.builtin";
    fine(kernel::virtio, &[(builtin, BUILT_IN)], "Supported");
    fine(kernel::virtio, &[("/lib/modules/5.4.0/modules.order", BUILT_IN)], "Supported");
    let config = "CONFIG_VIRTIO_BLK=y\nCONFIG_VIRTIO_NET=y\nCONFIG_BLK_DEV_NVME=m\n";
    let monolith = [("/boot/vmlinuz-5.4.0", "x"), ("/boot/config-5.4.0", config)];
    fine(kernel::virtio, &monolith, "Supported");
    risk(kernel::nvme, &monolith, "Not Supported", codes::NVME_NOT_INSTALLED);
    risk(
        kernel::virtio,
        &[("/lib/modules/5.4.0/modules.dep", "a/virtio_blk.ko.zst: b/virtio_net.ko.zst\n")],
        "Not Supported: virtio_net",
        codes::VIRTIO_NOT_INSTALLED,
    );
    risk(
        kernel::nvme,
        &[(builtin, "x/nvme-core.ko\nx/nvme_fabrics.ko\n")],
        "Not Supported",
        codes::NVME_NOT_INSTALLED,
    );
    fine(kernel::nvme, &[(builtin, "x/nvme.ko\n")], "Supported");
    // A kernel that does not say what it has is not said to lack it.
    check(kernel::nvme, &[("/boot/vmlinuz-5.4.0", "x")], None);
}

#[test]
fn the_newest_kernel_counts() {
    let files = [
        ("/boot/vmlinuz-5.10.0-9-amd64", "x"),
        ("/boot/vmlinuz-0-rescue-6b696c6e", "x"),
        ("/lib/modules/5.9.0-1-amd64/modules.dep", "x"),
    ];
    fine(kernel::version, &files, "5.10.0-9-amd64");
    risk(kernel::version, &[("/boot/memtest", "x")], "Not Found", codes::KERNEL_NOT_FOUND);
}

/// A disk with a root on its first partition.
fn inventory() -> Inventory {
    let content = Content { kind: Kind::Ext("ext4"), uuid: "aa-bb".to_owned(), label: "my root".to_owned() };
    let partition = Partition { number: 1, uuid: "0f-01".to_owned(), ..Partition::default() };
    Inventory { volumes: vec![Volume { partition, content: Some(content) }], ..Inventory::default() }
}

fn fstab(text: &'static str) -> Finding {
    mounts::fstab(&Map([("/etc/fstab", text)].into()), &inventory()).unwrap().unwrap()
}

#[test]
fn fstab_waits_only_for_what_is_there() {
    for text in [
        "UUID=AA-BB / ext4 defaults 0 1",
        "LABEL=my\\040root / ext4 defaults 0 1",
        "UUID=cc / ext4 rw,nofail 0 1\n/dev/sr0 /media iso9660 noauto 0 0",
        "# UUID=cc / ext4 defaults 0 1\n\n  \nhalf a",
        "tmpfs /tmp tmpfs defaults\nserver:/x /x nfs defaults\n/dev/mapper/a-b /y ext4 defaults\n/swap none swap sw",
    ] {
        assert_eq!(fstab(text), Finding::fine("Supported"), "{text}");
    }
    for (text, device) in [
        ("UUID=aa-bb / ext4 defaults\nUUID=cc /data ext4 defaults", "UUID=cc"),
        ("LABEL=other / ext4 defaults", "LABEL=other"),
        ("PARTUUID=0f-02 / ext4 defaults", "PARTUUID=0f-02"),
        ("/dev/vda2 / ext4 defaults", "/dev/vda2"),
        ("UUID= / ext4 defaults", "UUID="),
    ] {
        let expected = Finding::risk(format!("{device} is not there"), codes::FSTAB_DEVICE_NOT_FOUND);
        assert_eq!(fstab(text), expected, "{text}");
    }
    for device in ["/dev/sda1", "/dev/hda1", "/dev/xvda1", "/dev/vdb1", "/dev/nvme0n1p1"] {
        let text: &'static str = format!("{device} / ext4 defaults").leak();
        let expected = Finding::risk(format!("{device} has another name"), codes::FSTAB_DEVICE_NAME);
        assert_eq!(fstab(text), expected);
    }
}

fn grub(files: &Files) -> Finding {
    mounts::grub(&Map(files.iter().copied().collect()), &inventory()).unwrap().unwrap()
}

#[test]
fn a_menu_names_a_root_that_is_there() {
    let supported = Finding::fine("Supported");
    let missing =
        |device: &str| Finding::risk(format!("root={device} is not there"), codes::GRUB_ROOT_NOT_FOUND);
    let cfg = "/boot/grub/grub.cfg";
    assert_eq!(grub(&[(cfg, "\tlinux /vmlinuz root=UUID=aa-bb ro\n# linux x root=UUID=cc\n")]), supported);
    assert_eq!(grub(&[(cfg, "linux /vmlinuz root=UUID=cc ro")]), missing("UUID=cc"));
    assert_eq!(grub(&[(cfg, "linuxefi /vmlinuz root=${root}\nset root=hd0,1\n")]), supported);
    assert_eq!(grub(&[("/boot/loader/entries/a.conf", "options root=PARTUUID=0f-01 ro")]), supported);
    let shared = [
        ("/boot/loader/entries/a.conf", "options $kernelopts"),
        ("/boot/grub2/grubenv", "# GRUB Environment Block\nkernelopts=root=UUID=cc ro\n"),
    ];
    assert_eq!(grub(&shared), missing("UUID=cc"));
    assert_eq!(
        grub(&[("/boot/extlinux/extlinux.conf", "APPEND root=/dev/hda1 ro")]),
        Finding::risk("root=/dev/hda1 has another name", codes::GRUB_DEVICE_NAME)
    );
    assert_eq!(
        grub(&[("/boot/loader/entries/a.txt", "")]),
        Finding::risk("Not Found", codes::GRUB_CONFIG_NOT_FOUND)
    );
}

#[test]
fn every_manager_is_asked_for_dhcp() {
    let cases: [(&'static str, &'static str, &str); 8] = [
        ("/etc/netplan/50-cloud-init.yaml", "network:\n  ethernets:\n    e:\n      dhcp4: true\n", "netplan"),
        ("/etc/netplan/a.yaml", "dhcp4: yes # so\n  nameservers:\n    addresses: [1.1.1.1]\n", "netplan"),
        ("/etc/systemd/network/a.network", "[Match]\nName=e*\n[Network]\nDHCP=ipv4\n", "systemd-networkd"),
        (
            "/etc/NetworkManager/system-connections/a.nmconnection",
            "[ipv6]\nmethod=manual\n[ipv4]\nmethod=auto\n",
            "NetworkManager",
        ),
        ("/etc/network/interfaces", "iface lo inet static\niface e inet dhcp\n", "ifupdown"),
        ("/etc/network/interfaces.d/e", "iface e inet dhcp\n", "ifupdown"),
        ("/etc/sysconfig/network-scripts/ifcfg-eth0", "BOOTPROTO=\"dhcp\"\nIPADDR=\n", "ifcfg"),
        ("/etc/sysconfig/network/ifcfg-eth0", "BOOTPROTO='dhcp4'\n", "ifcfg"),
    ];
    for (path, text, manager) in cases {
        fine(network::dhcp, &[(path, text)], &format!("DHCP by {manager}"));
    }
    fine(network::dhcp, &[("/usr/bin/cloud-init", "x")], "DHCP by cloud-init");
}

#[test]
fn a_static_address_or_none_is_a_risk() {
    let cases: [(&'static str, &'static str, &str); 5] = [
        ("/etc/netplan/a.yaml", "dhcp4: false\naddresses:\n  - 10.0.0.2/24\n", "netplan"),
        ("/etc/systemd/network/a.network", "[Network]\nAddress=10.0.0.2/24\n", "systemd-networkd"),
        (
            "/etc/NetworkManager/system-connections/a",
            "[ipv4]\nmethod=manual\n[ipv6]\nmethod=auto\n",
            "NetworkManager",
        ),
        ("/etc/network/interfaces", "iface e inet static\n", "ifupdown"),
        ("/etc/sysconfig/network-scripts/ifcfg-eth0", "BOOTPROTO=none\nIPADDR=10.0.0.2\n", "ifcfg"),
    ];
    for (path, text, manager) in cases {
        let value = format!("static address by {manager}");
        risk(network::dhcp, &[(path, text)], &value, codes::DHCP_STATIC_ADDRESS);
    }
    let lo = [("/etc/sysconfig/network-scripts/ifcfg-lo", "IPADDR=127.0.0.1\n")];
    risk(network::dhcp, &lo, "Not Found", codes::DHCP_NOT_CONFIGURED);
    risk(network::dhcp, &[], "Not Found", codes::DHCP_NOT_CONFIGURED);
}

#[test]
fn cloud_init_is_there_and_starts() {
    let program = ("/usr/bin/cloud-init", "x");
    let starter = ("/etc/systemd/system/cloud-init.target.wants/cloud-init.service", "-> x");
    fine(services::cloud_init, &[program, starter], "Installed");
    risk(services::cloud_init, &[starter], "Not Installed", codes::CLOUD_INIT_NOT_INSTALLED);
    let off =
        [("/etc/cloud/cloud-init.disabled", ""), ("/etc/systemd/system/cloud-init.target", "-> /dev/null")];
    for off in off {
        risk(services::cloud_init, &[program, starter, off], "Disabled", codes::CLOUD_INIT_DISABLED);
    }
    risk(services::cloud_init, &[program], "Disabled", codes::CLOUD_INIT_DISABLED);
}

#[test]
fn an_ssh_server_has_keys_or_something_that_makes_them() {
    let (server, key) = (("/usr/sbin/sshd", "x"), ("/etc/ssh/ssh_host_rsa_key", "x"));
    risk(services::sshd, &[key], "Not Installed", codes::SSHD_NOT_INSTALLED);
    let public = ("/etc/ssh/ssh_host_rsa_key.pub", "x");
    risk(services::sshd, &[server, public], "Installed, no host keys", codes::SSHD_NO_HOST_KEYS);
    fine(
        services::sshd,
        &[server, ("/usr/lib/systemd/system/sshd-keygen@.service", "x")],
        "Installed, host keys made at the first start, PermitRootLogin prohibit-password",
    );
    let config = "# PermitRootLogin no\nMatch User x\nPermitRootLogin no\n";
    fine(
        services::sshd,
        &[server, key, ("/etc/ssh/sshd_config", config)],
        "Installed, host keys present, PermitRootLogin prohibit-password",
    );
    let both = [
        ("/etc/ssh/sshd_config", "permitrootlogin=no\n"),
        ("/etc/ssh/sshd_config.d/a.conf", "PermitRootLogin\tyes\n"),
    ];
    fine(
        services::sshd,
        &[server, key, both[0], both[1]],
        "Installed, host keys present, PermitRootLogin yes",
    );
}

#[test]
fn the_rest_is_told_by_what_is_installed() {
    fine(
        services::online_resize,
        &[("/usr/lib/dracut/modules.d/50growroot/module-setup.sh", "x")],
        "Supported",
    );
    risk(services::online_resize, &[], "Not Supported", codes::RESIZE_NOT_INSTALLED);
    let config = "/etc/selinux/config";
    risk(services::selinux, &[(config, "# x\nSELINUX=enforcing\n")], "Enforcing", codes::SELINUX_ENFORCING);
    fine(services::selinux, &[(config, "SELINUX=enforcing"), ("/.autorelabel", "")], "Enforcing, relabels");
    fine(services::selinux, &[(config, "SELINUX=permissive\nSELINUXTYPE=targeted\n")], "Permissive");
    fine(services::selinux, &[(config, "SELINUX=disabled")], "Disabled");
    fine(services::selinux, &[], "Not Installed");
    fine(services::security_agent, &[("/usr/local/aegis/aegis_client/x", "")], "Installed");
}

#[test]
fn no_two_risks_share_a_code() {
    let mut words: Vec<&str> = codes::ALL.iter().map(|Code(word, _)| *word).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), codes::ALL.len());
}
