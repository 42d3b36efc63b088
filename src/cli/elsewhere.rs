//! Files between this computer and a server elsewhere: they go through a bucket of the account, made for it
//! where there is
//! none, and are removed from it when they have arrived.

use std::ffi::OsStr;
use std::path::Path;

use domain::RegionId;
use remote::{ObjectAt, Remote};
use service::{
    Accounts, BucketRequest, Buckets, FileAt, ImportDisk, Request, ShareRequest, Started, Trouble,
};

use crate::bar::Bar;
use crate::exit::Stop;
use crate::follow;
use crate::session::{At, Session};

/// What names of the buckets begin with through which files go.
const BUCKET: &str = "kiln-transfer";
/// The region where a server makes things when nobody says.
const REGION: &str = service::DEFAULT_REGION;
/// Characters of what a file is that name its object: enough to tell files apart.
const DIGEST_CHARS: usize = 24;

impl Session {
    /// The server elsewhere, if one is asked.
    pub(crate) fn remote(&self) -> Option<&Remote> {
        match &self.place {
            At::Here(_) => None,
            At::There(remote) => Some(remote),
        }
    }

    /// Sends a file to an object of a server, showing how far it is.
    pub(crate) async fn send(
        &self,
        remote: &Remote,
        path: &str,
        at: &ObjectAt,
        replace: bool,
    ) -> Result<u64, Stop> {
        let mut bar = Bar::new(&self.screen);
        let sent = remote
            .upload(Path::new(path), at, replace, &mut |done, all| bar.count("sending", done, all))
            .await;
        bar.clear();
        Ok(sent?)
    }

    /// Brings an object of a server into a file, showing how far it is.
    pub(crate) async fn bring(
        &self,
        remote: &Remote,
        at: &ObjectAt,
        path: &str,
        replace: bool,
    ) -> Result<u64, Stop> {
        let mut bar = Bar::new(&self.screen);
        let brought = remote
            .download(at, Path::new(path), replace, &mut |done, all| bar.count("receiving", done, all))
            .await;
        bar.clear();
        Ok(brought?)
    }

    /// The bucket in a region through which files go.
    pub(crate) async fn transfer_bucket(&self, region: Option<&RegionId>) -> Result<String, Stop> {
        let region = region.map_or_else(|| RegionId::from(REGION), Clone::clone);
        let accounts: Accounts = self.ask(Request::Share(ShareRequest::AccountList)).await?;
        // An operator sees all accounts, and is marked among them; anybody else sees its own.
        let own = accounts.accounts.iter().find(|account| account.is_operator).or(accounts.accounts.first());
        let own = own.map(|account| account.account_id.clone()).unwrap_or_default();
        let name = format!("{BUCKET}-{own}-{region}");
        let list = BucketRequest::List { region: Some(region.clone()) };
        let buckets: Buckets = self.ask(Request::Bucket(list)).await?;
        if !buckets.buckets.iter().any(|bucket| bucket.bucket_name == name) {
            let create = BucketRequest::Create { bucket: name.clone(), region: Some(region) };
            let started: Started = self.ask(Request::Bucket(create)).await?;
            follow::to_end(self, &started).await?;
        }
        Ok(name)
    }

    /// Sends the files among the disks of an import, and has the disks name objects instead. Those it sent are
    /// told, so that
    /// they can be removed.
    pub(crate) async fn send_disks(
        &self,
        remote: &Remote,
        disks: &mut [ImportDisk],
    ) -> Result<Vec<ObjectAt>, Stop> {
        let mut sent = Vec::new();
        if disks.iter().all(|disk| disk.at.bucket.is_some()) {
            return Ok(sent);
        }
        let bucket = self.transfer_bucket(self.region.as_ref()).await?;
        for disk in disks.iter_mut().filter(|disk| disk.at.bucket.is_none()) {
            let at = ObjectAt { bucket: bucket.clone(), key: key_of(&disk.at.path)? };
            // One that an earlier run sent whole is there; its key says what it is.
            if !remote.has(&at).await? {
                self.send(remote, &disk.at.path, &at, true).await?;
            }
            disk.at = FileAt { bucket: Some(at.bucket.clone()), path: at.key.clone() };
            sent.push(at);
        }
        Ok(sent)
    }

