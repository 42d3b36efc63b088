//! How a process gets at a data directory: it holds it, or it asks who does.
//!
//! ```text
//!            ┌── lock free ──▶ open it, answer on the socket ──▶ ask here
//!  ask ──────┤
//!            └── lock taken ─▶ connect ──▶ ask there ──┐
//!                 ▲                                    │ the holder is gone
//!                 └────────────────────────────────────┘
//! ```
//!
//! A question is asked again under the same request id when the holder vanishes, so that nothing
//! is started twice; the process may be the holder itself by then, and its wait goes on.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{Clock as _, SystemClock};
use event::Actor;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::holder::{BUSY, Holder, Lock, reach};
use crate::request::{Call, Manner, PROTOCOL, Reply, Request};
use crate::request_audit::Kept;
use crate::service::{Options, Wiring, local_actor, panic_text};
use crate::view::Verified;
use crate::{Family, Service, Trouble, audit, dispatch, frame};

/// The lock's file name in the data directory.
pub const LOCK: &str = "lock";
/// The socket's.
pub const SOCKET: &str = "kiln.sock";

/// How long a holder may neither answer nor go. It may be repairing a large log after a power
/// cut, a second or two for each GiB of it.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// After this, the person is told what is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for an answer; most take milliseconds.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How long somebody else may hold a directory that is to be held here: a command that looks takes a
/// moment, one that waits for an import takes long.
const HOLD_PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between two tries, doubling.
const PAUSE: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Holders that may vanish, or be busy, during one question.
const TRIES_MAX: u32 = 50;

/// What a process wants the data directory for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// To look, or to start something and go: operations do not go on under it.
    Looks,
    /// To wait for something to be done: operations go on under it.
    Waits,
}

/// A data directory, wherever it is open.
pub struct House {
    dir: PathBuf,
    wiring: Wiring,
    because: Because,
    actor: Actor,
    manner: Manner,
    tell: Box<dyn Fn(&str) + Send + Sync>,
    role: Mutex<Role>,
    signing_key: Option<PathBuf>,
    /// It asks whoever holds the directory, and never holds it.
    only_asks: AtomicBool,
}

enum Role {
    Outside,
    Holds(Box<Holder>),
    Asks(UnixStream),
}

impl House {
    /// A data directory; nothing is opened before something is asked. `tell` is called with a line
    /// for the person when something takes long.
    pub fn new(
        dir: PathBuf,
        wiring: Wiring,
        because: Because,
        tell: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        let (actor, manner) = (local_actor(), Manner::default());
        let (role, only_asks) = (Mutex::new(Role::Outside), AtomicBool::new(false));
        Self { dir, wiring, because, actor, manner, tell, role, signing_key: None, only_asks }
    }

    /// Signs heads with the key in this file, from now on; else it lies in the directory.
    #[must_use]
    pub fn signing_with(mut self, key: Option<PathBuf>) -> Self {
        self.signing_key = key;
        self
    }

    /// Looks at the log of a directory that does not open, and why that is, and holds heads against it that were
    /// kept elsewhere. Finds at least one fault, and changes nothing.
    pub fn examine(&self, heads: &[Kept], opening: &Trouble) -> Result<Verified, Trouble> {
        if !self.dir.is_dir() {
            let why = format!("there is no data directory `{}`", self.dir.display());
            return Err(Trouble::new(Family::World, "Log.Unavailable", why));
        }
        let Some(_lock) = Lock::take(&self.dir)? else { return Err(self.silent("it holds the log")) };
        audit::examine(&self.wiring.files, &self.dir, heads, opening)
    }

    /// Asks from now on as this account, and in this manner.
    #[must_use]
    pub fn asking(mut self, account: Option<String>, manner: Manner) -> Self {
        if let Some(account) = account {
            self.actor = Actor { account, ..self.actor };
        }
        self.manner = manner;
        self
    }

    /// From now on asks whoever holds the directory and never holds it: for whoever stays long and only looks, and
    /// would keep a server from starting.
    pub fn only_ask(&self) {
        self.only_asks.store(true, Ordering::Relaxed);
    }

    /// The account that asks.
    pub fn account(&self) -> &str {
        &self.actor.account
    }

    /// Whether it is only asked whether something could be done.
    pub fn is_dry_run(&self) -> bool {
        self.manner.dry_run
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Asks, and takes the answer as what it has to be.
    pub async fn ask<T: TryFrom<Reply, Error = Trouble>>(&self, request: Request) -> Result<T, Trouble> {
        let drive = self.because == Because::Waits;
        let (actor, manner) = (self.actor.clone(), self.manner.clone());
        let call = Call { protocol: PROTOCOL, drive, actor, id: request_id(), manner, request };
        let mut role = self.role.lock().await;
        let mut last = None;
        for _ in 0..TRIES_MAX {
            if matches!(*role, Role::Outside) {
                let visits = self.only_asks.load(Ordering::Relaxed);
                let drive = drive && !call.request.holds_lines_back();
                *role = if visits { self.visit().await? } else { self.enter(drive).await? };
            }
            match &mut *role {
                Role::Holds(holder) => return T::try_from(dispatch(&holder.service, call.clone()).await?),
                Role::Asks(stream) => match self.patiently(exchange(stream, &call)).await {
                    Ok(Err(busy)) if busy.code == BUSY => {
                        last = Some(busy);
                        tokio::time::sleep(PAUSE_MAX).await;
                    }
                    Ok(answer) => return T::try_from(answer?),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        return Err(Trouble::world(
                            "understanding the process that holds the data directory",
                            error,
                        )
                        .advise("it may be another version of `kiln`: wait until it has ended"));
                    }
                    Err(error) => last = Some(self.silent(&error.to_string())),
                },
                Role::Outside => {}
            }
            *role = Role::Outside;
        }
        Err(last.unwrap_or_else(|| self.silent("it vanished again and again")))
    }

