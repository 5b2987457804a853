//! A connection to a broker of others: how it is made, and what goes wrong with it in words.

use std::sync::Arc;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, EventLoop, MqttOptions, StateError, TlsConfiguration, Transport,
};
use sql::bridge::Broker;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Down;
use crate::limits::{
    BRIDGE_CONNECT_TIMEOUT, BRIDGE_IN_FLIGHT_MAX, BRIDGE_KEEP_ALIVE, BRIDGE_PACKET_BYTES_MAX, BRIDGE_REQUESTS_MAX,
};

/// A client that acknowledges by hand. `clean`: the broker forgets what it knew of it.
pub(super) fn client(broker: &Broker, clean: bool) -> Result<(AsyncClient, EventLoop), Down> {
    let mut options = MqttOptions::new(&broker.client_id, &broker.address.host, broker.address.port);
    options.set_clean_session(clean);
    options.set_manual_acks(true);
    options.set_keep_alive(BRIDGE_KEEP_ALIVE);
    options.set_inflight(BRIDGE_IN_FLIGHT_MAX);
    options.set_max_packet_size(BRIDGE_PACKET_BYTES_MAX, BRIDGE_PACKET_BYTES_MAX);
    if let Some((user, password)) = &broker.user {
        options.set_credentials(user, &password.0);
    }
    if broker.address.encrypted {
        let config = TlsConfiguration::Rustls(Arc::new(encryption(broker.authorities.as_deref())?));
        options.set_transport(Transport::tls_with_config(config));
    }
    let (client, mut events) = AsyncClient::new(options, BRIDGE_REQUESTS_MAX);
    events.network_options.set_connection_timeout(BRIDGE_CONNECT_TIMEOUT.as_secs());
    // Acknowledgements are small, and what they make room for waits for them.
    events.network_options.set_tcp_nodelay(true);
    Ok((client, events))
}

/// What makes sure of the broker: `authorities` vouch for it, in PEM, else those whom this machine trusts.
fn encryption(authorities: Option<&str>) -> Result<ClientConfig, Down> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| Down(format!("option ca is not PEM: {error}")))?;
                roots.add(certificate).map_err(|error| Down(format!("a certificate of option ca is none: {error}")))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(Down(
            "there are no certificates of who may vouch for the broker: name them with option ca".to_owned(),
        ));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| Down(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl From<ConnectionError> for Down {
    fn from(error: ConnectionError) -> Down {
        use ConnectReturnCode as Code;
        Down(match error {
            ConnectionError::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => {
                "the broker refuses user and password".to_owned()
            }
            ConnectionError::ConnectionRefused(Code::BadClientId) => "the broker refuses the client id".to_owned(),
            ConnectionError::ConnectionRefused(code) => format!("the broker refuses the connection: {code:?}"),
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => "the broker does not answer".to_owned(),
            ConnectionError::MqttState(StateError::ConnectionAborted) => {
                "the broker has ended the connection".to_owned()
            }
            other => format!("the connection to the broker: {other}"),
        })
    }
}
