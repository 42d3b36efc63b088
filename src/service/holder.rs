//! Holding a data directory: the lock, and answering others on the socket.
//!
//! The lock is the truth about who holds the directory, the socket only where they answer. So a
//! socket that is there without a lock is a dead one's, and only who has the lock removes it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::house::{LOCK, SOCKET};
use crate::request::{Call, Reply};
use crate::{Family, Service, Trouble, dispatch, frame};

/// Others answered at once; each may hold one long wait. More than a person starts, and few enough
/// that a script gone wild takes no memory to speak of.
const CONNECTIONS_MAX: usize = 64;
/// The longest path a socket may be bound to; the kernel's limit is 108 with the closing zero.
const SOCKET_PATH_BYTES_MAX: usize = 100;
/// A pause when accepting fails (no file descriptors left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often, and how long, an end waits for answers that are still being made. What is
/// acknowledged is safe without it; it only spares the next opening some work.
const LAST_ANSWERS_MAX: u32 = 100;
const LAST_ANSWER_PAUSE: Duration = Duration::from_millis(5);
/// The code that says: later.
pub(crate) const BUSY: &str = "Throttling.Connections";

/// The lock on a data directory; held until it is dropped, or the process is gone.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, if nobody has it.
    pub(crate) fn take(dir: &Path) -> Result<Option<Self>, Trouble> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| unusable(dir, &error))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(dir.join(LOCK)).map_err(|error| unusable(dir, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(unusable(dir, &error)),
        }
        // For whoever looks who it is; nothing depends on it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Some(Self { _file: file }))
    }
}

fn unusable(dir: &Path, error: &io::Error) -> Trouble {
    let trouble = Trouble::world(format_args!("using the data directory `{}`", dir.display()), error);
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space in the file system that holds it"
        }
        _ => "it has to be a directory this user may write to; choose one with `--data` or KILN_DATA",
    };
    trouble.advise(advice)
}

/// An open data directory that answers others.
pub(crate) struct Holder {
    pub(crate) service: Arc<Service>,
    answering: JoinHandle<()>,
    socket: PathBuf,
    lock: Lock,
}

impl Holder {
    /// Begins to answer for an open directory.
    pub(crate) fn begin(lock: Lock, dir: &Path, service: Arc<Service>) -> Result<Self, Trouble> {
        let socket = dir.join(SOCKET);
        let failed =
            |error: io::Error| Trouble::world(format_args!("answering on `{}`", socket.display()), error);
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = reach(dir, |path| UnixListener::bind(path)).map_err(failed)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let answering = tokio::spawn(answer_all(listener, service.clone()));
        Ok(Self { service, answering, socket, lock })
    }

    /// Stops answering and closes the log. The lock stays until the process is gone: a thread may
    /// still be writing to a pack, and two writers on one store would ruin it.
    pub(crate) async fn end(self) {
        let _ = fs::remove_file(&self.socket);
        std::mem::forget(self.lock);
        self.answering.abort();
        let _ = self.answering.await;
        self.service.stop_following();
        let mut service = self.service;
        for _ in 0..LAST_ANSWERS_MAX {
            match Arc::try_unwrap(service) {
                Ok(service) => return service.close().await,
                // An answer is still being made; a wait takes a fifth of a second.
                Err(shared) => service = shared,
            }
            tokio::time::sleep(LAST_ANSWER_PAUSE).await;
        }
    }
}

/// Does something with the path of the socket. One that is too long for the kernel is reached by a
/// handle on its directory.
pub(crate) fn reach<T>(dir: &Path, with: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = dir.join(SOCKET);
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return with(&path);
    }
    let handle = File::open(dir)?;
    with(&PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", handle.as_raw_fd())))
}

async fn answer_all(listener: UnixListener, service: Arc<Service>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // Dropped with this task, and every conversation with it.
    let mut talks = tokio::task::JoinSet::new();
    loop {
        while talks.try_join_next().is_some() {}
        let Ok((mut stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // The socket's mode says so already; between binding and setting it, this does.
        let own = rustix::process::geteuid().as_raw();
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0) {
            continue;
        }
        let service = service.clone();
        let place = room.clone().try_acquire_owned();
        talks.spawn(async move {
            if let Ok(_place) = place {
                return talk(stream, &service).await;
            }
            let message = format!("{CONNECTIONS_MAX} others are being answered");
            let busy = Trouble::new(Family::World, BUSY, message).advise("try again later");
            // The question first: an answer to an unread one would be lost.
            if let Ok(Some(_)) = frame::read::<Call>(&mut stream).await {
                let _ = frame::write(&mut stream, &Err::<Reply, Trouble>(busy)).await;
            }
        });
    }
}

/// Answers one process until it hangs up.
async fn talk(mut stream: UnixStream, service: &Arc<Service>) {
    loop {
        let answer = match frame::read::<Call>(&mut stream).await {
            Ok(None) | Err(_) => return,
            Ok(Some(call)) => dispatch(service, call).await,
        };
        let sent = match frame::write(&mut stream, &answer).await {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                let long = Trouble::new(Family::Refused, "AnswerTooLong", "the answer is too long");
                frame::write(&mut stream, &Err::<Reply, Trouble>(long.advise("ask for less at once"))).await
            }
            other => other,
        };
        if sent.is_err() {
            return;
        }
    }
}
