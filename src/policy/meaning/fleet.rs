//! Fleets: from written to meant.

use crate::model::Member;
use crate::model::Span;
use crate::policy::meaning::Block;
use crate::policy::meaning::Reader;
use crate::policy::meaning::check::Around;
use crate::policy::meant::Fleet;
use crate::policy::meant::fleet as meant;
use crate::policy::place::Place;
use crate::policy::placeholders;
use crate::policy::problem::quote;
use crate::policy::words;
use crate::policy::written::defaults;
use crate::policy::written::fleet as written;

impl<'a> Reader<'a> {
    /// One fleet.
    pub(crate) fn fleet(&self, block: &Block<'a>) -> Option<Fleet> {
        let place = &block.place(self.sheet);
        let fleet: written::Fleet = self.shaped(*block, words::policy(), "Fleet", "a fleet")?;
        let members = match &fleet.members {
            Some(members) => self.members(&place.word("members"), members),
            None => {
                place.missing("members");
                None
            }
        };
        if let (Some(meant::Members::FromProof { .. }), None) = (&members, &fleet.proof) {
            let hint = "add `[fleet.NAME.proof]`, or list the members";
            place.word("members").complain_with(
                "K006",
                "the members are those that the proof names, and there is none",
                hint,
            );
        }
        let learns = match &fleet.learns {
            Some(learns) => self.learns(&place.word("learns"), learns),
            None => {
                place.missing("learns");
                None
            }
        };
        let writes = match &fleet.writes {
            Some(writes) => self.writes(&place.word("writes"), writes),
            None => {
                place.missing("writes");
                None
            }
        };
        let follows = fleet.follows.as_ref().and_then(|follows| self.learns(&place.word("follows"), follows));
        let point = fleet
            .point
            .as_ref()
            .and_then(|point| self.pointer(&place.word("point"), point, placeholders::POINT_FILE, placeholders::POINT));
        let deliver = fleet.deliver.as_ref().and_then(|deliver| {
            let place = place.word("deliver");
            let command = self.command(&place.word("command"), &deliver.command, placeholders::CARRY)?;
            Some(meant::Deliver { command, gives: deliver.gives, proves: deliver.proves.is_some() })
        });
        let withdraw = fleet.withdraw.as_ref().and_then(|withdraw| {
            let place = place.word("withdraw");
            self.command(&place.word("command"), &withdraw.command, placeholders::CARRY)
        });
        let restart = fleet.restart.as_ref().and_then(|restart| self.restart(&place.word("restart"), restart));
        let around = Around { timed: false, allowed: placeholders::HEALTHY, stores: &[] };
        let healthy = self.checks(&place.word("healthy"), &fleet.healthy, around);
        let after = self.block_names(&place.word("after"), "fleet", &fleet.after);
        let proof = fleet.proof.as_ref().and_then(|proof| self.proof(&place.word("proof"), proof));
        Some(Fleet {
            members: members?,
            learns: learns?,
            writes: writes?,
            counts: fleet.writes.as_ref().map(counts).unwrap_or_default(),
            follows,
            point,
            holds: fleet.holds.unwrap_or(meant::Holds::Many),
            opens: fleet.opens.unwrap_or(meant::Opens::AnyTime),
            in_flight: self.span_or(place, "in_flight", fleet.in_flight.as_ref(), defaults::IN_FLIGHT),
            caches: self.span_or(place, "caches", fleet.caches.as_ref(), defaults::NOTHING),
            joins: fleet.joins.unwrap_or(meant::Joins::Waits),
            deliver,
            withdraw,
            restart,
            healthy,
            after,
            proof,
        })
    }

