//! The newest kernel, and whether it has the drivers of an instance.
//!
//! A driver may be missing from the initial RAM disk all the same; that archive is not opened.

use std::cmp::Ordering;

use crate::codes;
use crate::item::Finding;
use crate::source::Result;
use crate::view::Root;

/// Bytes of a list of modules that are read; a distribution's is below 1 MiB.
const MODULES_BYTES_MAX: usize = 8 << 20;

/// The newest version among the modules and the kernels.
pub(crate) fn newest(root: &dyn Root) -> Result<Option<String>> {
    let mut versions = root.list("/lib/modules")?;
    let kernels = root.list("/boot")?;
    versions.extend(kernels.iter().filter_map(|name| name.strip_prefix("vmlinuz-")).map(str::to_owned));
    // Rescue kernels are named by the machine; other things lie beside modules.
    versions
        .retain(|version| version.starts_with(|first: char| first.is_ascii_digit()) && version.contains('.'));
    Ok(versions.into_iter().max_by(|one, other| compare(one, other)))
}

/// Orders versions as people do: runs of digits by their number, the rest as text, and a release
/// candidate before its release.
fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    while !(one.is_empty() && other.is_empty()) {
        let (number, other_number) = (digits(one), digits(other));
        let (left, right) = (number.trim_start_matches('0'), other_number.trim_start_matches('0'));
        let by_number = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
        (one, other) = (&one[number.len()..], &other[other_number.len()..]);
        let (text, other_text) = (letters(one), letters(other));
        let is_release = |text: &str| !text.starts_with("-rc");
        let by_text = is_release(text).cmp(&is_release(other_text)).then_with(|| text.cmp(other_text));
        (one, other) = (&one[text.len()..], &other[other_text.len()..]);
        let order = by_number.then(by_text);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn digits(text: &str) -> &str {
    &text[..text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len())]
}

fn letters(text: &str) -> &str {
    &text[..text.find(|char: char| char.is_ascii_digit()).unwrap_or(text.len())]
}

/// The version.
pub(crate) fn version(root: &dyn Root) -> Result<Option<Finding>> {
    Ok(Some(match newest(root)? {
        Some(version) => Finding::fine(version),
        None => Finding::risk("Not Found", codes::KERNEL_NOT_FOUND),
    }))
}

/// The drivers of disk and network.
pub(crate) fn virtio(root: &dyn Root) -> Result<Option<Finding>> {
    let Some(drivers) = Drivers::of_newest(root)? else { return Ok(None) };
    let missing: Vec<&str> =
        ["virtio_blk", "virtio_net"].into_iter().filter(|driver| !drivers.have(driver)).collect();
    Ok(Some(if missing.is_empty() {
        Finding::fine("Supported")
    } else {
        Finding::risk(format!("Not Supported: {}", missing.join(", ")), codes::VIRTIO_NOT_INSTALLED)
    }))
}

/// The driver of NVMe disks.
pub(crate) fn nvme(root: &dyn Root) -> Result<Option<Finding>> {
    let Some(drivers) = Drivers::of_newest(root)? else { return Ok(None) };
    Ok(Some(if drivers.have("nvme") {
        Finding::fine("Supported")
    } else {
        Finding::risk("Not Supported", codes::NVME_NOT_INSTALLED)
    }))
}

/// What is known of the newest kernel's drivers.
struct Drivers {
    /// Lists of modules, built in or not: a path a line, at times with what it needs behind a colon.
    lists: Vec<String>,
    /// What it was built with: `CONFIG_VIRTIO_BLK=y`.
    config: Option<String>,
}

impl Drivers {
    /// Nothing if there is no kernel, or if it does not say.
    fn of_newest(root: &dyn Root) -> Result<Option<Self>> {
        let Some(version) = newest(root)? else { return Ok(None) };
        let mut lists = Vec::new();
        // The order in which modules were built is there even where `depmod` never ran.
        for name in ["modules.builtin", "modules.dep", "modules.order"] {
            let list = root.read(&format!("/lib/modules/{version}/{name}"), MODULES_BYTES_MAX)?;
            lists.extend(list.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        }
        let mut config = None;
        for path in [format!("/boot/config-{version}"), format!("/lib/modules/{version}/config")] {
            config = config.or(root.read(&path, MODULES_BYTES_MAX)?);
        }
        let config = config.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok((!lists.is_empty() || config.is_some()).then_some(Self { lists, config }))
    }

    fn have(&self, driver: &str) -> bool {
        let is_module = |line: &str| {
            let path = line.split(':').next().unwrap_or(line).trim();
            let file = path.rsplit('/').next().unwrap_or(path);
            file.split_once(".ko").is_some_and(|(stem, _)| stem.replace('-', "_") == driver)
        };
        if self.lists.iter().any(|list| list.lines().any(is_module)) {
            return true;
        }
        // A kernel without modules has only its configuration to tell.
        let option = match driver {
            "nvme" => "CONFIG_BLK_DEV_NVME=y".to_owned(),
            driver => format!("CONFIG_{}=y", driver.to_ascii_uppercase()),
        };
        self.config.as_ref().is_some_and(|config| config.lines().any(|line| line.trim() == option))
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::compare;

    #[test]
    fn versions_are_ordered_by_number_and_not_by_letter() {
        let ascending = [
            "4.19.0-27-amd64",
            "5.9.0-1-amd64",
            "5.10.0-9-amd64",
            "5.10.0-28-amd64",
            "6.1.0-rc1",
            "6.1.0",
            "6.1.0-18-amd64",
            "6.1.0-18-cloud-amd64",
            "10.0.0",
        ];
        for (place, one) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                assert_eq!(compare(one, other), place.cmp(&other_place), "{one} and {other}");
            }
        }
        assert_eq!(compare("", ""), Ordering::Equal);
    }
}
