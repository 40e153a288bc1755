//! An outline: heads, lines and tables, laid out for a terminal or in Markdown. For views whose shape is their data's.

use crate::render::Paper;
use crate::render::escape;
use crate::render::terminal::Tone;

/// What is told, from top to bottom.
#[derive(Debug, Default)]
pub(super) struct Outline {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Title(String),
    Head(String),
    Pair(Tone, String, String),
    Line(Tone, usize, String),
    /// The first row names the columns.
    Table(Vec<Vec<String>>),
    /// A text to be copied: never broken.
    Verbatim(String),
    Gap,
}

impl Outline {
    pub(super) fn title(&mut self, text: &str) {
        self.parts.push(Part::Title(text.to_owned()));
    }

    pub(super) fn head(&mut self, text: &str) {
        self.parts.push(Part::Head(text.to_owned()));
    }

    pub(super) fn pair(&mut self, tone: Tone, left: &str, right: &str) {
        self.parts.push(Part::Pair(tone, left.to_owned(), right.to_owned()));
    }

    pub(super) fn line(&mut self, tone: Tone, indent: usize, text: &str) {
        self.parts.push(Part::Line(tone, indent, text.to_owned()));
    }

    pub(super) fn table(&mut self, rows: Vec<Vec<String>>) {
        self.parts.push(Part::Table(rows));
    }

    pub(super) fn verbatim(&mut self, text: &str) {
        self.parts.push(Part::Verbatim(text.to_owned()));
    }

    pub(super) fn gap(&mut self) {
        self.parts.push(Part::Gap);
    }

    /// For a terminal.
    pub(super) fn text(&self, paper: Paper) -> String {
        let mut out = String::new();
        for part in &self.parts {
            let line = match part {
                Part::Title(text) | Part::Head(text) => paper.row(Tone::Bold, 0, text),
                Part::Pair(tone, left, right) => paper.pair(*tone, 0, left, right),
                Part::Line(tone, indent, text) => paper.row(*tone, *indent, text),
                Part::Table(rows) => paper.table(2, rows),
                Part::Verbatim(text) => format!("    {}", escape::terminal(text)),
                Part::Gap => String::new(),
            };
            out.push_str(&line);
            out.push('\n');
        }
        out.truncate(out.trim_end_matches('\n').len());
        out + "\n"
    }

    /// In Markdown: lines are the items of lists, as deep as they are indented.
    pub(super) fn markdown(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            let line = match part {
                Part::Title(text) => format!("# {}\n", escape::markdown(text)),
                Part::Head(text) => format!("\n## {}\n", escape::markdown(text)),
                Part::Pair(_, left, right) => {
                    format!("\n### {} ({})\n", escape::markdown(left), escape::markdown(right))
                }
                Part::Line(_, indent, text) => {
                    format!("{}- {}", " ".repeat(indent.saturating_sub(2)), escape::markdown(text))
                }
                Part::Table(rows) => table(rows),
                Part::Verbatim(text) => format!("\n    {}\n", escape::terminal(text)),
                Part::Gap => String::new(),
            };
            out.push_str(&line);
            out.push('\n');
        }
        out
    }
}

fn table(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().map(|cell| escape::markdown(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut rows = rows.iter();
    let Some(first) = rows.next() else { return String::new() };
    let under = format!("|{}\n", "---|".repeat(first.len()));
    format!("\n{}{under}{}", line(first), rows.map(line).collect::<String>())
}
