//! Progress of operations: a bar with rate and time left on a terminal, plain lines in a pipe; and
//! for several at once a line each.

use std::time::{Duration, Instant};

use event::FlowId;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use service::{Progress, WorkflowView, bytes_text};

use crate::screen::Screen;

/// In a pipe or a log file, a line every so often is enough.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// The bar of a step that counts bytes. Fits 60 columns; the bar takes what is left.
const BYTES: &str =
    "{msg:12} [{wide_bar}] {percent:>3}% of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
/// What is shown while nothing is counted.
const SPINNER: &str = "{msg:12} {spinner} {elapsed}";
/// The same two for a line among others, which begins with the operation's name.
const BYTES_AMONG: &str = "{prefix:28.28!} {msg:12} [{wide_bar}] {percent:>3}% {eta:>4}";
const SPINNER_AMONG: &str = "{prefix:28.28!} {msg:12} {spinner} {elapsed}";
/// Lines drawn at once: what a low terminal shows without scrolling.
const LINES_MAX: usize = 16;

/// Shows how far an operation has come.
pub(crate) struct Bar {
    screen: Screen,
    drawn: Option<ProgressBar>,
    /// Whether it is one line of several.
    among: bool,
    doing: String,
    begun: Instant,
    begun_bytes: u64,
    said: Instant,
}

impl Bar {
    /// A bar on stderr, if a person is there; lines else, unless silence was asked for.
    pub(crate) fn new(screen: &Screen) -> Self {
        let drawn =
            screen.is_watched().then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        Self::of(screen, drawn, false)
    }

    fn of(screen: &Screen, drawn: Option<ProgressBar>, among: bool) -> Self {
        let now = Instant::now();
        let doing = String::new();
        Self { screen: screen.clone(), drawn, among, doing, begun: now, begun_bytes: 0, said: now }
    }

    /// Shows how far something is that this process does itself.
    pub(crate) fn count(&mut self, doing: &str, done_bytes: u64, total_bytes: u64) {
        if total_bytes > 0 {
            let progress = Progress { doing: doing.to_owned(), done_bytes, total_bytes };
            self.advance(doing.to_owned(), Some(&progress));
        }
    }

    /// Shows the operation as it is now.
    pub(crate) fn show(&mut self, view: &WorkflowView) {
        let doing = doing(view);
        let progress = view.progress.as_ref().filter(|progress| progress.total_bytes > 0);
        // What the way there had counted says nothing of the way back.
        let progress = progress.filter(|_| view.state != "Unwinding");
        self.advance(doing, progress);
    }

    fn advance(&mut self, doing: String, progress: Option<&Progress>) {
        if doing != self.doing {
            self.turn_to(doing, progress);
        }
        let Some(progress) = progress else {
            self.drawn.iter().for_each(ProgressBar::tick);
            return;
        };
        match &self.drawn {
            Some(bar) => {
                bar.set_length(progress.total_bytes);
                bar.set_position(progress.done_bytes.min(progress.total_bytes));
            }
            None if self.said.elapsed() >= LINE_EVERY => {
                self.said = Instant::now();
                self.screen.say(&self.line(progress));
            }
            None => {}
        }
    }

    /// Begins to show another step.
    fn turn_to(&mut self, doing: String, progress: Option<&Progress>) {
        self.doing = doing;
        self.begun = Instant::now();
        self.begun_bytes = progress.map_or(0, |progress| progress.done_bytes);
        let Some(bar) = &self.drawn else {
            // What only takes a moment is not worth a line.
            if progress.is_none() {
                return;
            }
            self.said = Instant::now();
            let size =
                progress.map(|progress| format!(" {}", bytes_text(progress.total_bytes))).unwrap_or_default();
            self.screen.say(&format!("{}{size} …", self.doing));
            return;
        };
        let template = match (progress.is_some(), self.among) {
            (true, false) => BYTES,
            (false, false) => SPINNER,
            (true, true) => BYTES_AMONG,
            (false, true) => SPINNER_AMONG,
        };
        bar.reset();
        bar.set_style(plain_style(template).progress_chars("=> "));
        bar.set_message(self.doing.clone());
        // What an earlier run had done is no rate of this one.
        bar.set_position(self.begun_bytes);
        bar.reset_eta();
    }

    fn line(&self, progress: &Progress) -> String {
        let percent = u128::from(progress.done_bytes) * 100 / u128::from(progress.total_bytes.max(1));
        let done = progress.done_bytes.saturating_sub(self.begun_bytes);
        let millis = self.begun.elapsed().as_millis().max(1);
        let rate = u64::try_from(u128::from(done) * 1000 / millis).unwrap_or(u64::MAX);
        let left = progress.total_bytes.saturating_sub(progress.done_bytes);
        let eta = left.checked_div(rate).map(|seconds| format!(", {seconds} s left")).unwrap_or_default();
        format!(
            "{}: {percent} % of {}, {}/s{eta}",
            self.doing,
            bytes_text(progress.total_bytes),
            bytes_text(rate)
        )
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.drawn.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// Shows how far several operations have come, a line each, on a terminal.
pub(crate) struct Bars {
    screen: Screen,
    lines: MultiProgress,
    drawn: Vec<(FlowId, Bar)>,
    rest: ProgressBar,
}

impl Bars {
    /// No lines yet.
    pub(crate) fn new(screen: &Screen) -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let rest = lines.add(ProgressBar::no_length());
        rest.set_style(plain_style("{msg}"));
        Self { screen: screen.clone(), lines, drawn: Vec::new(), rest }
    }

    /// Shows the operations as they are now, as many as there is room for, and how many more there are.
    pub(crate) fn show(&mut self, views: &[&WorkflowView]) {
        let gone = |id: &FlowId| !views.iter().any(|view| view.workflow_id == *id);
        for (_, bar) in self.drawn.iter().filter(|(id, _)| gone(id)) {
            bar.drawn.iter().for_each(|drawn| self.lines.remove(drawn));
        }
        self.drawn.retain(|(id, _)| !gone(id));
        for view in views {
            if !self.drawn.iter().any(|(id, _)| *id == view.workflow_id) && self.drawn.len() < LINES_MAX {
                let drawn = self.lines.insert_before(&self.rest, ProgressBar::no_length());
                drawn.set_prefix(view.label.clone());
                self.drawn.push((view.workflow_id, Bar::of(&self.screen, Some(drawn), true)));
            }
            if let Some((_, bar)) = self.drawn.iter_mut().find(|(id, _)| *id == view.workflow_id) {
                bar.show(view);
            }
        }
        self.rest.set_message(match views.len() - self.drawn.len() {
            0 => String::new(),
            more => format!("and {more} more"),
        });
    }

    /// Does something that prints, without the lines in its way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.lines.suspend(print)
    }

    /// Takes the lines away.
    pub(crate) fn clear(&self) {
        // A terminal that is gone has no lines left to take away.
        let _ = self.lines.clear();
    }
}

fn plain_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What an operation is doing, in a word or two.
fn doing(view: &WorkflowView) -> String {
    match (&view.progress, view.state.as_str()) {
        (_, "Unwinding") => "undoing".to_owned(),
        (Some(progress), _) => progress.doing.clone(),
        _ if !view.driven => "waiting".to_owned(),
        _ => "working".to_owned(),
    }
}
