//! Tables that fit: on a terminal, wide columns give way; in a pipe, nothing is cut.

use crate::screen::{self, Screen};

/// Below this a column says nothing any more.
const COLUMN_CHARS_MIN: usize = 6;
/// A text cut to this still says what it is about.
const TEXT_CHARS_GOOD: usize = 20;
const GAP: &str = "  ";

/// How a column is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Never cut: an id is copied.
    Whole(&'static str),
    /// Cut where there is no room.
    Text(&'static str),
    /// A number, to the right.
    Number(&'static str),
    /// A state, coloured; never cut.
    State(&'static str),
    /// Never cut, but left out where there is no room.
    Spare(&'static str),
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Whole(title)
            | Self::Text(title)
            | Self::Number(title)
            | Self::State(title)
            | Self::Spare(title) => title,
        }
    }
}

/// Draws a table.
pub(crate) fn draw(screen: &Screen, columns: &[Column], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = columns.iter().map(|column| width(column.title())).collect();
    for row in rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    let mut shown = columns.to_vec();
    if let Some(room) = screen::columns() {
        leave_out(&mut shown, &mut widths, room);
        fit(&shown, &mut widths, room);
    }
    let places: Vec<usize> = (0..columns.len()).filter(|place| shown.contains(&columns[*place])).collect();
    let chosen = |cells: &[String]| places.iter().map(|place| cells[*place].clone()).collect::<Vec<_>>();
    let columns = shown;
    let titles: Vec<String> = columns.iter().map(|column| column.title().to_owned()).collect();
    let mut text = screen.bold(line(None, &columns, &widths, &titles).trim_end());
    text.push('\n');
    for row in rows {
        text.push_str(line(Some(screen), &columns, &widths, &chosen(row)).trim_end());
        text.push('\n');
    }
    text
}

/// Leaves out, from the right, what may be, until the rest fits with its texts cut a little.
fn leave_out(columns: &mut Vec<Column>, widths: &mut Vec<usize>, room: usize) {
    let readable = |(column, width): (&Column, &usize)| match column {
        Column::Text(_) => (*width).min(TEXT_CHARS_GOOD),
        _ => *width,
    };
    while total(&columns.iter().zip(widths.iter()).map(readable).collect::<Vec<_>>()) > room {
        let Some(place) = columns.iter().rposition(|column| matches!(column, Column::Spare(_))) else {
            return;
        };
        columns.remove(place);
        widths.remove(place);
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// Takes from the widest column that may be cut, until all fit or none can give.
fn fit(columns: &[Column], widths: &mut [usize], room: usize) {
    loop {
        let Some(over) = total(widths).checked_sub(room).filter(|over| *over > 0) else { return };
        let places = (0..columns.len()).filter(|place| matches!(columns[*place], Column::Text(_)));
        let Some(widest) = places.max_by_key(|place| widths[*place]) else { return };
        if widths[widest] <= COLUMN_CHARS_MIN {
            return;
        }
        // One at a time would do; a step of the whole excess could cut one column to nothing.
        widths[widest] -= over.div_ceil(4).min(widths[widest] - COLUMN_CHARS_MIN);
    }
}

fn line(screen: Option<&Screen>, columns: &[Column], widths: &[usize], cells: &[String]) -> String {
    let mut text = String::new();
    for ((column, room), cell) in columns.iter().zip(widths).zip(cells) {
        if !text.is_empty() {
            text.push_str(GAP);
        }
        let cell = cut(cell, *room);
        let blank = " ".repeat(room.saturating_sub(width(&cell)));
        match (column, screen) {
            (Column::Number(_), _) => text.push_str(&(blank + &cell)),
            (Column::State(_), Some(screen)) => text.push_str(&(screen.state(&cell) + &blank)),
            _ => text.push_str(&(cell + &blank)),
        }
    }
    text
}

/// The text in at most so many columns, with a sign where something is left out.
pub(crate) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if width(&short) + letter_width(letter) + 1 > room {
            break;
        }
        short.push(letter);
    }
    short.push('…');
    short
}

/// Columns a text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(letter_width).sum()
}

/// Ideographs, which image names may hold, are two columns wide.
fn letter_width(letter: char) -> usize {
    let wide = matches!(letter, '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}')
        || matches!(letter, '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}');
    1 + usize::from(wide)
}

/// Lines of a name and a value each, the values under each other and folded where the terminal
/// ends; those without a value left out.
pub(crate) fn facts(screen: &Screen, facts: &[(&str, String)]) -> String {
    let room = facts.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let indent = room + width(GAP);
    let mut text = String::new();
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let blank = " ".repeat(room - width(name));
        let lines = match screen::columns() {
            Some(columns) => fold(value, columns.saturating_sub(indent).max(COLUMN_CHARS_MIN)),
            None => vec![value.clone()],
        };
        let value = lines.join(&format!("\n{}", " ".repeat(indent)));
        text.extend([&screen.bold(name), &*blank, GAP, &value, "\n"]);
    }
    text
}

/// The text in lines of at most so many columns, broken between words where that is possible.
fn fold(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a line from the beginning");
        if line.is_empty() && width(word) <= room {
            line.push_str(word);
        } else if !line.is_empty() && width(line) + 1 + width(word) <= room {
            line.extend([" ", word]);
        } else {
            if !line.is_empty() {
                lines.push(String::new());
            }
            // A word that is too long for any line is broken where it has to be.
            for letter in word.chars() {
                let line = lines.last_mut().expect("there is a line from the beginning");
                if width(line) + letter_width(letter) > room {
                    lines.push(letter.to_string());
                } else {
                    line.push(letter);
                }
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_gives_way_where_it_may_and_keeps_what_is_copied() {
        let columns = [Column::Whole("ID"), Column::Text("NAME"), Column::Text("WHAT")];
        let mut widths = vec![22, 60, 30];
        fit(&columns, &mut widths, 80);
        assert_eq!(widths[0], 22);
        assert!(widths.iter().sum::<usize>() + 4 <= 80 && widths[1] >= 6 && widths[2] >= 6, "{widths:?}");
    }

    #[test]
    fn what_can_be_spared_goes_before_anything_is_cut() {
        let mut columns =
            vec![Column::Whole("ID"), Column::Spare("TIME"), Column::Text("WHAT"), Column::Spare("BY")];
        let mut widths = vec![10, 10, 10, 10];
        leave_out(&mut columns, &mut widths, 36);
        assert_eq!(columns, [Column::Whole("ID"), Column::Spare("TIME"), Column::Text("WHAT")]);
    }

    #[test]
    fn a_cut_text_shows_that_it_is_cut_and_ideographs_count_twice() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("镜像镜像", 6), "镜像…");
        assert_eq!(cut("abc", 3), "abc");
    }

    #[test]
    fn what_is_wide_is_folded_between_words_and_long_words_where_they_have_to_be() {
        assert_eq!(fold("one two three", 7), ["one two", "three"]);
        assert_eq!(fold("one abcdefghij k", 4), ["one", "abcd", "efgh", "ij k"]);
        assert_eq!(fold("镜像镜像", 5), ["镜像", "镜像"]);
        assert_eq!(fold("", 5), [""]);
    }
}
