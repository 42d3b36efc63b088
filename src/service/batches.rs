//! Use cases on batches: keeping a manifest, trying it, beginning a batch, and a person's word on one.
//!
//! How its lines are done is in `batch_run.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::batch::{
    BATCH_LINES, BATCH_MANIFESTS, BATCH_NAMES, BATCHES, BATCHES_OPEN, Batch, BatchChange, BatchId, BatchPlan,
    Counts, Sort, Unstarted, line_part,
};
use domain::image::house;
use domain::{AccountId, Digest, rules};
use engine::{FlowRow, Snapshot, State};
use event::{Actor, FlowId, Refusal, View};
use tokio::sync::Semaphore;
use workflows::{BeginBatch, ChangeBatch};

use crate::asked::Asked;
use crate::batch_forget::forgotten;
use crate::batch_line::request_of;
use crate::batch_run::Live;
use crate::lookup::{account, nearest};
use crate::manifest::{BAD_LINES_MAX, Line, check_key};
use crate::manifests::{Kept, Piece, damaged};
use crate::operation::plain;
use crate::request::{Call, Manner, PROTOCOL, Reply, Request};
use crate::request_batch::{BatchRequest, BatchRun};
use crate::request_share::ShareRequest;
use crate::request_things::SnapshotRequest;
use crate::service::blocking;
use crate::view::time_text;
use crate::view_batch::{BatchLines, BatchView, Batches, LineView, LinesTried, ManifestHave};
use crate::{Service, Trouble, dispatch};

/// Lines of all batches together that run at once: what waits behind them is a person's own operation.
const LINES_AT_ONCE_MAX: usize = 256;
/// Lines that are looked at for one answer.
const STRETCH_MAX: u32 = 1000;
/// How long a wait is held: a bar moves five times a second.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// Characters of what lines were to be sorted by that a refusal repeats.
const SORT_CHARS_TOLD_MAX: usize = 80;
/// Bad lines that a refusal repeats; the others were told by whoever read the manifest first.
const REPEATED_MAX: usize = 5;

/// What a service knows of batches beside the log.
pub(crate) struct Running {
    /// Batches whose lines are started here.
    pub(crate) live: Mutex<HashMap<BatchId, Arc<Live>>>,
    /// Places of lines.
    pub(crate) places: Arc<Semaphore>,
}

impl Default for Running {
    fn default() -> Self {
        Self { live: Mutex::default(), places: Arc::new(Semaphore::new(LINES_AT_ONCE_MAX)) }
    }
}

impl Running {
    pub(crate) fn live(&self, id: &BatchId) -> Option<Arc<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

/// What a manifest may ask for.
struct Allowed {
    actions: BTreeSet<String>,
    names_files: bool,
}

impl Service {
    pub(crate) async fn batch(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: BatchRequest,
    ) -> Result<Reply, Trouble> {
        use BatchRequest as R;
        Ok(match request {
            R::Put { manifest, bytes, offset, text } => {
                let (digest, of) = (digest_of(&manifest)?, account(&actor));
                let put = move |service: &Self| {
                    let piece = Piece { total: bytes, offset, text: text.as_bytes() };
                    let named = || service.named_manifests(&of);
                    service.manifests.put(&of, &digest, piece, service.clock.now_ms(), named)
                };
                let have = blocking(self, put).await?;
                ManifestHave { manifest, bytes: have.bytes, whole: have.whole }.into()
            }
            R::Plan { manifest, from, count, actions, names_files } => {
                let allowed = Allowed { actions: actions.into_iter().collect(), names_files };
                self.try_lines(actor, &digest_of(&manifest)?, (from, count), &allowed).await?.into()
            }
            R::Run(run) => self.run_batch(actor, asked, run).await?.into(),
            R::List => self.batches(&actor)?.into(),
            R::Show { batch } => self.show_batch(&actor, &batch)?.into(),
            R::Wait { batch } => self.wait_batch(&actor, &batch).await?.into(),
            R::Pause { batch, reason } => {
                self.change_batch(actor, asked, &batch, BatchChange::Pause { reason }).await?.into()
            }
            R::Resume { batch, reason } => {
                self.change_batch(actor, asked, &batch, BatchChange::Resume { reason }).await?.into()
            }
            R::Cancel { batch, reason, hard } => {
                self.change_batch(actor, asked, &batch, BatchChange::Cancel { reason, hard }).await?.into()
            }
            R::Forget { batch } => self.change_batch(actor, asked, &batch, BatchChange::Forget).await?.into(),
            R::Lines { batch, from, count, bad } => {
                let row = find_batch(&self.engine.snapshot()?, &actor, &batch)?;
                blocking(self, move |service| service.batch_lines(&row, from, count, bad)).await?.into()
            }
        })
    }