    fn members(&self, place: &Place<'_>, members: &written::Members) -> Option<meant::Members> {
        match members {
            written::Members::Listed(listed) => {
                let mut names: Vec<Member> = Vec::with_capacity(listed.len());
                for (at, text) in listed.iter().enumerate() {
                    let place = place.item(at);
                    let text = self.text(&place, text)?;
                    match text.parse::<Member>() {
                        Ok(name) if names.contains(&name) => {
                            place.complain("K006", format!("{} is named twice", quote(&text)));
                        }
                        Ok(name) => names.push(name),
                        Err(wrong) => place.complain("K004", format!("{} cannot be a member: {wrong}", quote(&text))),
                    }
                }
                if listed.is_empty() {
                    let hint =
                        "name them, or say where their names come from: `{ from = [\"program\"], at_least = 1 }`";
                    place.complain_with("K004", "a fleet without members opens every gate", hint);
                }
                (!names.is_empty()).then_some(meant::Members::Listed(names))
            }
            written::Members::From(from) => {
                let here = place.word("at_least");
                let count = self.count(&here, &from.at_least)?;
                let at_least = u32::try_from(count).ok().filter(|count| *count > 0);
                if at_least.is_none() {
                    here.complain("K004", "this must be at least 1: an empty list never opens a gate");
                }
                match &from.from {
                    written::ProofOrCommand::Proof(_) => Some(meant::Members::FromProof { at_least: at_least? }),
                    written::ProofOrCommand::Command(command) => {
                        let command = self.command(&place.word("from"), command, placeholders::NONE)?;
                        Some(meant::Members::FromCommand { command, at_least: at_least? })
                    }
                }
            }
        }
    }

    fn learns(&self, place: &Place<'_>, learns: &written::Learns) -> Option<meant::Learns> {
        match learns {
            written::Learns::Word(written::LearnsWord::Restart) => Some(meant::Learns::Restart),
            written::Learns::Word(written::LearnsWord::Always) => Some(meant::Learns::Always),
            written::Learns::Every(learns) => {
                let every = self.span(&place.word("every"), &learns.every)?;
                if every.is_zero() {
                    place.word("every").complain_with("K004", "nobody looks that often", "write `learns = \"always\"`");
                }
                let margin = match &learns.margin {
                    Some(margin) => self.span(&place.word("margin"), margin)?,
                    None => margin(every),
                };
                Some(meant::Learns::Every { every, margin })
            }
        }
    }

    fn writes(&self, place: &Place<'_>, writes: &written::Writes) -> Option<meant::Writes> {
        match writes {
            written::Writes::Word(written::WritesWord::Current) => Some(meant::Writes::Current),
            written::Writes::Word(written::WritesWord::Never) => Some(meant::Writes::Never),
            written::Writes::Newest(newest) => {
                self.span(&place.word("newest_after"), &newest.newest_after).map(meant::Writes::NewestAfter)
            }
        }
    }

    fn restart(&self, place: &Place<'_>, restart: &written::Restart) -> Option<meant::Restart> {
        let within = self.span_or(place, "within", restart.within.as_ref(), defaults::WITHIN);
        let (how, word, command) = match (&restart.each, &restart.all) {
            (Some(each), None) => (meant::RestartHow::Each, "each", each),
            (None, Some(all)) => (meant::RestartHow::All, "all", all),
            (None, None) => {
                place.missing("each");
                return None;
            }
            (Some(_), Some(_)) => {
                place.complain("K006", "a restart is of `each` or of `all`, not both");
                return None;
            }
        };
        let command = self.command(&place.word(word), command, placeholders::RESTART)?;
        if how == meant::RestartHow::All && command.iter().any(|word| word.asks_for("member")) {
            let hint = "write `each` to restart one at a time";
            place.word("all").complain_with("K006", "`all` is not for one member, so `{{ member }}` is nobody", hint);
        }
        Some(meant::Restart { how, command, within })
    }
}

/// How late a member may be, where nobody said: a tenth, and at least a minute.
fn margin(every: Span) -> Span {
    Span::seconds((every.as_seconds() / 10).max(defaults::MARGIN_AT_LEAST_SECONDS))
}

/// From when members count that write with the newest version after a while.
fn counts(writes: &written::Writes) -> meant::Counts {
    match writes {
        written::Writes::Newest(newest) => newest.counts.unwrap_or_default(),
        written::Writes::Word(_) => meant::Counts::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::margin;
    use crate::model::Span;

    #[test]
    fn a_margin_is_a_tenth_and_at_least_a_minute() {
        assert_eq!(margin(Span::minutes(60)), Span::minutes(6));
        assert_eq!(margin(Span::seconds(30)), Span::minutes(1));
    }
}
