//! The templates and what they may call. Undefined is an error; a template has loops and no conditions.

use crate::render::Paper;
use crate::render::escape;
use crate::render::terminal::Tone;
use minijinja::Environment;
use minijinja::Error;
use minijinja::ErrorKind;
use minijinja::Output;
use minijinja::UndefinedBehavior;
use minijinja::Value;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;

/// The templates, by name.
const TEMPLATES: [(&str, &str); 3] = [
    ("plan.txt", include_str!("templates/plan.txt")),
    ("plan.md", include_str!("templates/plan.md")),
    ("decisions.txt", include_str!("templates/decisions.txt")),
];

/// A text for a terminal.
pub(super) fn text<T: Serialize>(template: &str, view: &T, paper: Paper) -> String {
    let mut page = page();
    page.set_formatter(|out, _state, value| show(out, value, |text| escape::terminal(text).into_owned()));
    page.add_function("row", move |tone: &str, indent: usize, text: &str| {
        Ok(Value::from_safe_string(paper.row(self::tone(tone)?, indent, text)))
    });
    page.add_function("pair", move |tone: &str, indent: usize, left: &str, right: &str| {
        Ok(Value::from_safe_string(paper.pair(self::tone(tone)?, indent, left, right)))
    });
    page.add_function("table", move |indent: usize, rows: Vec<Vec<String>>| {
        Value::from_safe_string(paper.table(indent, &rows))
    });
    fill(&page, template, view)
}

/// A text in Markdown.
pub(super) fn markdown<T: Serialize>(template: &str, view: &T) -> String {
    let mut page = page();
    page.set_formatter(|out, _state, value| show(out, value, escape::markdown));
    fill(&page, template, view)
}

fn page() -> Environment<'static> {
    let mut page = Environment::new();
    page.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    let syntax = syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    page.set_syntax(syntax.unwrap_or_default());
    page
}

fn tone(name: &str) -> Result<Tone, Error> {
    Tone::named(name).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("there is no tone `{name}`")))
}

fn show(out: &mut Output<'_>, value: &Value, escape: impl Fn(&str) -> String) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let written = match value.as_str() {
        Some(text) if value.is_safe() => out.write_str(text),
        Some(text) => out.write_str(&escape(text)),
        None => out.write_str(&escape(&value.to_string())),
    };
    written.map_err(Error::from)
}

/// Fills a template. Templates are ours and every one is filled by the tests: what goes wrong here is a bug,
/// and is shown as one instead of a text that looks whole.
fn fill<T: Serialize>(page: &Environment<'_>, name: &str, view: &T) -> String {
    let source = TEMPLATES.iter().find(|(template, _)| *template == name).map_or("", |(_, source)| *source);
    page.render_named_str(name, source, Value::from(Serde(view)))
        .unwrap_or_else(|error| format!("this is a bug of keyrota: {error}\n"))
}
