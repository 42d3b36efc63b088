//! The state of the disk: for every file and directory what programs see now, what is durable, and
//! what lies between.
//!
//! | truth | changed by | after a power cut |
//! |---|---|---|
//! | `now` | every call | becomes what survived |
//! | `durable` | `sync`, `sync_dir` | there |
//! | `pending`, `changes` | every call; emptied by syncs | each kept, lost or torn, by the seed |
//!
//! Paths and power live in `files`; here everything is an inode and already allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use crate::chance::{Chance, Fate, Loss};
use crate::content::Content;
use crate::faults::Faults;
use crate::names::{self, Change};

/// The number of a file or directory; never used twice.
pub(crate) type Ino = u64;

/// The root directory.
pub(crate) const ROOT: Ino = 1;
/// What a disk writes at once or not at all.
const SECTOR_BYTES: u64 = 512;
/// Where the logical clock begins: a day in 2020, so that times look like times.
const EPOCH_NS: i64 = 1_577_836_800_000_000_000;
/// What every change moves the clock on by.
const TICK_NS: i64 = 1_000_000;
/// Enough for every test that does not ask for less.
const CAPACITY_BYTES: u64 = 1 << 40;

#[derive(Clone, Debug)]
pub(crate) enum Pending {
    Write { offset: u64, bytes: Arc<[u8]> },
    SetLen { old: u64, new: u64 },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct FileNode {
    pub(crate) now: Content,
    pub(crate) durable: Content,
    pending: Vec<Pending>,
    /// Names it has now.
    links: u32,
    /// Handles open on it.
    pub(crate) handles: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct DirNode {
    pub(crate) parent: Ino,
    pub(crate) now: BTreeMap<String, Ino>,
    durable: BTreeMap<String, Ino>,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    nodes: BTreeMap<Ino, Node>,
    changes: Vec<Change>,
    next_ino: Ino,
    clock_ns: i64,
    pub(crate) used_bytes: u64,
    pub(crate) capacity_bytes: u64,
    pub(crate) read_only: bool,
    pub(crate) powered: bool,
    /// How often the power came back; handles of an earlier generation are dead.
    pub(crate) generation: u64,
    pub(crate) loss: Loss,
    pub(crate) chance: Chance,
    pub(crate) faults: Faults,
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        let root = DirNode { parent: ROOT, now: BTreeMap::new(), durable: BTreeMap::new() };
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Dir(root))]),
            changes: Vec::new(),
            next_ino: ROOT + 1,
            clock_ns: EPOCH_NS,
            used_bytes: 0,
            capacity_bytes: CAPACITY_BYTES,
            read_only: false,
            powered: true,
            generation: 0,
            loss: Loss::default(),
            chance: Chance::new(seed),
            faults: Faults::default(),
        }
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        self.capacity_bytes.saturating_sub(self.used_bytes)
    }

    pub(crate) fn node(&self, ino: Ino) -> &Node {
        self.nodes.get(&ino).expect("a node stays while a name or a handle leads to it")
    }

    pub(crate) fn file(&self, ino: Ino) -> Option<&FileNode> {
        match self.nodes.get(&ino) {
            Some(Node::File(file)) => Some(file),
            _ => None,
        }
    }

    pub(crate) fn file_mut(&mut self, ino: Ino) -> &mut FileNode {
        match self.nodes.get_mut(&ino) {
            Some(Node::File(file)) => file,
            _ => unreachable!("inode {ino} is an open file"),
        }
    }

    pub(crate) fn dir(&self, ino: Ino) -> Option<&DirNode> {
        match self.nodes.get(&ino) {
            Some(Node::Dir(dir)) => Some(dir),
            _ => None,
        }
    }

    fn dir_mut(&mut self, ino: Ino) -> &mut DirNode {
        match self.nodes.get_mut(&ino) {
            Some(Node::Dir(dir)) => dir,
            _ => unreachable!("inode {ino} is a directory"),
        }
    }

    fn tick(&mut self) -> i64 {
        self.clock_ns += TICK_NS;
        self.clock_ns
    }

    // Bytes.

    /// Writes what fits, and says how much that was.
    pub(crate) fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) -> usize {
        let (modified_ns, free_bytes) = (self.tick(), self.free_bytes());
        let file = self.file_mut(ino);
        let fitting = file.now.fitting(offset, bytes.len(), free_bytes);
        let before = file.now.allocated_bytes();
        let bytes = &bytes[..fitting];
        file.now.write(offset, bytes);
        file.now.modified_ns = modified_ns;
        file.pending.push(Pending::Write { offset, bytes: bytes.into() });
        let grown = file.now.allocated_bytes() - before;
        self.used_bytes += grown;
        fitting
    }

    /// Writes the sectors up to a random one.
    pub(crate) fn write_part(&mut self, ino: Ino, offset: u64, bytes: &[u8]) {
        let sectors = sectors(offset, bytes.len());
        let kept = self.chance.below(sectors.len() + 1);
        let end = sectors.get(kept).map_or(bytes.len(), |sector| sector.start);
        self.write(ino, offset, &bytes[..end]);
    }

    pub(crate) fn set_len(&mut self, ino: Ino, len: u64) {
        let modified_ns = self.tick();
        let file = self.file_mut(ino);
        let before = file.now.allocated_bytes();
        file.pending.push(Pending::SetLen { old: file.now.len(), new: len });
        file.now.set_len(len);
        file.now.modified_ns = modified_ns;
        let freed = before - file.now.allocated_bytes();
        self.used_bytes -= freed;
    }

    /// Says when a file was last changed; durable with its next sync.
    pub(crate) fn set_modified(&mut self, ino: Ino, modified_ns: i64) {
        self.file_mut(ino).now.modified_ns = modified_ns;
    }

    pub(crate) fn sync(&mut self, ino: Ino) {
        let file = self.file_mut(ino);
        for pending in std::mem::take(&mut file.pending) {
            match pending {
                Pending::Write { offset, bytes } => {
                    file.durable.take_range(&file.now, offset, bytes.len());
                }
                Pending::SetLen { old, new } => file.durable.take_tail(&file.now, old.min(new)),
            }
        }
        file.durable.take_shape(&file.now);
    }

    /// A sync that does not come to its end: some of the writes are durable, the others never will
    /// be, although programs still see them. So it is with a kernel that drops pages it could not
    /// write and reports that once.
    pub(crate) fn sync_part(&mut self, ino: Ino) {
        let (loss, mut chance) = (self.loss, self.chance.clone());
        self.file_mut(ino).settle_pending(loss, &mut chance);
        self.chance = chance;
    }

    // Names.

    pub(crate) fn add_file(&mut self, dir: Ino, name: &str) -> Ino {
        let modified_ns = self.tick();
        let mut file = FileNode::default();
        file.now.modified_ns = modified_ns;
        file.durable.modified_ns = modified_ns;
        let ino = self.insert(Node::File(file));
        self.add_name(dir, name, ino);
        ino
    }

    pub(crate) fn add_dir(&mut self, dir: Ino, name: &str) -> Ino {
        let node = DirNode { parent: dir, now: BTreeMap::new(), durable: BTreeMap::new() };
        let ino = self.insert(Node::Dir(node));
        self.add_name(dir, name, ino);
        ino
    }

    fn insert(&mut self, node: Node) -> Ino {
        let ino = self.next_ino;
        self.next_ino += 1;
        self.nodes.insert(ino, node);
        ino
    }

    pub(crate) fn add_name(&mut self, dir: Ino, name: &str, ino: Ino) {
        self.dir_mut(dir).now.insert(name.to_owned(), ino);
        self.link(ino);
        self.changes.push(Change::Add { key: (dir, name.to_owned()), ino });
    }

    pub(crate) fn remove_name(&mut self, dir: Ino, name: &str, ino: Ino) {
        self.dir_mut(dir).now.remove(name);
        let key = (dir, name.to_owned());
        self.changes.push(match self.node(ino) {
            Node::File(_) => Change::Remove { key },
            Node::Dir(_) => Change::RemoveDir { key, ino },
        });
        self.unlink(ino);
    }

    pub(crate) fn rename(&mut self, from: (Ino, String), to: (Ino, String), ino: Ino) {
        let mut ancestors = vec![to.0];
        while let Some(dir) = ancestors.last().and_then(|dir| self.dir(*dir)).filter(|dir| dir.parent != ROOT)
        {
            ancestors.push(dir.parent);
        }
        self.dir_mut(from.0).now.remove(&from.1);
        if let Some(replaced) = self.dir_mut(to.0).now.insert(to.1.clone(), ino) {
            self.unlink(replaced);
        }
        if let Some(Node::Dir(moved)) = self.nodes.get_mut(&ino) {
            moved.parent = to.0;
        }
        self.changes.push(Change::Rename { from, to, ino, ancestors });
    }

    fn link(&mut self, ino: Ino) {
        if let Some(Node::File(file)) = self.nodes.get_mut(&ino) {
            file.links += 1;
        }
    }

    fn unlink(&mut self, ino: Ino) {
        if let Some(Node::File(file)) = self.nodes.get_mut(&ino) {
            file.links -= 1;
        }
        self.release(ino);
    }

    /// Gives the space of a file back once neither a name nor a handle leads to it. What is
    /// durable of it stays: a power cut may bring its name back.
    pub(crate) fn release(&mut self, ino: Ino) {
        if let Some(Node::File(file)) = self.nodes.get_mut(&ino)
            && file.links == 0
            && file.handles == 0
        {
            self.used_bytes -= file.now.allocated_bytes();
            file.now = Content::default();
        }
    }

    pub(crate) fn sync_dir(&mut self, dir: Ino) {
        let count = self.changes.len();
        self.sync_dir_up_to(dir, count);
        self.sweep();
    }

    /// A sync of a directory that does not come to its end: a beginning of the changes is durable,
    /// the others still may be lost or not.
    pub(crate) fn sync_dir_part(&mut self, dir: Ino) {
        let count = self.chance.below(self.changes.len() + 1);
        self.sync_dir_up_to(dir, count);
    }

    fn sync_dir_up_to(&mut self, dir: Ino, count: usize) {
        let needed = names::needed_by_dir(&self.changes[..count], dir);
        let mut rest = Vec::new();
        for (index, change) in std::mem::take(&mut self.changes).into_iter().enumerate() {
            if needed.get(index) == Some(&true) {
                self.make_durable(change);
            } else {
                rest.push(change);
            }
        }
        self.changes = rest;
    }

    fn make_durable(&mut self, change: Change) {
        match change {
            Change::Add { key: (dir, name), ino } => _ = self.durable_names(dir).insert(name, ino),
            Change::Remove { key: (dir, name) } | Change::RemoveDir { key: (dir, name), .. } => {
                self.durable_names(dir).remove(&name);
            }
            Change::Rename { from, to, ino, .. } => {
                self.durable_names(from.0).remove(&from.1);
                self.durable_names(to.0).insert(to.1, ino);
            }
        }
    }

    fn durable_names(&mut self, dir: Ino) -> &mut BTreeMap<String, Ino> {
        &mut self.dir_mut(dir).durable
    }

    /// Forgets files that no name, handle or un-synced change can bring back.
    fn sweep(&mut self) {
        let dead = |node: &Node| matches!(node, Node::File(file) if file.links == 0 && file.handles == 0);
        if !self.nodes.values().any(dead) {
            return;
        }
        let mut named = BTreeSet::new();
        for node in self.nodes.values() {
            if let Node::Dir(dir) = node {
                named.extend(dir.durable.values().copied());
            }
        }
        let changes = &self.changes;
        self.nodes.retain(|ino, node| {
            !dead(node) || named.contains(ino) || changes.iter().any(|change| change.names(*ino))
        });
    }

    // Power.

    /// Makes everything durable, as a clean shutdown does.
    pub(crate) fn settle(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            self.make_durable(change);
        }
        let files: Vec<Ino> = self.nodes.keys().copied().filter(|ino| self.file(*ino).is_some()).collect();
        for ino in files {
            self.sync(ino);
        }
        self.sweep();
    }

    /// Decides what survived, and begins a new generation with it.
    pub(crate) fn power_on(&mut self) {
        let (loss, mut chance) = (self.loss, self.chance.clone());
        self.decide_changes(loss, &mut chance);
        for node in self.nodes.values_mut() {
            if let Node::File(file) = node {
                file.settle_pending(loss, &mut chance);
            }
        }
        self.chance = chance;
        self.forget_unsynced();
        self.faults.clear();
        self.generation += 1;
        self.powered = true;
    }

    /// Forgets that anything is open, in a copy that no handle leads to.
    pub(crate) fn close_handles(&mut self) {
        for node in self.nodes.values_mut() {
            if let Node::File(file) = node {
                file.handles = 0;
                if file.links == 0 {
                    file.now = Content::default();
                }
            }
        }
        self.recount();
    }

    /// Adds up anew what is allocated.
    pub(crate) fn recount(&mut self) {
        let files = self.nodes.keys().filter_map(|ino| self.file(*ino));
        self.used_bytes = files.map(|file| file.now.allocated_bytes()).sum();
    }

    fn decide_changes(&mut self, loss: Loss, chance: &mut Chance) {
        let mood = chance.mood(loss);
        let mut forgotten: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.changes) {
            let kept = mood.map_or_else(|| chance.coin(), |fate| fate == Fate::Kept);
            if kept && !forgotten.iter().any(|earlier| change.depends_on(earlier)) {
                self.make_durable(change);
            } else {
                forgotten.push(change);
            }
        }
    }

    /// What is durable becomes what is seen; what no durable path leads to is gone.
    pub(crate) fn forget_unsynced(&mut self) {
        self.changes.clear();
        self.used_bytes = 0;
        let mut survivors = BTreeMap::new();
        let mut paths = vec![(ROOT, ROOT)];
        while let Some((parent, ino)) = paths.pop() {
            if let Some(Node::File(file)) = survivors.get_mut(&ino) {
                file.links += 1;
                continue;
            }
            let mut node = self.nodes.remove(&ino).expect("a durable name leads to a node");
            match &mut node {
                Node::File(file) => {
                    file.now = file.durable.clone();
                    file.pending.clear();
                    (file.links, file.handles) = (1, 0);
                    self.used_bytes += file.now.allocated_bytes();
                }
                Node::Dir(dir) => {
                    dir.now = dir.durable.clone();
                    dir.parent = parent;
                    paths.extend(dir.now.values().map(|child| (ino, *child)));
                }
            }
            survivors.insert(ino, node);
        }
        self.nodes = survivors;
    }
}

