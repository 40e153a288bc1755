//! Backends: from written to meant.

use crate::envelope::Coding;
use crate::policy::meaning::Block;
use crate::policy::meaning::Reader;
use crate::policy::meant::Auth;
use crate::policy::meant::AuthValue;
use crate::policy::meant::Backend;
use crate::policy::meant::Pointer;
use crate::policy::meant::Tls;
use crate::policy::meant::backend::DocumentPaths;
use crate::policy::meant::backend::DocumentPlace;
use crate::policy::meant::backend::KeySet;
use crate::policy::place::Place;
use crate::policy::placeholders;
use crate::policy::placeholders::Allowed;
use crate::policy::problem::quote;
use crate::policy::shape::did_you_mean;
use crate::policy::words;
use crate::policy::written::backend as written;
use crate::policy::written::defaults;
use crate::policy::written::value::OneOrMany;
use crate::policy::written::value::Text;
use crate::template::Template;

impl<'a> Reader<'a> {
    /// One backend.
    pub(crate) fn backend(&self, block: &Block<'a>) -> Option<Backend> {
        let place = &block.place(self.sheet);
        match self.shaped::<written::Backend>(*block, words::policy(), "Backend", "a backend")? {
            written::Backend::File(file) => Some(Backend::File {
                codings: self.codings(place, file.codings.as_ref())?,
                id: self.id(place, file.id.as_ref(), defaults::COUNTED)?,
            }),
            written::Backend::Document(document) => self.document(place, &document),
            written::Backend::OpenbaoKv(kv) => self.openbao_kv(place, &kv),
            written::Backend::OpenbaoTransit(transit) => Some(Backend::OpenbaoTransit {
                addr: self.address(place, "addr", transit.addr.as_ref())?,
                auth: self.auth_needed(place, transit.auth.as_ref())?,
                tls: self.tls(place, transit.tls.as_ref()),
                namespace: self.optional(place, "namespace", transit.namespace.as_ref()),
                mount: self
                    .optional(place, "mount", transit.mount.as_ref())
                    .unwrap_or_else(|| defaults::TRANSIT.into()),
            }),
            written::Backend::AzureKeyVault(vault) => Some(Backend::AzureKeyVault {
                addr: self.address(place, "addr", vault.addr.as_ref())?,
                auth: self.auth_needed(place, vault.auth.as_ref())?,
            }),
            written::Backend::Pkcs11(token) => self.pkcs11(place, &token),
        }
    }

    fn document(&self, place: &Place<'_>, document: &written::Document) -> Option<Backend> {
        let current = document
            .current
            .as_ref()
            .and_then(|current| self.pointer(&place.word("current"), current, placeholders::NONE, placeholders::IS));
        let at = match (&document.file, &document.mount) {
            (None, None) => {
                place.missing("file");
                None
            }
            (Some(_), Some(_)) => {
                place.word("mount").complain("K006", "a document is one file or lies on a secrets server, not both");
                None
            }
            (Some(file), None) => self.document_file(place, document, file),
            (None, Some(mount)) => self.document_paths(place, document, mount),
        };
        Some(Backend::Document {
            place: at?,
            codings: self.codings(place, document.codings.as_ref())?,
            id: self.id(place, document.id.as_ref(), defaults::COUNTED)?,
            current,
        })
    }

    fn document_file(&self, place: &Place<'_>, document: &written::Document, file: &Text) -> Option<DocumentPlace> {
        let only_there = [
            ("addr", document.addr.is_some()),
            ("auth", document.auth.is_some()),
            ("tls", document.tls.is_some()),
            ("namespace", document.namespace.is_some()),
            ("field", document.field.is_some()),
            ("set", !document.set.is_empty()),
        ];
        for (word, _) in only_there.iter().filter(|(_, written)| *written) {
            let message = format!("{} is for a `mount` on a secrets server, and this is a file", quote(word));
            place.word(word).complain("K006", message);
        }
        let path = self.optional(place, "file", Some(file))?;
        self.path(&place.word("file"), &path).then_some(DocumentPlace::File(path))
    }

