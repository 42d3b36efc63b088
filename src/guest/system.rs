//! Which system it is: platform, version, architecture, and how it reads the hardware clock.

use crate::item::Finding;
use crate::source::{Result, u16_at};
use crate::view::Root;

/// `ID` in `os-release`, and the platform as the ECS API names it.
const PLATFORMS: &[(&str, &str)] = &[
    ("alinux", "Aliyun"),
    ("almalinux", "AlmaLinux"),
    ("anolis", "Anolis"),
    ("coreos", "CoreOS"),
    ("debian", "Debian"),
    ("fedora", "Fedora"),
    ("gentoo", "Gentoo"),
    ("kylin", "Kylin"),
    ("opensuse", "OpenSUSE"),
    ("opensuse-leap", "OpenSUSE"),
    ("opensuse-tumbleweed", "OpenSUSE"),
    ("rhel", "Red Hat"),
    ("rocky", "Rocky Linux"),
    ("sled", "SUSE"),
    ("sles", "SUSE"),
    ("ubuntu", "Ubuntu"),
    ("uos", "UOS"),
];

/// The value of a variable in a file of assignments as a shell would read it, quotes taken off.
pub(crate) fn assigned(text: &str, name: &str) -> Option<String> {
    let of_line = |line: &str| {
        let value = line.trim().strip_prefix(name)?.strip_prefix('=')?.trim();
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
        let inner = quote.and_then(|quote| value.strip_prefix(quote)?.split(quote).next());
        Some(inner.unwrap_or(value).to_owned())
    };
    // The last one holds, as in a shell.
    text.lines().filter_map(of_line).next_back().filter(|value| !value.is_empty())
}

fn os_release(root: &dyn Root) -> Result<String> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(text) = root.text(path)? {
            return Ok(text);
        }
    }
    Ok(String::new())
}

/// The distribution.
pub(crate) fn platform(root: &dyn Root) -> Result<Option<Finding>> {
    let text = os_release(root)?;
    let id = assigned(&text, "ID").unwrap_or_default().to_ascii_lowercase();
    let is_stream = assigned(&text, "NAME").is_some_and(|name| name.contains("Stream"));
    let platform = match &*id {
        "centos" if is_stream => "CentOS Stream",
        "centos" => "CentOS",
        _ => PLATFORMS.iter().find(|(known, _)| *known == id).map_or("Others Linux", |(_, name)| name),
    };
    Ok(Some(Finding::fine(platform)))
}

/// Its version, in its own words.
pub(crate) fn os_version(root: &dyn Root) -> Result<Option<Finding>> {
    let text = os_release(root)?;
    let named = || Some(format!("{} {}", assigned(&text, "NAME")?, assigned(&text, "VERSION")?));
    if let Some(version) = assigned(&text, "PRETTY_NAME").or_else(named) {
        return Ok(Some(Finding::fine(version)));
    }
    // Systems from before there was an `os-release`.
    if let Some(text) = root.text("/etc/redhat-release")? {
        return Ok(text.lines().next().map(Finding::fine));
    }
    let debian = root.text("/etc/debian_version")?;
    Ok(debian.map(|text| Finding::fine(format!("Debian {}", text.trim()))))
}

/// Programs every system has one of.
const PROGRAMS: &[&str] =
    &["/bin/sh", "/usr/bin/bash", "/bin/bash", "/sbin/init", "/usr/lib/systemd/systemd", "/bin/busybox"];
/// An ELF header up to the machine it is for.
const ELF_BYTES: usize = 20;

/// The machine its programs are for.
pub(crate) fn architecture(root: &dyn Root) -> Result<Option<Finding>> {
    for program in PROGRAMS {
        let header = root.read(program, ELF_BYTES)?.unwrap_or_default();
        if header.len() < ELF_BYTES || !header.starts_with(b"\x7fELF") {
            continue;
        }
        let machine = match u16_at(&header, 18) {
            3 => "i386",
            62 => "x86_64",
            183 => "arm64",
            243 => "riscv64",
            _ => "Unknown",
        };
        return Ok(Some(Finding::fine(machine)));
    }
    Ok(None)
}

/// Whether the hardware clock is taken for UTC; a system that does not say takes it so.
pub(crate) fn rtc_time_mode(root: &dyn Root) -> Result<Option<Finding>> {
    let text = root.text("/etc/adjtime")?.unwrap_or_default();
    let is_local = text.lines().nth(2).is_some_and(|line| line.trim() == "LOCAL");
    Ok(Some(Finding::fine(if is_local { "LOCAL" } else { "UTC" })))
}
