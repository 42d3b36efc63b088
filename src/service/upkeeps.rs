//! Use cases on retention policies and distribution lists. What a run does is a story of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use domain::due::{self, Of};
use domain::image::{REGIONS, house};
use domain::upkeep::{Goal, Kind, Report, UPKEEP_LANES, UPKEEP_NAMES, UPKEEPS, Upkeep, UpkeepId};
use domain::{RegionId, distribution, rules};
use engine::{FlowRow, Outcome, Snapshot};
use event::{Actor, FlowId, View};
use workflows::{ChangeUpkeep, CreateUpkeep, DeleteUpkeep, RunUpkeep};

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::request::Reply;
use crate::request_upkeep::{UpkeepAt, UpkeepCreate, UpkeepRequest};
use crate::service::made_by;
use crate::view::{Started, time_text};
use crate::view_upkeep::{PlanRow, RegionRun, UpkeepPlanView, UpkeepView, Upkeeps};
use crate::{Service, Trouble};

impl Service {
    pub(crate) async fn upkeep(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: UpkeepRequest,
    ) -> Result<Reply, Trouble> {
        use UpkeepRequest as R;
        // Asked again, it finds what it started even where what it was about is gone meanwhile.
        if let Some(known) = self.known(asked)? {
            return Ok(known.into());
        }
        Ok(match request {
            R::Create(create) => self.create_upkeep(actor, asked, create).await?.into(),
            R::List(kind) => self.upkeeps(&actor, kind)?.into(),
            R::Show(at) => self.show_upkeep(&actor, &at)?.into(),
            R::Plan(at) => self.plan_upkeep(&actor, &at).await?.into(),
            R::Run(at) => self.run_upkeep(actor, asked, &at).await?.into(),
            R::Change { at, goal } => {
                let upkeep = find(&self.engine.snapshot()?, &actor, &at)?;
                let flow =
                    ChangeUpkeep { account: upkeep.account, upkeep: upkeep.id, name: upkeep.name, goal };
                let rule = |view: &View<'_>, it: ChangeUpkeep| {
                    rules::change_upkeep(view, &it.account, &it.upkeep, it.goal)
                };
                self.decide(actor, asked, flow, rule).await?.into()
            }
            R::Delete(at) => {
                let upkeep = find(&self.engine.snapshot()?, &actor, &at)?;
                let flow = DeleteUpkeep { account: upkeep.account, upkeep: upkeep.id, name: upkeep.name };
                let rule =
                    |view: &View<'_>, it: DeleteUpkeep| rules::delete_upkeep(view, &it.account, &it.upkeep);
                self.decide(actor, asked, flow, rule).await?.into()
            }
        })
    }

    async fn create_upkeep(
        &self,
        actor: Actor,
        asked: &Asked,
        create: UpkeepCreate,
    ) -> Result<Started, Trouble> {
        let UpkeepCreate { name, family, region, goal } = create;
        let region = match goal.kind() {
            Kind::Distribution => Some(lookup::region(&self.engine.snapshot()?, region.as_ref())?.id),
            Kind::Retention => region,
        };
        let flow = CreateUpkeep { account: account(&actor), name, family, region, goal };
        let rule =
            |view: &View<'_>, it: CreateUpkeep| rules::create_upkeep(view, it.creation(&UpkeepId::default()));
        let started = self.decide(actor, asked, flow, rule).await?;
        let image_id = made_by("create_upkeep", started.workflow_id).unwrap_or_default();
        Ok(Started { image_id, ..started })
    }

    fn upkeeps(&self, actor: &Actor, kind: Kind) -> Result<Upkeeps, Trouble> {
        let rows = self.engine.snapshot()?;
        let mut all = UPKEEPS.list(&rows, &house(), &[account(actor).as_str()]);
        all.retain(|upkeep| upkeep.goal.kind() == kind);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Upkeeps { upkeeps: all.into_iter().map(|upkeep| view_of(&rows, upkeep)).collect() })
    }

    fn show_upkeep(&self, actor: &Actor, at: &UpkeepAt) -> Result<UpkeepView, Trouble> {
        let rows = self.engine.snapshot()?;
        let upkeep = find(&rows, actor, at)?;
        Ok(view_of(&rows, upkeep))
    }

    /// What a run would do now, and why.
    async fn plan_upkeep(&self, actor: &Actor, at: &UpkeepAt) -> Result<UpkeepPlanView, Trouble> {
        let upkeep = find(&self.engine.snapshot()?, actor, at)?;
        let regions = due::regions(upkeep.region.as_ref(), &upkeep.goal);
        let away = self.away(&regions).await?;
        let (rows, now_ms) = (self.engine.snapshot()?, self.clock.now_ms());
        let over = given_up(&rows, &upkeep);
        let of = Of::upkeep(&upkeep, &over);
        let images = match &upkeep.goal {
            Goal::Retention(retention) => {
                let fates = due::fates(&rows, &of, retention, now_ms).into_iter();
                fates.map(|fate| PlanRow::of_fate(fate, retention.grace_ms / 1000)).collect()
            }
            Goal::Distribution(list) => {
                let spots = distribution::spots(&rows, &of, list, &away, now_ms).into_iter();
                spots.map(PlanRow::of_spot).collect()
            }
        };
        Ok(UpkeepPlanView {
            kind: upkeep.goal.kind().word().to_owned(),
            upkeep_name: upkeep.name,
            image_family: upkeep.family,
            time: time_text(now_ms),
            images,
        })
    }

    /// The regions that are not there, and what is said of each.
    async fn away(&self, regions: &[RegionId]) -> Result<BTreeMap<RegionId, String>, Trouble> {
        let known: Vec<_> = {
            let rows = self.engine.snapshot()?;
            regions.iter().filter_map(|region| REGIONS.get(&rows, &house(), &[region.as_str()])).collect()
        };
        let mut away = BTreeMap::new();
        for region in known {
            if let Err(failure) = self.data.reach(&region.id, &region.store).await {
                away.insert(region.id, failure.to_string());
            }
        }
        Ok(away)
    }

    /// Starts a run, or finds the one that goes on.
    async fn run_upkeep(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        at: &UpkeepAt,
    ) -> Result<Started, Trouble> {
        let (upkeep, over) = {
            let rows = self.engine.snapshot()?;
            let upkeep = find(&rows, &actor, at)?;
            let over = given_up(&rows, &upkeep);
            (upkeep, over)
        };
        if let Some(workflow_id) = upkeep.running.filter(|flow| !over.contains(flow)) {
            asked.go_on()?;
            return Ok(Started { workflow_id, joined: true, image_id: upkeep.id.0 });
        }
        let now_ms = self.clock.now_ms();
        let flow = RunUpkeep { account: upkeep.account, upkeep: upkeep.id, name: upkeep.name, now_ms, over };
        let rule =
            |view: &View<'_>, it: RunUpkeep| rules::begin_upkeep(view, &it.account, &it.upkeep, &it.over);
        let started = self.decide(actor, asked, flow, rule).await?;
        if self.engine.is_driving() {
            let flow = self.engine.snapshot()?.flow(started.workflow_id);
            if let Some(flow) = flow {
                self.collect_after_run(flow);
            }
        }
        Ok(started)
    }

    /// When a run is done, what only the images needed that it deleted is collected.
    pub(crate) fn collect_after_run(self: &Arc<Self>, run: FlowRow) {
        let service = self.clone();
        let follow = async move {
            let Ok(ended) = service.engine.wait(run.id).await else { return };
            let regions: BTreeSet<RegionId> = deleted_in(&ended).into_iter().collect();
            for region in regions {
                let asked = Asked::by_itself(format!("collect-after/{}/{region}", run.id));
                // Should it fail to start, the next deletion collects as well.
                let _ = service.collect(run.actor.clone(), &asked, Some(region), None).await;
            }
        };
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        while following.try_join_next().is_some() {}
        following.spawn(follow);
    }
}

