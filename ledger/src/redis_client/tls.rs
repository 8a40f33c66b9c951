//! TLS of the connection that reads a stream. It trusts whom the other connections trust: the
//! system's certificates, or those that SSL_CERT_FILE and SSL_CERT_DIR name.

use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::TlsConnector;

use super::connect::unreachable;

/// TLS over a connection to a host.
pub(super) async fn over(socket: TcpStream, host: &str) -> Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // An address of IPv6 stands in brackets in a URL, not in a certificate.
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_string()).map_err(unreachable)?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(unreachable)
}