    /// Asks each of a stretch of lines whether it could be done, and does none.
    async fn try_lines(
        self: &Arc<Self>,
        actor: Actor,
        digest: &Digest,
        (from, count): (u64, u32),
        allowed: &Allowed,
    ) -> Result<LinesTried, Trouble> {
        let kept = self.manifests.open(&account(&actor), digest)?;
        let (mut ready, mut refused, mut next) = (0, Vec::new(), None);
        for (number, line) in kept.lines(from).enumerate() {
            let (line, behind) = line.map_err(|error| damaged(digest, &error))?;
            let request = allowed.request(&line)?;
            let manner = Manner { dry_run: true, ..Manner::default() };
            let call = Call {
                protocol: PROTOCOL,
                drive: false,
                actor: actor.clone(),
                id: String::new(),
                manner,
                request,
            };
            match ask_line(self.clone(), call).await {
                Ok(_) => ready += 1,
                Err(trouble) if trouble.code == "DryRunOperation" => ready += 1,
                Err(trouble) => refused.push(line_view(line, "Refused", None, Some(trouble))),
            }
            if number + 1 >= count.clamp(1, STRETCH_MAX) as usize {
                next = Some(behind).filter(|behind| *behind < kept.bytes);
                break;
            }
        }
        Ok(LinesTried { ready, refused, next })
    }

    async fn run_batch(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        run: BatchRun,
    ) -> Result<BatchView, Trouble> {
        let digest = digest_of(&run.manifest)?;
        let rows = self.engine.snapshot()?;
        let of = account(&actor);
        // Asked once more under the same request, or with the same manifest: it is the batch there is.
        let started = rows.started_by(&asked.id).map(|flow| BatchId(format!("b-{}", flow.mint("1"))));
        let same = || BATCH_MANIFESTS.get(&rows, &house(), &[of.as_str(), &digest.to_string()]);
        let known = started.or_else(|| same().filter(|_| !run.again));
        if let Some(row) = known.and_then(|id| BATCHES.get(&rows, &house(), &[of.as_str(), id.as_str()])) {
            asked.go_on()?;
            return Ok(BatchView { joined: true, ..self.batch_view(&row) });
        }
        // Until the batch names it.
        let _held = self.manifests.hold(&of, &digest);
        let kept = self.manifests.open(&of, &digest)?;
        let allowed = Allowed { actions: run.actions.into_iter().collect(), names_files: run.names_files };
        let plan = run.plan;
        let (lines, plan) = blocking(self, move |_| check(&kept, &digest, &allowed, plan)).await?;
        let begin =
            BeginBatch { account: of, name: run.name, manifest: digest, lines, plan, again: run.again };
        let wanted = begin.clone().wanted(BatchId::default());
        rules::begin_batch(&View::new(&rows, &house(), self.clock.now_ms()), wanted)?;
        drop(rows);
        asked.go_on()?;
        // The answer is what was decided, so something has to decide, also in a process that came to look.
        self.drive().await?;
        let flow = self.engine.run(actor.clone(), &asked.id, begin).await?;
        crate::service::settled(&flow)?;
        self.run_batches();
        let id = format!("b-{}", flow.id.mint("1"));
        self.show_batch(&actor, &id)
    }

    fn batches(&self, actor: &Actor) -> Result<Batches, Trouble> {
        let rows = self.engine.snapshot()?;
        let mut found = BATCHES.list(&rows, &house(), &[actor.account.as_str()]);
        found.sort_by(|one, other| (other.begun_ms, &other.id).cmp(&(one.begun_ms, &one.id)));
        Ok(Batches { batches: found.iter().map(|row| self.batch_view(row)).collect() })
    }

    fn show_batch(&self, actor: &Actor, named: &str) -> Result<BatchView, Trouble> {
        Ok(self.batch_view(&find_batch(&self.engine.snapshot()?, actor, named)?))
    }

    async fn wait_batch(&self, actor: &Actor, named: &str) -> Result<BatchView, Trouble> {
        let row = find_batch(&self.engine.snapshot()?, actor, named)?;
        if !row.state.has_ended() {
            match self.running.live(&row.id) {
                Some(live) => _ = tokio::time::timeout(WAIT_MAX, live.ended()).await,
                None => tokio::time::sleep(WAIT_MAX).await,
            }
        }
        self.show_batch(actor, row.id.as_str())
    }

