//! A data directory from a backup, as of a moment.
//!
//! It is made beside the directory that was asked for, looked through, and given its name when it is whole. What it
//! is restored as of may be before the backup: then stores have what was made later, which a collection gives
//! back, and may lack what was deleted in between and collected; that is told by name.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Projections;
use domain::image::{BUCKETS, REGIONS, house};
use domain::port::{BackedUp, BucketAt};
use engine::{Moment, Restoring};
use event::{Refusal, Seq};

use crate::backup::{begin, copy_file, finish, partial};
use crate::backup_file::{Manifest, RowsIn, not_whole};
use crate::manifests::MANIFESTS;
use crate::service::{Options, STORES, Wiring, local_actor};
use crate::view::time_text;
use crate::view_audit::RestoreMade;
use crate::when::When;
use crate::{Family, Service, Trouble};

/// What is to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreAsked {
    /// The backup.
    pub backup: PathBuf,
    /// Where to: an empty directory, or none yet.
    pub to: PathBuf,
    /// As of when; now is all that is in the backup.
    pub at: When,
}

/// Restores a data directory.
///
/// # Errors
/// If the backup is not whole, or the directory is not empty or cannot be written.
pub async fn restore(wiring: &Wiring, asked: RestoreAsked) -> Result<RestoreMade, Trouble> {
    let RestoreAsked { backup, to, at } = asked;
    match fs::read_dir(&to).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => {
            let why = format!("`{}` is not empty", to.display());
            return Err(Refusal::new("InvalidTarget.Exists", why)
                .advise("restore into a new directory")
                .into());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Trouble::world(format_args!("looking into `{}`", to.display()), error)),
    }
    let manifest = Manifest::read(&backup)?;
    let head: domain::Digest =
        manifest.head.hash.parse().map_err(|error| not_whole(&backup, format_args!("its head: {error}")))?;
    let moment = match at {
        When::Now => Moment::Event(Seq(manifest.head.event)),
        When::Event(event) if event > manifest.head.event => {
            let why = format!(
                "the backup ends at event {}, so there is no event {event} in it",
                manifest.head.event
            );
            return Err(Refusal::new("InvalidParameter.Event", why)
                .advise("restore from a later backup")
                .into());
        }
        When::Event(event) => Moment::Event(Seq(event)),
        When::Time(time) => Moment::TimeMs(time.span_ms(wiring.clock.now_ms()).1),
    };
    let dir = partial(&to);
    let failed = |error: io::Error| Trouble::world(format_args!("restoring into `{}`", to.display()), error);
    begin(&dir)?;
    bring_files(&backup, &dir, &manifest.keys, &to)?;
    if !manifest.manifests.is_empty() {
        let (from, to_manifests) = (backup.join(MANIFESTS), dir.join(MANIFESTS));
        DirBuilder::new().mode(0o700).create(&to_manifests).map_err(failed)?;
        bring_files(&from, &to_manifests, &manifest.manifests, &to)?;
    }
    let restored = {
        let (wiring, dir, backup, manifest) = (wiring.clone(), dir.clone(), backup.clone(), manifest.clone());
        let made = tokio::task::spawn_blocking(move || {
            let restoring = Restoring {
                files: wiring.files.clone(),
                dir: &dir,
                fold: Arc::new(Projections),
                clock: &*wiring.clock,
                actor: local_actor(),
                at: moment,
                head: (Seq(manifest.head.event), head.0),
                backed_up_ms: manifest.time_ms,
                incarnation: manifest.incarnation,
            };
            engine::restore(restoring, RowsIn::new(&backup, &manifest.log))
        });
        made.await.map_err(|error| Trouble::world("restoring the log", error))??
    };
    let (regions, missing) = bring_stores(wiring, &dir, &backup, &manifest).await?;
    finish(&dir, &to).map_err(failed)?;
    Ok(RestoreMade {
        path: to.display().to_string(),
        event: restored.at.0,
        time: if restored.at == Seq(0) { String::new() } else { time_text(restored.time_ms) },
        given_up: restored.given_up,
        head: restored.head.0,
        hash: domain::Digest(restored.head_hash).to_string(),
        parked: restored.parked,
        regions,
        missing,
    })
}

/// Copies files by their names, each of which has to be what was backed up.
fn bring_files(from: &Path, dir: &Path, files: &[(String, String)], to: &Path) -> Result<(), Trouble> {
    for (name, digest) in files {
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(not_whole(from, format_args!("it names a file `{name}`")));
        }
        let copied = copy_file(&from.join(name), &dir.join(name));
        let copied = copied
            .map_err(|error| Trouble::world(format_args!("restoring into `{}`", to.display()), error))?;
        if copied != *digest {
            return Err(not_whole(from, format_args!("`{name}` is not what was backed up")));
        }
    }
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Trouble::world(format_args!("restoring into `{}`", to.display()), error))
}

/// Opens the log that was restored and proves it, brings the stores of its regions, and says which those are and what
/// its images need and do not find. A region that was added later has no store then.
async fn bring_stores(
    wiring: &Wiring,
    dir: &Path,
    backup: &Path,
    manifest: &Manifest,
) -> Result<(Vec<String>, Vec<String>), Trouble> {
    let options = Options { dir: dir.to_owned(), wiring: wiring.clone(), drive: false };
    let service = Arc::new(Service::open_log(&options).await?);
    let (verified, rebuilt) = (service.verify(&[])?, service.rebuild()?);
    if let Some(fault) = verified.fault.or_else(|| rebuilt.faults.into_iter().next()) {
        let why = format!("what was restored does not verify: {}: {}", fault.place, fault.what);
        return Err(Trouble::new(Family::Damaged, "Log.Damaged", why).advise("use another backup"));
    }
    let (mut brought, mut missing) = (Vec::new(), Vec::new());
    if manifest.has_stores {
        let rows = service.engine.snapshot()?;
        let buckets = BUCKETS.list(&rows, &house(), &[]);
        for region in REGIONS.list(&rows, &house(), &[]) {
            let below = format!("{}/", region.id);
            let here = buckets.iter().filter(|bucket| bucket.region == region.id);
            let here: BTreeSet<&str> = here.map(|bucket| bucket.name.as_str()).collect();
            // A bucket that nobody has as of the moment may be made by anybody: nothing may be in it then.
            let is_known = |file: &&BackedUp| file.bucket().is_none_or(|bucket| here.contains(bucket));
            let files = manifest.stores.iter().filter(|file| file.path.starts_with(&below)).filter(is_known);
            let files: Vec<BackedUp> = files.cloned().collect();
            if files.is_empty() {
                // Of one that was being added there may be nothing yet.
                if region.ready {
                    missing.push(format!("{}: its store", region.id));
                }
                continue;
            }
            service.data.bring_back(backup.join(STORES), dir.join(STORES), files).await?;
            for name in here {
                // One that is empty is a directory without a file, which no backup has.
                let (region, store, name) = (region.id.clone(), region.store.clone(), name.to_owned());
                service.data.make_bucket(&BucketAt { region, store, name }).await?;
            }
            if region.ready {
                let checked = service.check_region(Some(region.id.clone()), false).await?;
                missing.extend(checked.missing.into_iter().map(|what| format!("{}: {what}", region.id)));
            }
            brought.push(region.id.0);
        }
    }
    if let Ok(service) = Arc::try_unwrap(service) {
        service.close().await;
    }
    Ok((brought, missing))
}
