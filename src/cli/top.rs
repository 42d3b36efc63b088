//! `kiln top`: what goes on at this moment, drawn anew each second until somebody has seen enough.
//!
//! It draws on the terminal's other screen and gives it back as it was, however it ends.

use std::io::{self, IsTerminal, Read as _};
use std::time::Duration;

use clap::Args;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use service::{Request, Top as View};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::Stop;
use crate::screen::print;
use crate::session::{At, Session};
use crate::top_frame::{Looking, Sort, count, frame};

/// Operations asked for: more than a screen has lines.
const COUNT: u32 = 500;
/// Columns and lines of what is printed once, where no terminal says how many there are.
const PAGE: (usize, usize) = (120, usize::MAX);
/// How often it is looked, in seconds, at most and at least.
const EVERY: std::ops::RangeInclusive<u64> = 1..=3600;
/// What a terminal is told before the first frame and after the last: the other screen, no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// How to look on.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: q ends it, p shows only what is parked, s sorts otherwise, arrows and space scroll.

Examples:
  kiln top
  kiln top --parked --sort oldest
  kiln top --once
  kiln top --once --output json | jq '.Engine.Commits'"
)]
pub(crate) struct Top {
    /// Print what there is and end
    #[arg(long)]
    once: bool,
    /// Only what waits for a person
    #[arg(long)]
    parked: bool,
    /// What stands first
    #[arg(long, value_name = "BY", default_value = "newest")]
    sort: Sort,
    /// Look again after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    every: u64,
}

impl Top {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        if !EVERY.contains(&self.every) {
            return Err(Stop::Usage(format!(
                "it is looked every 1 to 3600 seconds, not every {}",
                self.every
            )));
        }
        let mut looking = Looking { sort: self.sort, only_parked: self.parked, ..Looking::default() };
        if self.once || session.screen.json {
            let view = look(session).await?;
            let columns = crate::screen::columns().unwrap_or(PAGE.0);
            session.screen.give(&view, |view| {
                let mut lines = frame(view, None, &looking, (columns, PAGE.1));
                // There are no keys to press.
                lines.pop();
                lines.join("\n") + "\n"
            });
            return Ok(());
        }
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            let why =
                "`kiln top` draws on a terminal, and this is none: `kiln top --once` prints what there is";
            return Err(Stop::Usage(why.to_owned()));
        }
        if let At::Here(house) = &session.place {
            // Who looks on for hours may not keep a server from starting.
            house.only_ask();
        }
        // What cannot be asked at all is told as of any command.
        let mut view = look(session).await?;
        let mut before: Option<View> = None;
        let trouble = |error: io::Error| service::Trouble::world("watching the terminal", error);
        let mut resized = signal(SignalKind::window_change()).map_err(trouble)?;
        let mut ended = signal(SignalKind::terminate()).map_err(trouble)?;
        let _raw = Raw::enter().map_err(trouble)?;
        let mut keys = keys();
        let mut ticks = tokio::time::interval(Duration::from_secs(self.every));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            draw(&frame(&view, before.as_ref(), &looking, size()));
            tokio::select! {
                _ = resized.recv() => {}
                _ = ended.recv() => return Ok(()),
                key = keys.recv() => match key {
                    Some(key) if press(key, &mut looking, &view) => {}
                    _ => return Ok(()),
                },
                _ = ticks.tick() => match look(session).await {
                    Ok(now) => {
                        looking.lost = None;
                        before = Some(std::mem::replace(&mut view, now));
                    }
                    Err(Stop::Trouble(trouble)) => looking.lost = Some(trouble.message),
                    Err(other) => return Err(other),
                },
            }
        }
    }
}

async fn look(session: &Session) -> Result<View, Stop> {
    session.ask(Request::WorkflowTop { count: COUNT }).await
}

/// What a person pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Letter(u8),
    Up,
    Down,
}

/// Does what a key means; says no if that is the end.
fn press(key: Key, looking: &mut Looking, view: &View) -> bool {
    let last = count(view, looking).saturating_sub(1);
    match key {
        // Without its terminal's help Ctrl-C and Ctrl-D are letters as well.
        Key::Letter(b'q' | 3 | 4) => return false,
        Key::Letter(b'p') => (looking.only_parked, looking.scrolled) = (!looking.only_parked, 0),
        Key::Letter(b's') => (looking.sort, looking.scrolled) = (looking.sort.next(), 0),
        Key::Letter(b' ') => looking.scrolled = (looking.scrolled + 10).min(last),
        Key::Up | Key::Letter(b'k') => looking.scrolled = looking.scrolled.saturating_sub(1),
        Key::Down | Key::Letter(b'j') => looking.scrolled = (looking.scrolled + 1).min(last),
        Key::Letter(_) => {}
    }
    true
}

/// Keys as they are pressed, read where reading may block; that thread ends with the program.
fn keys() -> mpsc::Receiver<Key> {
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = io::stdin().read(&mut bytes) {
            for key in read_keys(&bytes[..count]) {
                if sender.blocking_send(key).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// The keys in what a terminal sent.
fn read_keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        bytes = rest;
        if *first != 0x1b {
            keys.push(Key::Letter(*first));
            continue;
        }
        let [b'[' | b'O', rest @ ..] = rest else { continue };
        let end = rest.iter().position(u8::is_ascii_alphabetic).map_or(rest.len(), |end| end + 1);
        match &rest[..end] {
            [b'A'] => keys.push(Key::Up),
            [b'B'] => keys.push(Key::Down),
            _ => {}
        }
        bytes = &rest[end..];
    }
    keys
}

fn size() -> (usize, usize) {
    let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)))
}

fn draw(lines: &[String]) {
    let mut text = String::from("\x1b[H");
    for (number, line) in lines.iter().enumerate() {
        text.push_str(if number > 0 { "\r\n" } else { "" });
        text.push_str(line);
        text.push_str("\x1b[K");
    }
    text.push_str("\x1b[J");
    print(&text);
}

/// The terminal while keys are read one by one; as it was before when this is dropped.
struct Raw(Termios);

impl Raw {
    fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        print(ENTER);
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        print(LEAVE);
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_what_a_terminal_sends_whatever_else_it_sends() {
        assert_eq!(
            read_keys(b"p\x1b[A\x1b[Bq\x1bOA\x1b[1;5Cs\x1b"),
            [Key::Letter(b'p'), Key::Up, Key::Down, Key::Letter(b'q'), Key::Up, Key::Letter(b's')]
        );
    }
}