    async fn change_batch(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        named: &str,
        change: BatchChange,
    ) -> Result<BatchView, Trouble> {
        let rows = self.engine.snapshot()?;
        if let Some(flow) = rows.started_by(&asked.id) {
            asked.go_on()?;
            // One that is forgotten is found by the request alone.
            let row =
                find_batch(&rows, &actor, named).or_else(|none| forgotten(&rows, &actor, flow).ok_or(none));
            return Ok(self.batch_view(&row?));
        }
        let row = find_batch(&rows, &actor, named)?;
        let flow = ChangeBatch {
            account: row.account.clone(),
            batch: row.id.clone(),
            name: row.name.clone(),
            change,
        };
        flow.check(&View::new(&rows, &house(), self.clock.now_ms()))?;
        drop(rows);
        asked.go_on()?;
        let forgets = flow.change == BatchChange::Forget;
        // No more than operations, so that none of its lines is started before this is decided.
        self.drive_operations().await?;
        if forgets {
            self.forget_lines(&row).await?;
        }
        let ended = self.engine.run(actor.clone(), &asked.id, flow).await?;
        crate::service::settled(&ended)?;
        self.drive().await?;
        if forgets {
            self.remove_manifest(&row)?;
            return Ok(self.batch_view(&row));
        }
        if let Some(live) = self.running.live(&row.id) {
            live.ring();
        }
        self.run_batches();
        self.show_batch(&actor, row.id.as_str())
    }

    /// Another batch may be of the same manifest.
    fn remove_manifest(&self, row: &Batch) -> Result<(), Trouble> {
        let is_named = || Ok(self.named_manifests(&row.account)?.contains(&row.manifest));
        self.manifests.remove(&row.account, &row.manifest, is_named)
    }

    /// What the batches of an account are of.
    fn named_manifests(&self, account: &AccountId) -> Result<HashSet<Digest>, Trouble> {
        let rows = self.engine.snapshot()?;
        let all = BATCHES.list(&rows, &house(), &[account.as_str()]);
        Ok(all.into_iter().map(|batch| batch.manifest).collect())
    }

    /// Removes manifests that no batch names; what cannot be removed now may be the next time.
    pub(crate) fn sweep_manifests(&self) {
        let named = || {
            let all = BATCHES.list(&self.engine.snapshot().ok()?, &house(), &[]);
            Some(all.into_iter().map(|batch| (batch.account, batch.manifest)).collect())
        };
        let _ = self.manifests.sweep(self.clock.now_ms(), named);
    }

    /// Every batch that has not ended.
    pub(crate) fn open_batches(&self) -> Result<Vec<Batch>, Trouble> {
        let rows = self.engine.snapshot()?;
        let mut open = Vec::new();
        let prefix = BATCHES_OPEN.key(&house(), &[""]);
        event::Rows::scan(&rows, &prefix, &mut |key, id| {
            let account = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            let account = account.split('\0').next().unwrap_or_default().to_owned();
            let id = BATCHES_OPEN.read(id);
            open.extend(BATCHES.get(&rows, &house(), &[&account, id.as_str()]));
            true
        });
        Ok(open)
    }

    fn batch_view(&self, row: &Batch) -> BatchView {
        let live = self.running.live(&row.id);
        let seen = live.as_ref().map(|live| live.seen());
        let counts = seen.map_or(row.counts, |seen| seen.counts);
        let rate = seen.map_or(0.0, |seen| seen.lines_per_second);
        let left = row.lines.saturating_sub(counts.all());
        #[expect(clippy::cast_precision_loss, reason = "an estimate of seconds")]
        let left_s = Duration::try_from_secs_f64(left as f64 / rate).ok().map(|left| left.as_secs());
        let runs = row.state == domain::batch::BatchState::Running;
        BatchView {
            batch_id: row.id.0.clone(),
            batch_name: row.name.clone(),
            state: row.state.word().to_owned(),
            reason: row.why.clone(),
            manifest: row.manifest.to_string(),
            lines: row.lines,
            settled: counts.all(),
            done: counts.done,
            failed: counts.failed,
            parked: counts.parked,
            running: seen.map_or(0, |seen| seen.running),
            driven: live.is_some(),
            joined: false,
            lines_per_second: rate,
            left_seconds: left_s.filter(|_| runs),
            concurrency: row.plan.concurrency,
            bytes_per_second: row.plan.bytes_per_second,
            begin_time: time_text(row.begun_ms),
            end_time: row.ended_ms.map(time_text).unwrap_or_default(),
        }
    }

