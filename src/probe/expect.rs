//! Whether an answer is the expected one. What is said of it is short and never quotes the answer itself: what a service
//! answers to a check may be somebody's data.

use crate::command::Ran;
use crate::command::first_lines;
use crate::command::printable;
use crate::fault::Fault;
use crate::pointer;
use crate::policy::meant::check::Expect;
use crate::port::facts::Facts;
use crate::port::probe::Answer;
use crate::template::Template;
use serde_json::Value;

/// An answer as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The status of an HTTP answer.
    pub status: Option<u16>,
    /// How a command ended: its exit code, or nothing where a signal ended it.
    pub exit: Option<Option<i32>>,
    /// What was said.
    pub text: Vec<u8>,
    /// What was complained of, where that is said apart.
    pub errors: Vec<u8>,
    /// Whether more was said than was read.
    pub cut: bool,
    /// Whether nothing of it may be quoted, because it holds a secret.
    pub hidden: bool,
}

impl Seen {
    /// What a command did.
    #[must_use]
    pub fn command(ran: &Ran, hidden: bool) -> Self {
        let (text, errors) = (ran.stdout.clone(), ran.stderr.clone());
        Self { status: None, exit: Some(ran.exit), text, errors, cut: ran.cut, hidden }
    }

    /// What a web server answered.
    #[must_use]
    pub fn http(reply: &crate::http::Reply) -> Self {
        Self { status: Some(reply.status), text: reply.body.clone(), cut: reply.cut, ..Self::default() }
    }

    /// What a query found.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), ..Self::default() }
    }

    /// How it ended, in a few words.
    fn ended(&self) -> String {
        match (self.status, self.exit) {
            (Some(status), _) => format!("status {status}"),
            (None, Some(Some(code))) => format!("exit {code}"),
            (None, Some(None)) => "ended by a signal".to_owned(),
            (None, None) => format!("{} characters", String::from_utf8_lossy(&self.text).chars().count()),
        }
    }
}

/// Whether this is what the policy expects. Without a word about it, a status must be 2xx and an exit code 0. `contains` is
/// looked for in what was said, `absent` in what was complained of too.
///
/// # Errors
/// The expectation itself cannot be filled in.
pub fn judge(doing: &str, expect: &Expect, seen: &Seen, facts: &Facts) -> Result<Answer, Fault> {
    let fill = |template: &Template| facts.fill(template).map_err(|missing| Fault::ask_operator(doing, missing));
    let ended = seen.ended();
    let failed = |why: &str| Ok(Answer { passed: false, saw: format!("{ended}{why}") });

    let status_fits = seen.status.is_none_or(|status| match expect.status {
        Some(wanted) => status == wanted,
        None => (200..300).contains(&status),
    });
    let exit_fits = seen.exit.is_none_or(|exit| exit == Some(expect.exit.unwrap_or(0)));
    if !status_fits || !exit_fits {
        return failed(&complaint(seen));
    }
    if let Some(wanted) = &expect.contains {
        let wanted = fill(wanted)?;
        if !holds(&seen.text, &wanted) {
            return failed(&format!(", without `{}`", printable(&wanted)));
        }
    }
    if let Some(unwanted) = &expect.absent {
        let unwanted = fill(unwanted)?;
        if holds(&seen.text, &unwanted) || holds(&seen.errors, &unwanted) {
            return failed(&format!(", with `{}`", printable(&unwanted)));
        }
        if seen.cut {
            return failed(&format!(", and more than is searched for `{}`", printable(&unwanted)));
        }
    }
    for (path, wanted) in &expect.json {
        if let Some(why) = differs(&seen.text, path, wanted, &fill)? {
            return failed(&format!(", {why}"));
        }
    }
    Ok(Answer { passed: true, saw: ended })
}

fn complaint(seen: &Seen) -> String {
    let said = first_lines(&seen.errors);
    match (said.is_empty(), seen.hidden) {
        (true, _) => String::new(),
        (false, true) => ": (what it said holds a secret, and is withheld)".to_owned(),
        (false, false) => format!(": {said}"),
    }
}

fn holds(text: &[u8], wanted: &str) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted.as_bytes())
}

/// How a JSON answer differs at a dotted path.
fn differs(
    text: &[u8],
    path: &str,
    wanted: &Value,
    fill: &impl Fn(&Template) -> Result<String, Fault>,
) -> Result<Option<String>, Fault> {
    let wanted = match wanted {
        Value::String(text) => match Template::parse(text) {
            Ok(template) => Value::String(fill(&template)?),
            Err(_) => wanted.clone(),
        },
        other => other.clone(),
    };
    let shown = printable(path);
    let Ok(answer) = serde_json::from_slice::<Value>(text) else { return Ok(Some("which is not JSON".to_owned())) };
    let Ok(parts) = pointer::parts(path) else { return Ok(Some(format!("and `{shown}` is no path"))) };
    let found = parts.iter().try_fold(&answer, |at, part| match at {
        Value::Object(fields) => fields.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    });
    Ok(match found {
        None => Some(format!("without `{shown}`")),
        Some(found) if same(found, &wanted) => None,
        Some(_) => Some(format!("where `{shown}` is not {}", printable(&wanted.to_string()))),
    })
}

