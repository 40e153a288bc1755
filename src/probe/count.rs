//! What a program that counts printed, as a number.

use crate::command::Ran;
use crate::command::first_lines;
use crate::fault::Fault;

/// More digits than any count has.
const DIGITS_MAX: usize = 20;

/// The number that a program printed, and nothing else.
///
/// # Errors
/// It printed anything else.
pub(super) fn number(doing: &str, ran: &Ran) -> Result<u64, Fault> {
    let printed = ran.stdout.trim_ascii();
    let digits = !printed.is_empty() && printed.len() <= DIGITS_MAX && printed.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(printed).ok().filter(|_| digits && !ran.cut).and_then(|text| text.parse().ok());
    number.ok_or_else(|| {
        let saw = first_lines(&ran.stdout);
        let why = if saw.is_empty() {
            "it printed nothing".to_owned()
        } else {
            format!("it printed `{saw}`, which is no count")
        };
        Fault::ask_operator(doing, why).hint("it prints one whole number: how many values the version has sealed")
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::number;
    use crate::command::Ran;

    #[test]
    fn only_a_whole_number_is_a_count() {
        let said = |text: &str, cut| {
            number("count", &Ran { exit: Some(0), stdout: text.as_bytes().to_vec(), stderr: Vec::new(), cut })
        };
        assert_eq!(said(" 4294967296\n", false).unwrap(), 4_294_967_296);
        assert_eq!(said("0", false).unwrap(), 0);
        for bad in ["", "\n", "-1", "+1", "1.5", "1e9", "12 values", "1 2", "99999999999999999999", "0x10"] {
            assert!(said(bad, false).is_err(), "{bad:?}");
        }
        assert!(said("12", true).is_err(), "a part of a number is another number");
    }
}
