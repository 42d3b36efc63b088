//! `kiln bucket …`: buckets, and the objects in them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use remote::ObjectAt;
use serde::Serialize;
use service::{
    Because, BucketRequest, Buckets, Family, ObjectView, Objects, Request, Started, Trouble, bytes_text,
};

use crate::at::absolute;
use crate::confirm::confirm;
use crate::exit::Stop;
use crate::follow;
use crate::session::Session;
use crate::table::{Column, draw};
use crate::thing::because;

/// What an object's address begins with.
const SCHEME: &str = "oss://";
/// How long a URL holds at most: seven days, as the bucket wire has it.
const MINUTES_MAX: u64 = 7 * 24 * 60;
/// Objects asked for at once.
const PAGE_OBJECTS: u32 = 1000;

/// What may be done with buckets.
#[derive(Debug, Subcommand)]
pub(crate) enum BucketCommand {
    /// Make a bucket
    Create(Bucket),
    /// List the account's buckets
    List,
    /// Delete a bucket that holds nothing
    Delete(Bucket),
    /// Put a file into a bucket
    Put(Put),
    /// Get an object out of a bucket
    Get(Get),
    /// List what a bucket holds
    Ls(Ls),
    /// Remove an object
    Rm(Rm),
    /// Make a URL that gives an object away for a while
    Sign(Sign),
}

/// A bucket.
#[derive(Debug, Args)]
#[command(after_help = "Names of buckets are unique among all accounts and regions.

Examples:
  kiln bucket create my-images --region cn-beijing
  kiln bucket delete my-images")]
pub(crate) struct Bucket {
    /// Its name: 3 to 63 lower-case letters, digits and `-`
    bucket: String,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// A file to put.
#[derive(Debug, Args)]
#[command(
    after_help = "The object has its key only once it is whole and durable. Interrupted, the same command goes on
where it was.

Examples:
  kiln bucket put disk.raw my-images
  kiln bucket put disk.raw oss://my-images/2026/disk.raw --force"
)]
pub(crate) struct Put {
    /// The file
    file: PathBuf,
    /// Where it goes; without a key, under the file's name
    #[arg(value_name = "BUCKET[/KEY]")]
    to: String,
    /// Replace the object if it is there
    #[arg(long)]
    force: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// An object to get.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln bucket get oss://my-images/disk.raw disk.raw")]
pub(crate) struct Get {
    /// The object
    #[arg(value_name = "BUCKET/KEY")]
    from: String,
    /// The file to make
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// What to list.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln bucket ls my-images
  kiln bucket ls my-images 2026/ --output json | jq -r '.Objects[].Key'")]
pub(crate) struct Ls {
    /// The bucket
    #[arg(value_name = "BUCKET[/PREFIX]")]
    bucket: String,
    /// What the keys begin with
    prefix: Option<String>,
}

/// An object to remove.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln bucket rm oss://my-images/disk.raw
  kiln bucket rm my-images/disk.raw --yes")]
pub(crate) struct Rm {
    /// The object
    #[arg(value_name = "BUCKET/KEY")]
    object: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// An object to give away.
#[derive(Debug, Args)]
#[command(
    after_help = "The URL is signed with the access key of KILN_ACCESS_KEY_ID; it ends with its time, or with the key.

Examples:
  kiln bucket sign oss://my-images/disk.raw --endpoint http://images:8080
  kiln bucket sign my-images/disk.raw --minutes 1440 --endpoint http://images:8080 --output json | jq -r .Url"
)]
pub(crate) struct Sign {
    /// The object
    #[arg(value_name = "BUCKET/KEY")]
    object: String,
    /// How long it holds: up to seven days
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=MINUTES_MAX))]
    minutes: u64,
}

/// A URL that gives an object away.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Signed {
    url: String,
    until_time: String,
}

/// What a change of a bucket came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    bucket_name: String,
    workflow_id: event::FlowId,
}

/// What moving an object came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Moved {
    bucket_name: String,
    key: String,
    path: String,
    size: u64,
    /// The operation; none where a server elsewhere was sent or gave the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<event::FlowId>,
}

impl BucketCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Create(bucket) | Self::Delete(bucket) => because(bucket.no_wait),
            Self::Put(put) => because(put.no_wait),
            Self::Get(get) => because(get.no_wait),
            Self::Rm(rm) => because(rm.no_wait),
            Self::List | Self::Ls(_) | Self::Sign(_) => Because::Looks,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Create(Bucket { bucket, no_wait }) => {
                let region = session.region.clone();
                let request = BucketRequest::Create { bucket: bucket.clone(), region };
                change(session, request, bucket, no_wait, "made").await
            }
            Self::Delete(Bucket { bucket, no_wait }) => {
                let request = BucketRequest::Delete { bucket: bucket.clone() };
                change(session, request, bucket, no_wait, "deleted").await
            }
            Self::List => list(session).await,
            Self::Put(put) => put.run(session).await,
            Self::Get(get) => get.run(session).await,
            Self::Ls(ls) => ls.run(session).await,
            Self::Rm(rm) => rm.run(session).await,
            Self::Sign(sign) => sign.run(session).await,
        }
    }
}

