//! What is installed and enabled: cloud-init, the SSH server, growing of the root, SELinux, the agent.

use crate::codes;
use crate::item::Finding;
use crate::source::Result;
use crate::system::assigned;
use crate::view::Root;

/// Whether an administrator has masked a unit.
fn is_masked(root: &dyn Root, unit: &str) -> Result<bool> {
    Ok(root.link(&format!("/etc/systemd/system/{unit}"))?.as_deref() == Some("/dev/null"))
}

const CLOUD_INIT: &[&str] = &["/usr/bin/cloud-init", "/usr/local/bin/cloud-init", "/bin/cloud-init"];
/// What starts it: a generator that looks whether it is wanted, units without one, a script.
const CLOUD_INIT_STARTERS: &[&str] = &[
    "/usr/lib/systemd/system-generators/cloud-init-generator",
    "/lib/systemd/system-generators/cloud-init-generator",
    "/etc/systemd/system/cloud-init.target.wants",
    "/etc/systemd/system/multi-user.target.wants/cloud-init.service",
    "/etc/init.d/cloud-init",
];
/// Units of which a masked one switches it off, in older and newer versions.
const CLOUD_INIT_UNITS: &[&str] =
    &["cloud-init.target", "cloud-init.service", "cloud-init-local.service", "cloud-init-network.service"];

/// Host name, keys and user data.
pub(crate) fn cloud_init(root: &dyn Root) -> Result<Option<Finding>> {
    if root.first_of(CLOUD_INIT)?.is_none() {
        return Ok(Some(Finding::risk("Not Installed", codes::CLOUD_INIT_NOT_INSTALLED)));
    }
    let mut is_off =
        root.exists("/etc/cloud/cloud-init.disabled")? || root.first_of(CLOUD_INIT_STARTERS)?.is_none();
    for unit in CLOUD_INIT_UNITS {
        is_off |= is_masked(root, unit)?;
    }
    Ok(Some(if is_off {
        Finding::risk("Disabled", codes::CLOUD_INIT_DISABLED)
    } else {
        Finding::fine("Installed")
    }))
}

const SSHD: &[&str] = &["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/sbin/dropbear"];
/// What makes keys at the first start, in the distributions that have it.
const KEY_MAKERS: &[&str] = &[
    "/usr/lib/systemd/system/sshd-keygen@.service",
    "/usr/lib/systemd/system/sshd-keygen.service",
    "/usr/lib/systemd/system/sshdgenkeys.service",
    "/etc/systemd/system/ssh-keygen.service",
    "/etc/systemd/system/regenerate_ssh_host_keys.service",
    "/etc/systemd/system/multi-user.target.wants/ssh-keygen.service",
    "/usr/bin/cloud-init",
];

/// Whether the instance can be reached by SSH, and whether root may.
pub(crate) fn sshd(root: &dyn Root) -> Result<Option<Finding>> {
    let Some(program) = root.first_of(SSHD)? else {
        return Ok(Some(Finding::risk("Not Installed", codes::SSHD_NOT_INSTALLED)));
    };
    // Dropbear makes its keys when it is first asked for.
    if program.ends_with("dropbear") {
        return Ok(Some(Finding::fine("Installed, dropbear")));
    }
    let is_key = |name: &String| name.starts_with("ssh_host_") && name.ends_with("_key");
    let keys = if root.list("/etc/ssh")?.iter().any(is_key) {
        "host keys present"
    } else if root.first_of(KEY_MAKERS)?.is_some() {
        "host keys made at the first start"
    } else {
        return Ok(Some(Finding::risk("Installed, no host keys", codes::SSHD_NO_HOST_KEYS)));
    };
    let permit = permit_root_login(root)?;
    Ok(Some(Finding::fine(format!("Installed, {keys}, PermitRootLogin {permit}"))))
}

/// The first one that is written holds, and distributions read the directory before the rest of the
/// file.
fn permit_root_login(root: &dyn Root) -> Result<String> {
    let mut texts = root.texts("/etc/ssh/sshd_config.d", ".conf")?;
    texts.extend(root.text("/etc/ssh/sshd_config")?);
    // What stands behind a `Match` holds for some connections only.
    let in_force = texts.iter().flat_map(|text| {
        text.lines().take_while(|line| !line.trim_start().to_ascii_lowercase().starts_with("match"))
    });
    let mut written = in_force.filter_map(|line| {
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        let is_it = words.next()?.eq_ignore_ascii_case("PermitRootLogin");
        is_it.then(|| words.next().map(str::to_owned)).flatten()
    });
    // The server's own default since version 7.0.
    Ok(written.next().unwrap_or_else(|| "prohibit-password".to_owned()))
}

const GROWERS: &[&str] = &[
    "/usr/bin/growpart",
    "/usr/share/initramfs-tools/hooks/growroot",
    "/usr/share/initramfs-tools/scripts/local-bottom/growroot",
    "/usr/lib/dracut/modules.d/50growroot",
    "/usr/lib/repart.d",
    "/etc/repart.d",
];

/// Whether a larger system disk is used.
pub(crate) fn online_resize(root: &dyn Root) -> Result<Option<Finding>> {
    Ok(Some(match root.first_of(GROWERS)? {
        Some(_) => Finding::fine("Supported"),
        None => Finding::risk("Not Supported", codes::RESIZE_NOT_INSTALLED),
    }))
}

/// What SELinux will do.
pub(crate) fn selinux(root: &dyn Root) -> Result<Option<Finding>> {
    let mode = root.text("/etc/selinux/config")?.and_then(|text| assigned(&text, "SELINUX"));
    Ok(Some(match mode.as_deref() {
        Some("enforcing") if root.exists("/.autorelabel")? => Finding::fine("Enforcing, relabels"),
        Some("enforcing") => Finding::risk("Enforcing", codes::SELINUX_ENFORCING),
        Some("permissive") => Finding::fine("Permissive"),
        Some(_) => Finding::fine("Disabled"),
        None => Finding::fine("Not Installed"),
    }))
}

/// The cloud's own agent, which nobody needs here.
pub(crate) fn security_agent(root: &dyn Root) -> Result<Option<Finding>> {
    let is_there = root.exists("/usr/local/aegis")?;
    Ok(Some(Finding::fine(if is_there { "Installed" } else { "Not Installed" })))
}
