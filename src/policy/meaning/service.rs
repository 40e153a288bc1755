//! Stores whose service seals its own rows anew: from written to meant.

use crate::policy::meaning::Reader;
use crate::policy::meant::store::Counts;
use crate::policy::meant::store::Failures;
use crate::policy::meant::store::Grpc;
use crate::policy::meant::store::Reply;
use crate::policy::meant::store::Scope;
use crate::policy::meant::store::ScopeValues;
use crate::policy::meant::store::Shapes;
use crate::policy::place::Place;
use crate::policy::placeholders;
use crate::policy::problem::quote;
use crate::policy::written::defaults;
use crate::policy::written::store as written;
use crate::policy::written::value::Text;

impl Reader<'_> {
    /// A service and its method.
    pub(crate) fn grpc(&self, place: &Place<'_>, store: &written::Grpc) -> Option<Grpc> {
        let endpoint = self.address(place, "endpoint", store.endpoint.as_ref());
        let tls = self.tls(place, store.tls.as_ref());
        let method = self.needed(place, "method", store.method.as_ref());
        if let Some(method) = method.as_deref().filter(|method| !is_method(method)) {
            let message = format!("{} is not a method", quote(method));
            place.word("method").complain_with("K004", message, "write `package.Service/Method`");
        }
        let shapes = match &store.shapes {
            None | Some(written::Shapes::Word(written::ShapesWord::Reflection)) => Some(Shapes::Reflection),
            Some(written::Shapes::Files(files)) => self.shape_files(&place.word("shapes"), files),
        };
        let within = self.span_or(place, "within", store.within.as_ref(), defaults::CALL);
        if within.is_zero() {
            place.word("within").complain("K004", "no call is answered in no time: this must be at least 1s");
        }
        let scope = store.scope.as_ref().and_then(|scope| self.scope(&place.word("scope"), scope));
        let failures = store.failures.as_ref().map(failures);
        let reply = match &store.reply {
            Some(reply) => self.reply(&place.word("reply"), reply, failures.is_some()),
            None => {
                place.missing("reply");
                None
            }
        };
        if store.dry_run == store.apply {
            let hint = "give `dry_run` and `apply` each the fields that tell them apart";
            place.complain_with("K006", "a call that only looks is the same as one that moves", hint);
        }
        Some(Grpc {
            endpoint: endpoint?,
            tls,
            method: method?,
            shapes: shapes?,
            within,
            idempotent: store.idempotent,
            dry_run: store.dry_run.clone(),
            apply: store.apply.clone(),
            scope,
            failures,
            reply: reply?,
        })
    }

    fn shape_files(&self, place: &Place<'_>, files: &written::ShapeFiles) -> Option<Shapes> {
        let path = |word: &str, text: &Text| {
            let path = self.full(&place.word(word), text)?.into_owned();
            self.path(&place.word(word), &path).then_some(path)
        };
        match (&files.descriptor_set, &files.proto) {
            (Some(set), None) if files.include.is_empty() => path("descriptor_set", set).map(Shapes::DescriptorSet),
            (None, Some(file)) => {
                let include = files.include.iter().map(|folder| path("include", folder));
                Some(Shapes::Proto { file: path("proto", file)?, include: include.collect::<Option<_>>()? })
            }
            _ => {
                let hint = "write `{ descriptor_set = \"FILE\" }` or `{ proto = \"FILE\", include = [..] }`";
                place.complain_with("K006", "shapes come from one of the two", hint);
                None
            }
        }
    }

    fn scope(&self, place: &Place<'_>, scope: &written::Scope) -> Option<Scope> {
        let place = place.word("values");
        let values = match &scope.values {
            written::ScopeValues::Listed(values) => {
                let texts = values.iter().enumerate().filter_map(|(at, text)| self.full(&place.item(at), text));
                ScopeValues::Listed(texts.map(std::borrow::Cow::into_owned).collect())
            }
            written::ScopeValues::From(from) => {
                ScopeValues::FromCommand(self.command(&place.word("command"), &from.command, placeholders::NONE)?)
            }
        };
        Some(Scope { field: scope.field.clone(), values })
    }

    fn reply(&self, place: &Place<'_>, reply: &written::Reply, lists_failures: bool) -> Option<Reply> {
        let is = self.template_or(place, "is", reply.is.as_ref(), defaults::IS, placeholders::IS);
        let rows = counts(reply.rows.as_ref());
        let tells_failed = rows.failed.is_some() || lists_failures;
        // Without these nobody can say that nothing is left.
        if rows.moved.is_none() || rows.seen.is_none() && rows.there.is_none() || !tells_failed {
            let hint = "name the fields that count rows: `moved`, `there` or `seen`, and `failed` (or `failures`)";
            place.complain_with("K006", "such a reply does not say how many rows are left", hint);
        }
        Some(Reply { target: reply.target.clone(), is: is?, rows, fields: counts(reply.fields.as_ref()) })
    }
}

/// Two names with a slash between them.
fn is_method(method: &str) -> bool {
    let name = |name: &str| {
        !name.is_empty() && name.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '.' | '_'))
    };
    method.split_once('/').is_some_and(|(service, method)| name(service) && name(method))
}

fn failures(written: &written::Failures) -> Failures {
    match written {
        written::Failures::List(list) => {
            Failures { list: list.clone(), row: None, field: None, why: None, again: Vec::new() }
        }
        written::Failures::Named(named) => Failures {
            list: named.list.clone(),
            row: named.row.clone(),
            field: named.field.clone(),
            why: named.why.clone(),
            again: named.again.clone(),
        },
    }
}

fn counts(written: Option<&written::Counts>) -> Counts {
    written.map_or_else(Counts::default, |counts| Counts {
        seen: counts.seen.clone(),
        moved: counts.moved.clone(),
        there: counts.there.clone(),
        failed: counts.failed.clone(),
    })
}