impl Sign {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let (bucket, key) = object(&self.object)?;
        let Some(remote) = session.remote() else {
            let why = "a URL is answered by a server: say which, by `--endpoint`; `kiln serve` is one";
            return Err(Stop::Usage(why.to_owned()));
        };
        let at = ObjectAt { bucket, key };
        if !remote.has(&at).await? {
            let why = format!("there is no object `{SCHEME}{}/{}`", at.bucket, at.key);
            let refusal = Trouble::new(Family::Refused, "NoSuchKey", why);
            return Err(refusal.advise("`kiln bucket ls` shows what a bucket holds").into());
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let until_s = i64::try_from((now + Duration::from_mins(self.minutes)).as_secs()).unwrap_or(i64::MAX);
        let signed =
            Signed { url: remote.url_of(&at, until_s), until_time: service::time_text(until_s * 1000) };
        session.screen.give(&signed, |signed| format!("{}\n", signed.url));
        session.screen.say(&format!("anybody may read it by this until {}", signed.until_time));
        Ok(())
    }
}

async fn change(
    session: &Session,
    request: BucketRequest,
    bucket_name: String,
    no_wait: bool,
    done: &str,
) -> Result<(), Stop> {
    let started: Started = session.ask(Request::Bucket(request)).await?;
    if no_wait {
        follow::leave(session, &started);
        return Ok(());
    }
    follow::to_end(session, &started).await?;
    let changed = Changed { bucket_name, workflow_id: started.workflow_id };
    session.screen.give(&changed, |changed| format!("{done} the bucket `{}`\n", changed.bucket_name));
    Ok(())
}

async fn list(session: &Session) -> Result<(), Stop> {
    let request = BucketRequest::List { region: session.region.clone() };
    let buckets: Buckets = session.ask(Request::Bucket(request)).await?;
    session.screen.give(&buckets, |buckets| {
        if buckets.buckets.is_empty() {
            return String::new();
        }
        let columns = [
            Column::Whole("BUCKET"),
            Column::Text("REGION"),
            Column::State("STATUS"),
            Column::Spare("CREATED"),
        ];
        let rows = buckets.buckets.iter().map(|bucket| {
            vec![
                bucket.bucket_name.clone(),
                bucket.region_id.clone(),
                bucket.status.clone(),
                bucket.creation_time.chars().take(10).collect(),
            ]
        });
        draw(&session.screen, &columns, &rows.collect::<Vec<_>>())
    });
    if buckets.buckets.is_empty() {
        session.screen.say("no buckets yet; `kiln bucket create NAME` makes one");
    }
    Ok(())
}

impl Put {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let begun = Instant::now();
        let path = absolute(&self.file)?;
        let (bucket, mut key) = parts(&self.to);
        if key.is_empty() || key.ends_with('/') {
            key.push_str(path.rsplit('/').next().unwrap_or_default());
        }
        if let Some(remote) = session.remote() {
            let at = ObjectAt { bucket: bucket.clone(), key: key.clone() };
            let size = session.send(remote, &path, &at, self.force).await?;
            give_put(session, &Moved { bucket_name: bucket, key, path, size, workflow_id: None }, begun);
            return Ok(());
        }
        let request = BucketRequest::Put {
            path: path.clone(),
            bucket: bucket.clone(),
            key: key.clone(),
            replace: self.force,
        };
        let started: Started = session.ask(Request::Bucket(request)).await?;
        going_on(session, &started, "put");
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        give_put(session, &moved(session, &started, bucket, key, path).await?, begun);
        Ok(())
    }
}

impl Get {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let begun = Instant::now();
        let path = absolute(&self.file)?;
        let (bucket, key) = object(&self.from)?;
        if let Some(remote) = session.remote() {
            let at = ObjectAt { bucket: bucket.clone(), key: key.clone() };
            let size = session.bring(remote, &at, &path, self.force).await?;
            give_got(session, &Moved { bucket_name: bucket, key, path, size, workflow_id: None }, begun);
            return Ok(());
        }
        let request = BucketRequest::Get {
            bucket: bucket.clone(),
            key: key.clone(),
            path: path.clone(),
            replace: self.force,
        };
        let started: Started = session.ask(Request::Bucket(request)).await?;
        going_on(session, &started, "get");
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        give_got(session, &moved(session, &started, bucket, key, path).await?, begun);
        Ok(())
    }
}

