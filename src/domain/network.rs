//! What a machine stands in: VPCs, vSwitches, security groups and their rules, elastic addresses and key pairs.
//!
//! They are records and no more: nothing here carries a packet. Tools make them on the way to an image and take
//! them down afterwards, and a compute driver reads them when it starts a machine. One row serves all kinds, each
//! with what is its own in [`Is`]; an item's id tells its kind by what it begins with.
//!
//! A private key is never here: an item of a key pair holds the public one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use event::{Refusal, Seq, Table, text_id};
use serde::{Deserialize, Serialize};

use crate::{AccountId, RegionId};

text_id! {
    /// A VPC, a vSwitch, a security group, an address or a key pair: `vpc-`, `vsw-`, `sg-`, `eip-` or `ssh-` and 20
    /// lower-case letters and digits.
    ItemId
}

/// Which of them an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A private network.
    Vpc,
    /// A part of one in a zone.
    VSwitch,
    /// Who may speak with whom.
    SecurityGroup,
    /// A public address.
    Address,
    /// A key to log in with.
    KeyPair,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Vpc, Self::VSwitch, Self::SecurityGroup, Self::Address, Self::KeyPair];

    /// What people call one.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vpc => "VPC",
            Self::VSwitch => "vSwitch",
            Self::SecurityGroup => "security group",
            Self::Address => "elastic address",
            Self::KeyPair => "key pair",
        }
    }

    /// What ids begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Vpc => "vpc",
            Self::VSwitch => "vsw",
            Self::SecurityGroup => "sg",
            Self::Address => "eip",
            Self::KeyPair => "ssh",
        }
    }

    /// What an id is of.
    pub fn of(id: &str) -> Option<Self> {
        let (prefix, _) = id.split_once('-')?;
        Self::ALL.into_iter().find(|kind| kind.prefix() == prefix)
    }
}

/// What is a kind's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Is {
    /// A VPC.
    Vpc {
        /// Its addresses: `192.168.0.0/16`.
        cidr: String,
    },
    /// A vSwitch.
    VSwitch {
        /// The VPC it is a part of.
        vpc: ItemId,
        /// Its zone.
        zone: String,
        /// Its addresses, a part of the VPC's.
        cidr: String,
    },
    /// A security group.
    SecurityGroup {
        /// The VPC it is in; none for one outside of all.
        vpc: Option<ItemId>,
        /// Whether it is an enterprise one, whose machines do not see each other.
        enterprise: bool,
        /// Whether machines in it may not speak with each other.
        isolated: bool,
        /// Who may speak with its machines, and with whom they may.
        rules: Vec<Rule>,
    },
    /// An elastic address.
    Address {
        /// The address.
        address: String,
        /// Mbit/s.
        bandwidth: u32,
        /// Whether traffic is paid for and not bandwidth.
        by_traffic: bool,
    },
    /// A key pair.
    KeyPair {
        /// MD5 of the public key, in pairs of digits with colons between them.
        fingerprint: String,
        /// The public key, as OpenSSH writes it.
        public_key: String,
    },
}

impl Is {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Vpc { .. } => Kind::Vpc,
            Self::VSwitch { .. } => Kind::VSwitch,
            Self::SecurityGroup { .. } => Kind::SecurityGroup,
            Self::Address { .. } => Kind::Address,
            Self::KeyPair { .. } => Kind::KeyPair,
        }
    }

    /// The VPC it is in.
    pub fn vpc(&self) -> Option<&ItemId> {
        match self {
            Self::VSwitch { vpc, .. } => Some(vpc),
            Self::SecurityGroup { vpc, .. } => vpc.as_ref(),
            _ => None,
        }
    }
}

/// Which way a rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// What comes in.
    Ingress,
    /// What goes out.
    Egress,
}

impl Direction {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// What a rule says, in the words of the API; empty is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permission {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `gre` or `all`.
    pub protocol: String,
    /// `22/22`; `-1/-1` where there are no ports.
    pub ports: String,
    /// Ports on the side of who sends.
    pub source_ports: String,
    /// Addresses of who sends.
    pub source_cidr: String,
    /// The same of version 6.
    pub source_cidr6: String,
    /// Addresses of who receives.
    pub dest_cidr: String,
    /// The same of version 6.
    pub dest_cidr6: String,
    /// The security group of whoever is on the other side.
    pub group: String,
    /// `accept` or `drop`.
    pub policy: String,
    /// 1, which goes first, to 100.
    pub priority: u32,
    /// `intranet` or `internet`.
    pub nic_type: String,
    /// What it is for.
    pub description: String,
}