    /// Holds the directory, to answer others for as long as this process lives. Whoever has it now for a
    /// command is waited for; one that holds it for long has to end first.
    pub async fn hold(&self) -> Result<Arc<Service>, Trouble> {
        let begun = Instant::now();
        let mut role = self.role.lock().await;
        loop {
            if matches!(*role, Role::Outside) {
                *role = self.enter(self.because == Because::Waits).await?;
            }
            if let Role::Holds(holder) = &*role {
                return Ok(holder.service.clone());
            }
            if begun.elapsed() > HOLD_PATIENCE {
                let why = format!("{} holds the data directory `{}`", self.holder(), self.dir.display());
                let held = Trouble::new(Family::World, "ServiceUnavailable", why);
                return Err(held.advise("end it first, or use another directory with `--data`"));
            }
            *role = Role::Outside;
            tokio::time::sleep(PAUSE_MAX).await;
        }
    }

    /// Stops using the directory. A process that held it holds it until it is gone, so that nobody
    /// else writes while a thread of it still does.
    pub async fn close(self) {
        if let Role::Holds(holder) = self.role.into_inner() {
            holder.end().await;
        }
    }

    /// Waits for an answer, and says whose it is when it takes long: checking a large log does, and
    /// a holder that was stopped never answers.
    async fn patiently<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = std::pin::pin!(answer);
        if let Ok(answer) = tokio::time::timeout(ANSWER_PATIENCE, &mut answer).await {
            return answer;
        }
        (self.tell)(&format!("waiting for the answer of {}, which holds the data directory", self.holder()));
        answer.await
    }

    async fn visit(&self) -> Result<Role, Trouble> {
        let connected = match self.connect() {
            Ok(stream) => stream.await,
            Err(error) => Err(error),
        };
        connected.map(Role::Asks).map_err(|_| {
            let why = format!("nobody is at work in the data directory `{}`", self.dir.display());
            let idle = Trouble::new(Family::World, "DataDirectory.Idle", why);
            idle.advise("start `kiln serve`, or another command that waits for its work")
        })
    }

    async fn enter(&self, drive: bool) -> Result<Role, Trouble> {
        let begun = Instant::now();
        let (mut pause, mut told) = (PAUSE, false);
        loop {
            if let Some(lock) = Lock::take(&self.dir)? {
                let options = Options { dir: self.dir.clone(), wiring: self.wiring.clone(), drive };
                let service = opened(options).await?;
                // Whoever asks for a head is told if there can be no key; others need none.
                let _ = service.sign_with(self.signing_key.clone());
                return Ok(Role::Holds(Box::new(Holder::begin(lock, &self.dir, service)?)));
            }
            let connected = match self.connect() {
                Ok(stream) => stream.await,
                Err(error) => Err(error),
            };
            let error = match connected {
                Ok(stream) => return Ok(Role::Asks(stream)),
                Err(error) => error,
            };
            if begun.elapsed() > SILENCE_MAX {
                return Err(self.silent(&error.to_string()));
            }
            if begun.elapsed() > PATIENCE && !told {
                told = true;
                (self.tell)(&format!("waiting for {}, which holds the data directory", self.holder()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn connect(&self) -> io::Result<impl Future<Output = io::Result<UnixStream>>> {
        // Connecting on a socket of this machine does not wait, so it is done while the path holds.
        let stream = reach(&self.dir, |path| std::os::unix::net::UnixStream::connect(path))?;
        stream.set_nonblocking(true)?;
        Ok(async move { UnixStream::from_std(stream) })
    }

    /// Who holds the directory, as far as they say.
    fn holder(&self) -> String {
        let pid = fs::read_to_string(self.dir.join(LOCK)).unwrap_or_default();
        match pid.trim() {
            "" => "another process".to_owned(),
            pid => format!("process {pid}"),
        }
    }

    fn silent(&self, why: &str) -> Trouble {
        let holder = self.holder();
        let dir = self.dir.display();
        let message = format!("the data directory `{dir}` is held by {holder}, which does not answer: {why}");
        Trouble::new(Family::World, "DataDirectory.Held", message)
            .advise("end that process if it hangs; what was acknowledged is safe")
    }
}

/// Opens it on a task of its own: reading a damaged database may panic, and that is an answer as well.
async fn opened(options: Options) -> Result<Arc<Service>, Trouble> {
    match tokio::spawn(Service::open(options)).await {
        Ok(opened) => opened,
        Err(join) if join.is_panic() => Err(Trouble::panicked(&panic_text(&*join.into_panic()))),
        Err(_) => Err(Trouble::new(Family::World, "Stopped", "the process is ending")),
    }
}

async fn exchange(stream: &mut UnixStream, call: &Call) -> io::Result<Result<Reply, Trouble>> {
    frame::write(stream, call).await?;
    frame::read(stream).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A request id that nobody else has: the time, so that the log keeps requests of one hour side by side, and 64
/// bits of the chance that seeds every hash map.
fn request_id() -> String {
    let chance = RandomState::new().build_hasher().finish();
    format!("cli-{:012x}-{chance:016x}", SystemClock.now_ms())
}
