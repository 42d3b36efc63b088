//! What the simulation's judge says of flows that belong to others: the parts of a fan-out, and children that go on
//! beside their parent.

use event::{Cause, FlowId, Seq};

use crate::kinds::{ChildStarted, Gathered};
use crate::tests_simulate_judge::Case;
use crate::tests_simulate_script::Script;
use crate::tests_simulate_truth::Told;
use crate::tests_simulate_walk::{before, call_of};
use crate::{ParentEnd, State, Superseded};

impl Case<'_> {
    pub(crate) fn child(&self, parent: FlowId, number: &str, key: &str) -> Option<(FlowId, &Told)> {
        let mut seed = parent.0.to_vec();
        seed.extend_from_slice(format!("{number}\0{key}").as_bytes());
        let mut time = [0; 8];
        time[2..].copy_from_slice(&parent.0[..6]);
        let id = FlowId::derive(i64::from_be_bytes(time), &seed);
        self.truth.flows.get(&id).map(|told| (id, told))
    }

    /// Parts of a fan-out: never more at once than may be, all over before the parent goes on or undoes.
    pub(crate) fn parts(
        &mut self,
        id: FlowId,
        told: &Told,
        number: &str,
        parts: &[(String, Script)],
        limit: usize,
    ) {
        let ours = told.parent_at(id, number);
        let children: Vec<_> = parts.iter().map(|(key, _)| self.child(ours, number, key)).collect();
        let begun: Vec<_> = children.iter().flatten().map(|(id, told)| (*id, (*told).clone())).collect();
        for (child, child_told) in &begun {
            let parent = child_told.cause == Cause::Parent(ours) && child_told.actor == told.actor;
            self.demand(parent, || format!("{child}: it has another parent or actor than {id}"));
        }
        // What goes on anew is one part, and is over when the last of it is.
        let ends: Vec<_> =
            begun.iter().map(|(id, _)| self.truth.newest(*id).expect("it has begun").1).collect();
        let over = |seq: Seq| ends.iter().all(|told| told.is_over_at(seq));
        if let Some(record) = told.call(number) {
            let done = ends.iter().filter(|told| told.state == State::Done).count() as u64;
            let all = parts.len() as u64;
            let gathered = record.get::<Gathered>().ok();
            let right = gathered == Some(Gathered { done, failed: all - done }) && begun.len() == parts.len();
            let text = || format!("{id} {number}: gathered {gathered:?}, but {done} of {all} parts are done");
            self.demand(right && over(record.seq), text);
        }
        let lost = told.lost_in(number).map(|(race, decided)| (race.to_owned(), decided.seq));
        let round = |call: &str| told.lost_in(call).map(|(race, _)| race.to_owned());
        let undone = told.steps.iter().filter(|record| record.path.as_str().ends_with('~'));
        let mut earlier = undone.filter(|record| {
            let call = call_of(record.path.as_str());
            (call == number || before(call, number))
                && round(call) == lost.as_ref().map(|(race, _)| race.clone())
        });
        if let Some(first) = earlier.next() {
            let text = || format!("{id} {number}: undone before its parts were over");
            self.demand(over(first.seq), text);
        }
        if let Some((race, decided)) = &lost {
            let late = begun.iter().find(|(_, told)| told.first > *decided);
            self.demand(late.is_none(), || format!("{id} {number}: it began {late:?} when it had lost"));
            let forward = told.steps.iter().filter(|record| !record.path.as_str().ends_with('~'));
            let mut later = forward.filter(|record| before(race, call_of(record.path.as_str())));
            let goes_on = later.next().map(|next| next.seq).or_else(|| told.done_at());
            self.demand(goes_on.is_none_or(over), || {
                format!("{id} {number}: it lost, and its story went on before its parts were over")
            });
        }
        if begun.iter().all(|(id, _)| self.chain(*id).all(|told| told.parks == 0)) {
            let at_once = |seq: Seq| {
                let open = begun
                    .iter()
                    .zip(&ends)
                    .filter(|((_, told), end)| told.first <= seq && !end.is_over_at(seq));
                open.count()
            };
            let most = begun.iter().map(|(_, told)| at_once(told.first)).max().unwrap_or(0);
            self.demand(most <= limit, || format!("{id} {number}: {most} parts at once, {limit} may be"));
        }
    }

    /// A flow and those that it goes on as.
    fn chain(&self, id: FlowId) -> impl Iterator<Item = &Told> {
        let next = |told: &&Told| self.truth.flows.get(&self.truth.next_of(told)?);
        std::iter::successors(self.truth.flows.get(&id), next)
    }

    /// A child beside its parent: begun by it once, and treated at its end as was said.
    pub(crate) fn beside(&mut self, id: FlowId, told: &Told, path: &str, script: &Script, end: ParentEnd) {
        let ours = told.parent_at(id, path);
        let child = self.child(ours, path, "").map(|(child, told)| (child, told.clone()));
        let what = |text: &str| {
            format!("{id} {path}: its child {:?} {text}", child.as_ref().map(|(child, _)| child))
        };
        if let Some(record) = told.call(path) {
            let right = child.as_ref().is_some_and(|(child, begun)| {
                record.get::<ChildStarted>().is_ok_and(|started| started.child == *child)
                    && begun.first < record.seq
                    && begun.script == *script
                    && begun.cause == Cause::Parent(ours)
                    && begun.actor == told.actor
            });
            self.demand(right, || what("is not the one that it was to begin"));
        }
        if let Some((_, race)) = told.lost_in(path) {
            let late = child.as_ref().is_some_and(|(_, begun)| begun.first > race.seq);
            self.demand(!late, || what("was begun when its line had lost"));
        }
        if let Some(undo) = told.at(&format!("{path}~")) {
            let newest = child.as_ref().and_then(|(child, _)| self.truth.newest(*child));
            let said = undo.get::<Superseded>().map(|said| said.what).unwrap_or_default();
            let right = match newest {
                None => said.ends_with("never began"),
                Some((_, newest)) if !newest.is_over_at(undo.seq) => false,
                Some((_, newest)) if newest.state == State::Undone => said.ends_with("is undone"),
                Some(_) => said.ends_with("had ended"),
            };
            self.demand(right, || what(&format!("is not so that `{said}`")));
        }
        let (Some(over), Some((child, _))) = (told.done_at(), &child) else { return };
        let by = |at: Option<Seq>| at.is_some_and(|at| at < over);
        let right = match end {
            ParentEnd::Leave => true,
            ParentEnd::Wait => self.truth.newest(*child).is_some_and(|(_, told)| told.is_over_at(over)),
            ParentEnd::Cancel => {
                // Whichever went on then had been asked, and one that goes on anew is cancelled if the one before was.
                let mut open = self.chain(*child).filter(|it| it.first < over && !it.is_over_at(over));
                open.all(|it| {
                    let turned = it.turn.as_ref().filter(|_| it.reset().is_none());
                    by(it.cancelled) || by(turned.map(|(_, turned)| *turned))
                })
            }
        };
        self.demand(right, || what("was not treated at its end as was said"));
    }
}
