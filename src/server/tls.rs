//! HTTPS on the same port: a connection whose first byte begins a TLS handshake is one.
//!
//! A certificate is given, or made here: then it is kept in the data directory, so that clients that
//! were told to trust it go on doing so.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use service::{Family, Trouble};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What the first byte of a TLS connection is: a record of the handshake.
pub(crate) const HANDSHAKE: u8 = 0x16;
/// Where a certificate made here is kept, and its key.
const MADE: [&str; 2] = ["tls-certificate.pem", "tls-key.pem"];

/// Where a server's certificate is from.
#[derive(Clone, Debug)]
pub enum Certificate {
    /// Files in PEM.
    Given {
        /// The chain, the server's own first.
        chain: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Made here and kept in a directory.
    Made {
        /// The directory.
        dir: PathBuf,
        /// The names and addresses it is for.
        names: Vec<String>,
    },
}

/// Reads or makes a certificate. The path of the chain is what clients are told to trust.
pub(crate) fn acceptor(certificate: &Certificate) -> Result<(TlsAcceptor, PathBuf), Trouble> {
    let (chain, key) = match certificate {
        Certificate::Given { chain, key } => (chain.clone(), key.clone()),
        Certificate::Made { dir, names } => {
            let [chain, key] = MADE.map(|name| dir.join(name));
            if !chain.exists() || !key.exists() {
                make(names, &chain, &key)?;
            }
            (chain, key)
        }
    };
    let unread = |path: &Path, error: &dyn std::fmt::Display| {
        let why = format!("`{}` cannot be used: {error}", path.display());
        Trouble::new(Family::Refused, "InvalidCertificate", why)
            .advise("give a certificate chain and its private key, both in PEM, that belong together")
    };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&chain)
        .and_then(Iterator::collect)
        .map_err(|error| unread(&chain, &error))?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| unread(&key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unread(&chain, &error))?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(|error| unread(&chain, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), chain))
}

fn make(names: &[String], chain: &Path, key: &Path) -> Result<(), Trouble> {
    let failed = |error: &dyn std::fmt::Display| {
        Trouble::world(format_args!("making the certificate `{}`", chain.display()), error)
    };
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(&error))?;
    // The key first: a chain without its key would be taken for a certificate.
    write(key, &made.signing_key.serialize_pem(), 0o600).map_err(|error| failed(&error))?;
    write(chain, &made.cert.pem(), 0o644).map_err(|error| failed(&error))
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_was_made_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let made = Certificate::Made { dir: dir.path().to_owned(), names: vec!["localhost".to_owned()] };
        let (_, chain) = acceptor(&made).unwrap();
        let before = std::fs::read(&chain).unwrap();
        acceptor(&made).unwrap();
        assert_eq!(std::fs::read(&chain).unwrap(), before);
        let other = tempfile::tempdir().unwrap();
        let foreign = Certificate::Given { chain, key: other.path().join("none.pem") };
        let Err(trouble) = acceptor(&foreign) else { panic!("a key that is not there will not do") };
        assert_eq!(trouble.code, "InvalidCertificate");
    }
}
