//! Progress of one operation: a bar with rate and time left on a terminal, plain lines in a pipe.

use std::time::{Duration, Instant};

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

/// Shows how far an operation has come.
pub(crate) struct Bar {
    /// Whose progress it is, where several are shown; empty for one.
    of: String,
    screen: Screen,
    drawn: Option<ProgressBar>,
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
        Self::on(screen, drawn, String::new())
    }

    /// A bar among others, said by what it is of.
    pub(crate) fn among(screen: &Screen, bars: &MultiProgress, of: &str) -> Self {
        let drawn = screen.is_watched().then(|| bars.add(ProgressBar::no_length()));
        Self::on(screen, drawn, format!("{of}: "))
    }

    fn on(screen: &Screen, drawn: Option<ProgressBar>, of: String) -> Self {
        let now = Instant::now();
        Self {
            of,
            screen: screen.clone(),
            drawn,
            doing: String::new(),
            begun: now,
            begun_bytes: 0,
            said: now,
        }
    }

    /// Shows the operation as it is now.
    pub(crate) fn show(&mut self, view: &WorkflowView) {
        let doing = doing(view);
        let progress = view.progress.as_ref().filter(|progress| progress.total_bytes > 0);
        // What the way there had counted says nothing of the way back.
        let progress = progress.filter(|_| view.state != "Unwinding");
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
            self.screen.say(&format!("{}{}{size} …", self.of, self.doing));
            return;
        };
        let template = if progress.is_some() { BYTES } else { SPINNER };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.reset();
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(format!("{}{}", self.of, self.doing));
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
            "{}{}: {percent} % of {}, {}/s{eta}",
            self.of,
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

/// What an operation is doing, in a word or two.
fn doing(view: &WorkflowView) -> String {
    match (&view.progress, view.state.as_str()) {
        (_, "Unwinding") => "undoing".to_owned(),
        (Some(progress), _) => progress.doing.clone(),
        _ if !view.driven => "waiting".to_owned(),
        _ => "working".to_owned(),
    }
}
