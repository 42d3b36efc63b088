//! Finding operations: what a person asks for, in the words of the engine.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use domain::image::{ACCOUNTS, house};
use engine::{FOUND_MAX, Filter, Snapshot, State, VALUES_MAX};
use event::{Actor, Refusal, Seq};

use crate::lookup;
use crate::operator::is_operator;
use crate::request::ImageAt;
use crate::request_workflow::WorkflowQuery;
use crate::view::Workflows;
use crate::{Service, Trouble};

/// Operations listed at most: a screen of them is useful, all of them are what pages are for.
const LISTED_MAX: usize = 10_000;
/// Letters of what is looked for in labels: names have fewer.
const TEXT_CHARS_MAX: usize = 256;

/// The kinds of operations this program knows.
static KINDS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| workflows::book().stories().map(|(name, _)| name).collect());

impl Service {
    /// Operations, newest first. An account sees its own, the operator all. A page ends early if finding more would
    /// take long; then it says where to go on as well.
    pub(crate) fn workflows(&self, actor: &Actor, query: &WorkflowQuery) -> Result<Workflows, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let mut page = Workflows { workflows: Vec::new(), next: query.after };
        let Some(filter) = self.filter(&snapshot, actor, query)? else {
            return Ok(Workflows { next: None, ..page });
        };
        let count = usize::try_from(query.count).unwrap_or(usize::MAX).min(LISTED_MAX);
        while page.workflows.len() < count {
            let wanted = (count - page.workflows.len()).min(FOUND_MAX);
            let found = snapshot.find(&filter, page.next.map(Seq), wanted)?;
            let is_whole = found.flows.len() == wanted;
            page.workflows.extend(found.flows.iter().map(|flow| self.view_of(actor, flow)));
            page.next = found.next.map(|next| next.0);
            if page.next.is_none() || !is_whole {
                break;
            }
        }
        Ok(page)
    }

    /// What the engine is to look for; none if nothing can be found.
    fn filter(
        &self,
        snapshot: &Snapshot,
        actor: &Actor,
        query: &WorkflowQuery,
    ) -> Result<Option<Filter>, Trouble> {
        check_bounds(query)?;
        let mut states = states(&query.states)?;
        if query.open {
            let asked = !states.is_empty();
            let open = State::ALL.into_iter().filter(|state| !state.has_ended());
            states = open.filter(|state| !asked || states.contains(state)).collect();
            if states.is_empty() {
                return Ok(None);
            }
        }
        let names: Vec<String> = query.kinds.iter().map(|kind| kind.replace('-', "_")).collect();
        kinds(snapshot, &names)?;
        let by = by(snapshot, actor, query.by.as_ref())?;
        if !is_operator(actor) && by.as_ref().is_some_and(|by| *by != actor.account) {
            return Ok(None);
        }
        let account = if is_operator(actor) { by } else { Some(actor.account.clone()) };
        let regions = match &query.region {
            Some(region) => lookup::regions(snapshot, Some(region))?,
            None => Vec::new(),
        };
        let subject = match &query.image {
            Some(image) => Some(meant(snapshot, actor, query, image)?),
            None => None,
        };
        let now_ms = self.clock.now_ms();
        Ok(Some(Filter {
            names,
            states,
            accounts: account.into_iter().collect(),
            places: regions.into_iter().map(|region| region.0).collect(),
            codes: query.errors.clone(),
            subjects: subject.into_iter().collect(),
            since_ms: query.since.map(|since| since.span_ms(now_ms).0),
            until_ms: query.until.map(|until| until.span_ms(now_ms).1),
            text: query.text.clone(),
        }))
    }
}

fn check_bounds(query: &WorkflowQuery) -> Result<(), Refusal> {
    let most =
        [&query.kinds, &query.states, &query.errors].into_iter().map(Vec::len).max().unwrap_or_default();
    if most > VALUES_MAX {
        let why = format!("{most} values of one filter; at most {VALUES_MAX} are allowed");
        return Err(Refusal::new("InvalidParameter.Filter", why).advise("ask in several turns"));
    }
    let letters = query.text.chars().count();
    if letters > TEXT_CHARS_MAX {
        let why = format!("a text of {letters} letters; at most {TEXT_CHARS_MAX} are looked for");
        return Err(Refusal::new("InvalidParameter.Filter", why).advise("give a part of it"));
    }
    Ok(())
}

/// The states by their words.
fn states(words: &[String]) -> Result<Vec<State>, Refusal> {
    let of = |word: &String| {
        State::ALL.into_iter().find(|state| state.word().eq_ignore_ascii_case(word)).ok_or_else(|| {
            let why = format!("`{}` is no state of an operation", word.escape_debug());
            let all = State::ALL.map(|state| format!("`{}`", state.word()));
            Refusal::new("InvalidParameter.Filter", why).advise(format!("one of {}", all.join(", ")))
        })
    };
    words.iter().map(of).collect()
}

/// Refuses names of stories that never were.
fn kinds(snapshot: &Snapshot, names: &[String]) -> Result<(), Trouble> {
    for name in names.iter().filter(|name| !KINDS.contains(*name)) {
        // The log may be older than this program's book.
        let before = Filter { names: vec![name.clone()], ..Filter::default() };
        if !snapshot.find(&before, None, 1)?.flows.is_empty() {
            continue;
        }
        let why = format!("`{}` is no kind of operation", name.escape_debug());
        let near = lookup::nearest(name, KINDS.iter().map(String::as_str));
        let advice = near.map_or_else(
            || format!("one of {}", KINDS.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(Refusal::new("InvalidParameter.Filter", why).advise(advice).into());
    }
    Ok(())
}

/// The account that is to have asked. The operator is told if there is none of that name; nobody else learns which
/// there are.
fn by(snapshot: &Snapshot, actor: &Actor, by: Option<&String>) -> Result<Option<String>, Trouble> {
    if let Some(by) = by
        && is_operator(actor)
        && (by.contains('\0') || ACCOUNTS.get(snapshot, &house(), &[by]).is_none())
    {
        let why = format!("there is no account `{}`", by.escape_debug());
        let refusal = Refusal::new("InvalidAccount.NotFound", why);
        return Err(refusal.advise("`kiln account list` shows those there are").into());
    }
    Ok(by.cloned())
}

/// The id that was meant: that of an image by its id or name, or of anything an operation was ever about.
fn meant(snapshot: &Snapshot, actor: &Actor, query: &WorkflowQuery, image: &str) -> Result<String, Trouble> {
    let at = ImageAt { image: image.to_owned(), region: query.region.clone() };
    match lookup::image(snapshot, actor, &at) {
        Ok(image) => Ok(image.id.0),
        Err(trouble) if trouble.code.ends_with(".Ambiguous") => Err(trouble),
        Err(trouble) => {
            let account = (!is_operator(actor)).then(|| actor.account.clone());
            let ever = Filter {
                subjects: vec![image.to_owned()],
                accounts: account.into_iter().collect(),
                ..Filter::default()
            };
            let known = !snapshot.find(&ever, None, 1)?.flows.is_empty();
            known.then(|| image.to_owned()).ok_or(trouble)
        }
    }
}
