//! The paper that text is printed on: how wide, in colours or not, and how a long line is broken.

use crate::render::escape;

/// The paper of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper {
    /// How many characters a line may have.
    pub width: usize,
    /// Whether it takes colours. `NO_COLOR` and pipes are the caller's to know.
    pub colour: bool,
}

/// The narrowest paper: below it lines are longer than asked for.
const WIDTH_MIN: usize = 40;

impl Default for Paper {
    fn default() -> Self {
        Self { width: 100, colour: false }
    }
}

/// A tone of a line. There are few, and none says anything that the words do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
}

impl Tone {
    /// The tone of this name, as templates write it.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "plain" => Tone::Plain,
            "bold" => Tone::Bold,
            "dim" => Tone::Dim,
            "good" => Tone::Good,
            "warn" => Tone::Warn,
            "bad" => Tone::Bad,
            _ => return None,
        })
    }

    const fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Bold => "\x1b[1m",
            Tone::Dim => "\x1b[2m",
            Tone::Good => "\x1b[32m",
            Tone::Warn => "\x1b[33m",
            Tone::Bad => "\x1b[1;31m",
        }
    }
}

impl Paper {
    fn paint(self, tone: Tone, text: &str, out: &mut String) {
        if !self.colour || tone == Tone::Plain || text.is_empty() {
            return out.push_str(text);
        }
        out.push_str(tone.code());
        out.push_str(text);
        out.push_str("\x1b[0m");
    }

    fn width(self) -> usize {
        self.width.max(WIDTH_MIN)
    }

    /// A text from this column on, broken between words; what does not fit on the first line hangs two deeper.
    pub(super) fn row(self, tone: Tone, indent: usize, text: &str) -> String {
        let text = escape::terminal(text);
        let mut out = String::with_capacity(text.len() + 32);
        for (at, line) in wrap(&text, self.width().saturating_sub(indent), 2).iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            space(&mut out, if at > 0 { indent + 2 } else { indent });
            self.paint(tone, line, &mut out);
        }
        out
    }

    /// A text from this column on, and another at the right edge; on a line of its own where there is no room.
    pub(super) fn pair(self, tone: Tone, indent: usize, left: &str, right: &str) -> String {
        let (plain, right) = (escape::terminal(left), escape::terminal(right));
        let used = indent + plain.chars().count() + 2 + right.chars().count();
        let (mut out, gap) = match self.width().checked_sub(used) {
            Some(gap) => {
                let mut out = String::new();
                space(&mut out, indent);
                self.paint(tone, &plain, &mut out);
                (out, gap + 2)
            }
            None => (self.row(tone, indent, left) + "\n", self.width().saturating_sub(right.chars().count())),
        };
        space(&mut out, gap);
        self.paint(Tone::Dim, &right, &mut out);
        out
    }

    /// Rows of cells, each column as wide as its widest cell.
    pub(super) fn table(self, indent: usize, rows: &[Vec<String>]) -> String {
        let mut widths: Vec<usize> = Vec::new();
        let cells: Vec<Vec<_>> =
            rows.iter().map(|row| row.iter().map(|cell| escape::terminal(cell)).collect()).collect();
        for row in &cells {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut out = String::new();
        for (at, row) in cells.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            space(&mut out, indent);
            for (cell, width) in row.iter().zip(&widths) {
                out.push_str(cell);
                space(&mut out, width + 2 - cell.chars().count());
            }
            out.truncate(out.trim_end_matches(' ').len());
        }
        out
    }
}

fn space(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// Lines of at most so many characters, all but the first shorter by `hang`. A longer word keeps its length:
/// a name that is cut cannot be copied.
fn wrap(text: &str, width: usize, hang: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let most = if lines.is_empty() { width } else { width.saturating_sub(hang) };
        let count = word.chars().count();
        if length > 0 && length + 1 + count > most {
            lines.push(std::mem::take(&mut line));
            length = 0;
        } else if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += count;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: Paper = Paper { width: 40, colour: false };

    #[test]
    fn long_lines_are_broken_between_words() {
        let text = PAPER.row(Tone::Bold, 2, "every member can read the new version before anybody writes");
        assert_eq!(text, "  every member can read the new version\n    before anybody writes");
        assert_eq!(PAPER.row(Tone::Plain, 0, &"x".repeat(50)), "x".repeat(50));
    }

    #[test]
    fn the_right_edge_is_kept_where_there_is_room() {
        assert_eq!(PAPER.pair(Tone::Plain, 2, "make it", "Sat 09:00"), format!("  make it{}Sat 09:00", " ".repeat(22)));
        let narrow = PAPER.pair(Tone::Plain, 2, "make the new version the current one", "Sat 09:00");
        assert_eq!(narrow, format!("  make the new version the current one\n{}Sat 09:00", " ".repeat(31)));
    }

    #[test]
    fn colours_come_only_where_they_are_wanted() {
        let colour = Paper { colour: true, ..PAPER };
        assert_eq!(colour.row(Tone::Bad, 0, "no"), "\x1b[1;31mno\x1b[0m");
        assert_eq!(colour.row(Tone::Plain, 0, "a\x1b[2J"), "a\\u{1b}[2J");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [vec!["a".to_owned(), "bb".into(), "c".into()], vec!["aaa".into(), "b".into(), String::new()]];
        assert_eq!(PAPER.table(1, &rows), " a    bb  c\n aaa  b");
    }
}
