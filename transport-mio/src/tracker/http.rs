//! One request over HTTP, to an address that was chosen before.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

/// From the first packet to the last.
const CALL_MAX: Duration = Duration::from_secs(20);
/// To a connection.
const CONNECT_MAX: Duration = Duration::from_secs(8);
/// Bytes of an answer that are looked at: four times what the largest can have.
const ANSWER_MAX: u64 = 64 << 10;
/// Bytes of an answer's header.
const HEADER_MAX: usize = 16 << 10;

/// An answer, whatever it says.
pub(super) struct Answer {
    pub(super) status: u16,
    /// How long we should wait, if it says so.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection, no handshake, not in time.
    NoAnswer(Error),
    /// It breaks HTTP, or is too large.
    Broken(Error),
}

impl Failure {
    pub(super) const fn error(&self) -> &Error {
        match self {
            Self::NoAnswer(error) | Self::Broken(error) => error,
        }
    }
}

/// Sends a body of JSON to the host of `url` at the address `at`. Follows no redirect: to nowhere, hence to no private
/// address either. Takes no proxy: the tracker must see where we come from.
pub(super) fn post(url: &str, at: SocketAddr, body: &str) -> Result<Answer, Failure> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent("truecopy")
        .accept("application/json")
        .max_response_header_size(HEADER_MAX)
        .max_idle_connections(0)
        .timeout_global(Some(CALL_MAX))
        .timeout_connect(Some(CONNECT_MAX));
    let config = if url.starts_with("https:") { config.tls_config(tls()) } else { config };
    let agent = Agent::with_parts(config.build(), DefaultConnector::default(), Chosen(at));
    let sent = agent.post(url).content_type("application/json").send(body);
    let mut response = sent.map_err(sort)?;
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(sort)?;
    Ok(Answer { status, retry_after, body })
}

fn sort(error: Error) -> Failure {
    match error {
        Error::BodyExceedsLimit(_) | Error::Protocol(_) | Error::LargeResponseHeader(..) | Error::Http(_) => {
            Failure::Broken(error)
        }
        error => Failure::NoAnswer(error),
    }
}

/// The certificates that this system trusts, read once, and the cryptography that the channel uses too.
fn tls() -> TlsConfig {
    static TLS: OnceLock<TlsConfig> = OnceLock::new();
    let make = || {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "the system's certificates cannot be read");
        }
        let roots = found.certs.iter().map(|der| Certificate::from_der(der).to_owned());
        TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots.collect())))
            .build()
    };
    TLS.get_or_init(make).clone()
}

/// The name is known already.
#[derive(Debug)]
struct Chosen(SocketAddr);

impl Resolver for Chosen {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}