    fn document_paths(&self, place: &Place<'_>, document: &written::Document, mount: &Text) -> Option<DocumentPlace> {
        let mut set = std::collections::BTreeMap::new();
        for (field, text) in &document.set {
            if let Some(template) = self.template(&place.word("set").word(field), text, placeholders::BESIDE) {
                set.insert(field.clone(), template);
            }
        }
        let field = self.needed(place, "field", document.field.as_ref());
        let beside = place.word("set");
        let mut taken: Vec<Vec<String>> = Vec::new();
        for path in field.iter().chain(set.keys()) {
            let at = if Some(path) == field.as_ref() { place.word("field") } else { beside.word(path) };
            match crate::pointer::parts(path) {
                Err(unfit) => at.complain_with("K004", unfit.to_string(), "write it as `section.word`"),
                Ok(parts) if taken.iter().any(|other| other.starts_with(&parts) || parts.starts_with(other)) => {
                    at.complain("K006", format!("{} lies in the place of another value", quote(path)));
                }
                Ok(parts) => taken.push(parts),
            }
        }
        let paths = DocumentPaths {
            addr: self.address(place, "addr", document.addr.as_ref())?,
            auth: self.auth_needed(place, document.auth.as_ref())?,
            tls: self.tls(place, document.tls.as_ref()),
            namespace: self.optional(place, "namespace", document.namespace.as_ref()),
            mount: self.optional(place, "mount", Some(mount))?,
            field: field?,
            set,
        };
        Some(DocumentPlace::Paths(Box::new(paths)))
    }

    fn openbao_kv(&self, place: &Place<'_>, kv: &written::OpenbaoKv) -> Option<Backend> {
        let mut set = std::collections::BTreeMap::new();
        for (field, text) in &kv.set {
            let at = place.word("set");
            if let Some(template) = self.template(&at.word(field), text, placeholders::SET) {
                set.insert(field.clone(), template);
            }
        }
        let versions = match &kv.versions {
            Some(versions) => Some(self.key_set(&place.word("versions"), versions)),
            None => {
                place.missing("versions");
                None
            }
        };
        Some(Backend::OpenbaoKv {
            addr: self.address(place, "addr", kv.addr.as_ref())?,
            auth: self.auth_needed(place, kv.auth.as_ref())?,
            tls: self.tls(place, kv.tls.as_ref()),
            namespace: self.optional(place, "namespace", kv.namespace.as_ref()),
            mount: self.needed(place, "mount", kv.mount.as_ref())?,
            versions: versions??,
            alongside: kv.alongside.clone(),
            current: kv.current.as_ref().map(|current| current.field.clone()),
            set,
            id: self.id(place, kv.id.as_ref(), "{{ uuid1 }}")?,
            mark: kv.mark.unwrap_or(true),
        })
    }

    fn key_set(&self, place: &Place<'_>, versions: &written::KeySet) -> Option<KeySet> {
        let known = ["base64", "base64url", "hex", "jwks"];
        let mut good = true;
        for (at, word) in versions.codings.all().iter().enumerate() {
            if !known.contains(&word.as_str()) {
                let message = format!("{} is not a form of a key set", quote(word));
                place.word("as").item(at).complain_with("K002", message, did_you_mean(word, &known));
                good = false;
            }
        }
        if versions.codings.all().last().is_some_and(|last| good && last != "jwks") || versions.codings.all().is_empty()
        {
            place.word("as").complain_with("K006", "a key set is written as `jwks`", "end `as` with `jwks`");
            good = false;
        }
        let newest = match versions.newest.unwrap_or(written::Newest::First) {
            written::Newest::First => "first",
            written::Newest::Last => "last",
        };
        let codings = versions.codings.all().to_vec();
        good.then(|| KeySet { field: versions.field.clone(), codings, newest: newest.into() })
    }

    fn pkcs11(&self, place: &Place<'_>, token: &written::Pkcs11) -> Option<Backend> {
        let digest = self.optional(place, "digest", token.digest.as_ref());
        if let Some(wrong) = digest.as_deref().and_then(|digest| crate::digest::Digest::parse(digest).err()) {
            place.word("digest").complain("K004", wrong);
        }
        let module = self.needed(place, "module", token.module.as_ref());
        let label = self.needed(place, "token", token.token.as_ref());
        let id = self.id(place, token.id.as_ref(), defaults::COUNTED);
        let Some(pin) = &token.pin else {
            place.missing("pin");
            return None;
        };
        let pin = self.source(&place.word("pin"), pin);
        Some(Backend::Pkcs11 { module: module?, digest, token: label?, pin: pin?, id: id? })
    }