fn give_put(session: &Session, moved: &Moved, begun: Instant) {
    session.screen.give(moved, |moved| {
        let Moved { bucket_name, key, path, size, .. } = moved;
        let seconds = begun.elapsed().as_secs_f64();
        format!("put `{path}` as `{SCHEME}{bucket_name}/{key}`: {}, in {seconds:.1} s\n", bytes_text(*size))
    });
}

fn give_got(session: &Session, moved: &Moved, begun: Instant) {
    session.screen.give(moved, |moved| {
        let Moved { bucket_name, key, path, size, .. } = moved;
        let seconds = begun.elapsed().as_secs_f64();
        format!("got `{SCHEME}{bucket_name}/{key}` as `{path}`: {}, in {seconds:.1} s\n", bytes_text(*size))
    });
}

fn going_on(session: &Session, started: &Started, what: &str) {
    if started.joined {
        let id = started.workflow_id;
        session.screen.say(&format!("going on with the {what} that has begun already, workflow `{id}`"));
    }
}

/// What has been carried, once it has.
async fn moved(
    session: &Session,
    started: &Started,
    bucket_name: String,
    key: String,
    path: String,
) -> Result<Moved, Stop> {
    follow::to_end(session, started).await?;
    let size = size_of(session, &bucket_name, &key).await?;
    Ok(Moved { bucket_name, key, path, size, workflow_id: Some(started.workflow_id) })
}

/// Length of an object; 0 for one that is gone already.
async fn size_of(session: &Session, bucket: &str, key: &str) -> Result<u64, Stop> {
    let (bucket, prefix) = (bucket.to_owned(), key.to_owned());
    let request = BucketRequest::Objects { bucket, prefix, after: String::new(), count: 1 };
    let found: Objects = session.ask(Request::Bucket(request)).await?;
    Ok(found.objects.first().filter(|object| object.key == key).map_or(0, |object| object.size))
}

impl Ls {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let (bucket, key) = parts(&self.bucket);
        let prefix = key + &self.prefix.unwrap_or_default();
        let mut all = Objects { objects: Vec::new(), more: true };
        while all.more {
            let after = all.objects.last().map(|object| object.key.clone()).unwrap_or_default();
            let (bucket, prefix) = (bucket.clone(), prefix.clone());
            let request = BucketRequest::Objects { bucket, prefix, after, count: PAGE_OBJECTS };
            let page: Objects = session.ask(Request::Bucket(request)).await?;
            all.more = page.more && !page.objects.is_empty();
            all.objects.extend(page.objects);
        }
        session.screen.give(&all, |all| {
            if all.objects.is_empty() {
                return String::new();
            }
            let columns = [Column::Whole("KEY"), Column::Number("SIZE"), Column::Spare("LAST MODIFIED")];
            let row = |object: &ObjectView| {
                vec![
                    object.key.escape_debug().to_string(),
                    bytes_text(object.size),
                    object.last_modified.clone(),
                ]
            };
            draw(&session.screen, &columns, &all.objects.iter().map(row).collect::<Vec<_>>())
        });
        if all.objects.is_empty() {
            session.screen.say("no such objects; `kiln bucket put FILE BUCKET` puts one there");
        }
        Ok(())
    }
}

impl Rm {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let (bucket, key) = object(&self.object)?;
        confirm(session, &format!("`{SCHEME}{bucket}/{key}` will be removed"), self.yes)?;
        let request = BucketRequest::Remove { bucket: bucket.clone(), key: key.clone() };
        let started: Started = session.ask(Request::Bucket(request)).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        follow::to_end(session, &started).await?;
        session.screen.give(&started, |_| format!("removed `{SCHEME}{bucket}/{key}`\n"));
        Ok(())
    }
}

/// Bucket and key, the key empty if there is none.
fn parts(text: &str) -> (String, String) {
    let text = text.strip_prefix(SCHEME).unwrap_or(text);
    let (bucket, key) = text.split_once('/').unwrap_or((text, ""));
    (bucket.to_owned(), key.to_owned())
}

fn object(text: &str) -> Result<(String, String), Stop> {
    let (bucket, key) = parts(text);
    if bucket.is_empty() || key.is_empty() {
        return Err(Stop::Usage(format!("`{text}` names no object: give `{SCHEME}BUCKET/KEY`")));
    }
    Ok((bucket, key))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn an_object_is_named_with_or_without_its_scheme() {
        for (text, bucket, key) in [
            ("oss://b/k", "b", "k"),
            ("b/a/b/", "b", "a/b/"),
            ("b", "b", ""),
            ("oss://b/", "b", ""),
            ("oss://b//k", "b", "/k"),
        ] {
            assert_eq!(parts(text), (bucket.to_owned(), key.to_owned()), "{text}");
        }
    }
}
