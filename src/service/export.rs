//! The export use case: what is refused at once.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

use domain::image::{DiskKind, Image};
use domain::port::{Format, Location, Target, Wrapping};
use domain::{TaskId, rules};
use engine::Snapshot;
use event::{Actor, Refusal, View};
use files::Kind;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use workflows::ExportImage;

use crate::asked::Asked;
use crate::images::scope_of;
use crate::lookup;
use crate::request::{ExportTo, FileAt, ImageExport};
use crate::view::{Started, format_word};
use crate::{Service, Trouble};

/// What the names of exported objects begin with when nothing else is said.
const PREFIX: &str = "export";

impl Service {
    /// Starts an export.
    pub(crate) async fn export(
        &self,
        actor: Actor,
        asked: &Asked,
        ask: ImageExport,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let image = self.allowed(&actor, &ask.at, |_, image| rules::check_export(image))?;
        let rows = self.engine.snapshot()?;
        let disks = targets(&rows, &actor, &image, &ask)?;
        let targets: Vec<_> = disks.iter().map(|disk| (disk.device.clone(), disk.target.clone())).collect();
        let scope = scope_of(&image);
        rules::begin_export(
            &View::new(&rows, &scope, self.clock.now_ms()),
            &image.id,
            &TaskId::default(),
            &targets,
        )?;
        for disk in &disks {
            match disk.target.at.bucket {
                Some(_) => self.check_object(&disk.target).await?,
                None => self.check_target(&disk.target)?,
            }
        }
        let store = lookup::region(&rows, Some(&image.region))?.store;
        let id = image.id.clone();
        let export = ExportImage { account: image.account, region: image.region, store, image: id, disks };
        self.begin(actor, asked, export, image.id.0).await
    }

    /// Whether an object of that key may be made.
    async fn check_object(&self, target: &Target) -> Result<(), Trouble> {
        if target.replace || self.data.object(&target.at).await?.is_none() {
            return Ok(());
        }
        let refusal = Refusal::new("FileAlreadyExists", format!("`{}` exists already", target.at));
        Err(refusal.advise("choose another name, or replace it with `--force`").into())
    }

    /// Whether a file can be made there; found out by making one without a name, which a kill does
    /// not leave behind.
    pub(crate) fn check_target(&self, target: &Target) -> Result<(), Trouble> {
        let path = Path::new(&target.at.path);
        let (Some(dir), Some(_)) = (path.parent(), path.file_name()) else {
            return Err(no_directory(&target.at.path));
        };
        match self.files.identity(path) {
            Ok(found) if found.kind == Kind::Directory => {
                let why = format!("`{}` is a directory", target.at.path);
                let advice = "give the name of the file to be made in it";
                return Err(Refusal::new("InvalidTarget.Exists", why).advise(advice).into());
            }
            Ok(_) if !target.replace => {
                let why = format!("`{}` exists already", target.at.path);
                let advice = "choose another name, or replace it with `--force`";
                return Err(Refusal::new("InvalidTarget.Exists", why).advise(advice).into());
            }
            _ => {}
        }
        if !self.files.identity(dir).is_ok_and(|found| found.kind == Kind::Directory) {
            return Err(no_directory(&dir.display().to_string()));
        }
        let made = rustix::fs::open(dir, OFlags::TMPFILE | OFlags::WRONLY, Mode::RUSR | Mode::WUSR).map(drop);
        let made = match made {
            // FAT and NFS know no files without a name.
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => probe_by_name(dir),
            made => made,
        };
        made.map_err(|error| {
            let trouble = Trouble::world(format_args!("writing to the directory `{}`", dir.display()), error);
            trouble.advise("let this user write there, or export to another directory")
        })
    }
}

/// Makes a file and removes it again.
fn probe_by_name(dir: &Path) -> rustix::io::Result<()> {
    let chance = RandomState::new().build_hasher().finish();
    let probe = dir.join(format!(".kiln-probe-{chance:016x}"));
    rustix::fs::open(&probe, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY, Mode::RUSR | Mode::WUSR)?;
    rustix::fs::unlink(&probe)
}

/// Where each disk of an image goes: the system disk under the name that was asked for, data disks
/// beside it with their devices in their names.
fn targets(
    rows: &Snapshot,
    actor: &Actor,
    image: &Image,
    ask: &ImageExport,
) -> Result<Vec<workflows::ExportTo>, Trouble> {
    let mut disks = Vec::with_capacity(image.disks.len());
    for disk in &image.disks {
        let device = disk.device.rsplit('/').next().unwrap_or_default();
        let beside = |name: &str| match disk.kind {
            DiskKind::System => name.to_owned(),
            DiskKind::Data => beside(name, device),
        };
        let mut wrapping = Wrapping::None;
        let at = match &ask.to {
            ExportTo::File(path) => Location::file(beside(path)),
            ExportTo::Object { bucket, key } => {
                let at = FileAt { bucket: Some(bucket.clone()), path: beside(key) };
                lookup::location(rows, actor, &image.region, at)?
            }
            ExportTo::Bucket { bucket, prefix } => {
                let prefix = prefix.as_deref().unwrap_or(PREFIX);
                domain::name::export_prefix(prefix)?;
                let which = match disk.kind {
                    DiskKind::System => "system".to_owned(),
                    DiskKind::Data => format!("data_{device}"),
                };
                let name = format!("{prefix}_{}_{which}.{}", image.id, format_word(ask.format));
                let key = match ask.format {
                    Format::Raw => {
                        wrapping = Wrapping::TarGz(name.clone());
                        format!("{name}.tar.gz")
                    }
                    _ => name,
                };
                let at = FileAt { bucket: Some(bucket.clone()), path: key };
                lookup::location(rows, actor, &image.region, at)?
            }
        };
        let ImageExport { format, compression, replace, .. } = *ask;
        let target = Target { at, format, compression, wrapping, replace };
        disks.push(workflows::ExportTo { device: disk.device.clone(), target });
    }
    Ok(disks)
}

/// The name of a data disk's file: `web.raw` has `web-xvdb.raw` beside it.
fn beside(path: &str, device: &str) -> String {
    let (dir, name) = path.rsplit_once('/').map_or(("", path), |(dir, name)| (dir, name));
    let slash = if path.contains('/') { "/" } else { "" };
    match name.split_once('.') {
        Some((stem, rest)) if !stem.is_empty() => format!("{dir}{slash}{stem}-{device}.{rest}"),
        _ => format!("{path}-{device}"),
    }
}

fn no_directory(dir: &str) -> Trouble {
    let refusal = Refusal::new("InvalidTarget.NotFound", format!("there is no directory `{dir}`"));
    refusal.advise("make the directory first, or export to another").into()
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn data_disks_stand_beside_the_system_disk_under_its_name() {
        for (path, name) in [
            ("/out/web.raw", "/out/web-xvdb.raw"),
            ("web.raw.gz", "web-xvdb.raw.gz"),
            ("/out.d/web", "/out.d/web-xvdb"),
            ("/out/.web", "/out/.web-xvdb"),
        ] {
            assert_eq!(beside(path, "xvdb"), name);
        }
    }
}