    /// A stretch of lines, each with what became of it: what its flow says, or the note of one that never had any.
    fn batch_lines(&self, row: &Batch, from: u64, count: u32, bad: bool) -> Result<BatchLines, Trouble> {
        let kept = self.manifests.open(&row.account, &row.manifest)?;
        let rows = self.engine.snapshot()?;
        let (mut lines, mut next) = (Vec::new(), None);
        for (number, line) in kept.lines(from).enumerate() {
            let (line, behind) = line.map_err(|error| damaged(&row.manifest, &error))?;
            let view = told(&rows, row, line);
            if !bad || !matches!(view.state.as_str(), "Done" | "Running") {
                lines.push(view);
            }
            if number + 1 >= count.clamp(1, STRETCH_MAX) as usize {
                next = Some(behind).filter(|behind| *behind < kept.bytes);
                break;
            }
        }
        Ok(BatchLines { lines, next })
    }
}

/// The account's batch of that id or name.
fn find_batch(rows: &Snapshot, actor: &Actor, wanted: &str) -> Result<Batch, Trouble> {
    let of = actor.account.as_str();
    let get = |id: &str| BATCHES.get(rows, &house(), &[of, id]);
    if wanted.contains('\0') {
        return Err(rules::no_batch(wanted).into());
    }
    let by_name = || BATCH_NAMES.get(rows, &house(), &[of, wanted]).and_then(|id| get(id.as_str()));
    get(wanted).or_else(by_name).ok_or_else(|| {
        let names: Vec<String> =
            BATCHES.list(rows, &house(), &[of]).into_iter().map(|batch| batch.name).collect();
        match nearest(wanted, names.iter().map(String::as_str)) {
            Some(meant) => rules::no_batch(wanted).advise(format!("did you mean `{meant}`?")).into(),
            None => rules::no_batch(wanted).into(),
        }
    })
}

/// What became of a line.
fn told(rows: &Snapshot, batch: &Batch, line: Line) -> LineView {
    if let Some(flow) = rows.started_by(&request_of(&batch.id, &line)) {
        return of_flow(rows, flow, line);
    }
    let place = [batch.account.as_str(), batch.id.as_str(), &line_part(line.number)];
    match BATCH_LINES.get(rows, &house(), &place) {
        None => line_view(line, "Waiting", None, None),
        Some(Unstarted { joined: Some(flow), .. }) => of_flow(rows, flow, line),
        Some(Unstarted { code, message, .. }) => {
            let refusal = Refusal::new(&code, message);
            line_view(line, "Refused", None, Some(refusal.into()))
        }
    }
}

fn of_flow(rows: &Snapshot, id: FlowId, line: Line) -> LineView {
    // One that was begun anew is still this line's.
    let Some(flow) = rows.newest(id) else { return line_view(line, "Waiting", None, None) };
    let trouble = flow.trouble().map(Trouble::from);
    line_view(line, state_word(&flow), Some(flow.id), trouble)
}

fn state_word(flow: &FlowRow) -> &'static str {
    match flow.state {
        State::Done => "Done",
        State::Undone | State::Abandoned => "Failed",
        State::Parked => "Parked",
        State::Running | State::Unwinding => "Running",
    }
}

fn line_view(line: Line, state: &str, flow: Option<FlowId>, trouble: Option<Trouble>) -> LineView {
    let (code, message, advice) =
        trouble.map(|trouble| (trouble.code, trouble.message, trouble.advice)).unwrap_or_default();
    LineView {
        line: line.number,
        key: line.key.unwrap_or_default(),
        operation: line.operation,
        workflow_id: flow,
        state: state.to_owned(),
        error_code: code,
        error_message: message,
        advice,
    }
}