/// Numbers are the same when they are written differently: `1` and `1.0`.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Seen;
    use super::judge;
    use crate::policy::meant::check::Expect;
    use crate::port::facts::Facts;
    use crate::template::Template;

    fn http(status: u16, text: &str) -> Seen {
        Seen { status: Some(status), ..Seen::text(text) }
    }

    fn command(exit: i32, text: &str, errors: &str) -> Seen {
        Seen { exit: Some(Some(exit)), errors: errors.as_bytes().to_vec(), ..Seen::text(text) }
    }

    fn said(expect: &str, seen: &Seen) -> String {
        // As in a policy, with what is left out filled in.
        let mut written: serde_json::Value = serde_json::from_str(expect).unwrap();
        for field in ["status", "exit", "contains", "absent"] {
            written.as_object_mut().unwrap().entry(field).or_insert(serde_json::Value::Null);
        }
        written.as_object_mut().unwrap().entry("json").or_insert(serde_json::json!({}));
        let expect: Expect = serde_json::from_value(written).unwrap();
        let facts = Facts::none().with("new.id", "v2");
        let answer = judge("check", &expect, seen, &facts).unwrap();
        format!("{}: {}", answer.passed, answer.saw)
    }

    #[test]
    fn without_a_word_well_is_well() {
        assert_eq!(said("{}", &http(204, "")), "true: status 204");
        assert_eq!(said("{}", &http(302, "")), "false: status 302");
        assert_eq!(said("{}", &command(0, "", "noise")), "true: exit 0");
        assert_eq!(said("{}", &command(2, "", "no \u{1b}[1m\n\nmore")), "false: exit 2: no \\u{1b}[1m / more");
        let killed = Seen { exit: Some(None), ..Seen::default() };
        assert_eq!(said("{}", &killed), "false: ended by a signal");
        assert_eq!(said("{}", &Seen::text("7")), "true: 1 characters");
    }

    #[test]
    fn words_are_looked_for() {
        assert_eq!(said(r#"{"status":404}"#, &http(404, "")), "true: status 404");
        assert_eq!(said(r#"{"exit":3}"#, &command(3, "", "")), "true: exit 3");
        let current = r#"{"contains":"id={{ new.id }}"}"#;
        assert_eq!(said(current, &command(0, "now id=v2", "")), "true: exit 0");
        assert_eq!(said(current, &command(0, "now id=v1", "id=v2")), "false: exit 0, without `id=v2`");
        let quiet = r#"{"absent":"decrypt"}"#;
        assert_eq!(said(quiet, &command(0, "all well", "")), "true: exit 0");
        assert_eq!(said(quiet, &command(0, "", "cannot decrypt")), "false: exit 0, with `decrypt`");
        let cut = Seen { cut: true, ..command(0, "all well", "") };
        assert_eq!(said(quiet, &cut), "false: exit 0, and more than is searched for `decrypt`");
        let hidden = Seen { hidden: true, ..command(1, "", "token canary") };
        assert!(!said("{}", &hidden).contains("canary"));
    }

    #[test]
    fn json_is_compared_where_it_is_asked() {
        let answer = http(200, r#"{"keys":[{"id":"v2","n":1.0}],"a.b":true}"#);
        assert_eq!(
            said(r#"{"json":{"keys.0.id":"{{ new.id }}","keys.0.n":1,"\"a.b\"":true}}"#, &answer),
            "true: status 200"
        );
        assert_eq!(
            said(r#"{"json":{"keys.0.id":"v1"}}"#, &answer),
            "false: status 200, where `keys.0.id` is not \"v1\""
        );
        assert_eq!(said(r#"{"json":{"keys.1.id":"v1"}}"#, &answer), "false: status 200, without `keys.1.id`");
        assert_eq!(said(r#"{"json":{"x":1}}"#, &http(200, "<html>")), "false: status 200, which is not JSON");
    }

    #[test]
    fn what_cannot_be_filled_is_a_fault() {
        let expect = Expect { contains: Some(Template::parse("{{ nobody }}").unwrap()), ..Expect::default() };
        assert!(judge("check", &expect, &Seen::text(""), &Facts::none()).is_err());
    }
}
