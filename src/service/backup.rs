//! Writing a backup while the house is in use.
//!
//! It is written under its name and `.partial`, read back, and given its name when it is whole and durable: there
//! is never half a backup under a name that was asked for. The order is the data plane's: collections are held,
//! then the log is looked at, then the stores; so whatever the log speaks of is in the stores that are copied.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use domain::Digest;
use domain::image::{REGIONS, house};
use domain::port::BackUp;
use domain::{RegionId, StoreId};
use engine::Snapshot;
use event::{Failure, Refusal, Seq};

use crate::asked::Asked;
use crate::backup_file::{LOG, MANIFEST, Manifest, RowsIn, RowsOut, Segment, VERSION, not_whole};
use crate::manifests::{MANIFESTS, PART};
use crate::request_audit::BackupAsked;
use crate::seal::SEAL;
use crate::service::STORES;
use crate::signer::SIGNERS;
use crate::view::{SignedHead, time_text};
use crate::view_audit::BackupMade;
use crate::{Family, Service, Trouble};

/// Files that a restored house cannot do without, beside the log.
pub(crate) const KEYS: [&str; 2] = [SEAL, SIGNERS];

/// The mark of a directory that is being written, and may be removed when it is written anew.
const UNFINISHED: &str = "kiln.unfinished";
const UNFINISHED_TEXT: &str =
    "kiln was writing this directory and had not finished. It is no use, and may be removed.\n";

/// Bytes of a file that are copied at once: what a disk gives in one go.
const COPY_BYTES: usize = 256 << 10;

fn failed(path: &Path) -> impl Fn(io::Error) -> Trouble {
    let path = path.to_owned();
    move |error| Trouble::world(format_args!("writing the backup `{}`", path.display()), error)
}

/// Where a backup is written until it is whole.
pub(crate) fn partial(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    to.with_file_name(name)
}

/// Makes a directory that nobody else can look into, in place of one that was left unfinished. What is there and was
/// not begun here is left alone.
pub(crate) fn begin(dir: &Path) -> Result<(), Trouble> {
    let failed = |error| Trouble::world(format_args!("making `{}`", dir.display()), error);
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(found) if found.is_dir() && may_go(dir).map_err(failed)? => clear(dir).map_err(failed)?,
        Ok(_) => {
            let why = format!(
                "`{}` is in the way: there it is written until it is whole, and what is there was not begun by kiln",
                dir.display()
            );
            let advice = "move it away, or remove it, or choose another name";
            return Err(Refusal::new("InvalidTarget.Taken", why).advise(advice).into());
        }
    }
    let make = || {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        fs::write(dir.join(UNFINISHED), UNFINISHED_TEXT)?;
        File::open(dir.join(UNFINISHED))?.sync_all()?;
        File::open(dir)?.sync_all()
    };
    make().map_err(failed)
}

/// Whether a directory was begun here, or is empty.
fn may_go(dir: &Path) -> io::Result<bool> {
    Ok(dir.join(UNFINISHED).is_file() || fs::read_dir(dir)?.next().is_none())
}

/// Removes what was begun, the mark last: cut short, it is still known as what it is.
fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != UNFINISHED {
            fs::remove_file(entry.path())?;
        }
    }
    unmark(dir)?;
    fs::remove_dir(dir)
}