    /// How a version's id is made: different for each version.
    fn id(&self, place: &Place<'_>, id: Option<&Text>, default: &str) -> Option<Template> {
        let id = self.template_or(place, "id", id, default, placeholders::ID)?;
        if id.is_constant() {
            let hint = "let it hold `{{ n }}` or `{{ uuid1 }}`";
            place.word("id").complain_with("K006", "every version would have the same id", hint);
            return None;
        }
        Some(id)
    }

    fn codings(&self, place: &Place<'_>, written: Option<&OneOrMany<String>>) -> Option<Vec<Coding>> {
        let place = place.word("as");
        let known = [Coding::Raw, Coding::Hex, Coding::Base64, Coding::Base64url].map(Coding::word);
        let Some(written) = written else { return Some(vec![Coding::Raw]) };
        let mut codings = Vec::new();
        for (at, word) in written.all().iter().enumerate() {
            match Coding::ALL.into_iter().find(|coding| coding.word() == word && known.contains(&word.as_str())) {
                Some(coding) => codings.push(coding),
                None => {
                    let message = format!("{} is not a way to write key bytes", quote(word));
                    place.item(at).complain_with("K002", message, did_you_mean(word, &known));
                }
            }
        }
        if codings.len() > 1 && codings.contains(&Coding::Raw) {
            place.complain("K006", "`raw` stands alone");
        }
        (!codings.is_empty()).then_some(codings)
    }

    /// A pointer to the current version.
    pub(crate) fn pointer(
        &self,
        place: &Place<'_>,
        pointer: &written::Pointer,
        file: Allowed,
        is: Allowed,
    ) -> Option<Pointer> {
        let file = self.path_template(&place.word("file"), &pointer.file, file);
        let is = self.template_or(place, "is", pointer.is.as_ref(), defaults::IS, is);
        if pointer.at.split('.').any(str::is_empty) {
            let message = format!("{} is not a dotted path", quote(&pointer.at));
            place.word("at").complain_with("K004", message, "write it as `section.word`");
            return None;
        }
        Some(Pointer { file: file?, at: pointer.at.clone(), is: is? })
    }

    fn auth_needed(&self, place: &Place<'_>, auth: Option<&written::Auth>) -> Option<Auth> {
        if auth.is_none() {
            place.missing("auth");
        }
        auth.map(|auth| self.auth(&place.word("auth"), auth))
    }

    /// A login.
    pub(crate) fn auth(&self, place: &Place<'_>, auth: &written::Auth) -> Auth {
        let mut meant = Auth::default();
        let plain = [
            ("login", &auth.login),
            ("role", &auth.role),
            ("mount", &auth.mount),
            ("tenant", &auth.tenant),
            ("client", &auth.client),
            ("audience", &auth.audience),
            ("user", &auth.user),
        ];
        for (word, text) in plain {
            if let Some(text) = self.optional(place, word, text.as_ref()) {
                meant.0.insert(word.to_owned(), AuthValue::Plain(text));
            }
        }
        let secret = [
            ("token", &auth.token),
            ("key", &auth.key),
            ("password", &auth.password),
            ("secret", &auth.secret),
            ("secret_id", &auth.secret_id),
            ("jwt", &auth.jwt),
        ];
        for (word, source) in secret {
            if let Some(source) = self.optional_source(place, word, source.as_ref()) {
                meant.0.insert(word.to_owned(), AuthValue::Secret(source));
            }
        }
        for (word, within) in [("read", &auth.read), ("write", &auth.write)] {
            if let Some(within) = within {
                meant.0.insert(word.to_owned(), AuthValue::Within(self.auth(&place.word(word), within)));
            }
        }
        if place.node().and_then(|node| node.get_ref().as_table()).is_some_and(|table| table.is_empty()) {
            place.complain_with("K003", "this says no way to log in", "write `auth = { token = { env = \"NAME\" } }`");
        }
        meant
    }

    /// How to reach a server over TLS.
    pub(crate) fn tls(&self, place: &Place<'_>, tls: Option<&written::Tls>) -> Option<Tls> {
        let tls = tls?;
        let place = place.word("tls");
        if tls.cert.is_some() != tls.key.is_some() {
            place.complain("K006", "`cert` and `key` come together");
        }
        Some(Tls {
            ca: self.optional_source(&place, "ca", tls.ca.as_ref()),
            cert: self.optional_source(&place, "cert", tls.cert.as_ref()),
            key: self.optional_source(&place, "key", tls.key.as_ref()),
        })
    }
}