/// A rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id: `sgr-` and 20 lower-case letters and digits.
    pub id: String,
    /// Which way it looks.
    pub direction: Direction,
    /// What it says.
    pub says: Permission,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_ms: i64,
}

impl Rule {
    /// Whether two say the same, whatever they are called.
    pub fn is_like(&self, direction: Direction, says: &Permission) -> bool {
        let own = Permission { description: says.description.clone(), ..self.says.clone() };
        self.direction == direction && own == *says
    }
}

/// An item as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// Its name; empty for none.
    pub name: String,
    /// Its description; empty for none.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Its place in the order of creation.
    pub born: Seq,
    /// What is its kind's own.
    pub is: Is,
}

/// Items by account, region, kind and id.
pub const ITEMS: Table<Item> = Table::new("network");

/// What an id's row is kept under.
pub(crate) fn key(id: &ItemId) -> [&str; 2] {
    [Kind::of(id.as_str()).map_or("none", Kind::prefix), id.as_str()]
}

/// The zones of a region: two, so that what wants to be apart can be. Machines of both stand in one place.
pub fn zones(region: &RegionId) -> [String; 2] {
    [format!("{region}-a"), format!("{region}-b")]
}

/// A range of addresses: the first, and how many bits all have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    first: u32,
    bits: u32,
}

impl Cidr {
    /// Reads `192.168.0.0/16`. The bits behind those that are common are zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let plain = !bits.is_empty() && bits.len() <= 2 && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u32 = bits.parse().ok().filter(|bits| plain && *bits <= 32)?;
        let first = address.parse::<Ipv4Addr>().ok()?.to_bits();
        let cidr = Self { first, bits };
        (first & !cidr.mask() == 0).then_some(cidr)
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - self.bits).unwrap_or(0)
    }

    /// How many bits all have in common.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// How many addresses there are.
    pub fn addresses(self) -> u64 {
        1 << (32 - self.bits)
    }

    /// Whether all of another are of this one.
    pub fn holds(self, other: Self) -> bool {
        self.bits <= other.bits && other.first & self.mask() == self.first
    }

    /// Whether there is an address of both.
    pub fn meets(self, other: Self) -> bool {
        self.holds(other) || other.holds(self)
    }
}

/// Reads the addresses of a rule: one, or a range, with or without bits behind it.
fn is_addresses<A: std::str::FromStr>(text: &str, bits_max: u32) -> bool {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let fits = |bits: &str| bits.parse::<u32>().is_ok_and(|bits| bits <= bits_max);
    address.parse::<A>().is_ok() && bits.is_none_or(fits)
}

/// Ports of TCP and UDP.
const PORTS: std::ops::RangeInclusive<u32> = 1..=65_535;
/// What stands for all ports, and for none.
const NO_PORTS: &str = "-1/-1";
/// The priorities a rule may have, as the API documents.
const PRIORITIES: std::ops::RangeInclusive<u32> = 1..=100;
/// Characters of a rule's description, as the API documents.
const RULE_DESCRIPTION_MAX: usize = 512;