    /// Removes what was sent or brought.
    pub(crate) async fn forget(&self, objects: Vec<ObjectAt>) -> Result<(), Stop> {
        for at in objects {
            let remove = Request::Bucket(BucketRequest::Remove { bucket: at.bucket, key: at.key });
            match self.ask::<Started>(remove).await {
                Ok(started) => _ = follow::to_end(self, &started).await?,
                // Somebody else was quicker.
                Err(Stop::Trouble(Trouble { code, .. })) if code == "NoSuchKey" => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }
}

/// Objects on their way to files of this computer.
pub(crate) struct Carry {
    pub(crate) bucket: String,
    pub(crate) key: String,
    path: String,
}

impl Carry {
    /// The way to a file, which may not be there already unless it is replaced.
    pub(crate) async fn to(
        session: &Session,
        region: &RegionId,
        path: String,
        replace: bool,
    ) -> Result<Self, Stop> {
        if !replace && Path::new(&path).exists() {
            let why = format!("`{path}` exists already");
            let refusal = Trouble::new(service::Family::Refused, "FileAlreadyExists", why);
            return Err(refusal.advise("choose another name, or replace it with `--force`").into());
        }
        let bucket = session.transfer_bucket(Some(region)).await?;
        let name = Path::new(&path).file_name().and_then(OsStr::to_str).unwrap_or("disk");
        let digest = service::digest(format!("{path}\0{}", std::process::id()).as_bytes());
        Ok(Self { bucket, key: format!("{}/{name}", &digest[..DIGEST_CHARS]), path })
    }

    /// Brings what an export made, and removes it there. Data disks get the names they have beside the system disk's.
    pub(crate) async fn bring(
        self,
        session: &Session,
        made: &[String],
        replace: bool,
    ) -> Result<Vec<String>, Stop> {
        let Some(remote) = session.remote() else { return Ok(made.to_vec()) };
        let (dir, mut paths, mut objects) = (Path::new(&self.path).parent(), Vec::new(), Vec::new());
        for (number, object) in made.iter().enumerate() {
            let key = object.strip_prefix(&format!("oss://{}/", self.bucket)).unwrap_or(object).to_owned();
            let name = key.rsplit('/').next().unwrap_or_default().to_owned();
            let path = match (number, dir) {
                (0, _) | (_, None) => self.path.clone(),
                (_, Some(dir)) => dir.join(name).to_string_lossy().into_owned(),
            };
            let at = ObjectAt { bucket: self.bucket.clone(), key };
            session.bring(remote, &at, &path, replace).await?;
            objects.push(at);
            paths.push(path);
        }
        session.forget(objects).await?;
        Ok(paths)
    }
}

/// The key of a file that is sent: what it is called, and which version of it.
fn key_of(path: &str) -> Result<String, Stop> {
    use std::os::unix::fs::MetadataExt as _;
    let about = std::fs::metadata(path).map_err(|error| {
        let why = format!("`{path}` cannot be read: {error}");
        Stop::Trouble(
            Trouble::new(service::Family::Refused, "InvalidSource.NotFound", why)
                .advise("give the path of a file that this user may read"),
        )
    })?;
    let version =
        format!("{path}\0{}\0{}\0{}\0{}", about.ino(), about.len(), about.mtime(), about.mtime_nsec());
    let digest = service::digest(version.as_bytes());
    let name = Path::new(path).file_name().and_then(OsStr::to_str).unwrap_or("disk");
    Ok(format!("{}/{name}", &digest[..DIGEST_CHARS]))
}
