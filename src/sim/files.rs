//! The port's two traits on the simulated disk: paths, handles, power and faults, in that order.

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use files::{File, Files, Identity, Kind, Open};

use crate::SimFiles;
use crate::content::PAGE_BYTES;
use crate::disk::{Disk, Ino, Node, ROOT, power_lost};
use crate::faults::{Call, Fault};

/// The device number of every simulated disk.
const DEVICE: u64 = 0x51;

/// How far a call is carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    /// As if the power went in the middle.
    Part,
}

impl Disk {
    /// Carries a call out, unless the power is gone or a fault strikes.
    fn run<T>(
        &mut self,
        generation: Option<u64>,
        call: Call,
        act: impl FnOnce(&mut Self, Extent) -> io::Result<T>,
    ) -> io::Result<T> {
        if !self.powered || generation.is_some_and(|generation| generation != self.generation) {
            return Err(power_lost());
        }
        match self.faults.strike(call) {
            None if self.read_only && call == Call::Change => {
                Err(io::Error::new(ErrorKind::ReadOnlyFilesystem, "read-only file system"))
            }
            None => act(self, Extent::Whole),
            Some(Fault::Cut) => {
                self.powered = false;
                Err(power_lost())
            }
            Some(Fault::Tear) => {
                // Whether it would have succeeded, nobody is left to hear.
                let _ = act(self, Extent::Part);
                self.powered = false;
                Err(power_lost())
            }
            Some(Fault::Fail(kind)) => {
                if call == Call::Sync {
                    // A sync that fails has lost some of the writes for ever.
                    let _ = act(self, Extent::Part);
                }
                Err(io::Error::new(kind, "simulated fault"))
            }
        }
    }

    pub(crate) fn resolve(&self, path: &Path) -> io::Result<Ino> {
        let mut ino = ROOT;
        for name in names(path)? {
            let dir = self.dir(ino).ok_or_else(|| error(ErrorKind::NotADirectory, path))?;
            ino = *dir.now.get(&name).ok_or_else(|| error(ErrorKind::NotFound, path))?;
        }
        Ok(ino)
    }

    fn resolve_dir(&self, path: &Path) -> io::Result<Ino> {
        let ino = self.resolve(path)?;
        self.dir(ino).map(|_| ino).ok_or_else(|| error(ErrorKind::NotADirectory, path))
    }

    /// The directory and the name a path ends in, and what has that name.
    fn resolve_name(&self, path: &Path) -> io::Result<(Ino, String, Option<Ino>)> {
        let mut names = names(path)?;
        let name = names.pop().ok_or_else(|| error(ErrorKind::InvalidInput, path))?;
        let dir = self.resolve_dir(&names.iter().collect::<PathBuf>())?;
        let ino = self.dir(dir).and_then(|dir| dir.now.get(&name)).copied();
        Ok((dir, name, ino))
    }

    fn open_to_write(&mut self, path: &Path, how: Open) -> io::Result<Ino> {
        let (dir, name, found) = self.resolve_name(path)?;
        match (found, how) {
            (Some(_), Open::CreateNew) => Err(error(ErrorKind::AlreadyExists, path)),
            (Some(ino), _) if self.dir(ino).is_some() => Err(error(ErrorKind::IsADirectory, path)),
            (Some(ino), _) => Ok(ino),
            (None, Open::Create | Open::CreateNew) => Ok(self.add_file(dir, &name)),
            (None, _) => Err(error(ErrorKind::NotFound, path)),
        }
    }

    fn identify(&self, ino: Ino) -> Identity {
        let (kind, size_bytes, modified_ns, allocated_bytes) = match self.node(ino) {
            Node::File(file) => {
                (Kind::File, file.now.len(), file.now.modified_ns, file.now.allocated_bytes())
            }
            Node::Dir(_) => (Kind::Directory, PAGE_BYTES as u64, 0, 0),
        };
        Identity { kind, device: DEVICE, inode: ino, size_bytes, modified_ns, allocated_bytes }
    }