impl Permission {
    /// The permission as it is kept, or why it is none.
    pub fn checked(mut self, direction: Direction) -> Result<Self, Refusal> {
        self.protocol.make_ascii_lowercase();
        self.policy.make_ascii_lowercase();
        self.nic_type.make_ascii_lowercase();
        let no = |code: &str, what: &str, said: &str, advice: &str| {
            let why = format!("`{}` is no {what} of a rule", said.escape_debug());
            Err(Refusal::new(code, why).advise(advice))
        };
        if self.policy.is_empty() {
            "accept".clone_into(&mut self.policy);
        }
        if self.nic_type.is_empty() {
            "intranet".clone_into(&mut self.nic_type);
        }
        if !["accept", "drop"].contains(&self.policy.as_str()) {
            return no("InvalidPolicy.Malformed", "policy", &self.policy, "use `accept` or `drop`");
        }
        if !["intranet", "internet"].contains(&self.nic_type.as_str()) {
            let advice = "use `intranet` or `internet`";
            return no("InvalidNicType.ValueNotSupported", "kind of network card", &self.nic_type, advice);
        }
        if !PRIORITIES.contains(&self.priority) {
            let advice = "use 1, which goes first, to 100";
            return no("InvalidPriority.ValueNotSupported", "priority", &self.priority.to_string(), advice);
        }
        let protocols = ["tcp", "udp", "icmp", "icmpv6", "gre", "all"];
        if !protocols.contains(&self.protocol.as_str()) {
            let advice = "use `tcp`, `udp`, `icmp`, `gre` or `all`";
            return no("InvalidIpProtocol.ValueNotSupported", "protocol", &self.protocol, advice);
        }
        let with_ports = ["tcp", "udp"].contains(&self.protocol.as_str());
        if !is_ports(&self.ports, with_ports)
            || !self.source_ports.is_empty() && !is_ports(&self.source_ports, with_ports)
        {
            let advice = "TCP and UDP have ports like `22/22`, the others `-1/-1`";
            return no("InvalidPortRange.Malformed", "range of ports", &self.ports, advice);
        }
        if self.description.chars().count() > RULE_DESCRIPTION_MAX {
            let why = "the description of a rule is too long";
            return Err(Refusal::new("InvalidSecurityGroupRuleDescription.Malformed", why)
                .advise("it has up to 512 characters"));
        }
        self.check_sides(direction)?;
        Ok(self)
    }

    /// Checks who is on either side.
    fn check_sides(&self, direction: Direction) -> Result<(), Refusal> {
        let sides = [
            ("InvalidSourceCidrIp.Malformed", &self.source_cidr, &self.source_cidr6),
            ("InvalidDestCidrIp.Malformed", &self.dest_cidr, &self.dest_cidr6),
        ];
        for (code, four, six) in sides {
            let fits = (four.is_empty() || is_addresses::<Ipv4Addr>(four, 32))
                && (six.is_empty() || is_addresses::<std::net::Ipv6Addr>(six, 128));
            if !fits {
                let wrong = format!("{four}{six}");
                let why = format!("`{}` is no range of addresses", wrong.escape_debug());
                return Err(Refusal::new(code, why).advise("it looks like `10.0.0.0/8`"));
            }
        }
        let (four, six, code, side) = match direction {
            Direction::Ingress => (&self.source_cidr, &self.source_cidr6, "MissingParameter.Source", "from"),
            Direction::Egress => (&self.dest_cidr, &self.dest_cidr6, "MissingParameter.Dest", "to"),
        };
        if [four, six, &self.group].iter().all(|said| said.is_empty()) {
            let why = format!("nobody is named that the rule lets through or holds up {side}");
            return Err(Refusal::new(code, why).advise("name addresses or a security group"));
        }
        Ok(())
    }
}

fn is_ports(text: &str, with_ports: bool) -> bool {
    let ends = || {
        let (from, to) = text.split_once('/')?;
        let port = |text: &str| text.parse::<u32>().ok().filter(|port| PORTS.contains(port));
        Some(port(from)? <= port(to)?)
    };
    // All ports of one protocol are written so as well.
    text == NO_PORTS || with_ports && ends() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_addresses_hold_and_meet_each_other() {
        let cidr = |text: &str| Cidr::parse(text).unwrap();
        assert!(cidr("10.0.0.0/8").holds(cidr("10.1.0.0/16")));
        assert!(!cidr("10.1.0.0/16").holds(cidr("10.0.0.0/8")));
        assert!(cidr("10.1.0.0/16").meets(cidr("10.0.0.0/8")));
        assert!(!cidr("10.1.0.0/16").meets(cidr("10.2.0.0/16")));
        assert!(cidr("0.0.0.0/0").holds(cidr("255.255.255.255/32")));
        assert_eq!((cidr("192.168.0.0/24").addresses(), cidr("0.0.0.0/0").addresses()), (256, 1 << 32));
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/24",
            "10.0.0/8",
            "10.0.0.0/+8",
            "a/8",
            "::/0",
        ] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_tells_what_it_is_of() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of(&format!("{}-1", kind.prefix())), Some(kind));
        }
        assert_eq!(Kind::of("m-1"), None);
        assert_eq!(Kind::of("vpc"), None);
    }
}
