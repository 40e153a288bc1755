//! The laws that every probe keeps.

use crate::policy::meant::Check;
use crate::port::facts::Facts;
use crate::port::probe::Answer;
use crate::port::probe::Probe;

/// No answer is told in more characters.
const SAW_CHARS_MAX: usize = 1000;

/// Whether the laws hold, given a check that passes, one that does not, and one to which nobody answers.
///
/// # Errors
/// Says which law is broken.
pub fn holds(probe: &dyn Probe, well: &Check, ill: &Check, mute: &Check) -> Result<(), String> {
    let ask = |check: &Check| probe.ask(check, &Facts::none()).map_err(|fault| fault.to_string());
    for _ in 0..2 {
        let answer = ask(well)?;
        law("what is well passes, however often it is asked", answer.passed && fit(&answer))?;
    }
    let answer = ask(ill)?;
    law("what is ill is an answer, and does not pass", !answer.passed && fit(&answer))?;
    law("no answer is a fault", ask(mute).is_err())
}

/// Short, and harmless to a terminal.
fn fit(answer: &Answer) -> bool {
    let short = (1..=SAW_CHARS_MAX).contains(&answer.saw.chars().count());
    short && !answer.saw.contains(char::is_control)
}

fn law(name: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("broken: {name}")) }
}
