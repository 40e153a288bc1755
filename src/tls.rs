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
use crate::secret::Source;

/// The one implementation of cryptography, as for the envelope's ciphers: one is enough to follow.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// How a client shows who it is and whom it trusts.
///
/// # Errors
/// A certificate or key cannot be read, or does not fit.
pub fn client(tls: Option<&Tls>, secrets: &dyn Secrets) -> Result<ClientConfig, Fault> {
    let doing = "prepare TLS";
    let wrong = |what: &str, why: &dyn std::fmt::Display| Fault::ask_operator(doing, format!("{what}: {why}"));
    let mut roots = RootCertStore::empty();
    match tls.and_then(|tls| tls.ca.as_ref()) {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(source) => {
            for certificate in certificates(source, secrets)? {
                roots.add(certificate).map_err(|error| wrong("the authority", &error))?;
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("its versions", &error))?
        .with_root_certificates(roots);
    match tls.and_then(|tls| Some((tls.cert.as_ref()?, tls.key.as_ref()?))) {
        None => Ok(builder.with_no_client_auth()),
        Some((cert, key)) => {
            let chain = certificates(cert, secrets)?;
            let key = secrets.reveal(key)?.lend(PrivateKeyDer::from_pem_slice);
            let key = key.map_err(|_| wrong("the key", &"it is no private key in PEM"))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| wrong("certificate and key", &error))
        }
    }
}

fn certificates(source: &Source, secrets: &dyn Secrets) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let doing = format!("read the certificate in {source}");
    let pem = secrets.reveal(source)?;
    let all: Result<Vec<_>, _> = pem.lend(|bytes| CertificateDer::pem_slice_iter(bytes).collect());
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(Fault::ask_operator(doing, "there is no certificate in PEM in it")),
    }
}
