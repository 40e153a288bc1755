//! How to log in, as the policy says it.

use crate::fault::Fault;
use crate::policy::meant::Auth;
use crate::policy::meant::AuthValue;
use crate::secret::Source;

/// Where a pod finds the token of its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A way to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// With a token that somebody else made.
    Token(Source),
    /// As a role, with what only it knows.
    AppRole {
        /// The role's id.
        role: String,
        /// What only it knows.
        secret_id: Source,
        /// Where the method is mounted.
        mount: String,
    },
    /// As a role, with a token that somebody else signed: a pod's service account, a pipeline's identity.
    Signed {
        /// The role's name.
        role: String,
        /// Where the signed token is read.
        jwt: Source,
        /// Where the method is mounted.
        mount: String,
    },
}

impl Login {
    /// The logins to read and to write by; `read` and `write` inside the login, where they are, and otherwise the login itself.
    pub(super) fn both(doing: &str, auth: &Auth) -> Result<[Self; 2], Fault> {
        let of = |word: &str| match auth.0.get(word) {
            Some(AuthValue::Within(within)) => Self::read(doing, within),
            _ => Self::read(doing, auth),
        };
        Ok([of("read")?, of("write")?])
    }

    fn read(doing: &str, auth: &Auth) -> Result<Self, Fault> {
        let plain = |word: &str| match auth.0.get(word) {
            Some(AuthValue::Plain(text)) => Some(text.clone()),
            _ => None,
        };
        let secret = |word: &str| match auth.0.get(word) {
            Some(AuthValue::Secret(source)) => Some(source.clone()),
            _ => None,
        };
        let missing = |kind: &str, word: &str, example: &str| {
            Fault::ask_operator(doing, format!("a login by {kind} needs `{word}`"))
                .hint(format!("write `auth = {example}`"))
        };
        let guessed = match () {
            () if secret("token").is_some() => "token",
            () if secret("secret_id").is_some() => "approle",
            () => "jwt",
        };
        let kind = plain("login").unwrap_or_else(|| guessed.to_owned());
        let mount = plain("mount").map(|mount| mount.trim_matches('/').to_owned());
        let mount = || mount.clone().unwrap_or_else(|| kind.clone());
        match kind.as_str() {
            "token" => secret("token")
                .map(Self::Token)
                .ok_or_else(|| missing("token", "token", "{ token = { env = \"BAO_TOKEN\" } }")),
            "approle" => {
                let example =
                    "{ login = \"approle\", role = \"ROLE-ID\", secret_id = { file = \"/run/secrets/secret-id\" } }";
                let role = plain("role").ok_or_else(|| missing("AppRole", "role", example))?;
                let secret_id = secret("secret_id").ok_or_else(|| missing("AppRole", "secret_id", example))?;
                Ok(Self::AppRole { role, secret_id, mount: mount() })
            }
            "kubernetes" | "jwt" => {
                let example =
                    format!("{{ login = \"{kind}\", role = \"keyrota\", jwt = {{ file = \"/run/token\" }} }}");
                let role = plain("role").ok_or_else(|| missing(&kind, "role", &example))?;
                let pod = || (kind == "kubernetes").then(|| Source::File(SERVICE_ACCOUNT.to_owned()));
                let jwt = secret("jwt").or_else(pod).ok_or_else(|| missing(&kind, "jwt", &example))?;
                Ok(Self::Signed { role, jwt, mount: mount() })
            }
            other => Err(Fault::ask_operator(doing, format!("`{other}` is no way to log in to a secrets server"))
                .hint("`login` is `token`, `approle`, `kubernetes` or `jwt`")),
        }
    }

    /// What is to be looked at where the login fails.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Token(source) => format!("the token in {source}"),
            Self::AppRole { role, secret_id, mount } => {
                format!("AppRole `{role}` at `auth/{mount}`, with the secret id in {secret_id}")
            }
            Self::Signed { role, jwt, mount } => format!("role `{role}` at `auth/{mount}`, with the token in {jwt}"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Login;
    use super::SERVICE_ACCOUNT;
    use crate::policy::meant::Auth;
    use crate::secret::Source;

    fn both(text: &str) -> Result<[Login; 2], String> {
        let auth: Auth = serde_json::from_str(text).unwrap();
        Login::both("use backend `x`", &auth).map_err(|fault| {
            let hint = fault.hint.clone().unwrap_or_default();
            format!("{fault} ({hint})")
        })
    }

    #[test]
    fn every_way_to_log_in_is_read() {
        let env = |name: &str| Source::Env(name.to_owned());
        let [read, write] = both(r#"{"token":{"env":"T"}}"#).unwrap();
        assert_eq!((&read, &write), (&Login::Token(env("T")), &Login::Token(env("T"))));
        let [read, _] = both(r#"{"role":"r","secret_id":{"env":"S"}}"#).unwrap();
        assert_eq!(read, Login::AppRole { role: "r".into(), secret_id: env("S"), mount: "approle".into() });
        let [read, _] = both(r#"{"login":"kubernetes","role":"r"}"#).unwrap();
        let pod = Source::File(SERVICE_ACCOUNT.into());
        assert_eq!(read, Login::Signed { role: "r".into(), jwt: pod, mount: "kubernetes".into() });
        let [read, write] =
            both(r#"{"read":{"token":{"env":"R"}},"write":{"role":"w","jwt":{"env":"J"},"mount":"/ci/"}}"#).unwrap();
        assert_eq!(read, Login::Token(env("R")));
        assert_eq!(write, Login::Signed { role: "w".into(), jwt: env("J"), mount: "ci".into() });
        let [read, write] = both(r#"{"token":{"env":"W"},"read":{"token":{"env":"R"}}}"#).unwrap();
        assert_eq!((read, write), (Login::Token(env("R")), Login::Token(env("W"))));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, named) in [
            (r#"{"login":"token"}"#, "needs `token`"),
            (r#"{"login":"approle","role":"r"}"#, "needs `secret_id`"),
            (r#"{"secret_id":{"env":"S"}}"#, "needs `role`"),
            (r#"{"login":"jwt","role":"r"}"#, "needs `jwt`"),
            (r#"{"login":"userpass"}"#, "no way to log in"),
        ] {
            let said = both(text).unwrap_err();
            assert!(said.contains(named) && said.contains('('), "{said}");
        }
    }
}
