//! Windows and freezes: when a step with a class other than safe may begin.

use crate::model::Hour;
use crate::model::Name;
use crate::model::Span;
use crate::policy::meant::project::Calendar;
use crate::policy::meant::project::Freeze;
use crate::policy::meant::project::Window;
use chrono::Datelike;
use chrono::FixedOffset;
use chrono::NaiveDate;
use chrono::TimeDelta;

/// How far ahead a window is looked for.
const DAYS_AHEAD: i64 = 400;

/// The first hour, now or later, at which the window is open and stays open for as long as that, outside of
/// every freeze. Nothing where there is none within a year.
#[must_use]
pub fn opens(calendar: &Calendar, window: &Name, lasts: Span, now: Hour) -> Option<Hour> {
    let windows = calendar.windows.get(window)?;
    let zone = zone(calendar)?;
    let today = now.with_timezone(&zone).date_naive();
    // Yesterday's window may reach into today.
    for day in (-1..DAYS_AHEAD).filter_map(|ahead| today.checked_add_signed(TimeDelta::days(ahead))) {
        let mut spans: Vec<(Hour, Hour)> = windows
            .iter()
            .filter(|window| opens_on(window, day))
            .filter_map(|window| {
                let from = local(day, window.from_minute, zone)?;
                Some((from, window.lasts.after(from)))
            })
            .collect();
        spans.sort_unstable();
        for (from, to) in spans {
            let start = thawed(calendar, from.max(now));
            if lasts.after(start) <= to && start < to && start >= from {
                return Some(start);
            }
        }
    }
    None
}

/// The last hour, now or earlier, at which the window is open and stays open for as long as that, outside of every
/// freeze. Nothing where there is none within a year.
#[must_use]
pub fn last_open(calendar: &Calendar, window: &Name, lasts: Span, until: Hour) -> Option<Hour> {
    let windows = calendar.windows.get(window)?;
    let zone = zone(calendar)?;
    let today = until.with_timezone(&zone).date_naive();
    for day in (0..DAYS_AHEAD).filter_map(|back| today.checked_sub_signed(TimeDelta::days(back))) {
        let starts = windows.iter().filter(|window| opens_on(window, day)).filter_map(|window| {
            let from = local(day, window.from_minute, zone)?;
            let last = before_freezes(calendar, last_begin(window, from, lasts).min(until));
            (last >= from).then_some(last)
        });
        if let Some(last) = starts.max() {
            return Some(last);
        }
    }
    None
}

/// The longest that anybody has to wait for the window to be open for as long as that, freezes aside.
#[must_use]
pub fn longest_wait(calendar: &Calendar, window: &Name, lasts: Span) -> Span {
    let (Some(windows), Some(zone)) = (calendar.windows.get(window), zone(calendar)) else { return Span::ZERO };
    // Two weeks of any year: windows come every week, in a zone that knows no summer.
    let first = NaiveDate::default();
    let days = (0..15).filter_map(|ahead| first.checked_add_signed(TimeDelta::days(ahead)));
    let mut usable: Vec<(Hour, Hour)> = days
        .flat_map(|day| windows.iter().filter(move |window| opens_on(window, day)).map(move |window| (day, window)))
        .filter_map(|(day, window)| {
            let from = local(day, window.from_minute, zone)?;
            let last = lasts.before(window.lasts.after(from));
            (last >= from).then_some((from, last))
        })
        .collect();
    usable.sort_unstable();
    let mut longest = Span::ZERO;
    let mut until: Option<Hour> = None;
    for (from, last) in usable {
        longest = longest.max(until.map_or(Span::ZERO, |until| Span::between(until, from)));
        until = Some(until.map_or(last, |until| until.max(last)));
    }
    longest
}

/// The freeze that holds at this hour.
#[must_use]
pub fn frozen(calendar: &Calendar, now: Hour) -> Option<&Freeze> {
    calendar.freezes.iter().find(|freeze| freeze.from <= now && now < freeze.to)
}

/// The last turn, at this hour or earlier, of which everything falls outside of every freeze that comes so long before it
/// and so long after it; in the window, where there is one. Nothing where there is none within a year.
#[must_use]
pub fn last_turn(
    calendar: &Calendar,
    window: Option<(&Name, Span)>,
    (before, after): (Span, Span),
    latest: Hour,
) -> Option<Hour> {
    let mut until = latest;
    for _ in 0..=calendar.freezes.len() {
        let turn = match window {
            Some((window, lasts)) => last_open(calendar, window, lasts, until)?,
            None => until,
        };
        let (from, to) = (before.before(turn), after.after(turn));
        match calendar.freezes.iter().find(|freeze| freeze.from <= to && from < freeze.to) {
            Some(freeze) => until = after.plus(Span::seconds(1)).before(freeze.from),
            None => return Some(turn),
        }
    }
    None
}