    fn is_above(&self, dir: Ino, mut below: Ino) -> bool {
        while below != ROOT && below != dir {
            below = self.dir(below).map_or(ROOT, |below| below.parent);
        }
        below == dir
    }
}

/// The names a path consists of, from the root.
fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir => _ = names.pop(),
            Component::Normal(name) => {
                names.push(name.to_str().ok_or_else(|| error(ErrorKind::InvalidInput, path))?.to_owned());
            }
            Component::Prefix(_) => return Err(error(ErrorKind::InvalidInput, path)),
        }
    }
    Ok(names)
}

fn error(kind: ErrorKind, path: &Path) -> io::Error {
    io::Error::new(kind, format!("{kind}: `{}`", path.display()))
}

impl SimFiles {
    fn run<T>(&self, call: Call, act: impl FnOnce(&mut Disk, Extent) -> io::Result<T>) -> io::Result<T> {
        self.lock().run(self.generation, call, act)
    }
}

impl Files for SimFiles {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        // Only making a file changes the disk.
        let makes = matches!(how, Open::Create | Open::CreateNew)
            && self.lock().resolve_name(path).is_ok_and(|(_, _, ino)| ino.is_none());
        let call = if makes { Call::Change } else { Call::Look };
        let writable = how != Open::Read;
        let (ino, generation) = self.run(call, |disk, extent| {
            let ino = if writable { disk.open_to_write(path, how)? } else { disk.resolve(path)? };
            // Only a call that comes to its end yields a handle that will be closed.
            if extent == Extent::Whole && disk.file(ino).is_some() {
                disk.file_mut(ino).handles += 1;
            }
            Ok((ino, disk.generation))
        })?;
        let mount = Self { disk: Arc::clone(&self.disk), generation: Some(generation) };
        Ok(Arc::new(SimFile { mount, ino, writable }))
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        self.run(Call::Look, |disk, _| Ok(disk.identify(disk.resolve(path)?)))
    }

    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        self.run(Call::Change, |disk, extent| {
            let mut ino = ROOT;
            for name in names(path)? {
                let dir = disk.dir(ino).ok_or_else(|| error(ErrorKind::NotADirectory, path))?;
                ino = match dir.now.get(&name).copied() {
                    Some(ino) => ino,
                    None if extent == Extent::Part && disk.chance.coin() => return Ok(()),
                    None => disk.add_dir(ino, &name),
                };
            }
            disk.dir(ino).map(|_| ()).ok_or_else(|| error(ErrorKind::AlreadyExists, path))
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.run(Call::Look, |disk, _| {
            let dir = disk.resolve_dir(path)?;
            Ok(disk.dir(dir).into_iter().flat_map(|dir| dir.now.keys().cloned()).collect())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Call::Change, |disk, _| {
            let (from_dir, from_name, ino) = disk.resolve_name(from)?;
            let (to_dir, to_name, replaced) = disk.resolve_name(to)?;
            let ino = ino.ok_or_else(|| error(ErrorKind::NotFound, from))?;
            if disk.dir(ino).is_some() && disk.is_above(ino, to_dir) {
                return Err(error(ErrorKind::InvalidInput, to));
            }
            if let Some(replaced) = replaced {
                if replaced == ino {
                    return Ok(());
                }
                if disk.dir(replaced).is_some() && disk.is_above(replaced, from_dir) {
                    return Err(error(ErrorKind::DirectoryNotEmpty, to));
                }
                match (disk.dir(ino), disk.dir(replaced)) {
                    (None, None) => {}
                    (None, Some(_)) => return Err(error(ErrorKind::IsADirectory, to)),
                    (Some(_), None) => return Err(error(ErrorKind::NotADirectory, to)),
                    (Some(_), Some(dir)) if dir.now.is_empty() => {}
                    (Some(_), Some(_)) => return Err(error(ErrorKind::DirectoryNotEmpty, to)),
                }
            }
            disk.rename((from_dir, from_name), (to_dir, to_name), ino);
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Call::Change, |disk, _| {
            let ino = disk.resolve(from)?;
            let (dir, name, taken) = disk.resolve_name(to)?;
            if taken.is_some() {
                return Err(error(ErrorKind::AlreadyExists, to));
            }
            if disk.dir(ino).is_some() {
                return Err(error(ErrorKind::PermissionDenied, from));
            }
            disk.add_name(dir, &name, ino);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.run(Call::Change, |disk, _| {
            let (dir, name, ino) = disk.resolve_name(path)?;
            let ino = ino.ok_or_else(|| error(ErrorKind::NotFound, path))?;
            if disk.dir(ino).is_some() {
                return Err(error(ErrorKind::IsADirectory, path));
            }
            disk.remove_name(dir, &name, ino);
            Ok(())
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.run(Call::Change, |disk, _| {
            let (parent, name, ino) = disk.resolve_name(path)?;
            let ino = ino.ok_or_else(|| error(ErrorKind::NotFound, path))?;
            let dir = disk.dir(ino).ok_or_else(|| error(ErrorKind::NotADirectory, path))?;
            if !dir.now.is_empty() {
                return Err(error(ErrorKind::DirectoryNotEmpty, path));
            }
            disk.remove_name(parent, &name, ino);
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.run(Call::Sync, |disk, extent| {
            let dir = disk.resolve_dir(path)?;
            match extent {
                Extent::Whole => disk.sync_dir(dir),
                Extent::Part => disk.sync_dir_part(dir),
            }
            Ok(())
        })
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.run(Call::Look, |disk, _| disk.resolve(path).map(|_| disk.free_bytes()))
    }
}

/// A handle; dead once the power has gone.
pub(crate) struct SimFile {
    mount: SimFiles,
    ino: Ino,
    writable: bool,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile")
            .field("inode", &self.ino)
            .field("writable", &self.writable)
            .finish_non_exhaustive()
    }
}

impl SimFile {
    fn change<T>(&self, call: Call, act: impl FnOnce(&mut Disk, Extent) -> io::Result<T>) -> io::Result<T> {
        if !self.writable {
            return Err(io::Error::new(ErrorKind::PermissionDenied, "the file is open for reading only"));
        }
        self.mount.run(call, act)
    }
}

impl File for SimFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.mount.run(Call::Look, |disk, _| {
            let file = disk.file(self.ino).ok_or(ErrorKind::IsADirectory)?;
            if file.now.read(offset, out) {
                Ok(())
            } else {
                Err(io::Error::new(ErrorKind::UnexpectedEof, "failed to fill whole buffer"))
            }
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            // The standard library makes no system call of it.
            return Ok(());
        }
        self.change(Call::Change, |disk, extent| {
            disk.faults.counts.written_bytes += bytes.len() as u64;
            if extent == Extent::Part {
                disk.write_part(self.ino, offset, bytes);
            } else if disk.write(self.ino, offset, bytes) < bytes.len() {
                return Err(io::Error::new(ErrorKind::StorageFull, "no space left on device"));
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Call::Change, |disk, _| {
            disk.set_len(self.ino, len);
            Ok(())
        })
    }

    fn set_modified_ns(&self, modified_ns: i64) -> io::Result<()> {
        self.change(Call::Change, |disk, _| {
            disk.set_modified(self.ino, modified_ns);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        // A file open for reading can be synced too; only then there is nothing of its own to lose.
        self.mount.run(Call::Sync, |disk, extent| {
            if disk.file(self.ino).is_some() {
                match extent {
                    Extent::Whole => disk.sync(self.ino),
                    Extent::Part => disk.sync_part(self.ino),
                }
            }
            Ok(())
        })
    }

    fn identity(&self) -> io::Result<Identity> {
        self.mount.run(Call::Look, |disk, _| Ok(disk.identify(self.ino)))
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.mount
            .run(Call::Look, |disk, _| Ok(disk.file(self.ino).and_then(|file| file.now.next_data(from))))
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut disk = self.mount.lock();
        if self.mount.generation == Some(disk.generation) && disk.file(self.ino).is_some() {
            disk.file_mut(self.ino).handles -= 1;
            disk.release(self.ino);
        }
    }
}
