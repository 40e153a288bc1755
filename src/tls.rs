//! TLS for everybody who connects to a server: by AWS-LC, always verified, against the well-known authorities or the policy's own.
//! Never here: an option that verifies less.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::fault::Fault;
use crate::policy::meant::Tls;
use crate::port::probe::Secrets;
use crate::secret::Secret;
use crate::secret::Source;

/// The one implementation of cryptography, as for the envelope's ciphers: one is enough to follow.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// What a client shows, and whom it trusts: read once, for whoever builds a connection of it.
pub struct Papers {
    /// The authorities to trust instead of the well-known ones.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// Our own certificate, its chain behind it, and its key in PEM.
    pub own: Option<(Vec<CertificateDer<'static>>, Secret)>,
}

/// What is said of a key that is none.
pub(crate) const NO_KEY: &str = "the key is no private key in PEM";

/// Reads what the policy names.
///
/// # Errors
/// A certificate or key cannot be read.
pub fn papers(tls: Option<&Tls>, secrets: &dyn Secrets) -> Result<Papers, Fault> {
    let authorities = tls.and_then(|tls| tls.ca.as_ref()).map(|ca| certificates(ca, secrets)).transpose()?;
    let own = tls.and_then(|tls| Some((tls.cert.as_ref()?, tls.key.as_ref()?)));
    let own = own.map(|(cert, key)| Ok::<_, Fault>((certificates(cert, secrets)?, secrets.reveal(key)?)));
    Ok(Papers { authorities, own: own.transpose()? })
}

/// How a client shows who it is and whom it trusts.
///
/// # Errors
/// A certificate or key cannot be read, or does not fit.
pub fn client(tls: Option<&Tls>, secrets: &dyn Secrets) -> Result<ClientConfig, Fault> {
    papers(tls, secrets)?.client()
}

impl Papers {
    /// A client with these papers.
    ///
    /// # Errors
    /// They do not fit.
    pub fn client(self) -> Result<ClientConfig, Fault> {
        let wrong = |what: &str, why: &dyn std::fmt::Display| {
            Fault::ask_operator("prepare TLS", format!("{what}: {why}")).hint("look at the policy's `tls`")
        };
        let mut roots = RootCertStore::empty();
        match self.authorities {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(authorities) => {
                for certificate in authorities {
                    roots.add(certificate).map_err(|error| wrong("the authority", &error))?;
                }
            }
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("its versions", &error))?
            .with_root_certificates(roots);
        match self.own {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => {
                let key = key.lend(PrivateKeyDer::from_pem_slice);
                let key = key.map_err(|_| Fault::ask_operator("prepare TLS", NO_KEY))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| wrong("certificate and key", &error))
            }
        }
    }
}

fn certificates(source: &Source, secrets: &dyn Secrets) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let doing = format!("read the certificate in {source}");
    let pem = secrets.read(source)?;
    let all: Result<Vec<_>, _> = pem.lend(|bytes| CertificateDer::pem_slice_iter(bytes).collect());
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(Fault::ask_operator(doing, "there is no certificate in PEM in it")),
    }
}