/// The last moment, at this hour or earlier, outside of every freeze.
fn before_freezes(calendar: &Calendar, mut hour: Hour) -> Hour {
    for _ in 0..=calendar.freezes.len() {
        match calendar.freezes.iter().find(|freeze| freeze.from <= hour && hour < freeze.to) {
            Some(freeze) => hour = Span::seconds(1).before(freeze.from),
            None => break,
        }
    }
    hour
}

/// The last moment at which something may begin that lasts so long, in a window that opened then.
fn last_begin(window: &Window, from: Hour, lasts: Span) -> Hour {
    lasts.max(Span::seconds(1)).before(window.lasts.after(from))
}

fn opens_on(window: &Window, day: NaiveDate) -> bool {
    window.days.is_empty() || window.days.iter().any(|name| name == day_name(day))
}

/// The first hour, from this one on, outside of every freeze.
#[must_use]
pub fn thawed(calendar: &Calendar, mut hour: Hour) -> Hour {
    for _ in 0..=calendar.freezes.len() {
        match calendar.freezes.iter().find(|freeze| freeze.from <= hour && hour < freeze.to) {
            Some(freeze) => hour = freeze.to,
            None => break,
        }
    }
    hour
}

fn zone(calendar: &Calendar) -> Option<FixedOffset> {
    match calendar.zone.as_deref() {
        None | Some("UTC" | "utc" | "Z") => FixedOffset::east_opt(0),
        Some(offset) => offset.parse().ok(),
    }
}

fn local(day: NaiveDate, minute: u32, zone: FixedOffset) -> Option<Hour> {
    let time = day.and_hms_opt(minute / 60, minute % 60, 0)?;
    time.and_local_timezone(zone).single().map(|time| time.to_utc())
}

fn day_name(day: NaiveDate) -> &'static str {
    match day.weekday() {
        chrono::Weekday::Mon => "mon",
        chrono::Weekday::Tue => "tue",
        chrono::Weekday::Wed => "wed",
        chrono::Weekday::Thu => "thu",
        chrono::Weekday::Fri => "fri",
        chrono::Weekday::Sat => "sat",
        chrono::Weekday::Sun => "sun",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use crate::policy::meant::project::Freeze;

    fn hour(text: &str) -> Hour {
        text.parse().unwrap()
    }

    fn calendar() -> Calendar {
        let window = Window { days: vec!["tue".into()], from_minute: 22 * 60, lasts: "4h".parse().unwrap() };
        let name: Name = "night".parse().unwrap();
        Calendar { zone: Some("+02:00".into()), windows: [(name, vec![window])].into(), ..Calendar::default() }
    }

    fn ask(calendar: &Calendar, lasts: &str, now: &str) -> Option<Hour> {
        opens(calendar, &"night".parse().unwrap(), lasts.parse().unwrap(), hour(now))
    }

    #[test]
    fn a_window_opens_in_its_zone_and_must_stay_open_long_enough() {
        // 2026-11-24 is a Tuesday; 22:00 at +02:00 is 20:00 UTC.
        assert_eq!(ask(&calendar(), "1h", "2026-11-21T12:00:00Z"), Some(hour("2026-11-24T20:00:00Z")));
        assert_eq!(ask(&calendar(), "1h", "2026-11-24T22:30:00Z"), Some(hour("2026-11-24T22:30:00Z")));
        assert_eq!(ask(&calendar(), "2h", "2026-11-24T22:30:00Z"), Some(hour("2026-12-01T20:00:00Z")));
        assert_eq!(ask(&calendar(), "5h", "2026-11-24T20:00:00Z"), None);
    }

    #[test]
    fn the_last_opening_before_an_hour_is_found() {
        let ask = |lasts: &str, until: &str| {
            last_open(&calendar(), &"night".parse().unwrap(), lasts.parse().unwrap(), hour(until))
        };
        assert_eq!(ask("1h", "2026-11-24T21:00:00Z"), Some(hour("2026-11-24T21:00:00Z")));
        assert_eq!(ask("1h", "2026-11-27T00:00:00Z"), Some(hour("2026-11-24T23:00:00Z")));
        assert_eq!(ask("1h", "2026-11-24T19:59:00Z"), Some(hour("2026-11-17T23:00:00Z")));
        assert_eq!(ask("5h", "2026-11-24T21:00:00Z"), None);
        assert_eq!(
            longest_wait(&calendar(), &"night".parse().unwrap(), "1h".parse().unwrap()),
            "6d21h".parse().unwrap()
        );
    }

    #[test]
    fn a_freeze_shuts_it() {
        let (from, to) = (hour("2026-11-24T00:00:00Z"), hour("2026-11-24T23:00:00Z"));
        let frozen = Calendar { freezes: vec![Freeze { from, to, because: "sale".into() }], ..calendar() };
        assert_eq!(ask(&frozen, "1h", "2026-11-21T12:00:00Z"), Some(hour("2026-11-24T23:00:00Z")));
        assert_eq!(ask(&frozen, "2h", "2026-11-21T12:00:00Z"), Some(hour("2026-12-01T20:00:00Z")));
    }
}
