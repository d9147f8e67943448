//! How our TLS connections are set up: one way, nothing to choose.

use std::sync::Arc;

use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage, UnbufferedServerConnection};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ServerConfig, version};
use truecopy_protocol::NodeId;

use super::identity::{PeerKey, certified};
use super::session::Session;
use super::{ALPN, Tls};
use crate::channel::buffers::Pool;
use crate::keys::KeyPair;

/// No TLS connection could be set up on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The provider cannot do TLS 1.3.
    #[error("the cryptography provider cannot do TLS 1.3")]
    Provider,
    /// The random source of the provider failed.
    #[error("the random source failed")]
    NoRandomness,
}

/// Everything that the connections of one key share. Clones are cheap.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    local: NodeId,
    pool: Pool,
}

impl TlsConfig {
    /// Connections that prove `key`, with the operating system's randomness and a buffer pool of their own.
    pub fn new(key: &KeyPair) -> Result<Self, TlsError> {
        Self::with(key, Arc::new(provider()), Pool::default())
    }

    /// Connections that prove `key`, with cryptography and buffers as given.
    ///
    /// Several configurations on one thread may share a pool. Everything random comes from the provider.
    pub fn with(key: &KeyPair, provider: Arc<CryptoProvider>, pool: Pool) -> Result<Self, TlsError> {
        let certified = certified(key);
        let any_key = Arc::new(PeerKey { expected: None, provider: provider.clone() });
        let mut client = ClientConfig::builder_with_details(provider.clone(), Arc::new(NoClock))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|_| TlsError::Provider)?
            .dangerous()
            .with_custom_certificate_verifier(any_key.clone())
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified.clone())));
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.enable_sni = false;
        client.resumption = Resumption::disabled();

        let mut server = ServerConfig::builder_with_details(provider, Arc::new(NoClock))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|_| TlsError::Provider)?
            .with_client_cert_verifier(any_key)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified)));
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { client: Arc::new(client), server: Arc::new(server), local: key.node_id(), pool })
    }

    /// The side that connected. With `expected`, any other key is refused before ours is shown.
    pub fn connect(&self, expected: Option<NodeId>) -> Result<Tls, TlsError> {
        let mut config = self.client.clone();
        if expected.is_some() {
            let provider = config.crypto_provider().clone();
            let verifier = Arc::new(PeerKey { expected, provider });
            Arc::make_mut(&mut config).dangerous().set_certificate_verifier(verifier);
        }
        // Never sent and never judged: the key is the name.
        let name = ServerName::from(std::net::Ipv4Addr::UNSPECIFIED);
        let session = UnbufferedClientConnection::new(config, name).map_err(|_| TlsError::NoRandomness)?;
        Ok(Tls::new(Session::Client(Box::new(session)), self.local, self.pool.clone()))
    }

    /// The side that was connected to. Any key may come; which, is told when it is proven.
    pub fn accept(&self) -> Result<Tls, TlsError> {
        let session =
            UnbufferedServerConnection::new(self.server.clone()).map_err(|_| TlsError::NoRandomness)?;
        Ok(Tls::new(Session::Server(Box::new(session)), self.local, self.pool.clone()))
    }
}

/// What we speak: X25519, and the faster of two ciphers first; the order of the connecting side counts.
pub fn provider() -> CryptoProvider {
    let (aes, chacha) = (
        aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
        aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    );
    CryptoProvider {
        cipher_suites: if has_aes() { vec![aes, chacha] } else { vec![chacha, aes] },
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    }
}

/// Whether the processor computes AES-GCM itself.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Raw keys have no dates and nothing is resumed, so no time is ever needed.
#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::ZERO))
    }
}
