//! The export use case: what is refused at once.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

use domain::port::{Location, Target, Wrapping};
use domain::{image::REGIONS, rules};
use event::{Actor, Refusal};
use files::Kind;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use workflows::ExportImage;

use crate::request::ImageExport;
use crate::view::Started;
use crate::{Service, Trouble};

impl Service {
    /// Starts an export.
    pub(crate) async fn export(
        &self,
        actor: Actor,
        request: &str,
        ask: ImageExport,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(request)? {
            return Ok(known);
        }
        let target = Target {
            at: Location::file(ask.path),
            format: ask.format,
            compression: ask.compression,
            wrapping: Wrapping::None,
            replace: ask.replace,
        };
        let image = self.allowed(&actor, &ask.at, |view, image| {
            rules::begin_export(view, &image.id, target.clone()).map(drop)
        })?;
        self.check_target(&target)?;
        let region = REGIONS.get(&self.engine.snapshot()?, &domain::image::house(), &[image.region.as_str()]);
        let store = region.ok_or_else(|| Trouble::world("finding the store", &image.region))?.store;
        let id = image.id.clone();
        let export = ExportImage { account: image.account, region: image.region, store, image: id, target };
        self.begin(actor, request, export, image.id.0).await
    }

    /// Whether a file can be made there; found out by making one without a name, which a kill does
    /// not leave behind.
    fn check_target(&self, target: &Target) -> Result<(), Trouble> {
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

fn no_directory(dir: &str) -> Trouble {
    let refusal = Refusal::new("InvalidTarget.NotFound", format!("there is no directory `{dir}`"));
    refusal.advise("make the directory first, or export to another").into()
}
