//! Encryption: the node's certificate and key, read from files that the operator names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why there is no encryption.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} has no {what} in PEM format", path.display())]
    File { path: PathBuf, what: &'static str, source: pem::Error },
    #[error("{} and {} do not go together", certificate.display(), key.display())]
    Pair { certificate: PathBuf, key: PathBuf, source: rustls::Error },
}

/// Reads a certificate, with those that vouch for it behind it, and its key: what a door answers with.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let lacks = |path: &Path, what| {
        let path = path.to_path_buf();
        move |source| TlsError::File { path, what, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(lacks(certificate, "certificate"))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(lacks(certificate, "certificate"))?;
    if chain.is_empty() {
        return Err(lacks(certificate, "certificate")(pem::Error::NoItemsFound));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(lacks(key, "private key"))?;
    let pair = |source| TlsError::Pair { certificate: certificate.to_path_buf(), key: key.to_path_buf(), source };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The first byte of a client that greets with TLS. No other protocol here begins with it.
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// Whether a client greets with TLS.
pub(crate) async fn begins_with_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0] == TLS_HANDSHAKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_there_or_hold_something_else_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (absent, other) = (dir.path().join("absent"), dir.path().join("other"));
        std::fs::write(&other, "no certificate").unwrap();
        for path in [absent, other] {
            let error = acceptor(&path, &path).err().unwrap().to_string();
            assert!(error.contains(path.to_str().unwrap()) && error.contains("no certificate in PEM"), "{error}");
        }
    }
}