/// The regions in which a run has deleted images.
fn deleted_in(run: &FlowRow) -> Vec<RegionId> {
    let Some(Outcome::Done(output)) = &run.outcome else { return Vec::new() };
    let report = rmp_serde::from_slice::<Report>(output).unwrap_or_default();
    report.deleted.into_iter().map(|at| at.region).collect()
}

/// The account's upkeep of that kind and name, or of that id.
fn find(rows: &Snapshot, actor: &Actor, at: &UpkeepAt) -> Result<Upkeep, Trouble> {
    let (account, named) = (account(actor), at.named.trim());
    let plain = !named.contains('\0');
    let by_name = || UPKEEP_NAMES.get(rows, &house(), &[account.as_str(), named]);
    let id = plain.then(|| by_name().unwrap_or_else(|| UpkeepId(named.to_owned())));
    let found = id.and_then(|id| UPKEEPS.get(rows, &house(), &[account.as_str(), id.as_str()]));
    let called = at.kind.called();
    match found {
        Some(upkeep) if upkeep.goal.kind() == at.kind => Ok(upkeep),
        Some(upkeep) => {
            let kind = upkeep.goal.kind();
            let refusal = rules::no_upkeep(called, named);
            Err(refusal
                .advise(format!("`{named}` is a {}: `kiln {} show {named}`", kind.called(), kind.word()))
                .into())
        }
        None => Err(rules::no_upkeep(called, named).into()),
    }
}

/// Operations for an upkeep that have ended without saying so to it: a person has given them up.
fn given_up(rows: &Snapshot, upkeep: &Upkeep) -> Vec<FlowId> {
    let lanes = due::regions(upkeep.region.as_ref(), &upkeep.goal).into_iter().filter_map(|region| {
        let key = [upkeep.account.as_str(), upkeep.id.as_str(), region.as_str()];
        UPKEEP_LANES.get(rows, &house(), &key)
    });
    let all = upkeep.running.into_iter().chain(lanes);
    all.filter(|flow| rows.flow(*flow).is_none_or(|row| row.state.has_ended())).collect()
}

fn view_of(rows: &Snapshot, upkeep: Upkeep) -> UpkeepView {
    let Goal::Distribution(list) = &upkeep.goal else { return UpkeepView::of(upkeep, Vec::new()) };
    let lane = |region: &RegionId| {
        let key = [upkeep.account.as_str(), upkeep.id.as_str(), region.as_str()];
        let flow = UPKEEP_LANES.get(rows, &house(), &key)?;
        let is_parked = rows.flow(flow).is_some_and(|row| row.parked.is_some());
        let state = if is_parked { "Parked" } else { "Running" };
        Some(RegionRun::of(region.as_str(), flow, state.to_owned()))
    };
    let underway = upkeep.region.iter().chain(&list.to).filter_map(lane).collect();
    UpkeepView::of(upkeep, underway)
}
