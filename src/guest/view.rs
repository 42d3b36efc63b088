//! A guest's files by their paths, as the guest would see them: links followed, `/boot` in its place.
//!
//! A check asks a [`Root`] and cannot tell a real file system from a map in a test. Paths are walked
//! here, name by name on a stack, so that a link or a `..` never leads out of the guest: above the
//! root there is only the root, as for any process that was given one.

use crate::ext::{Ext, FileKind, Inode, ROOT};
use crate::source::{Result, Trouble};

/// Links followed on the way to one file: what Linux allows.
const LINKS_MAX: usize = 40;
/// Bytes of a link's target: what Linux allows.
const LINK_BYTES_MAX: usize = 4096;
/// Bytes of a configuration file that are looked at. The longest honest one is a `grub.cfg` of many
/// kernels, some 20 KiB.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// The files of a guest.
pub(crate) trait Root {
    /// The first bytes of a regular file, at most `limit`; links are followed.
    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>>;

    /// The names in a directory, sorted; empty if it is not there.
    fn list(&self, path: &str) -> Result<Vec<String>>;

    /// Where a link points, if it is one.
    fn link(&self, path: &str) -> Result<Option<String>>;

    /// Whether a path leads to something.
    fn exists(&self, path: &str) -> Result<bool>;

    /// A configuration file; what is no UTF-8 in it is replaced.
    fn text(&self, path: &str) -> Result<Option<String>> {
        let bytes = self.read(path, TEXT_BYTES_MAX)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The first of some paths that leads to something.
    fn first_of<'a>(&self, paths: &[&'a str]) -> Result<Option<&'a str>> {
        for path in paths {
            if self.exists(path)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// The texts of the files in a directory whose names end so, in the order of their names.
    fn texts(&self, directory: &str, ending: &str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        let names = self.list(directory)?;
        for name in names.iter().filter(|name| name.ends_with(ending)).take(FILES_MAX) {
            texts.extend(self.text(&format!("{directory}/{name}"))?);
        }
        Ok(texts)
    }
}

/// Files of a directory of configuration that are read; an honest one has a few.
const FILES_MAX: usize = 256;

/// A root file system, and the one that the guest has at `/boot` if that is another.
pub(crate) struct View<'a> {
    pub(crate) root: Ext<'a>,
    pub(crate) boot: Option<Ext<'a>>,
}

/// A file, and which of the two it lies in.
#[derive(Clone)]
struct Node {
    in_boot: bool,
    inode: Inode,
}

impl<'a> View<'a> {
    fn ext(&self, in_boot: bool) -> &Ext<'a> {
        self.boot.as_ref().filter(|_| in_boot).unwrap_or(&self.root)
    }

    /// Walks a path. If `follow_last` is false, its last name may be a link and is given as one.
    fn find(&self, path: &str, follow_last: bool) -> Result<Option<Node>> {
        let top = Node { in_boot: false, inode: self.root.inode(ROOT)? };
        let mut stack = vec![top];
        // The names still to walk, the next one last.
        let mut names: Vec<String> = split(path);
        let mut links = 0;
        while let Some(name) = names.pop() {
            if name == ".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let here = stack.last().expect("the root stays on the stack");
            if here.inode.kind != FileKind::Directory {
                return Ok(None);
            }
            let ext = self.ext(here.in_boot);
            let Some(&number) = ext.names(&here.inode)?.get(&name) else { return Ok(None) };
            let inode = ext.inode(number)?;
            if inode.kind == FileKind::Link && (follow_last || !names.is_empty()) {
                links += 1;
                let Some(target) = self.target(here.in_boot, &inode)?.filter(|_| links <= LINKS_MAX) else {
                    return Ok(None);
                };
                if target.starts_with('/') {
                    stack.truncate(1);
                }
                names.extend(split(&target));
                continue;
            }
            let mut node = Node { in_boot: here.in_boot, inode };
            if let Some(boot) = &self.boot
                && stack.len() == 1
                && name == "boot"
            {
                node = Node { in_boot: true, inode: boot.inode(ROOT)? };
            }
            stack.push(node);
        }
        Ok(stack.pop())
    }

    fn target(&self, in_boot: bool, link: &Inode) -> Result<Option<String>> {
        if link.bytes > LINK_BYTES_MAX as u64 {
            return Err(Trouble::Unreadable("a link is longer than a path can be"));
        }
        Ok(String::from_utf8(self.ext(in_boot).content(link, LINK_BYTES_MAX)?).ok())
    }
}

/// The names of a path, the first one last.
fn split(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|name| !matches!(*name, "" | ".")).map(str::to_owned).collect()
}

impl Root for View<'_> {
    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        match self.find(path, true)? {
            Some(node) if node.inode.kind == FileKind::Regular => {
                self.ext(node.in_boot).content(&node.inode, limit).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        match self.find(path, true)? {
            Some(node) if node.inode.kind == FileKind::Directory => {
                let names = self.ext(node.in_boot).names(&node.inode)?;
                Ok(names.keys().cloned().collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn link(&self, path: &str) -> Result<Option<String>> {
        match self.find(path, false)? {
            Some(node) if node.inode.kind == FileKind::Link => self.target(node.in_boot, &node.inode),
            _ => Ok(None),
        }
    }

    fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.find(path, true)?.is_some())
    }
}

/// A file system that the guest has at `/boot`, without the one it is mounted on.
pub(crate) struct BootOnly<'a>(pub(crate) View<'a>);

/// Where a path lies on the file system of `/boot`.
fn below_boot(path: &str) -> Option<&str> {
    path.strip_prefix("/boot").filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Root for BootOnly<'_> {
    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        below_boot(path).map_or(Ok(None), |path| self.0.read(path, limit))
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        below_boot(path).map_or(Ok(Vec::new()), |path| self.0.list(path))
    }

    fn link(&self, path: &str) -> Result<Option<String>> {
        below_boot(path).map_or(Ok(None), |path| self.0.link(path))
    }

    fn exists(&self, path: &str) -> Result<bool> {
        below_boot(path).map_or(Ok(false), |path| self.0.exists(path))
    }
}
