//! How members prove what they know: from written to meant.

use crate::policy::meaning::Reader;
use crate::policy::meant::fleet as meant;
use crate::policy::place::Place;
use crate::policy::placeholders;
use crate::policy::written::defaults;
use crate::policy::written::fleet as written;

impl Reader<'_> {
    /// One proof.
    pub(crate) fn proof(&self, place: &Place<'_>, proof: &written::Proof) -> Option<meant::Proof> {
        let from = self.proof_from(place, proof);
        let knows = match &proof.knows {
            Some(field) => self.field(&place.word("knows"), field),
            None => {
                place.missing("knows");
                None
            }
        };
        let writes = proof.writes.as_ref().and_then(|field| self.field(&place.word("writes"), field));
        let gone = proof.gone.as_ref().and_then(|gone| self.command(&place.word("gone"), gone, placeholders::MEMBER));
        Some(meant::Proof {
            from: from?,
            member: proof.member.clone().unwrap_or_else(|| defaults::MEMBER.to_owned()),
            knows: knows?,
            writes,
            started_at: proof.started_at.clone(),
            seen_at: proof.seen_at.clone(),
            gone,
            canary: proof.canary,
        })
    }

    fn proof_from(&self, place: &Place<'_>, proof: &written::Proof) -> Option<meant::ProofFrom> {
        let headers = self.values(&place.word("headers"), &proof.headers);
        let tables = [("table", &proof.table), ("collection", &proof.collection)];
        let mut tables = tables.into_iter().filter(|(_, text)| text.is_some());
        let table = tables.next();
        if let (Some(_), Some((word, _))) = (table, tables.next()) {
            place.word(word).complain("K006", "a proof stands in a `table` or in a `collection`, not both");
        }
        if let (Some((word, _)), false) = (table, matches!(proof.from, Some(written::StoreOrCommand::Store(_)))) {
            place.word(word).complain("K006", "this is for a proof in a store");
        }
        if proof.printed.is_some() && !matches!(proof.from, Some(written::StoreOrCommand::Command(_))) {
            place.word("as").complain("K006", "this is for a proof that a command prints");
        }
        match (&proof.from, &proof.http) {
            (None, None) => {
                place.missing("from");
                None
            }
            (Some(_), Some(_)) => {
                place.word("http").complain("K006", "a proof is read `from` one place or by `http`, not both");
                None
            }
            (Some(written::StoreOrCommand::Store(store)), None) => {
                let store = self.block_name(&place.word("from"), "store", store);
                let Some((word, text)) = table else {
                    place.missing("table");
                    return None;
                };
                Some(meant::ProofFrom::Store { store: store?, table: self.needed(place, word, text.as_ref())? })
            }
            (Some(written::StoreOrCommand::Command(command)), None) => {
                let command = self.command(&place.word("from"), command, placeholders::NONE)?;
                Some(meant::ProofFrom::Command { command })
            }
            (None, Some(url)) => {
                let url = self.http(&place.word("http"), url, placeholders::MEMBER)?;
                Some(meant::ProofFrom::Http { url, headers: headers? })
            }
        }
    }

    fn field(&self, place: &Place<'_>, field: &written::Field) -> Option<meant::Field> {
        let is = self.template_or(place, "is", field.is.as_ref(), defaults::IS, placeholders::IS)?;
        if field.field.is_empty() {
            place.word("field").complain("K004", "this must not be empty");
            return None;
        }
        Some(meant::Field { field: field.field.clone(), is })
    }
}
