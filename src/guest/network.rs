//! Whether the guest asks its network for an address, by whichever manager it has.
//!
//! The configurations are not interpreted, only searched for the words that say it. A guest with
//! several managers is taken by its word in all of them: which one runs is not told from files.

use crate::codes;
use crate::item::Finding;
use crate::source::Result;
use crate::system::assigned;
use crate::view::Root;

/// What one manager's files say.
#[derive(Default)]
struct Said {
    by: &'static str,
    dhcp: bool,
    fixed: bool,
}

/// All managers.
pub(crate) fn dhcp(root: &dyn Root) -> Result<Option<Finding>> {
    let said = [netplan(root)?, networkd(root)?, network_manager(root)?, ifupdown(root)?, ifcfg(root)?];
    let names = |which: fn(&Said) -> bool| -> String {
        said.iter().filter(|said| which(said)).map(|said| said.by).collect::<Vec<_>>().join(", ")
    };
    if said.iter().any(|said| said.fixed) {
        let value = format!("static address by {}", names(|said| said.fixed));
        return Ok(Some(Finding::risk(value, codes::DHCP_STATIC_ADDRESS)));
    }
    if said.iter().any(|said| said.dhcp) {
        return Ok(Some(Finding::fine(format!("DHCP by {}", names(|said| said.dhcp)))));
    }
    // Both ask for an address on every interface unless they are told otherwise.
    let by_default = [("/usr/bin/cloud-init", "cloud-init"), ("/usr/sbin/NetworkManager", "NetworkManager")];
    for (program, name) in by_default {
        if root.exists(program)? {
            return Ok(Some(Finding::fine(format!("DHCP by {name}"))));
        }
    }
    Ok(Some(Finding::risk("Not Found", codes::DHCP_NOT_CONFIGURED)))
}

/// Lines without comments and space around them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap_or(line).trim()).filter(|line| !line.is_empty())
}

fn is_yes(word: &str) -> bool {
    matches!(
        word.trim_matches(['"', '\'']).to_ascii_lowercase().as_str(),
        "yes" | "true" | "on" | "1" | "ipv4"
    )
}

fn netplan(root: &dyn Root) -> Result<Said> {
    let mut said = Said { by: "netplan", ..Said::default() };
    for text in root.texts("/etc/netplan", ".yaml")? {
        let dhcp =
            lines(&text).any(|line| line.strip_prefix("dhcp4:").is_some_and(|word| is_yes(word.trim())));
        // Those of name servers stand under the same word, so the word alone says nothing where
        // there is DHCP.
        said.fixed |= !dhcp && lines(&text).any(|line| line.starts_with("addresses:"));
        said.dhcp |= dhcp;
    }
    Ok(said)
}

fn networkd(root: &dyn Root) -> Result<Said> {
    let mut said = Said { by: "systemd-networkd", ..Said::default() };
    for text in root.texts("/etc/systemd/network", ".network")? {
        said.dhcp |= assigned(&text, "DHCP").is_some_and(|word| is_yes(&word));
        said.fixed |= assigned(&text, "Address").is_some();
    }
    Ok(said)
}

fn network_manager(root: &dyn Root) -> Result<Said> {
    let mut said = Said { by: "NetworkManager", ..Said::default() };
    for text in root.texts("/etc/NetworkManager/system-connections", "")? {
        // Of the methods in it, the one of IPv4.
        let section = text.split("[ipv4]").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap_or("");
        match assigned(section, "method").as_deref() {
            Some("auto") => said.dhcp = true,
            Some("manual") => said.fixed = true,
            _ => {}
        }
    }
    Ok(said)
}

fn ifupdown(root: &dyn Root) -> Result<Said> {
    let mut said = Said { by: "ifupdown", ..Said::default() };
    let mut texts = root.texts("/etc/network/interfaces.d", "")?;
    texts.extend(root.text("/etc/network/interfaces")?);
    for text in texts {
        for line in lines(&text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["iface", name, "inet", method, ..] = words[..] {
                said.dhcp |= method == "dhcp";
                said.fixed |= method == "static" && name != "lo";
            }
        }
    }
    Ok(said)
}

fn ifcfg(root: &dyn Root) -> Result<Said> {
    let mut said = Said { by: "ifcfg", ..Said::default() };
    for directory in ["/etc/sysconfig/network-scripts", "/etc/sysconfig/network"] {
        for name in root.list(directory)? {
            if !name.starts_with("ifcfg-") || matches!(&*name, "ifcfg-lo" | "ifcfg-template") {
                continue;
            }
            let text = root.text(&format!("{directory}/{name}"))?.unwrap_or_default();
            let method = assigned(&text, "BOOTPROTO").unwrap_or_default().to_ascii_lowercase();
            let is_dhcp = method.starts_with("dhcp");
            said.dhcp |= is_dhcp;
            said.fixed |= !is_dhcp && assigned(&text, "IPADDR").is_some();
        }
    }
    Ok(said)
}