fn unmark(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(UNFINISHED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Gives what is whole its name, durably. The mark goes after that: it is the name that says that it is whole.
pub(crate) fn finish(from: &Path, to: &Path) -> io::Result<()> {
    let above = to.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(from)?.sync_all()?;
    fs::rename(from, to)?;
    File::open(above)?.sync_all()?;
    unmark(to)?;
    File::open(to)?.sync_all()
}

/// Copies a file that nobody else may read, durably, and tells its digest.
pub(crate) fn copy_file(from: &Path, to: &Path) -> io::Result<String> {
    let mut source = File::open(from)?;
    let mut options = fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o600);
    let mut file = options.open(to)?;
    let (mut hasher, mut piece) = (blake3::Hasher::new(), vec![0; COPY_BYTES]);
    loop {
        let read = io::Read::read(&mut source, &mut piece)?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
        io::Write::write_all(&mut file, &piece[..read])?;
    }
    file.sync_all()?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Copies what batches are made of. All that the log speaks of by now is there; what is removed meanwhile is of no
/// batch any more.
fn copy_manifests(own: &Path, dir: &Path) -> io::Result<Vec<(String, String)>> {
    let entries = match fs::read_dir(own.join(MANIFESTS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let to = dir.join(MANIFESTS);
    DirBuilder::new().mode(0o700).create(&to)?;
    let mut copied = Vec::new();
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.ends_with(PART) {
            continue;
        }
        match copy_file(&own.join(MANIFESTS).join(&name), &to.join(&name)) {
            Ok(digest) => copied.push((name, digest)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    File::open(&to)?.sync_all()?;
    Ok(copied)
}

impl Service {
    pub(crate) async fn back_up(
        self: &Arc<Self>,
        by: &Asked,
        asked: BackupAsked,
    ) -> Result<BackupMade, Trouble> {
        let request = by.id.as_str();
        let Ok(_one) = self.backing_up.try_lock() else {
            let why = "a backup is being written already";
            return Err(Trouble::new(Family::World, "Backup.Busy", why).advise("wait until it is there"));
        };
        let to = PathBuf::from(&asked.to);
        if fs::symlink_metadata(&to).is_ok() {
            if let Some(made) = Manifest::read(&to).ok().filter(|manifest| manifest.request == request) {
                return Ok(made_of(&made, asked.to));
            }
            let why = format!("`{}` is there already", to.display());
            return Err(Refusal::new("InvalidTarget.Exists", why).advise("name a place that is free").into());
        }
        if to.starts_with(&self.dir) {
            let why = format!("`{}` lies in the data directory", to.display());
            return Err(Refusal::new("InvalidTarget.Inside", why).advise("name a place elsewhere").into());
        }
        let earlier = asked
            .reuse
            .as_ref()
            .map(|dir| Ok::<_, Trouble>((PathBuf::from(dir), Manifest::read(Path::new(dir))?)));
        let earlier = earlier.transpose()?;
        by.go_on()?;
        let dir = partial(&to);
        begin(&dir)?;
        let stores = if asked.log_only { None } else { Some(stores_of(&self.engine.snapshot()?)) };
        let written = self.write(&dir, request, earlier, stores).await;
        let manifest = match written {
            Ok(manifest) => manifest,
            Err(trouble) => {
                // A backup that cannot be is not left lying about; what is left of it anyhow is no backup.
                let _ = clear(&dir);
                return Err(trouble);
            }
        };
        finish(&dir, &to).map_err(failed(&to))?;
        Ok(made_of(&manifest, asked.to))
    }

    /// Writes the log, and these stores if any are to be in it.
    pub(crate) async fn write(
        self: &Arc<Self>,
        dir: &Path,
        request: &str,
        earlier: Option<(PathBuf, Manifest)>,
        stores: Option<Vec<(RegionId, StoreId)>>,
    ) -> Result<Manifest, Trouble> {
        let has_stores = stores.is_some();
        let regions: Vec<String> = stores.iter().flatten().map(|(region, _)| region.0.clone()).collect();
        let seen: Arc<Mutex<Option<Result<Seen, Trouble>>>> = Arc::default();
        let begun = {
            let (service, seen, stores) = (self.clone(), seen.clone(), stores.clone());
            move || {
                let found = service.see().and_then(|found| found.within(stores.as_deref()));
                let told =
                    found.as_ref().map(drop).map_err(|trouble| Failure::World(trouble.message.clone()));
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                told
            }
        };
        let copied = match stores {
            None => begun().map(|()| Vec::new()),
            Some(stores) => {
                let of_stores = match &earlier {
                    Some((dir, manifest)) if self.goes_through(&manifest.head)? => {
                        Some((dir.join(STORES), manifest.stores.clone()))
                    }
                    _ => None,
                };
                let to = dir.join(STORES);
                DirBuilder::new().mode(0o700).create(&to).map_err(failed(dir))?;
                let asked = BackUp { stores, to, earlier: of_stores, begun: Box::new(begun) };
                self.data.back_up(asked).await
            }
        };
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take().transpose()?;
        let copied = copied?;
        let seen =
            seen.ok_or_else(|| Trouble::new(Family::Ours, "InternalError", "the log was not looked at"))?;
        let (dir, own, request) = (dir.to_owned(), self.dir.clone(), request.to_owned());
        let written = tokio::task::spawn_blocking(move || {
            let log = write_log(&dir, &seen, earlier.as_ref())?;
            let mut keys = Vec::new();
            for name in KEYS {
                match copy_file(&own.join(name), &dir.join(name)) {
                    Ok(digest) => keys.push((name.to_owned(), digest)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(&dir)(error)),
                }
            }
            let manifests = copy_manifests(&own, &dir).map_err(failed(&dir))?;
            let manifest = Manifest {
                version: VERSION,
                program: format!("kiln {}", env!("CARGO_PKG_VERSION")),
                request,
                head: seen.head,
                time_ms: seen.time_ms,
                incarnation: seen.incarnation,
                has_stores,
                regions,
                log,
                stores: copied,
                keys,
                manifests,
            };
            let text = serde_json::to_vec_pretty(&manifest).map_err(|error| failed(&dir)(error.into()))?;
            let write = || {
                fs::write(dir.join(MANIFEST), text)?;
                File::open(dir.join(MANIFEST))?.sync_all()?;
                if dir.join(STORES).is_dir() {
                    File::open(dir.join(STORES))?.sync_all()?;
                }
                Ok(())
            };
            write().map_err(failed(&dir))?;
            Ok(manifest)
        });
        written.await.map_err(|error| Trouble::world("writing the backup", error))?
    }

    /// Whether the log goes through this head. After a restore, what was given up and what came instead have packs
    /// of the same store, number and maybe length.
    fn goes_through(&self, head: &SignedHead) -> Result<bool, Trouble> {
        let hash = self.engine.snapshot()?.hash_at(Seq(head.event))?;
        Ok(Digest(hash.unwrap_or_default()).to_string() == head.hash)
    }

    /// The log as it is now.
    fn see(&self) -> Result<Seen, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let head = self.head_to_sign(&snapshot)?;
        // A backup is as good without a signature, if there is no key to make one.
        let head = self.signer.sign(head.clone()).unwrap_or(head);
        Ok(Seen { incarnation: snapshot.incarnation()?, head, time_ms: self.clock.now_ms(), snapshot })
    }
}

/// What is told of a backup that is whole.
fn made_of(manifest: &Manifest, path: String) -> BackupMade {
    let bytes_of = |all: bool| {
        let log = manifest.log.iter().filter(|segment| all || segment.reused).map(|segment| segment.bytes);
        let stores = manifest.stores.iter().filter(|file| all || file.reused).map(|file| file.bytes);
        log.sum::<u64>() + stores.sum::<u64>()
    };
    let small = manifest.keys.len() + manifest.manifests.len();
    BackupMade {
        path,
        event: manifest.head.event,
        hash: manifest.head.hash.clone(),
        time: time_text(manifest.time_ms),
        regions: manifest.regions.clone(),
        files: (manifest.log.len() + manifest.stores.len() + small + 1) as u64,
        bytes: bytes_of(true),
        reused_bytes: bytes_of(false),
    }
}

/// The log as it was looked at.
struct Seen {
    snapshot: Snapshot,
    head: SignedHead,
    time_ms: i64,
    incarnation: u64,
}

impl Seen {
    /// Fails if the log speaks of a region that is not among these: it was added after they were looked up.
    fn within(self, stores: Option<&[(RegionId, StoreId)]>) -> Result<Self, Trouble> {
        let Some(stores) = stores else { return Ok(self) };
        match stores_of(&self.snapshot).into_iter().find(|store| !stores.contains(store)) {
            None => Ok(self),
            Some((region, _)) => {
                let why = format!("region `{region}` was added while the backup began");
                Err(Trouble::new(Family::World, "Backup.Busy", why).advise("make the backup again"))
            }
        }
    }
}

/// The stores of the regions that are ready.
fn stores_of(rows: &Snapshot) -> Vec<(RegionId, StoreId)> {
    let ready = REGIONS.list(rows, &house(), &[]).into_iter().filter(|region| region.ready);
    ready.map(|region| (region.id, region.store)).collect()
}

/// Writes the rows of the log, but for those files of an earlier backup that are of the same chain, and reads
/// them back.
fn write_log(
    dir: &Path,
    seen: &Seen,
    earlier: Option<&(PathBuf, Manifest)>,
) -> Result<Vec<Segment>, Trouble> {
    let log = dir.join(LOG);
    DirBuilder::new().mode(0o700).create(&log).map_err(failed(dir))?;
    let mut segments = Vec::new();
    if let Some((from, manifest)) = earlier {
        // The last file of a backup may have been ended early.
        let whole = &manifest.log[..manifest.log.len().saturating_sub(1)];
        for segment in whole {
            let hash = seen.snapshot.hash_at(Seq(segment.last))?.map(|hash| Digest(hash).to_string());
            let name = Segment::name(segment.first);
            if hash.as_ref() != Some(&segment.hash)
                || fs::hard_link(from.join(LOG).join(&name), log.join(&name)).is_err()
            {
                break;
            }
            segments.push(Segment { reused: true, ..segment.clone() });
        }
    }
    let from = segments.last().map_or(1, |segment| segment.last + 1);
    let mut out = RowsOut::new(&log);
    let head = Seq(seen.head.event);
    if Seq(from) <= head {
        seen.snapshot.log_rows::<Trouble>(Seq(from), |first, row| {
            out.row(first.0, row).map(drop).map_err(failed(dir))
        })?;
    }
    out.end().map_err(failed(dir))?;
    let firsts: Vec<u64> = out.done.iter().map(|(first, _)| *first).collect();
    for (index, (first, bytes)) in out.done.iter().enumerate() {
        let last = firsts.get(index + 1).map_or(head.0, |next| next - 1);
        let hash = seen.snapshot.hash_at(Seq(last))?.unwrap_or_default();
        let hash = Digest(hash).to_string();
        segments.push(Segment { first: *first, last, hash, bytes: *bytes, reused: false });
    }
    File::open(&log).and_then(|log| log.sync_all()).map_err(failed(dir))?;
    // What was written is the chain that leads to the head, from its first link.
    let hash = engine::chain_of(RowsIn::new(dir, &segments)).map_err(|error| not_whole(dir, error))?;
    if hash.0 != head || Digest(hash.1).to_string() != seen.head.hash {
        return Err(not_whole(dir, "its rows do not lead to the head of the log"));
    }
    Ok(segments)
}