impl FileNode {
    /// Lets chance decide what of the un-synced work is durable.
    fn settle_pending(&mut self, loss: Loss, chance: &mut Chance) {
        let mood = chance.mood(loss);
        for pending in std::mem::take(&mut self.pending) {
            let fate = chance.fate(mood);
            if fate == Fate::Lost {
                continue;
            }
            match pending {
                Pending::Write { offset, bytes } if fate == Fate::Torn => {
                    self.tear(offset, &bytes, chance);
                }
                Pending::Write { offset, bytes } => self.durable.write(offset, &bytes),
                // A length is one field of the inode: it has changed or it has not.
                Pending::SetLen { new, .. } => self.durable.set_len(new),
            }
            self.durable.modified_ns = self.now.modified_ns;
        }
    }

    fn tear(&mut self, offset: u64, bytes: &[u8], chance: &mut Chance) {
        for sector in sectors(offset, bytes.len()) {
            if chance.coin() {
                self.durable.write(offset + sector.start as u64, &bytes[sector]);
            }
        }
        // The length may have become durable without the bytes, which then read as zero.
        let end = offset + bytes.len() as u64;
        if end > self.durable.len() && chance.coin() {
            self.durable.set_len(end);
        }
    }
}

/// The ranges of a write that lie in one sector each.
fn sectors(offset: u64, len: usize) -> Vec<std::ops::Range<usize>> {
    let mut sectors = Vec::new();
    let mut begin = 0;
    while begin < len {
        let within = (offset + begin as u64) % SECTOR_BYTES;
        let rest = usize::try_from(SECTOR_BYTES - within).expect("at most a sector");
        let end = len.min(begin + rest);
        sectors.push(begin..end);
        begin = end;
    }
    sectors
}

/// The error of everything that is tried without power.
#[derive(Debug, thiserror::Error)]
#[error("power lost")]
pub(crate) struct PowerLost;

pub(crate) fn power_lost() -> io::Error {
    io::Error::other(PowerLost)
}
