//! What may be asked about what machines stand in: VPCs, vSwitches, security groups, addresses and key pairs.

use domain::RegionId;
use domain::network::{Direction, Is, Kind, Permission};
use serde::{Deserialize, Serialize};

use crate::request_image::Page;
use crate::request_things::Called;

/// Everything that may be asked about them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkRequest {
    /// Starts to create one; its id is what the operation yields.
    Create {
        /// Its name, description and tags.
        called: Called,
        /// Where it will be; the default region if none is given, or that of its VPC.
        region: Option<RegionId>,
        /// The resource group it is put in; that of everything if none is given.
        group: Option<String>,
        /// What it will be.
        is: Is,
    },
    /// Starts to create a key pair: of a public key, or, where none is given, of a key made for it, which the answer
    /// tells once and nobody keeps.
    CreateKeyPair {
        /// Its name and tags.
        called: Called,
        /// Where it will be; the default region if none is given.
        region: Option<RegionId>,
        /// The resource group it is put in; that of everything if none is given.
        group: Option<String>,
        /// The public key, as OpenSSH writes it.
        public_key: Option<String>,
    },
    /// Those of a kind.
    List(ItemQuery),
    /// Starts to change one.
    Modify {
        /// Its id.
        item: String,
        /// Its name.
        name: Option<String>,
        /// Its description.
        description: Option<String>,
        /// Whether the machines of a security group may not speak with each other.
        isolated: Option<bool>,
    },
    /// Starts to change the rules of a security group.
    Rules {
        /// Its id.
        item: String,
        /// Where it is, if that is said.
        #[serde(default)]
        region: Option<RegionId>,
        /// The way the rules look.
        direction: Direction,
        /// Rules that are added.
        add: Vec<Permission>,
        /// Rules that are taken off.
        remove: Vec<Permission>,
        /// Ids of rules that are taken off.
        remove_ids: Vec<String>,
    },
    /// Resource groups.
    GroupList(GroupQuery),
    /// Starts to create a resource group; its id is what the operation yields.
    GroupCreate {
        /// Its name.
        name: String,
        /// What people call it.
        display_name: String,
    },
    /// Starts to put something in a resource group.
    GroupJoin {
        /// Its id.
        resource: String,
        /// The group's.
        group: String,
    },
    /// Starts to delete some: all, or none of them.
    Delete {
        /// Their ids, of one region.
        items: Vec<String>,
        /// That region, if it is said.
        #[serde(default)]
        region: Option<RegionId>,
    },
}

/// Which items; what is not said is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemQuery {
    /// Their kind.
    pub kind: Kind,
    /// The region; all if none is given.
    pub region: Option<RegionId>,
    /// Those of these ids, at most 100.
    pub ids: Option<Vec<String>>,
    /// Those of these names; `*` stands for anything.
    pub names: Option<Vec<String>>,
    /// Those in this VPC.
    pub vpc: Option<String>,
    /// Security groups in a VPC, or those in none.
    #[serde(default)]
    pub in_vpc: Option<bool>,
    /// Security groups of the kind for enterprises, or the others.
    #[serde(default)]
    pub enterprise: Option<bool>,
    /// Those in this zone.
    pub zone: Option<String>,
    /// The elastic address of this address, or the key pair of this fingerprint.
    pub mark: Option<String>,
    /// Those in this resource group.
    pub group: Option<String>,
    /// Those with all these tags; without a value, with the key.
    pub tags: Vec<(String, Option<String>)>,
    /// Which page; all of them if it is not said.
    pub page: Option<Page>,
}

impl ItemQuery {
    /// All of a kind.
    pub fn of(kind: Kind) -> Self {
        let (region, ids, names, vpc, zone, mark, group) = (None, None, None, None, None, None, None);
        let (in_vpc, enterprise, tags, page) = (None, None, Vec::new(), None);
        Self { kind, region, ids, names, vpc, in_vpc, enterprise, zone, mark, group, tags, page }
    }
}

/// Which resource groups; what is not said is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupQuery {
    /// The one of this id.
    pub id: Option<String>,
    /// The one of this name.
    pub name: Option<String>,
    /// Which page; all of them if it is not said.
    pub page: Option<Page>,
}