/// Asks for what a line says. Boxed, for it comes out of an answer itself.
pub(crate) fn ask_line(
    service: Arc<Service>,
    call: Call,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Reply, Trouble>> + Send>> {
    Box::pin(async move { dispatch(&service, call).await })
}

impl Allowed {
    /// What a line asks for, if it may.
    fn request(&self, line: &Line) -> Result<Request, Trouble> {
        let told = |trouble: Trouble| Trouble {
            message: format!("line {}: {}", line.number, trouble.message),
            ..trouble
        };
        let request = line.operation.request().map_err(told)?;
        if let Some(action) = request.actions().find(|action| !self.actions.contains(action)) {
            let why = format!("the line asks for `{action}`, which the request does not say that lines do");
            return Err(told(Refusal::new("InvalidManifest.Action", why).into()));
        }
        if request.names_files() && !self.names_files {
            let why = "the line names a file of this computer";
            let refusal = Refusal::new("InvalidSource.NotHere", why);
            return Err(told(refusal.advise("name an object in a bucket: `oss://BUCKET/KEY`").into()));
        }
        Ok(request)
    }
}

/// Checks every line before the first is started, and counts them; what they are sorted by as it is called here.
fn check(
    kept: &Kept,
    digest: &Digest,
    allowed: &Allowed,
    plan: BatchPlan,
) -> Result<(u64, BatchPlan), Trouble> {
    let (mut lines, mut bad, mut numbers, mut said) = (0, BTreeMap::new(), 0, BTreeSet::new());
    let (mut keys, mut copies) = (HashSet::new(), false);
    for line in kept.lines(0) {
        let (line, _) = line.map_err(|error| damaged(digest, &error))?;
        lines += 1;
        let in_order = line.number > numbers;
        numbers = line.number;
        let own_key =
            line.key.as_ref().is_none_or(|key| keys.insert(*blake3::hash(key.as_bytes()).as_bytes()));
        let why = if !in_order {
            Some("its number does not follow the one before".to_owned())
        } else if !own_key {
            Some("its key is another line's already".to_owned())
        } else if let Some((why, _)) = line.key.as_deref().and_then(|key| check_key(key).err()) {
            Some(why)
        } else {
            let request = allowed.request(&line);
            copies |= request.as_ref().is_ok_and(is_copy);
            request.err().map(|trouble| trouble.message)
        };
        if plan.sort.is_some() {
            said.extend(line.operation.parameters.into_keys());
        }
        bad.extend(why.map(|why| (line.number, why)));
        if bad.len() >= BAD_LINES_MAX {
            break;
        }
    }
    if bad.is_empty() {
        if plan.bytes_per_second.is_some() && !copies {
            let why = "no line of the manifest copies anything that a bandwidth could hold";
            return Err(Refusal::new("InvalidParameter.BatchPlan", why)
                .advise("leave the bandwidth out")
                .into());
        }
        let sort = plan.sort.map(|sort| sorted_by(sort, &said)).transpose()?;
        return Ok((lines, BatchPlan { sort, ..plan }));
    }
    let told: Vec<&str> = bad.values().take(REPEATED_MAX).map(String::as_str).collect();
    let count = if bad.len() == 1 { "1 line".to_owned() } else { format!("{} lines", bad.len()) };
    let why = format!("{count} cannot be: {}", told.join("; "));
    Err(Refusal::new("InvalidManifest.Malformed", why).advise("nothing was started; mend them first").into())
}

/// Whether it sends what is in one store to another.
fn is_copy(request: &Request) -> bool {
    matches!(request, Request::Share(ShareRequest::Copy(_)) | Request::Snapshot(SnapshotRequest::Copy { .. }))
}

/// What lines are sorted by, as they say it; nothing is sorted by what none of them says.
fn sorted_by(by: Sort, said: &BTreeSet<String>) -> Result<Sort, Refusal> {
    if said.contains(&by.parameter) {
        return Ok(by);
    }
    if let Some(parameter) = said.iter().find(|said| plain(said) == plain(&by.parameter)) {
        return Ok(Sort { parameter: parameter.clone(), ..by });
    }
    let told: String = by.parameter.escape_debug().take(SORT_CHARS_TOLD_MAX).collect();
    let refusal = Refusal::new(
        "InvalidParameter.BatchPlan",
        format!("no line of the manifest says `{told}` to sort by"),
    );
    Err(match nearest(&by.parameter.to_lowercase(), said.iter().map(String::as_str)) {
        Some(meant) => refusal.advise(format!("did you mean `{meant}`?")),
        None => {
            refusal.advise("sort by a parameter that the lines have, as `kiln batch operations` names it")
        }
    })
}

fn digest_of(text: &str) -> Result<Digest, Refusal> {
    text.parse()
        .map_err(|error: domain::NotADigest| Refusal::new("InvalidManifest.Digest", error.to_string()))
}

/// How far a batch is, as whoever starts its lines sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) counts: Counts,
    pub(crate) running: u64,
    pub(crate) lines_per_second: f64,
}

/// How a line is asked for: as whoever began the batch.
pub(crate) fn call_of(batch: &Batch, id: String, request: Request) -> Call {
    Call {
        protocol: PROTOCOL,
        drive: false,
        actor: batch.actor.clone(),
        id,
        manner: Manner { background: true, ..Manner::default() },
        request,
    }
}
