//! A flow while it is driven by this process: whether it may go on, and how far it has come.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use event::{Progress, Seq};
use tokio::sync::{Notify, watch};

use crate::fold::FlowRow;
use crate::kinds::Class;
use crate::kinds::Signalled;
use crate::queue::{Ahead, Queue, lock};

/// A flow that is being driven here and now.
pub(crate) struct Live {
    pub(crate) ahead: Ahead,
    cancelled: AtomicBool,
    closing: AtomicBool,
    /// It was taken up after the process before ended, and that has been counted.
    counted: AtomicBool,
    /// Attempts that are being made.
    pub(crate) at_work: AtomicUsize,
    bell: Notify,
    /// What it was told, and which of that its story has taken.
    pub(crate) signals: Mutex<Signals>,
    /// What its story shows of itself, by name.
    pub(crate) shown: Mutex<HashMap<String, Vec<u8>>>,
    /// From when somebody looks or it says something on.
    progress: OnceLock<watch::Sender<Progress>>,
    /// The last checkpoint that was given to the log.
    kept: Mutex<Progress>,
    has_rested: AtomicBool,
    /// The same for who watches it.
    at_rest: OnceLock<watch::Sender<bool>>,
    /// How it ended, if it did.
    ended: OnceLock<Box<FlowRow>>,
    /// Who it is behind where flows wait, once that is known: that of a person until then.
    class: OnceLock<Class>,
    /// It is to be driven once more when it has come to rest; and whether it is cancelled then.
    again: Mutex<Option<bool>>,
}

/// What a flow was told.
#[derive(Default)]
pub(crate) struct Signals {
    pub(crate) told: BTreeMap<Seq, Signalled>,
    pub(crate) taken: BTreeSet<Seq>,
    /// Those that the log says were taken: a story that is told again gets each where it took it.
    pub(crate) claimed: BTreeSet<Seq>,
}

/// How far a step has to come before its checkpoint is written over the one before: often enough
/// to show that a recovery got further, seldom enough not to cost a commit for every chunk.
const KEEP_BYTES: u64 = 64 << 20;

impl Live {
    pub(crate) fn new(queue: &Arc<Queue>, cancelled: bool) -> Arc<Self> {
        Arc::new(Self {
            ahead: Ahead::moving(queue.clone()),
            cancelled: AtomicBool::new(cancelled),
            closing: AtomicBool::new(false),
            counted: AtomicBool::new(true),
            at_work: AtomicUsize::new(0),
            bell: Notify::new(),
            signals: Mutex::default(),
            shown: Mutex::default(),
            progress: OnceLock::new(),
            kept: Mutex::default(),
            has_rested: AtomicBool::new(false),
            at_rest: OnceLock::new(),
            ended: OnceLock::new(),
            class: OnceLock::new(),
            again: Mutex::new(None),
        })
    }

    /// Says of which class it is.
    pub(crate) fn is_of(&self, class: Class) {
        // It never changes.
        let _ = self.class.set(class);
    }

    pub(crate) fn class(&self) -> Class {
        self.class.get().copied().unwrap_or_default()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Whether its recovery still counts against it, and no line of it is at work on what may be the cause; yes once.
    pub(crate) fn takes_counted(&self) -> bool {
        self.at_work.load(Ordering::Acquire) == 0 && self.counted.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Ends when the flow is cancelled, the engine closes, or something else holds for which the bell was rung.
    pub(crate) async fn called_or(&self, also: impl Fn() -> bool) {
        self.rung_for(|| self.is_cancelled() || self.is_closing() || also()).await;
    }

    /// Ends when the engine closes.
    pub(crate) async fn closing(&self) {
        self.rung_for(|| self.is_closing()).await;
    }

    /// Ends when something holds for which the bell is rung.
    async fn rung_for(&self, holds: impl Fn() -> bool) {
        while !holds() {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if holds() {
                return;
            }
            rung.await;
        }
    }

    /// Has everybody who waits look again.
    pub(crate) fn ring(&self) {
        self.bell.notify_waiters();
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.bell.notify_waiters();
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.bell.notify_waiters();
    }

    /// Shows a checkpoint; says whether it is worth keeping in the log.
    pub(crate) fn report(&self, progress: &Progress) -> bool {
        self.progress().send_replace(progress.clone());
        let mut kept = lock(&self.kept);
        let moved = kept.doing != progress.doing
            || progress.done_bytes < kept.done_bytes
            || progress.done_bytes - kept.done_bytes >= KEEP_BYTES;
        if moved {
            kept.clone_from(progress);
        }
        moved
    }

    /// Shows other words beside the same numbers; returns those before.
    pub(crate) fn says(&self, doing: String) -> String {
        let mut before = String::new();
        self.progress().send_modify(|progress| before = std::mem::replace(&mut progress.doing, doing));
        before
    }

    pub(crate) fn drive_again(&self, cancelled: bool) {
        let mut again = lock(&self.again);
        *again = Some(cancelled || again.unwrap_or(false));
    }

    pub(crate) fn takes_again(&self) -> Option<bool> {
        lock(&self.again).take()
    }

    /// The flow has ended so, and that is on disk.
    pub(crate) fn end(&self, row: FlowRow) {
        // It ends once.
        let _ = self.ended.set(Box::new(row));
    }

    pub(crate) fn ended(&self) -> Option<FlowRow> {
        self.ended.get().map(|row| (**row).clone())
    }

    pub(crate) fn rest(&self) {
        self.has_rested.store(true, Ordering::SeqCst);
        self.bell.notify_waiters();
        if let Some(at_rest) = self.at_rest.get() {
            at_rest.send_replace(true);
        }
    }

    /// Ends when it has come to rest.
    pub(crate) async fn rested(&self) {
        self.rung_for(|| self.has_rested.load(Ordering::SeqCst)).await;
    }

    fn progress(&self) -> &watch::Sender<Progress> {
        self.progress.get_or_init(watch::Sender::default)
    }

    pub(crate) fn watch(&self) -> Watch {
        let at_rest = self.at_rest.get_or_init(watch::Sender::default);
        // It may have come to rest before that was there.
        if self.has_rested.load(Ordering::SeqCst) {
            at_rest.send_replace(true);
        }
        Watch { progress: self.progress().subscribe(), at_rest: at_rest.subscribe() }
    }
}

/// A flow being watched.
pub struct Watch {
    /// How far its present step has come.
    pub progress: watch::Receiver<Progress>,
    /// Becomes true when it has ended or parked here.
    pub at_rest: watch::Receiver<bool>,
}
